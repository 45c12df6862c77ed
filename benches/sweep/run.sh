#!/usr/bin/env bash
# run.sh: compares sweeps of a /16 in a network of its own (bed.sh), and prints the tables as Markdown, to stdout and
# to target/bench-sweep/report.md. A bar that is missed is printed as such and is no failure. Needs root.
#
# RUNS says how often each is run, CONNECT_RUNS how often the slower ones, LOSS_RUNS how often under loss, COMPARISONS
# which ones.
set -euo pipefail
export LC_ALL=C

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PATH=$PATH:/usr/sbin:/sbin
RUNS=${RUNS:-5}
CONNECT_RUNS=${CONNECT_RUNS:-3}
LOSS_RUNS=${LOSS_RUNS:-10}
COMPARISONS=${COMPARISONS:-rate sweeps manners recall loopback}
TOOLS=target/bench-tools
WORK=target/bench-sweep
BUILT=${CARGO_TARGET_DIR:-target}/release
OPEN=600
MANY_PORTS=2375,2376,3000-3029

# shellcheck source=bed.sh
. benches/sweep/bed.sh
# shellcheck source=../lib/apt.sh
. benches/lib/apt.sh
# shellcheck source=../lib/measure.sh
. benches/lib/measure.sh
# shellcheck source=../lib/tools.sh
. benches/lib/tools.sh
# shellcheck source=manners.sh
. benches/sweep/manners.sh

