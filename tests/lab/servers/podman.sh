# Podman's Docker-compatible API, apart from the machine's own Podman storage and settings.
# shellcheck shell=bash

podman_start() {
  mkdir -p "$RUN/podman" "$DATA/podman"
  : >"$CONF/containers.conf"
  CONTAINERS_CONF=$CONF/containers.conf start podman-plain podman --root "$DATA/podman/root" \
    --runroot "$RUN/podman/run" --tmpdir "$RUN/podman/tmp" --network-config-dir "$DATA/podman/networks" \
    --storage-driver vfs --cgroup-manager cgroupfs system service --time 0 tcp:127.20.0.8:2375
  ready_when podman-plain answers 200 http://127.20.0.8:2375/_ping
}
