# The batch GCD over RSA moduli, against one with gmpy2 (GMP's multiplication) on one thread.
# shellcheck shell=bash

GMPY2_VERSION=2.3.2
GCD_COUNTS=(1000 5000 20000)

install_gmpy2() {
  local venv=$TOOLS/gmpy2
  if [ "$("$venv/bin/python" -c 'import gmpy2; print(gmpy2.version())' 2>/dev/null || true)" = "$GMPY2_VERSION" ]; then return; fi
  say "installing gmpy2 $GMPY2_VERSION"
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" --quiet --disable-pip-version-check install "gmpy2==$GMPY2_VERSION" >&2
}

# gcd_once SERIES COMMAND...: as once, with the time that the program says it took without reading.
gcd_once() {
  local series=$1
  shift
  once "$series" 0 "$@"
  sed -i '$d' "$WORK/$series.runs"
  printf '%s %s\n' "$(cut -d' ' -f2 "$WORK/$series.out")" "$(cat "$WORK/peak")" >>"$WORK/$series.runs"
  [ "$(cut -d' ' -f1 "$WORK/$series.out")" = "$(cat "$WORK/gcd-shared-$count")" ] || die "$series found other factors"
}

compare_batch_gcd() {
  local count round python=$TOOLS/gmpy2/bin/python
  install_gmpy2
  cargo build --release --locked --quiet --example bench_batch_gcd
  for count in "${GCD_COUNTS[@]}"; do
    "$python" benches/lib/batch_gcd.py make "$count" >"$WORK/moduli-$count"
    "$python" benches/lib/batch_gcd.py run "$WORK/moduli-$count" | cut -d' ' -f1 >"$WORK/gcd-shared-$count"
    for round in $(seq "$RUNS"); do
      say "batch GCD of $count moduli: run $round"
      gcd_once "gcd-docksweep-$count" "$EXAMPLES/bench_batch_gcd" "$WORK/moduli-$count"
      gcd_once "gcd-gmpy2-$count" "$python" benches/lib/batch_gcd.py run "$WORK/moduli-$count"
    done
  done
  report_batch_gcd
}

report_batch_gcd() {
  local count last=${GCD_COUNTS[-1]} first=${GCD_COUNTS[0]} exponent
  echo "### Batch GCD of RSA-2048 moduli"
  echo
  echo '| moduli | docksweep, median s | spread s | peak MiB | gmpy2, median s | spread s | peak MiB | ratio | runs |'
  echo '|---:|---:|---:|---:|---:|---:|---:|---:|---:|'
  for count in "${GCD_COUNTS[@]}"; do
    local ours=gcd-docksweep-$count theirs=gcd-gmpy2-$count
    printf '| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' "$count" \
      "$(calc "$(seconds "$ours")")" "$(spread "$ours")" "$(calc "$(kib "$ours") / 1024" %.0f)" \
      "$(calc "$(seconds "$theirs")")" "$(spread "$theirs")" "$(calc "$(kib "$theirs") / 1024" %.0f)" \
      "$(calc "$(seconds "$ours") / $(seconds "$theirs")")" "$(runs "$ours")"
  done
  commands "$EXAMPLES/bench_batch_gcd $WORK/moduli-$last" "python benches/lib/batch_gcd.py run $WORK/moduli-$last"
  exponent="log($(seconds "gcd-docksweep-$last") / $(seconds "gcd-docksweep-$first")) / log($last / $first)"
  bar "$(seconds "gcd-docksweep-$last") <= 1.5 * $(seconds "gcd-gmpy2-$last")" "$last moduli in at most 1.5 times gmpy2's time"
  bar "$exponent < 1.3" "from $first to $last the time grows as the count to the power $(calc "$exponent"), less than 1.3"
  echo
}
