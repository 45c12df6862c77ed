# The network that the comparison of sweeps runs in. Sourced.
#
# Two network namespaces and a veth pair, without a default route; nothing can leave them. All addresses are from
# 198.18.0.0/15, which is set aside for benchmarks (RFC 2544). The targets' namespace owns 198.18.0.0/16: 10 % of
# its addresses are alive, for 5 % a packet filter answers by ICMP, the rest is silent. HOSTS hosts are open on
# 2375 and as many on 2376.
# shellcheck shell=bash

BED_SCANNER=docksweep-scanner
BED_TARGETS=docksweep-targets
BED_RANGE=198.18.0.0/16
BED_SCANNER_IP=198.19.255.1
BED_ROUTER_IP=198.19.255.2

in_scanner() { ip netns exec "$BED_SCANNER" "$@"; }
in_targets() { ip netns exec "$BED_TARGETS" "$@"; }

bed_up() {
  local state=$1 namespace
  bed_down "$state"
  mkdir -p "$state"
  for namespace in "$BED_SCANNER" "$BED_TARGETS"; do
    ip netns add "$namespace"
    ip netns exec "$namespace" ip link set lo up
  done
  ip link add ds-scan netns "$BED_SCANNER" type veth peer name ds-target netns "$BED_TARGETS"
  in_scanner ip address add "$BED_SCANNER_IP/30" dev ds-scan
  in_targets ip address add "$BED_ROUTER_IP/30" dev ds-target
  in_scanner ip link set ds-scan up
  in_targets ip link set ds-target up
  in_scanner ip route add "$BED_RANGE" via "$BED_ROUTER_IP" dev ds-scan
  in_targets ip route add local "$BED_RANGE" dev lo
  # By default Linux answers a thousand times a second by ICMP at most.
  in_targets sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_msgs_per_sec=1000000 \
    net.ipv4.icmp_msgs_burst=1000000 net.ipv4.tcp_max_syn_backlog=65536 net.core.somaxconn=4096
  in_scanner ip route show default | { ! grep -q .; }
  in_targets ip route show default | { ! grep -q .; }
}

# bed_rules HOSTS_FILE LOSS_PERCENT: HOSTS_FILE has the open endpoints, ADDRESS:PORT a line.
bed_rules() {
  local hosts=$1 loss=$2
  in_targets nft flush ruleset
  {
    echo 'table ip bed {'
    echo '  set hosts { type ipv4_addr'
    echo "    elements = { $(cut -d: -f1 "$hosts" | sort -u | paste -sd,) }"
    echo '  }'
    echo '  chain arriving { type filter hook prerouting priority -300; policy accept;'
    echo "    ip daddr != $BED_RANGE accept"
    if [ "$loss" -gt 0 ]; then echo "    numgen random mod 100 < $loss counter drop"; fi
    echo '    ip daddr @hosts accept'
    echo '    jhash ip daddr mod 100 seed 0x5eed vmap { 0-84 : drop, 85-94 : accept, 95-99 : continue }'
    echo '    meta mark set 1'
    echo '  }'
    echo '  chain input { type filter hook input priority 0; policy accept;'
    echo '    meta mark 1 reject with icmp type admin-prohibited'
    echo '  }'
    echo '  chain leaving { type filter hook postrouting priority 300; policy accept;'
    if [ "$loss" -gt 0 ]; then
      echo "    oifname \"ds-target\" ip saddr $BED_RANGE numgen random mod 100 < $loss counter drop"
    fi
    echo '  }'
    echo '}'
  } | in_targets nft -f -
}

# bed_serve STATE FLEET HOSTS: starts Docker-like endpoints and writes the truth to STATE/truth.
bed_serve() {
  local state=$1 fleet=$2 hosts=$3
  mkfifo "$state/fleet.stdin"
  # Not by in_targets: that would be a shell between, and its process the one that is ended.
  ip netns exec "$BED_TARGETS" "$fleet" "$hosts" --over "$BED_RANGE" <"$state/fleet.stdin" >"$state/fleet.out" 2>"$state/fleet.err" &
  echo $! >"$state/fleet.pid"
  exec 9<>"$state/fleet.stdin"
  until grep -q '^READY$' "$state/fleet.out"; do
    kill -0 "$(cat "$state/fleet.pid")" 2>/dev/null || { cat "$state/fleet.err" >&2; return 1; }
    sleep 0.1
  done
  grep -v '^READY$' "$state/fleet.out" | sort >"$state/truth"
}

# bed_delay STATE RELAY: from now on the targets' answers take 40 to 50 ms more. They are routed into a TUN device,
# held by a small program, and come out of it to be forwarded.
bed_delay() {
  local state=$1 relay=$2
  in_targets ip tuntap add mode tun name ds-delay
  in_targets ip link set ds-delay up txqueuelen 200000
  ip netns exec "$BED_TARGETS" benches/sweep/delay.py ds-delay "$relay" 2>"$state/delay.err" &
  echo $! >"$state/delay.pid"
  in_targets sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.ds-delay.rp_filter=0 \
    net.ipv4.conf.ds-delay.accept_local=1
  in_targets ip route add "$BED_SCANNER_IP/32" dev ds-delay
  in_targets ip route add "$BED_SCANNER_IP/32" dev ds-target table 100
  in_targets ip rule add iif ds-delay lookup 100
}

bed_no_delay() {
  local state=$1
  [ -e "$state/delay.pid" ] || return 0
  in_targets ip rule delete iif ds-delay lookup 100
  kill "$(cat "$state/delay.pid")" 2>/dev/null || true
  rm -f "$state/delay.pid"
  in_targets ip link delete ds-delay
}

bed_down() {
  local state=$1 namespace
  if [ -e "$state/delay.pid" ]; then
    kill "$(cat "$state/delay.pid")" 2>/dev/null || true
    rm -f "$state/delay.pid"
  fi
  if [ -e "$state/fleet.pid" ]; then
    exec 9>&-
    kill "$(cat "$state/fleet.pid")" 2>/dev/null || true
    rm -f "$state/fleet.pid" "$state/fleet.stdin"
  fi
  for namespace in "$BED_SCANNER" "$BED_TARGETS"; do
    if ip netns list | grep -qw "$namespace"; then ip netns delete "$namespace"; fi
  done
}
