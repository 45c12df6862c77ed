#!/usr/bin/env bash
# serve.sh certificates|KIND...: what a service of docker-compose.test.yml runs in its container. The servers are
# described where lab.sh has them, in ../servers; here is only what is different in containers.
set -euo pipefail

# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=../certificates.sh
. "$LAB/certificates.sh"
SERVER_KINDS=()
for file in "$LAB"/servers/*.sh; do
  # shellcheck source=/dev/null
  . "$file"
  SERVER_KINDS+=("$(basename "$file" .sh)")
done

# As in lab.sh.
have_ipv6() { grep -q '^00000000000000000000000000000001' /proc/net/if_inet6 2>/dev/null; }

# The state directory is the machine's, shared by all services. Through the pid files in it `lab.sh status` and the
# tests see these servers like lab.sh's own: the process numbers are the machine's too (`pid: host`).
SHARED_PIDS=$PIDS

make_certificates() {
  local file running=
  for file in "$PIDS"/*; do
    if [ -e "$file" ] && alive "${file##*/}"; then running=yes; fi
  done
  if [ -n "$running" ]; then
    [ ! -e "$STATE/up" ] || die "lab.sh's lab is up, on the same addresses: tests/lab/lab.sh down"
    return 0   # a second `docker-compose up`: the servers that run keep their certificates
  fi
  rm -rf "$STATE/up" "$CERTS" "$LOGS" "$PIDS"
  mkdir -p "$CERTS" "$LOGS" "$PIDS"
  certificates
}

serve() {
  local kind file
  kinds=("$@")
  for kind in "${kinds[@]}"; do
    declare -F "${kind}_start" >/dev/null || die "no server kind $kind in $LAB/servers"
  done
  # The container's own, and gone with it.
  STATE=/var/lib/docksweep-lab
  CONF=$STATE/conf DATA=$STATE/data PIDS=$RUN/pids
  rm -rf "$STATE" "$RUN"
  mkdir -p "$CONF" "$DATA" "$PIDS"
  trap leave EXIT
  trap 'exit 0' TERM INT
  for kind in "${kinds[@]}"; do "${kind}_start"; done
  wait_until_ready
  cp "$PIDS"/* "$SHARED_PIDS/"
  touch "$RUN/ready"
  # Until one of them ends, which none should, or the container is stopped.
  wait -n || true
  for file in "$PIDS"/*; do
    alive "${file##*/}" || echo "lab: ${file##*/} ended; its log is $LOGS/${file##*/}.log" >&2
  done
  exit 1
}

leave() {
  local code=$? file kind
  trap '' TERM INT
  for file in "$PIDS"/*; do rm -f "$SHARED_PIDS/${file##*/}"; done
  stop_everything
  for kind in "${kinds[@]}"; do
    if declare -F "${kind}_clean" >/dev/null; then "${kind}_clean"; fi
  done
  rm -rf "$RUN"
  exit "$code"
}

case ${1:-} in
  '') die "usage: serve.sh certificates|KIND..." ;;
  certificates) make_certificates ;;
  *) serve "$@" ;;
esac
