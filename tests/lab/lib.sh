# Functions shared by lab.sh and the files in servers/: where things lie, how processes start and stop.
# shellcheck shell=bash

LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
STATE=${DOCKSWEEP_LAB_DIR:-$LAB/../../target/lab}
# Sockets live outside the state directory: a socket's path may have at most 107 bytes. As the lab's
# addresses are fixed there can only be one lab a machine, so a fixed path does no harm.
RUN=/run/docksweep-lab
CERTS=$STATE/certs CONF=$STATE/conf DATA=$STATE/data LOGS=$STATE/logs PIDS=$STATE/pids
READY_SECONDS=60
export LC_ALL=C PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin:$PATH

die() { echo "lab: $*" >&2; exit 1; }

# The tick at which a running process started. With it a stored pid is never taken for a later process's.
start_tick() {
  local stat
  { stat=$(cat "/proc/$1/stat"); } 2>/dev/null || return 1
  read -r -a stat <<<"${stat##*) }"
  # A zombie does not run: nobody has asked for its exit code yet, that is all.
  # shellcheck disable=SC2128 # the first field, the state
  [ "$stat" != Z ] && echo "${stat[19]}"
}

# start NAME COMMAND... runs it in the background, with a log file and a pid file of that name. Each server
# is a session of its own: so its children are known even after it has been killed.
start() {
  local name=$1 pid; shift
  # 9 is lab.sh's lock: a server that inherited it would hold it for ever.
  setsid "$@" >"$LOGS/$name.log" 2>&1 </dev/null 9>&- &
  pid=$!
  echo "$pid $(start_tick "$pid" || true)" >"$PIDS/$name"
}

alive() {
  local pid tick now
  read -r pid tick <"$PIDS/$1" 2>/dev/null || return 1
  now=$(start_tick "$pid") || return 1
  [ -n "$tick" ] && [ "$now" = "$tick" ]
}

# Readiness checks, as "name command…": run again and again until each has succeeded once.
CHECKS=()
ready_when() { CHECKS+=("$*"); }

# accepts ADDRESS PORT: something listens there.
accepts() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

# answers STATUS URL [curl options]: an HTTP request gets that status.
answers() {
  local status=$1 url=$2; shift 2
  [ "$(curl --noproxy '*' -ks -o /dev/null -m 2 -w '%{http_code}' "$@" "$url")" = "$status" ]
}

died() {
  echo "lab: $1 did not start: $2. The end of $LOGS/$1.log:" >&2
  tail -n 15 "$LOGS/$1.log" >&2 || true
  return 1
}

wait_until_ready() {
  local deadline=$((SECONDS + READY_SECONDS)) waiting check name file
  while :; do
    waiting=()
    for check in "${CHECKS[@]}"; do
      name=${check%% *}
      alive "$name" || { died "$name" "its process ended"; return 1; }
      # shellcheck disable=SC2086 # a check is a command line: names, numbers and addresses without spaces
      ${check#* } || waiting+=("$check")
    done
    [ ${#waiting[@]} -eq 0 ] && break
    [ $SECONDS -lt $deadline ] || { died "${waiting[0]%% *}" "not ready after $READY_SECONDS s"; return 1; }
    CHECKS=("${waiting[@]}")
    sleep 0.1
  done
  # Another program on the same address may have answered the check while ours failed to bind.
  for file in "$PIDS"/*; do
    name=${file##*/}
    alive "$name" || { died "$name" "its process ended"; return 1; }
  done
}

# "pid session" of all processes in the servers' sessions. A session whose leader is another than the one we started
# is another's, its number having been used again.
our_processes() {
  local file pid tick now sessions=' '
  for file in "$PIDS"/*; do
    [ -e "$file" ] || continue
    read -r pid tick <"$file" || continue
    now=$(start_tick "$pid") || now=$tick
    [ "$now" != "$tick" ] || sessions+="$pid "
  done
  # After the name, which may contain anything: state, parent, group, session.
  cat /proc/[0-9]*/stat 2>/dev/null | awk -v sessions="$sessions" '
    { pid = $1; sub(/^.*\) /, ""); if ($1 != "Z" && index(sessions, " " $4 " ")) print pid, $4 }'
  # The containerd of a dockerd is in a session of its own. It ends with its dockerd, or should.
  for file in "$RUN"/*/containerd/containerd.pid; do
    pid=$(cat "$file" 2>/dev/null) || continue
    if tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q -- "--config $RUN/"; then echo "$pid $pid"; fi
  done
}

stop_everything() {
  local file process processes=() signal=TERM deadline mount
  # The servers first, which end their own children in good order.
  for file in "$PIDS"/*; do
    if [ -e "$file" ] && alive "${file##*/}"; then kill "$(cut -d' ' -f1 "$file")" 2>/dev/null || true; fi
  done
  deadline=$((SECONDS + 15))
  while mapfile -t processes < <(our_processes); [ ${#processes[@]} -gt 0 ]; do
    [ $SECONDS -lt $((deadline + 10)) ] || die "cannot stop ${processes[*]}"
    [ $SECONDS -lt $deadline ] || signal=KILL
    for process in "${processes[@]}"; do
      # A child whose server is gone has nobody else to end it.
      if [ $signal = KILL ] || ! start_tick "${process#* }" >/dev/null; then kill -$signal "${process% *}" 2>/dev/null || true; fi
    done
    sleep 0.1
  done
  # Deepest first; dockerd and podman leave some behind when they are killed.
  while read -r mount; do umount -l "$mount" || true; done < <(
    awk -v a="$RUN/" -v b="$(readlink -f "$STATE")/" 'index($2, a) == 1 || index($2, b) == 1 {print $2}' /proc/mounts | sort -r)
}

# remove_state with-logs|keep-logs: only what the lab itself makes, whatever DOCKSWEEP_LAB_DIR points to.
remove_state() {
  local kind
  for kind in "${SERVER_KINDS[@]}"; do
    if declare -F "${kind}_clean" >/dev/null; then "${kind}_clean"; fi
  done
  rm -rf "$CERTS" "$CONF" "$DATA" "$PIDS" "$RUN"
  [ "$1" = keep-logs ] || rm -rf "$LOGS"
}
