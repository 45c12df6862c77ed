# What a sweep does to the network and how soon it says something. Sourced by run.sh, whose functions it uses.
# shellcheck shell=bash

# The scanner's own connections do not leave its namespace here: what leaves are SYNs of the sweep, their repetitions,
# and the resets that the kernel and docksweep send to whoever answers. No open port is judged, so these are all.
measure_pace() {
  say 'pace, with repetitions and resets'
  in_scanner nft -f - <<'END'
table inet only_sweep {
  chain leaving { type filter hook output priority 0; policy accept;
    oifname "ds-scan" tcp flags & (fin | syn | rst | ack) == syn counter drop
  }
}
END
  local round worst packets
  for round in $(seq "$RUNS"); do
    watched pace docksweep scan "$BED_RANGE" --engine syn --rate 50000 --endpoint-timeout 1s -q -o "$WORK/pace.json"
    : "$round"
  done
  in_scanner nft delete table inet only_sweep
  worst=$(cut -d' ' -f3 "$WORK/pace.sent" | sort -n | tail -n 1)
  packets=$(cut -d' ' -f1 "$WORK/pace.sent" | median)
  echo "### Pace at \`--rate 50000\`, answers 40–50 ms away, $RUNS runs"
  echo
  bar "$worst <= 50000 * 0.1 * 1.05" \
    "at most 5,250 packets in the worst 100 ms, of $packets a run, repetitions and resets among them ($worst)"
  echo
}

# A rule that asks for the connection's state makes the kernel track the namespace's connections.
count_tracked() {
  say 'connection tracking'
  in_scanner nft -f - <<'END'
table inet tracked {
  chain leaving { type filter hook output priority 0; policy accept;
    ct state new counter
  }
}
END
  in_scanner conntrack -F >"$WORK/conntrack.err" 2>&1 || true
  in_scanner docksweep scan "$BED_RANGE" --engine syn --rate max -q -o "$WORK/tracked.json" || true
  local syn connect
  syn=$(in_scanner conntrack -L -p tcp --state SYN_SENT 2>>"$WORK/conntrack.err" | wc -l)
  in_scanner conntrack -F >>"$WORK/conntrack.err" 2>&1 || true
  in_scanner docksweep scan "$BED_RANGE" --engine connect --rate max -q -o "$WORK/tracked.json" || true
  connect=$(in_scanner conntrack -L -p tcp --state SYN_SENT 2>>"$WORK/conntrack.err" | wc -l)
  in_scanner nft delete table inet tracked
  echo '### Entries of unanswered SYNs left in the connection-tracking table'
  echo
  echo "docksweep --engine connect: $connect."
  bar "$syn == 0" "docksweep --engine syn: none ($syn)"
  echo
}

# From the log's own times: an open port's SYN-ACK was read, its endpoint was judged.
measure_first_verdicts() {
  say 'first verdicts, while the sweep goes on'
  in_scanner docksweep scan "$BED_RANGE" --engine syn -vv -o "$WORK/verdicts.json" >"$WORK/verdicts.out" 2>"$WORK/verdicts.log" || true
  echo '### From SYN-ACK to verdict, at the default rate, answers 40–50 ms away'
  echo
  benches/sweep/verdicts.py "$WORK/verdicts.log" 45 6 8
  echo
}

# Every address of loopback answers, so this is the most that a sweep of a /8 has to keep.
sweep_loopback() {
  say 'all of loopback, both engines'
  local engine
  echo '### 127.0.0.0/8 on 2375 and 2376, 33,554,430 probes'
  echo
  echo '| engine | s | probes a second | peak MiB |'
  echo '|---|---:|---:|---:|'
  for engine in syn connect; do
    watched "loopback-$engine" docksweep scan 127.0.0.0/8 --engine "$engine" --rate max -q -o "$WORK/loopback.json"
    local took kib
    took=$(column "loopback-$engine" 4) kib=$(column "loopback-$engine" 5)
    echo "| $engine | $(calc "$took" %.0f) | $(calc "33554430 / $took" %.0f) | $(calc "$kib / 1024" %.1f) |"
  done
  echo
  local worst
  worst=$(cut -d' ' -f5 "$WORK/loopback-syn.sent" "$WORK/loopback-connect.sent" | sort -n | tail -n 1)
  bar "$worst <= 60 * 1024" "at most 60 MiB"
  echo
}
