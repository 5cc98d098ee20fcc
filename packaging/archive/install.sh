#!/bin/sh
# Installs DaemonEye from this archive: no network, no compiler, no package manager.
#
#   ./install.sh              installs, or upgrades what an earlier archive installed; needs root
#   ./install.sh --check      only compares every file with SHA256SUMS
#   ./install.sh --uninstall  stops both services and removes the programs; settings, data and accounts stay
#   ./install.sh --purge      removes those, too
set -eu

here=$(cd "$(dirname "$0")" && pwd)
readonly here list=/usr/share/daemoneye/installed-files
readonly config=/etc/daemoneye/config.yaml

die() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}
say() { printf 'install.sh: %s\n' "$*"; }
has_systemd() { [ -d /run/systemd/system ]; }
add_user() {
  getent passwd "$1" >/dev/null ||
    useradd --system --user-group --home-dir "$2" --no-create-home --shell /usr/sbin/nologin "$1"
}

check() {
  (cd "$here" && sha256sum --quiet --check SHA256SUMS) ||
    die "this archive is damaged or was changed; nothing was installed. Fetch it again and compare its checksum"
}

refuse_packages() {
  if command -v dpkg-query >/dev/null && dpkg-query -W -f '${db:Status-Status}' daemoneye 2>/dev/null | grep -qx installed; then
    die "the package daemoneye is installed here: upgrade it with dpkg -i, or remove it first"
  fi
  if command -v rpm >/dev/null && rpm -q daemoneye >/dev/null 2>&1; then
    die "the package daemoneye is installed here: upgrade it with rpm -U, or remove it first"
  fi
}

# A new file beside the old one, then renamed: a program that runs is not written to.
copy_files() {
  new=$(mktemp)
  (cd "$here/files" && find . -type f) | cut -c2- | sort >"$new"
  while read -r file; do
    mode=0644
    [ ! -x "$here/files$file" ] || mode=0755
    target=$file
    if [ "$file" = "$config" ] && [ -e "$config" ] && ! cmp -s "$config" "$here/files$file"; then
      target=$config.new
      say "$config was edited and stays; the new sample is $target"
    fi
    install -d -m 0755 "$(dirname "$target")"
    install -m "$mode" "$here/files$file" "$target.part"
    mv "$target.part" "$target"
  done <"$new"
  install -d -m 0755 /etc/daemoneye/rules.d
  # What an earlier version had and this one has not.
  if [ -f "$list" ]; then
    grep -vxFf "$new" "$list" | while read -r file; do rm -f "$file"; done
  fi
  install -m 0644 "$new" "$list"
  rm "$new"
}

create_accounts() {
  if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers daemoneye.conf
  else
    add_user procmond /nonexistent
    add_user daemoneye /var/lib/daemoneye
    getent group daemoneye-admin >/dev/null || groupadd --system daemoneye-admin
  fi
  install -d -o daemoneye -g daemoneye -m 0711 /var/lib/daemoneye
  install -d -o procmond -g daemoneye -m 0700 /var/lib/daemoneye/spool /var/lib/daemoneye/collect
  install -d -o procmond -g daemoneye -m 0750 /var/lib/daemoneye/ledger
}

install_all() {
  check
  refuse_packages
  copy_files
  create_accounts
  if has_systemd; then
    systemctl daemon-reload
    # The agent first when it stops: it would raise an alert about a collector that is gone.
    systemctl stop daemoneye-agent.service procmond.service
    systemctl enable --now procmond.service daemoneye-agent.service
    say "installed; both services run. Try: daemoneye-cli health"
  else
    say "installed. systemd does not run here: have /usr/sbin/daemoneye-agent and /usr/sbin/procmond started by root"
  fi
}

uninstall() {
  [ -f "$list" ] || die "no archive was installed here (there is no $list)"
  if has_systemd; then systemctl disable --now daemoneye-agent.service procmond.service || true; fi
  grep -vxF "$config" "$list" | while read -r file; do rm -f "$file"; done
  rm -f "$list"
  rmdir /usr/share/daemoneye/rules /usr/share/daemoneye/systemd /usr/share/daemoneye /usr/share/doc/daemoneye \
    /usr/libexec/daemoneye 2>/dev/null || true
  if has_systemd; then systemctl daemon-reload; fi
}

purge() {
  uninstall
  rm -rf /var/lib/daemoneye /var/log/daemoneye /run/daemoneye /etc/daemoneye
  for user in procmond daemoneye; do
    if getent passwd "$user" >/dev/null; then userdel "$user"; fi
  done
  for group in procmond daemoneye daemoneye-admin; do
    if getent group "$group" >/dev/null; then groupdel "$group"; fi
  done
}

case "${1:-}" in
  --check) check && say "every file is as it was packed" && exit ;;
  '' | --uninstall | --purge) ;;
  *)
    printf 'usage: ./install.sh [--check|--uninstall|--purge]\n' >&2
    exit 2
    ;;
esac
[ "$(id -u)" -eq 0 ] || die "needs root: sudo ./install.sh ${1:-}"
umask 022
case "${1:-}" in
  '') install_all ;;
  --uninstall) uninstall && say "removed; /etc/daemoneye, /var/lib/daemoneye and the accounts are still there" ;;
  --purge) purge && say "removed, with settings, data and accounts" ;;
esac
