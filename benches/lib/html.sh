# The HTML report of 10,000 endpoints, against reading the same report's JSON with jq; what it weighs, and how
# long a browser takes with it. The report is the one of 1,000 endpoints that measure_memory leaves, ten times
# over, each endpoint at an address of its own.
# shellcheck shell=bash

PAGED=10000

html_docksweep=(docksweep report target/bench/paged.json -o target/bench/paged.html)
html_jq=(jq . target/bench/paged.json)
html_browser=(python3 benches/lib/first_paint.py target/bench/paged.html)

measure_html() {
  local round
  say "HTML: $RUNS runs on $PAGED endpoints"
  python3 benches/lib/repeat.py target/bench/fleet.json "$((PAGED / MANY))" --apart >target/bench/paged.json
  for round in $(seq "$RUNS"); do
    say "HTML: run $round"
    once html-docksweep 0 "${html_docksweep[@]}"
    once html-jq 0 "${html_jq[@]}"
    # jq's output is of no use, and large.
    : >"$WORK/html-jq.out"
  done
  say "HTML: in a browser"
  "${html_browser[@]}" "$RUNS" >"$WORK/html-browser.out"
  report_html
  rm -f target/bench/paged.json
}

report_html() {
  local bytes first usable filtered cleared sorted
  bytes=$(stat -c %s "$WORK/paged.html")
  read -r first usable filtered cleared sorted <"$WORK/html-browser.out"
  echo "### An HTML report of $PAGED endpoints"
  echo
  table_head
  row 'docksweep, judging again and writing the page' html-docksweep html-docksweep
  row 'jq, which only reads and writes the JSON' html-jq html-docksweep
  commands "${html_docksweep[*]}" "${html_jq[*]}" "${html_browser[*]}"
  echo "The page has $(calc "$bytes / 1000000" %.1f) MB, its JSON $(calc "$(stat -c %s "$WORK/paged.json") / 1000000" %.0f) MB. In $(chromium --version 2>/dev/null | cut -d' ' -f1,2), medians of $RUNS: first paint $first ms after opening, script ready $usable ms; filtering by an address $filtered ms until it is painted, showing all again $cleared ms, sorting the findings $sorted ms."
  echo
  bar "$(seconds html-docksweep) <= $(seconds html-jq)" 'no slower than jq'
  bar "$bytes <= 15000000" "at most 15 MB ($(calc "$bytes / 1000000" %.1f) MB)"
  echo
}