install_sweepers() {
  local packages=() pair
  for pair in ip:iproute2 nft:nftables masscan:masscan zmap:zmap nmap:nmap conntrack:conntrack; do
    type -P "${pair%%:*}" >/dev/null || packages+=("${pair#*:}")
  done
  if [ ${#packages[@]} -gt 0 ]; then apt_install "${packages[@]}"; fi
  mkdir -p "$TOOLS/bin"
  install_rustscan
}

zmap_port() {
  zmap -p "$1" -i ds-scan -S "$BED_SCANNER_IP" -G "$router" -b /dev/null -c 3 -B 10G -q --output-module=csv \
    --output-fields=saddr,sport --output-filter="success = 1 && repeat = 0" -o "$2" "$BED_RANGE"
}
export -f zmap_port
export BED_RANGE BED_SCANNER_IP router

# masscan hangs for minutes on an interface where nothing arrives: a datagram each 50 ms keeps it from that.
heartbeat_on() {
  ip netns exec "$BED_TARGETS" bash -c "while sleep 0.05; do echo >/dev/udp/$BED_SCANNER_IP/9; done" 2>/dev/null &
  heartbeat=$!
}
heartbeat_off() { kill "$heartbeat" 2>/dev/null || true; wait "$heartbeat" 2>/dev/null || true; }

# watched NAME COMMAND...: runs it among the scanners; adds a line of sent.py's to WORK/NAME.sent.
watched() {
  local name=$1
  shift
  in_scanner benches/sweep/sent.py ds-scan "$WORK/sent" "$@" >"$WORK/$name.out" 2>"$WORK/$name.err" || true
  cat "$WORK/sent" >>"$WORK/$name.sent"
}
wanted() { [[ " $COMPARISONS " == *" $1 "* ]]; }
column() { cut -d' ' -f"$2" "$WORK/$1.sent" | median; }
score() { benches/sweep/score.py "$WORK/truth" "$1" "$2"; }

# Packets are dropped as they arrive, so that what is measured is sending.
compare_send_rates() {
  say 'send rate'
  in_targets nft -f - <<'END'
table netdev sink {
  chain arriving { type filter hook ingress device ds-target priority -500; policy accept;
    ip protocol tcp drop
  }
}
END
  local round
  for round in $(seq "$RUNS"); do
    watched rate-docksweep docksweep scan "$BED_RANGE" -p "$MANY_PORTS" --engine syn --retries 0 --rate max -q
    watched rate-masscan timeout 15 masscan "$BED_RANGE" "-p$MANY_PORTS" --rate 100000000 --wait 0 \
      --adapter-ip "$BED_SCANNER_IP" --interface ds-scan --router-mac "$router"
  done
  in_targets nft delete table netdev sink
  local ours theirs
  ours=$(column rate-docksweep 2) theirs=$(column rate-masscan 2)
  echo "### Send rate, one sender, 2,097,152 SYNs, the target drops all"
  echo
  echo '| program | median packets/s | runs |'
  echo '|---|---:|---:|'
  echo "| docksweep --rate max | $ours | $RUNS |"
  echo "| masscan --rate 100000000 | $theirs | $RUNS |"
  echo
  bar "1.4 * $theirs <= $ours" "at least 1.4 times masscan's ($(calc "$ours / $theirs") times)"
  echo
}

row_of() {
  local label=$1 name=$2 form=$3 file=$4 found missed false_ones twice
  read -r found missed false_ones twice < <(score "$form" "$file")
  echo "| $label | $(column "$name" 4) | $(column "$name" 1) | $(calc "$(column "$name" 5) / 1024" %.1f) | $found | $missed | $false_ones | $twice |"
}

compare_sweeps_of_the_bed() {
  say 'sweeps, answers delayed by 40 to 50 ms'
  in_scanner conntrack -F 2>/dev/null || true
  local round
  for round in $(seq "$RUNS"); do
    watched sweep-docksweep docksweep scan "$BED_RANGE" --engine syn --rate max -q -o "$WORK/docksweep.json"
    heartbeat_on
    watched sweep-masscan timeout 60 masscan "$BED_RANGE" -p2375,2376 --rate 100000000 --wait 3 \
      --adapter-ip "$BED_SCANNER_IP" --interface ds-scan --router-mac "$router" -oL "$WORK/masscan.list"
    heartbeat_off
    watched sweep-zmap bash -c "zmap_port 2375 $WORK/zmap.a && zmap_port 2376 $WORK/zmap.b"
    cat "$WORK/zmap.a" "$WORK/zmap.b" >"$WORK/zmap.csv"
  done
  for round in $(seq "$CONNECT_RUNS"); do
    watched sweep-connect docksweep scan "$BED_RANGE" --engine connect --rate max -q -o "$WORK/connect.json"
    watched sweep-rustscan bash -c "rustscan --no-config --no-banner -a $BED_RANGE -p 2375,2376 --scripts none -g -b 15000 -t 900 >$WORK/rustscan.list"
  done
  watched sweep-nmap nmap -sS -Pn -n --min-rate 100000 --max-retries 1 -p 2375,2376 --open "$BED_RANGE" -oG "$WORK/nmap.grep"
  local ours theirs
  ours=$(column sweep-docksweep 4) theirs=$(column sweep-masscan 4)
  echo "### A /16 on 2375 and 2376, $OPEN open, answers 40–50 ms away, no loss"
  echo
  echo '| program | median s | packets | peak MiB | found | missed | false | twice |'
  echo '|---|---:|---:|---:|---:|---:|---:|---:|'
  row_of 'docksweep --engine syn, sweep and grade' sweep-docksweep docksweep "$WORK/docksweep.json"
  row_of 'docksweep --engine connect, sweep and grade' sweep-connect docksweep "$WORK/connect.json"
  row_of 'masscan, sweep' sweep-masscan masscan "$WORK/masscan.list"
  row_of 'zmap, two sweeps of a port' sweep-zmap zmap "$WORK/zmap.csv"
  row_of 'nmap -sS --min-rate 100000, sweep' sweep-nmap nmap "$WORK/nmap.grep"
  row_of 'RustScan -b 15000 -t 900, sweep' sweep-rustscan rustscan "$WORK/rustscan.list"
  echo
  echo "Medians of $RUNS runs; $CONNECT_RUNS of RustScan and --engine connect, one of nmap. Counts are of the last run."
  echo
  bar "$ours <= 0.6 * $theirs" "sweep and grade in at most 0.6 times masscan's sweep ($(calc "$ours / $theirs") times)"
  local connect rustscan
  connect=$(column sweep-connect 4) rustscan=$(column sweep-rustscan 4)
  bar "$connect <= 0.5 * $rustscan" "by connections, sweep and grade in at most half of RustScan's time ($(calc "$connect / $rustscan") times)"
  echo
}

# recall LOSS RETRIES: a line of the table, and what was found in each run to WORK/recall.
recall() {
  local loss=$1 retries=$2 round found missed false_ones twice wrong=0
  bed_rules "$WORK/truth" "$loss"
  : >"$WORK/recall"
  for round in $(seq "$LOSS_RUNS"); do
    in_scanner docksweep scan "$BED_RANGE" --engine syn --rate max --retries "$retries" -q -o "$WORK/loss.json"
    read -r found missed false_ones twice < <(score docksweep "$WORK/loss.json")
    echo "$found" >>"$WORK/recall"
    wrong=$((wrong + false_ones + twice))
    : "$round" "$missed"
  done
  bed_rules "$WORK/truth" 0
  awk -v loss="$loss" -v probes=$((retries + 1)) -v wrong="$wrong" -v all="$OPEN" \
    '{ sum += $1; if (NR == 1 || $1 < low) low = $1; if ($1 == all) whole++ }
     END { printf "| %d %% | %d | %.1f | %d | %d of %d | %d |\n", loss, probes, sum / NR, low, whole, NR, wrong }' "$WORK/recall"
}

measure_recall() {
  say 'recall under loss'
  echo "### Recall of $OPEN open ports under loss each way"
  echo
  echo '| loss | probes a target, at most | mean found | fewest | all found in | false or twice |'
  echo '|---|---:|---:|---:|---:|---:|'
  recall 2 1
  recall 2 2
  recall 5 2
  echo
  echo "Bars: 2 %, 2 probes: mean at least 599.5 and none below 598; 2 %, 3 probes: all in 9 of 10; 5 %, 3 probes: none below 598."
  echo
}

[ "$(id -u)" -eq 0 ] || die 'network namespaces need root'
say 'building docksweep'
cargo build --release --locked --quiet --bin docksweep --example bench_fleet --example bench_delay
mkdir -p "$WORK"
rm -f "$WORK"/*.sent "$WORK"/*.out "$WORK"/*.err
install_sweepers
PATH=$PWD/$TOOLS/bin:$(cd "$BUILT" && pwd):$PATH
ulimit -Sn "$(ulimit -Hn)"
trap 'bed_down "$WORK"' EXIT
trap 'exit 130' INT TERM
bed_up "$WORK"
bed_serve "$WORK" "$BUILT/examples/bench_fleet" "$OPEN"
bed_rules "$WORK/truth" 0
router=$(in_targets cat /sys/class/net/ds-target/address)

{
  echo "Machine: $(nproc) cores, $(uname -sr); load $(cut -d' ' -f1-3 /proc/loadavg) at the start. $(docksweep --version)," \
    "$(masscan --version | grep -oE 'Masscan version [0-9.]+'), zmap $(zmap --version | grep -oE '[0-9.]+' | head -n 1)," \
    "$(nmap --version | grep -oE 'Nmap version [0-9.]+'), $(rustscan_version). $(date -u +%F)."
  echo
  if wanted rate; then compare_send_rates; fi
  bed_delay "$WORK" "$PWD/$BUILT/examples/bench_delay"
  if wanted sweeps; then compare_sweeps_of_the_bed; fi
  if wanted manners; then
    measure_pace
    count_tracked
    measure_first_verdicts
  fi
  bed_no_delay "$WORK"
  if wanted recall; then measure_recall; fi
  if wanted loopback; then sweep_loopback; fi
} >"$WORK/report.new"
mv "$WORK/report.new" "$WORK/report.md"
cat "$WORK/report.md"
