# Keeping a run against the sqlite3 shell's import of the same rows, and comparing two runs against reading
# one of them through with jq. The reports are the one of 1,000 endpoints that measure_memory leaves, many
# times over on addresses of their own.
# shellcheck shell=bash

KEPT=${KEPT:-100000}

history_ours=(target/release/examples/bench_history target/bench/before.json target/bench/nights.db)
history_shell=(sh -c 'sqlite3 target/bench/copy.db <target/bench/rows.sql')
diff_files=(docksweep diff target/bench/before.json target/bench/after.json --format json)
diff_runs=(docksweep diff 1 2 --history target/bench/nights.db --format json)
diff_jq=(jq -c '.endpoints[]' target/bench/before.json)

compare_history() {
  local round
  command -v sqlite3 >/dev/null || apt_install sqlite3
  cargo build --release --locked --quiet --example bench_history
  history_ours[0]=$EXAMPLES/bench_history
  say "history: $SLOW_RUNS runs on $KEPT endpoints"
  python3 benches/lib/nights.py target/bench/fleet.json "$((KEPT / MANY))" target/bench/before.json target/bench/after.json
  for round in $(seq "$SLOW_RUNS"); do
    say "history: run $round"
    rm -f target/bench/nights.db* target/bench/copy.db*
    inserted_once
    if [ ! -e target/bench/rows.sql ]; then sqlite3 target/bench/nights.db .dump >target/bench/rows.sql; fi
    once history-shell 0 "${history_shell[@]}"
    [ "$(rows target/bench/copy.db)" = "$(rows target/bench/nights.db)" ] || die 'the copy has other rows'
    once diff-files 0 "${diff_files[@]}"
    once diff-jq 0 "${diff_jq[@]}"
    # jq's output is of no use, and large.
    : >"$WORK/diff-jq.out"
  done
  docksweep history import target/bench/after.json --history target/bench/nights.db >/dev/null
  for round in $(seq "$SLOW_RUNS"); do
    once diff-runs 0 "${diff_runs[@]}"
    [ "$(jq '.changed | length' "$WORK/diff-runs.out")" = "$(jq '.changed | length' "$WORK/diff-files.out")" ] ||
      die 'runs and reports differ in what changed'
  done
  report_history
  rm -f target/bench/{before,after}.json target/bench/{nights,copy}.db* target/bench/rows.sql
}

# As once, with the time that the program says it took without reading the report.
inserted_once() {
  once history-ours 0 "${history_ours[@]}"
  sed -i '$d' "$WORK/history-ours.runs"
  printf '%s %s\n' "$(cut -d' ' -f2 "$WORK/history-ours.out")" "$(cat "$WORK/peak")" >>"$WORK/history-ours.runs"
  [ "$(cut -d' ' -f1 "$WORK/history-ours.out")" = "$KEPT" ] || die 'not all endpoints were kept'
}

rows() { sqlite3 "$1" 'SELECT (SELECT count(*) FROM finding), (SELECT count(*) FROM seen)'; }

report_history() {
  local size
  size=$(stat -c %s target/bench/nights.db)
  echo "### Keeping a run of $KEPT endpoints, and comparing two"
  echo
  table_head
  row 'docksweep, keeping (from the first row to the commit)' history-ours history-ours
  row 'sqlite3 shell, importing the same rows' history-shell history-ours
  row 'docksweep diff, two reports' diff-files diff-files
  row 'docksweep diff, two runs of the history' diff-runs diff-files
  row 'jq, which only reads and writes one of the reports' diff-jq diff-files
  commands "${history_ours[*]}" 'sqlite3 target/bench/copy.db <target/bench/rows.sql' "${diff_files[*]}" \
    "${diff_runs[*]}" "${diff_jq[*]}"
  bar "$(seconds history-ours) <= 3 * $(seconds history-shell)" 'a run is kept in at most 3 times the shell'"'"'s time'
  bar "$(seconds diff-files) <= $(seconds diff-jq)" 'two reports are compared no slower than jq reads one'
  bar "$(seconds diff-runs) <= $(seconds diff-jq)" 'so are two runs of the history'
  echo
  echo "Two runs take $(calc "$size / 1048576" %.0f) MiB in the history."
  echo
}
