#!/usr/bin/env bash
# run.sh: compares docksweep with other scanners, on this machine and in one run, and prints the tables as
# Markdown, to stdout and to target/bench/report.md. A bar that is missed is printed as such and is no failure;
# a comparison that could not be made is one.
#
# All packets stay on loopback: 127.0.0.0/16, 127.30.0.0/24 and 127.31.0.0/16. Everything it installs but Debian
# packages goes to target/bench-tools. RUNS and SLOW_RUNS (of SSLyze, a minute each) say how often,
# COMPARISONS which ones.
set -euo pipefail
export LC_ALL=C

cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/sbin:/sbin
RUNS=${RUNS:-5}
SLOW_RUNS=${SLOW_RUNS:-3}
# Re-judging, the HTML report and the history work on what measuring the memory leaves.
COMPARISONS=${COMPARISONS:-sweeps tls memory rejudging html history batch-gcd}
TOOLS=target/bench-tools
WORK=target/bench
BUILT=${CARGO_TARGET_DIR:-target}/release
EXAMPLES=$BUILT/examples

# shellcheck source=lib/apt.sh
. benches/lib/apt.sh
# shellcheck source=lib/batch_gcd.sh
. benches/lib/batch_gcd.sh
# shellcheck source=lib/history.sh
. benches/lib/history.sh
# shellcheck source=lib/html.sh
. benches/lib/html.sh
# shellcheck source=lib/measure.sh
. benches/lib/measure.sh
# shellcheck source=lib/tools.sh
. benches/lib/tools.sh
# shellcheck source=lib/memory.sh
. benches/lib/memory.sh
# shellcheck source=lib/rejudge.sh
. benches/lib/rejudge.sh
# shellcheck source=lib/sweep.sh
. benches/lib/sweep.sh
# shellcheck source=lib/tls.sh
. benches/lib/tls.sh

wanted() { [[ " $COMPARISONS " == *" $1 "* ]]; }

machine() {
  local model memory
  model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
  memory=$(awk '/^MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo)
  echo "Machine: ${model:-$(uname -m)}, $(nproc) cores, $memory GiB, $(uname -sr); load $(cut -d' ' -f1-3 /proc/loadavg) at the start. Servers and scanners share it."
  echo "Versions: $(tool_versions | paste -sd, | sed 's/,/, /g'). Medians of $RUNS runs ($SLOW_RUNS of SSLyze), alternating, $(date -u +%F)."
  echo
}

say 'building docksweep'
cargo build --release --locked --quiet --bin docksweep --example bench_fleet
mkdir -p "$WORK"
rm -f "$WORK"/*.runs "$WORK"/*.out "$WORK"/*.err "$WORK"/*.json
install_tools
TIME=$(type -P time)
PATH=$PWD/$TOOLS/bin:$(cd "$BUILT" && pwd):$PATH
# The same room for everyone: as many descriptors as this user may have.
ulimit -Sn "$(ulimit -Hn)"
trap 'stop_fleet; stop_nginx' EXIT
trap 'exit 130' INT TERM

{
  machine
  if wanted sweeps; then compare_sweeps; fi
  if wanted tls; then compare_tls; fi
  if wanted memory; then measure_memory; fi
  if wanted rejudging; then compare_rejudging; fi
  if wanted history; then compare_history; fi
  if wanted html; then measure_html; fi
  if wanted batch-gcd; then compare_batch_gcd; fi
} >"$WORK/report.new"
mv "$WORK/report.new" "$WORK/report.md"
cat "$WORK/report.md"
