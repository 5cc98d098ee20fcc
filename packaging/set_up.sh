# Sourced by packaging/try and packaging/check: what both need before they can do anything.
# Expects $root, the repository. Sets the compiler cache so that a second clone of the sources hits it.
# shellcheck shell=bash

export CCACHE_BASEDIR="$root"
export CCACHE_NOHASHDIR=1
export DEBIAN_FRONTEND=noninteractive
jobs=${JOBS:-$(nproc)}

# Messages go to standard error, so that standard output carries results only.
heading() { printf '\n== %s\n' "$*" >&2; }
note() { printf '   %s\n' "$*" >&2; }
die() {
  printf '\n%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

missing_packages() {
  local package
  sed -e 's/#.*//' "$root/packaging/debian-packages.txt" | tr -s '[:space:]' '\n' | grep . | while read -r package; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s\n' "$package"
  done
}

# Installs what packaging/debian-packages.txt asks for and this host lacks; does nothing when all is there.
install_packages() {
  command -v dpkg-query >/dev/null || die "needs Debian 12 or a relative of it (there is no dpkg-query here)"
  local missing
  missing=$(missing_packages | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  heading "Install: $missing"
  if [ "$(id -u)" -ne 0 ]; then
    die "these packages are missing and only root can install them:
  sudo apt-get install --no-install-recommends $missing"
  fi
  apt-get update -qq >&2 || note "apt-get update failed; trying with the package lists this host has"
  # shellcheck disable=SC2086 # a list of words
  apt-get install -y -qq --no-install-recommends $missing >&2 || die "apt-get could not install: $missing"
}
