# Installing Debian packages that are missing.
# shellcheck shell=bash

# apt_install PACKAGE...: quiet unless it fails. Services among the packages are not started: a policy-rc.d
# that says no keeps them from it, with and without systemd. A subshell, so that its traps put back what was
# there also when it is interrupted.
apt_install() (
  fix="apt-get install $*" policy=/usr/sbin/policy-rc.d saved=''
  command -v apt-get >/dev/null || { echo "missing, and no apt-get here: $*" >&2; exit 1; }
  [ "$(id -u)" -eq 0 ] || { echo "missing: $*; as root: $fix" >&2; exit 1; }
  echo "installing: $*" >&2
  log=$(mktemp)
  # shellcheck disable=SC2317 # the trap calls it
  put_back() {
    rm -f "$log" "$policy"
    if [ -n "$saved" ]; then mv "$saved" "$policy"; fi
  }
  if [ -e "$policy" ] || [ -L "$policy" ]; then
    saved=$policy.before-docksweep
    mv "$policy" "$saved"
  fi
  trap put_back EXIT
  trap 'exit 130' INT TERM
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  # The package lists are only fetched where those at hand do not do.
  if ! { apt_get "$@" || { apt-get -q update && apt_get "$@"; }; } >"$log" 2>&1; then
    echo "failed: $fix; the end of its output:" >&2
    tail -n 20 "$log" >&2
    exit 1
  fi
)

apt_get() { DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "$@"; }
