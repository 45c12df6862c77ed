# A gate before java-all-versions that mistreats hellos as some servers do. The certificate is that of the server
# behind it.
# shellcheck shell=bash

gate_start() {
  local rules=() rule address when action
  for rule in '127.20.0.92 offers-1.3 close' '127.20.0.93 offers-1.3 alert-70' '127.20.0.94 always one-byte-records' \
    '127.20.0.95 no-server-name alert-40'; do
    read -r address when action <<<"$rule"
    rules+=("{\"listen\": [\"$address\", 2376], \"before\": [\"127.20.0.16\", 2376], \"when\": \"$when\", \"then\": \"$action\"}")
  done
  (IFS=,; echo "[${rules[*]}]") >"$CONF/gates.json"
  start gate python3 "$LAB/programs/gate.py" "$CONF/gates.json"
  ready_when gate accepts 127.20.0.92 2376
  ready_when gate accepts 127.20.0.95 2376
}
