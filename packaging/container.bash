# Sourced by packaging/check_service: a systemd that boots over this host's own root, copy-on-write.
# Expects die() and note(). Leaves in $machine the directory of it all: image/ is its root, upper/ what it changed.
# shellcheck shell=bash

machine=
nspawn_pid=
leader=

make_machine() {
  command -v systemd-nspawn >/dev/null || die "needs systemd-nspawn: apt-get install systemd-container"
  machine=$(mktemp -d /tmp/de-machine.XXXXXX)
  mount -t tmpfs -o size=2g,mode=0755 de-machine "$machine" || die "could not mount a tmpfs"
  mkdir "$machine"/{upper,work,image}
  mount -t overlay -o "lowerdir=/,upperdir=$machine/upper,workdir=$machine/work" de-machine "$machine/image" ||
    die "could not mount an overlay"
  # Whatever else this host runs stays out.
  local unit
  systemctl --root="$machine/image" list-unit-files --state=enabled --no-legend --plain 2>/dev/null |
    while read -r unit _; do
      case $unit in
        systemd-* | dbus* | *.target) ;;
        *) systemctl --root="$machine/image" mask "$unit" >/dev/null 2>&1 ;;
      esac
    done
  systemctl --root="$machine/image" set-default multi-user.target >/dev/null 2>&1
  mkdir -p "$machine/image/var/log/journal"
  rm -f "$machine/image/usr/sbin/policy-rc.d"  # Of images that start no services.
}

# inside COMMAND...: runs it in the container.
inside() { nsenter -t "$leader" -m -u -i -n -p -C -- "$@"; }

is_up() { [[ "$(inside systemctl is-system-running 2>/dev/null)" =~ ^(running|degraded)$ ]]; }

boot() {
  local i
  # All capabilities and these system calls, because what the container lacks its units lack.
  local landlock="landlock_create_ruleset landlock_add_rule landlock_restrict_self"
  systemd-nspawn -q -D "$machine/image" --boot --register=no --keep-unit --machine=de-check --link-journal=no \
    --console=pipe --capability=all --system-call-filter="bpf perf_event_open $landlock" \
    </dev/null >"$machine/boot.log" 2>&1 &
  nspawn_pid=$!
  for ((i = 0; i < 200; i++)); do
    leader=$(pgrep -P "$nspawn_pid" | head -n 1)
    if [ -n "$leader" ] && is_up; then return 0; fi
    kill -0 "$nspawn_pid" 2>/dev/null || break
    sleep 0.1
  done
  note "the container did not boot:"
  sed 's/^/   /' "$machine/boot.log" >&2
  return 1
}

shut_down() {
  [ -n "$leader" ] || return 0
  inside systemctl poweroff >/dev/null 2>&1
  local i
  for ((i = 0; i < 300; i++)); do
    kill -0 "$nspawn_pid" 2>/dev/null || break
    sleep 0.1
  done
  if kill -0 "$nspawn_pid" 2>/dev/null; then
    note "the container did not shut down within 30 s and was killed"
    kill -9 "$leader" "$nspawn_pid" 2>/dev/null
  fi
  wait "$nspawn_pid" 2>/dev/null
  leader=
}

remove_machine() {
  trap - EXIT
  shut_down
  if mountpoint -q "$machine/image"; then umount "$machine/image" || umount -l "$machine/image"; fi
  if mountpoint -q "$machine"; then umount "$machine" || umount -l "$machine"; fi
  rmdir "$machine" 2>/dev/null
}
