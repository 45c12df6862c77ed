# Installing Debian packages that are missing.
# shellcheck shell=bash

# apt_install PACKAGE...: quiet unless it fails. Services among the packages are not started: a policy-rc.d
# that says no keeps them from it, with and without systemd.
apt_install() {
  local fix="apt-get install $*" log saved='' policy=/usr/sbin/policy-rc.d status=0
  command -v apt-get >/dev/null || { echo "missing, and no apt-get here: $*" >&2; return 1; }
  [ "$(id -u)" -eq 0 ] || { echo "missing: $*; as root: $fix" >&2; return 1; }
  echo "installing: $*" >&2
  log=$(mktemp)
  if [ -e "$policy" ] || [ -L "$policy" ]; then
    saved=$policy.before-docksweep
    mv "$policy" "$saved"
  fi
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  # The package lists are only fetched where those at hand do not do.
  apt_get "$@" >"$log" 2>&1 || { apt-get -q update && apt_get "$@"; } >>"$log" 2>&1 || status=$?
  rm -f "$policy"
  [ -z "$saved" ] || mv "$saved" "$policy"
  if [ $status -ne 0 ]; then
    echo "failed: $fix; the end of its output:" >&2
    tail -n 20 "$log" >&2
  fi
  rm -f "$log"
  return $status
}

apt_get() { DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "$@"; }
