# Docker daemons for what docksweep reads in /info and /networks, each set up in another way. All are open.
# shellcheck shell=bash

# Nobody logs in as this user (install.sh makes it): it runs the rootless daemon, and its subordinate numbers are
# those of the containers of the daemon that remaps them.
LAB_USER=docksweep-lab

settings_start() {
  # Every setting as one would want it, but for the exposure. Its data lies where a remapped root may enter, which may
  # not hold for the state directory.
  authz_plugin allow-all
  daemon docker-userns-remap -H tcp://127.20.0.60:2375 --data-root "$RUN/docker-userns-remap/data" \
    --userns-remap="$LAB_USER" --live-restore --authorization-plugin docksweep-lab-allow-all
  ready_when docker-userns-remap answers 200 http://127.20.0.60:2375/_ping

  bridged_daemon docker-icc-off 127.20.0.61 --bip=198.18.61.1/24 --icc=false --iptables=true
  bridged_daemon docker-icc-on 127.20.0.62 --bip=198.18.62.1/24 --icc=true \
    --experimental --insecure-registry reg.example.test:5000

  rootless_daemon docker-rootless 127.20.0.63

  bridged_daemon docker-swarm-manager 127.20.0.64 --bridge=none --default-address-pool base=198.18.64.0/20,size=24
  ready_when docker-swarm-manager manages_a_swarm 127.20.0.64 198.19.64.0/20

  daemon docker-containers -H tcp://127.20.0.65:2375
  ready_when docker-containers holds_containers http://127.20.0.65:2375
}

# bridged_daemon NAME ADDRESS OPTIONS...: a daemon that may make bridges, as they are in a network of its own.
bridged_daemon() {
  local command
  daemon_command "$1"
  start "$1" python3 "$LAB/programs/own_network.py" "$2" 2375 "${command[@]}" -H fd:// "${@:3}"
  ready_when "$1" answers 200 "http://$2:2375/_ping"
}

# rootless_daemon NAME ADDRESS: what Docker's dockerd-rootless.sh does, but in the machine's network
rootless_daemon() {
  local name=$1 home=$RUN/$1
  mkdir -p "$home"
  chown "$LAB_USER:" "$home"
  start "$name" setpriv --reuid="$LAB_USER" --regid="$LAB_USER" --clear-groups \
    env -i PATH="$PATH" HOME="$home" XDG_RUNTIME_DIR="$home" \
    rootlesskit --net=host --copy-up=/etc --copy-up=/run --state-dir="$home/rootlesskit" \
    dockerd --rootless -H "tcp://$2:2375" --data-root="$home/data" \
    --exec-root="$home" --pidfile="$home/pid" --bridge=none --iptables=false --ip-forward=false --ip-masq=false \
    --storage-driver=vfs
  ready_when "$name" answers 200 "http://$2:2375/_ping"
}

# manages_a_swarm ADDRESS POOL: the daemon does, or is told to. The swarm's networks, from that pool, are one with
# encryption and one without; its nodes' certificates are valid for 180 days.
manages_a_swarm() {
  local api=http://$1:2375 days=180 network
  answers 200 "$api/_ping" || return 1
  post "$api/swarm/init" application/json "{
    \"ListenAddr\": \"$1:2377\", \"AdvertiseAddr\": \"$1\", \"DefaultAddrPool\": [\"$2\"], \"SubnetSize\": 24,
    \"Spec\": {\"CAConfig\": {\"NodeCertExpiry\": $((days * 86400))000000000}}}"
  for network in '"readable", "Options": {}' '"sealed", "Options": {"encrypted": ""}'; do
    post "$api/networks/create" application/json \
      "{\"Driver\": \"overlay\", \"CheckDuplicate\": true, \"Name\": $network}"
  done
  [ "$(curl --noproxy '*' -s -m 5 "$api/networks" | grep -oE '"Name":"(readable|sealed)"' | wc -l)" -eq 2 ]
}

# holds_containers API: the daemon at that URL has one container for each way out of a container, and one without any.
# They are created and never started; their image is a single file.
holds_containers() {
  local api=$1 name
  local -A host_config=(
    [plain]='"Binds": ["lab:/data"]'
    [privileged]='"Privileged": true'
    [socket]='"Binds": ["/var/run/docker.sock:/var/run/docker.sock"]'
    [host-network]='"NetworkMode": "host"'
    [host-pid]='"PidMode": "host"'
    [host-root]='"Binds": ["/:/host"]'
    [sys-admin]='"CapAdd": ["SYS_ADMIN"]'
  )
  answers 200 "$api/_ping" || return 1
  tar -c -C "$LAB" README.md | post "$api/images/create?fromSrc=-&repo=lab" application/x-tar @-
  for name in "${!host_config[@]}"; do
    post "$api/containers/create?name=$name" application/json \
      "{\"Image\": \"lab\", \"Cmd\": [\"none\"], \"HostConfig\": {${host_config[$name]}}}"
  done
  [ "$(curl --noproxy '*' -s -m 5 "$api/containers/json?all=1" | grep -o '"Id":' | wc -l)" -eq ${#host_config[@]} ]
}

# post URL TYPE BODY, the body as curl --data-binary has it
post() { curl --noproxy '*' -s -m 20 -H "Content-Type: $2" --data-binary "$3" "$1" >>"$LOGS/settings.log"; }
