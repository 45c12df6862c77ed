# Finding open ports: docksweep against RustScan, on a /16 where every port is closed.
# shellcheck shell=bash

SWEPT=127.0.0.0/16
PROBES=131072
PLANTED=16

sweep_docksweep=(docksweep scan "$SWEPT" --rate max -q -o target/bench/sweep.json)
rustscan_with() { sweep_rustscan=(rustscan --no-config --no-banner -a "$SWEPT" -p '2375,2376' --scripts none -g -b "$1" -t "$2"); }

compare_sweeps() {
  say "sweep: looking for RustScan's best options"
  sweep_target_is_closed
  local batch best timeout=900
  for batch in 250 1000 2000 4500 9000 15000; do
    [ "$batch" -lt $(($(ulimit -n) - 200)) ] || continue
    rustscan_with "$batch" "$timeout"
    once "rustscan-trial-$batch" 0 "${sweep_rustscan[@]}"
    once "rustscan-trial-$batch" 0 "${sweep_rustscan[@]}"
  done
  best=$(cd "$WORK" && for batch in rustscan-trial-*.runs; do echo "$(cut -d' ' -f1 "$batch" | sort -n | head -n 1) $batch"; done |
    sort -n | head -n 1 | grep -oE '[0-9]+\.runs$')
  rustscan_with "${best%.runs}" "$timeout"

  sweeps_find_what_is_there
  say "sweep: $RUNS alternating runs"
  sweep_target_is_closed
  local round
  for round in $(seq "$RUNS"); do
    once sweep-docksweep 0 "${sweep_docksweep[@]}"
    python3 benches/lib/complete.py swept target/bench/sweep.json "$PROBES" || die "run $round swept less than it should"
    once sweep-rustscan 0 "${sweep_rustscan[@]}"
  done
  report_sweeps "${best%.runs}"
}

# A listener on one of the ports would give one program more to do than the other.
sweep_target_is_closed() {
  # Local address and state in /proc's hex: 127.0.x.y or any address, port 2375 or 2376, LISTEN.
  if cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
    grep -qE '^ *[0-9]+: (([0-9A-F]{4}007F|0{8}|0{32}|0{16}FFFF0000[0-9A-F]{4}007F):094[78]) [0-9A-F:]+ 0A '; then
    die "something listens on port 2375 or 2376 in $SWEPT; the sweep is measured on closed ports"
  fi
}

# What is fast must also see: both find every port of a small fleet in the same range, with the same options.
sweeps_find_what_is_there() {
  start_fleet "$PLANTED" 127.0.77.1
  "${sweep_docksweep[@]}"
  "${sweep_rustscan[@]}" >"$WORK/planted.rustscan"
  stop_fleet
  sed -n 's/^\(127\.0\.77\.[0-9]*\) -> \[\(237[56]\)\]$/\1:\2/p' "$WORK/planted.rustscan" >"$WORK/planted.found"
  sweep_found_rustscan=$(sort "$WORK/planted.found" | comm -12 - <(sort "$WORK/fleet.targets") | wc -l)
  sweep_found_docksweep=$(python3 benches/lib/complete.py found target/bench/sweep.json "$WORK/fleet.targets")
}

report_sweeps() {
  local ours theirs peak
  ours=$(seconds sweep-docksweep) theirs=$(seconds sweep-rustscan) peak=$(kib sweep-docksweep)
  echo "### Sweep of a /16, ports 2375 and 2376 ($PROBES closed ports on loopback)"
  echo
  table_head
  row docksweep sweep-docksweep sweep-docksweep
  row "RustScan, batch $1" sweep-rustscan sweep-docksweep
  commands "${sweep_docksweep[*]}" "${sweep_rustscan[*]}"
  echo "RustScan's batch size is the fastest of those tried, each twice:" \
    "$(for trial in "$WORK"/rustscan-trial-*.runs; do
      trial=${trial##*/} trial=${trial%.runs}
      echo "${trial##*-} ($(spread "$trial") s)"
    done | sort -n | paste -sd, | sed 's/,/, /g')." \
    "The descriptor limit was $(ulimit -n) for both; timeouts play no part, as every port answers at once."
  echo "With $PLANTED ports opened in the range, docksweep found $sweep_found_docksweep and RustScan $sweep_found_rustscan."
  echo
  bar "$ours < $theirs" "faster than RustScan ($(calc "$theirs / $ours" %.1f) times; $(calc "$PROBES / $ours / 1000" %.0f),000 probes a second)"
  bar "$peak <= 40 * 1024" "peak memory at most 40 MiB ($(calc "$peak / 1024" %.1f) MiB)"
  bar "$sweep_found_docksweep == $PLANTED" "all planted ports found ($sweep_found_docksweep of $PLANTED)"
  echo
}
