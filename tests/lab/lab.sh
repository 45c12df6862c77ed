#!/usr/bin/env bash
# lab.sh up|down|status: real Docker, Podman, nginx, HAProxy, OpenSSL, Java and SSH servers on 127.20.0.N
# (and ::1) for docksweep to be tested against. truth.json says what each of them is.
set -euo pipefail

# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=certificates.sh
. "$LAB/certificates.sh"

# A server kind is a file that defines KIND_certificates and KIND_start, and KIND_clean where the state
# lies outside the lab's own directories. The order is that of starting.
SERVER_KINDS=(authz dockerd settings podman java nginx haproxy openssl stunnel gate misc)
for kind in "${SERVER_KINDS[@]}"; do
  # shellcheck source=/dev/null
  . "$LAB/servers/$kind.sh"
done

MAX_AGE_HOURS=12   # then the certificates' dates no longer say what truth.json says

have_ipv6() { grep -q '^00000000000000000000000000000001' /proc/net/if_inet6 2>/dev/null; }

sources_sum() { (cd "$LAB" && cat ./*.sh servers/*.sh programs/* | sha256sum | cut -d' ' -f1); }

is_up() {
  local file
  [ "$(cat "$STATE/up" 2>/dev/null)" = "$(sources_sum)" ] || return 1
  [ -z "$(find "$STATE/up" -mmin "+$((MAX_AGE_HOURS * 60))")" ] || return 1
  for file in "$PIDS"/*; do alive "${file##*/}" || return 1; done
}

up() {
  if is_up; then return; fi
  local missing=() program kind
  for program in dockerd podman nginx haproxy sshd openssl stunnel python3 java curl rootlesskit newuidmap; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  id "$LAB_USER" >/dev/null 2>&1 || missing+=("the user $LAB_USER")
  [ ${#missing[@]} -eq 0 ] || die "missing ${missing[*]}: run tests/lab/install.sh first"
  have_ipv6 || echo "lab: no ::1 here; the two servers on it are left out" >&2

  down_locked
  mkdir -p "$CERTS" "$CONF" "$DATA" "$LOGS" "$PIDS"
  mkdir -m 711 "$RUN"
  echo "$STATE" >"$RUN/owner"
  # From here on a failure anywhere leaves nothing but the logs.
  trap 'echo "lab: not up; the logs are in $LOGS" >&2; stop_everything; remove_state keep-logs' EXIT
  certificates
  for kind in "${SERVER_KINDS[@]}"; do "${kind}_start"; done
  wait_until_ready
  sources_sum >"$STATE/up"
  trap - EXIT
}

down_locked() {
  rm -f "$STATE/up"
  stop_everything
  remove_state with-logs
}

status() {
  local file dead=0
  for file in "$PIDS"/*; do
    [ -e "$file" ] || { echo "the lab is down"; return 3; }
    if alive "${file##*/}"; then echo "running  ${file##*/}"; else echo "dead     ${file##*/}"; dead=1; fi
  done
  return $dead
}

[ $# -eq 1 ] || die "usage: lab.sh up|down|status"
[ "$1" != status ] || { status; exit; }
[ "$(id -u)" -eq 0 ] || die "dockerd needs root"

mkdir -p "$STATE"
STATE=$(readlink -f "$STATE")
CERTS=$STATE/certs CONF=$STATE/conf DATA=$STATE/data LOGS=$STATE/logs PIDS=$STATE/pids
# Tests that start at the same time take turns; the second finds the lab up.
exec 9>/run/docksweep-lab.lock
flock -w 120 9 || die "another lab.sh has been busy for two minutes"
owner=$(cat "$RUN/owner" 2>/dev/null || true)
if [ -n "$owner" ] && [ "$owner" != "$STATE" ] && [ -d "$owner/pids" ]; then
  die "the lab of $owner is up, on the same addresses: DOCKSWEEP_LAB_DIR=$owner $0 down"
fi

case $1 in
  up) up ;;
  down) down_locked; rmdir "$STATE" 2>/dev/null || true ;;
  *) die "usage: lab.sh up|down|status" ;;
esac
