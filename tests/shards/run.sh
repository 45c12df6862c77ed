#!/usr/bin/env bash
# run.sh: a scan in shards by real schedulers, against the same scan in one piece. A Slurm array (one node, with
# contrib/slurm/docksweep.sbatch as it stands) and GNU parallel. As root; installs what is missing (Debian).
#
# All runs in a network namespace that has loopback alone: Slurm's daemons listen on every address.
set -euo pipefail
export LC_ALL=C.UTF-8

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PATH=$PATH:/usr/sbin:/sbin
# shellcheck source=../../benches/lib/apt.sh
. benches/lib/apt.sh

TARGETS=127.31.0.0/20
ENDPOINTS=40
SHARDS=8
BUILT=$PWD/${CARGO_TARGET_DIR:-target}/debug
STATE=$PWD/target/shards

if [ "${1:-}" != inside ]; then
  packages=()
  for pair in slurmctld:slurm-wlm munged:munge parallel:parallel jq:jq ip:iproute2; do
    command -v "${pair%%:*}" >/dev/null || packages+=("${pair#*:}")
  done
  [ ${#packages[@]} -eq 0 ] || apt_install "${packages[@]}"
  cargo build --locked --quiet --bin docksweep --example bench_fleet
  exec unshare --net --mount "$0" inside
fi

ip link set lo up
# Slurm resolves no name on a machine that has no address but loopback's. Both ends stay in here.
ip link add shards0 type veth peer name shards1
ip address add 198.19.255.9/32 dev shards0
ip link set shards0 up
ip link set shards1 up
PATH=$BUILT:$PATH
rm -rf "$STATE"
mkdir -p "$STATE"/{munge,spool,ctld,jobs}
# Of a mount namespace of its own: the key and the socket of this munged alone.
mount -t tmpfs shards /run/munge 2>/dev/null || { mkdir -p /run/munge && mount -t tmpfs shards /run/munge; }

pids=()
# The newest first: slurmd tells slurmctld that it goes.
end() {
  local index
  for ((index = ${#pids[@]} - 1; index >= 0; index--)); do kill "${pids[index]}" 2>/dev/null || true; done
  wait 2>/dev/null || true
}
trap end EXIT
trap 'exit 130' INT TERM

mkfifo "$STATE/fleet.stdin"
: >"$STATE/fleet.out"
"$BUILT/examples/bench_fleet" "$ENDPOINTS" <"$STATE/fleet.stdin" >"$STATE/fleet.out" &
pids+=($!)
exec 9<>"$STATE/fleet.stdin"
until grep -q '^READY$' "$STATE/fleet.out"; do sleep 0.1; done

host=$(hostname -s)
head -c 1024 /dev/urandom >"$STATE/munge/key"
chmod 400 "$STATE/munge/key"
munged --foreground --force --key-file="$STATE/munge/key" --socket=/run/munge/munge.socket.2 \
  --pid-file="$STATE/munge/pid" --log-file="$STATE/munge/log" --seed-file="$STATE/munge/seed" 2>"$STATE/munge/err" &
pids+=($!)
cat >"$STATE/slurm.conf" <<END
ClusterName=docksweep
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmctldPidFile=$STATE/ctld/pid
SlurmdPidFile=$STATE/spool/pid
SlurmdSpoolDir=$STATE/spool
StateSaveLocation=$STATE/ctld
SlurmctldLogFile=$STATE/ctld/log
SlurmdLogFile=$STATE/spool/log
SchedulerParameters=sched_interval=1,bf_interval=1
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
export SLURM_CONF=$STATE/slurm.conf
until [ -S /run/munge/munge.socket.2 ]; do sleep 0.1; done
slurmctld -D 2>"$STATE/ctld/err" &
pids+=($!)
slurmd -D -N "$host" 2>"$STATE/spool/err" &
pids+=($!)
until [ "$(sinfo -h -o %t 2>/dev/null)" = idle ]; do sleep 0.2; done

# What a scan found, less the times and what tells one scan's packets from another's.
same='[.scan.complete, (.scan.counts | del(.sent, .duplicates)), .summary,
  [.endpoints[] | {id, grade, access: .api.access, findings: [.findings[].rule]}]]'
scan=("$TARGETS" --rate 20000 --engine connect)
docksweep scan "${scan[@]}" -q --seed 1 -o "$STATE/whole.json"
jq -S "$same" "$STATE/whole.json" >"$STATE/whole"
[ "$(jq '.endpoints | length' "$STATE/whole.json")" -eq "$ENDPOINTS" ] || { echo 'the whole scan misses endpoints' >&2; exit 1; }

check() {
  local name=$1 merged=$2
  jq -S "$same" "$merged" >"$STATE/$name"
  diff "$STATE/whole" "$STATE/$name"
  echo "$name: $SHARDS shards, merged, equal the scan in one piece: $(jq '.endpoints | length' "$merged") endpoints," \
    "$(jq '.scan.counts | .open + .closed + .unreachable + .silent + .not_probed' "$merged") probes"
}

cd "$STATE/jobs"
job=$(sbatch --parsable --array="1-$SHARDS" --export=ALL ../../../contrib/slurm/docksweep.sbatch "${scan[@]}")
sbatch --parsable --dependency="afterany:$job" --output=merge.log --wait \
  --wrap "docksweep merge shard-$job-*.json -o all.json" >/dev/null || { cat merge.log; exit 1; }
check slurm all.json

seq "$SHARDS" | parallel --jobs 2 docksweep scan "${scan[@]}" -q --seed 7 --shard "{}/$SHARDS" -o "part-{}.json"
docksweep merge part-*.json -o parallel.json >merge.out
check parallel parallel.json

# A task that was lost is named, and the exit code says so.
rm part-3.json
code=0
docksweep merge part-*.json -o partial.json >merge.out || code=$?
reason=$(jq -r .scan.incomplete_reason partial.json)
if [ "$code" -ne 11 ] || [[ $reason != *3* ]]; then
  echo "a lost shard: exit code $code, $reason" >&2
  exit 1
fi
echo "a lost shard: exit code 11, \"$reason\""
