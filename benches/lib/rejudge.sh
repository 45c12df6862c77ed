# Judging a stored report again, against reading it through with jq. The report is the one of 1,000 endpoints
# that measure_memory leaves, many times over.
# shellcheck shell=bash

STORED=100000

rejudge_docksweep=(docksweep report target/bench/stored.json -o target/bench/again.json)
rejudge_jq=(jq -c '.endpoints[]' target/bench/stored.json)

compare_rejudging() {
  local round
  say "re-judging: $SLOW_RUNS runs on $STORED endpoints"
  python3 benches/lib/repeat.py target/bench/fleet.json "$((STORED / MANY))" >target/bench/stored.json
  for round in $(seq "$SLOW_RUNS"); do
    say "re-judging: run $round"
    once rejudge-docksweep 0 "${rejudge_docksweep[@]}"
    once rejudge-jq 0 "${rejudge_jq[@]}"
    # jq's output is of no use, and large.
    : >"$WORK/rejudge-jq.out"
  done
  rm -f target/bench/stored.json target/bench/again.json
  report_rejudging
}

report_rejudging() {
  echo "### Judging $STORED stored endpoints again"
  echo
  table_head
  row docksweep rejudge-docksweep rejudge-docksweep
  row 'jq, which only reads and writes them' rejudge-jq rejudge-docksweep
  commands "${rejudge_docksweep[*]}" "${rejudge_jq[*]}"
  bar "$(seconds rejudge-docksweep) <= $(seconds rejudge-jq)" 'no slower than jq'
  bar "$(kib rejudge-docksweep) <= 200 * 1024" "at most 200 MiB ($(calc "$(kib rejudge-docksweep) / 1024" %.1f) MiB)"
  echo
}
