# For the scripts beside it: our daemons in a private directory with the shipped rules, and what they use. Sourced.
# shellcheck shell=bash
#
# The caller sets $bin (where the programs are), $rules and $work (a directory of its own) first.
# shellcheck disable=SC2154

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}
note() { printf '   %s\n' "$*" >&2; }

# usage: the comment at the top of the script that was called.
usage() {
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

agent_pid=
procmond_pid=
settle_seconds=3

need_programs() {
  local program
  [ "$(id -u)" -eq 0 ] || die "takes root: without it processes are not seen in the kernel"
  for program in procmond daemoneye-agent daemoneye-cli load; do
    [ -x "$bin/$program" ] || die "no $bin/$program; build it: cmake --preset release && cmake --build --preset release"
  done
}

cli() { "$bin/daemoneye-cli" --state-dir "$work/state" "$@"; }

# wait_until SECONDS COMMAND...
wait_until() {
  local i n=$(($1 * 10))
  shift
  for ((i = 0; i < n; i++)); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.1
  done
  return 1
}

# health_detail COMPONENT: what health says of it.
health_detail() { cli --output csv health 2>/dev/null | sed -n "s/^$1,[a-z]*,\"\{0,1\}\([^\"\r]*\).*/\1/p" | head -n 1; }
# counter NAME: of procmond's last scan; 0 when there is none.
counter() {
  local value
  value=$(health_detail "collector.procmond.$1")
  printf '%s' "${value:-0}"
}
sees_by_bpf() { [ "$(counter events)" = bpf ]; }

start_agent() {
  "$bin/daemoneye-agent" --foreground --state-dir "$work/state" \
    --set 'collectors=[{id: procmond, heartbeat_interval_secs: 1}]' </dev/null >>"$work/agent.err" 2>&1 &
  agent_pid=$!
  wait_until 20 test -S "$work/state/broker.sock" || die "the agent does not listen: $(tail -n 1 "$work/agent.err")"
}
start_procmond() {
  "$bin/procmond" --state-dir "$work/state" --broker "$work/state/broker.sock" </dev/null \
    >>"$work/procmond.err" 2>&1 &
  procmond_pid=$!
}
# With the shipped rules, until both are at work; the first scan and its hashes take a while.
start_daemons() {
  rm -rf "$work/state"
  chmod 0755 "$work"
  mkdir -p "$work/state"
  cp -r "$rules" "$work/state/rules.d" && chmod -R u=rwX,go=rX "$work/state/rules.d"
  start_agent
  start_procmond
  wait_until 30 sees_by_bpf || die "procmond does not see processes by BPF: $(counter events) $(tail -n 1 "$work/procmond.err")"
  sleep "$settle_seconds"
}

is_gone() { ! kill -0 "$1" 2>/dev/null; }
# stop PID
stop() {
  [ -n "$1" ] || return 0
  kill "$1" 2>/dev/null
  wait_until 20 is_gone "$1" || kill -9 "$1" 2>/dev/null
  wait "$1" 2>/dev/null
}
stop_daemons() {
  stop "$procmond_pid"
  stop "$agent_pid"
  procmond_pid=
  agent_pid=
}

# cpu_of PID: user and system time so far, in milliseconds.
cpu_of() {
  sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk -v hz="$(getconf CLK_TCK)" '{ print $12 * 1000 / hz, $13 * 1000 / hz }'
}
# rss_kb PID
rss_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status" 2>/dev/null; }

# Of the line that load prints: processes a second, microseconds of its own CPU for each.
rate_of() { sed -n 's/.* \([0-9]*\)\/s.*/\1/p' <<<"$1"; }
load_us_of() { sed -n 's/.* \([0-9]*\) us CPU.*/\1/p' <<<"$1"; }

# median NUMBER...
median() { printf '%s\n' "$@" | sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
