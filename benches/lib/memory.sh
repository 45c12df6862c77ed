# What one more endpoint costs in memory: docksweep on 1,000 and on 3,000 Docker-like endpoints. Both are more than
# are probed at once, whose buffers are none of what is kept.
# shellcheck shell=bash

MANY=1000
MORE=3000

memory_docksweep=(docksweep scan -i target/bench/fleet.targets --rate max -q -o target/bench/fleet.json)

measure_memory() {
  local size round complete
  for size in $MORE $MANY; do
    say "memory: $RUNS runs on $size endpoints"
    start_fleet "$size"
    for round in $(seq "$RUNS"); do
      once "memory-$size" 0 "${memory_docksweep[@]}"
      complete=$(python3 benches/lib/complete.py fleet target/bench/fleet.json)
      [ "$complete" -eq "$size" ] || die "run $round has $complete complete verdicts of $size"
    done
    stop_fleet
  done
  report_memory
}

# start_fleet SIZE [FIRST_ADDRESS]: what listens is then in fleet.targets.
start_fleet() {
  local line
  coproc FLEET { exec "$EXAMPLES/bench_fleet" "$@"; }
  # shellcheck disable=SC2153 # set by coproc
  FLEET_ID=$FLEET_PID
  exec {FLEET_OUT}<&"${FLEET[0]}" {FLEET_IN}>&"${FLEET[1]}"
  : >"$WORK/fleet.targets"
  while read -r line <&"$FLEET_OUT"; do
    [ "$line" != READY ] || return 0
    echo "$line" >>"$WORK/fleet.targets"
  done
  die "bench_fleet does not start"
}

stop_fleet() {
  [ -n "${FLEET_ID:-}" ] || return 0
  # It ends when its input does; its end of the pipe is also bash's own.
  kill "$FLEET_ID" 2>/dev/null || true
  exec {FLEET_IN}>&- {FLEET_OUT}<&-
  wait "$FLEET_ID" 2>/dev/null || true
  FLEET_ID=
}

report_memory() {
  local each
  each=$(calc "($(kib memory-$MORE) - $(kib memory-$MANY)) / ($MORE - $MANY)")
  echo "### Memory an endpoint (half plain HTTP, half TLS, real engines' answers, on loopback)"
  echo
  echo '| endpoints | median s | spread s | peak MiB | runs |'
  echo '|---:|---:|---:|---:|---:|'
  local size
  for size in $MANY $MORE; do
    printf '| %s | %s | %s | %s | %s |\n' "$size" "$(calc "$(seconds "memory-$size")")" "$(spread "memory-$size")" \
      "$(calc "$(kib "memory-$size") / 1024" %.1f)" "$(runs "memory-$size")"
  done
  commands "${memory_docksweep[*]}"
  bar "$each < 20" "less than 20 KiB an endpoint ($(calc "$each" %.1f) KiB)"
  echo
}
