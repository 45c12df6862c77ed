# Docker daemons, each with its own roots, its own containerd and no part in the machine's networking.
# shellcheck shell=bash

dockerd_certificates() {
  certificate docker-tls-noverify 127.20.0.2 key=rsa:2048
  certificate docker-tlsverify 127.20.0.3 key=rsa:2048
  certificate docker-tls-on-2375 127.20.0.4
  certificate docker-authz-deny-all-tls 127.20.0.13
}

# daemon NAME OPTIONS...
daemon() {
  local command
  daemon_command "$1"
  start "$1" "${command[@]}" --bridge=none "${@:2}"
}

# Sets the caller's $command to what starts a daemon of that name. What is lacking is a bridge, or --bridge=none.
daemon_command() {
  mkdir -p "$RUN/$1" "$DATA/$1"
  # The key is the engine's identity; by default all daemons of a machine would share one in /etc/docker.
  echo "{\"deprecated-key-path\": \"$DATA/$1/key.json\"}" >"$CONF/$1.json"
  command=(dockerd --config-file "$CONF/$1.json" --data-root "$DATA/$1" --exec-root "$RUN/$1" --pidfile "$RUN/$1.pid"
    --iptables=false --ip-forward=false --ip-masq=false --storage-driver=vfs)
}

dockerd_start() {
  local client=(--cert "$CERTS/client.crt" --key "$CERTS/client.key")
  local ipv6=() tls
  have_ipv6 && ipv6=(-H 'tcp://[::1]:2375')

  daemon docker-plain -H tcp://127.20.0.1:2375 "${ipv6[@]}"
  ready_when docker-plain answers 200 http://127.20.0.1:2375/_ping

  server_certificate docker-tls-noverify
  daemon docker-tls-noverify -H tcp://127.20.0.2:2376 --tls --tlsverify=false "${tls[@]}"
  ready_when docker-tls-noverify answers 200 https://127.20.0.2:2376/_ping

  server_certificate docker-tlsverify
  daemon docker-tlsverify -H tcp://127.20.0.3:2376 --tlsverify "${tls[@]}"
  ready_when docker-tlsverify answers 200 https://127.20.0.3:2376/_ping "${client[@]}"

  server_certificate docker-tls-on-2375
  daemon docker-tls-on-2375 -H tcp://127.20.0.4:2375 --tls --tlsverify=false "${tls[@]}"
  ready_when docker-tls-on-2375 answers 200 https://127.20.0.4:2375/_ping
  daemon docker-plain-on-2376 -H tcp://127.20.0.4:2376
  ready_when docker-plain-on-2376 answers 200 http://127.20.0.4:2376/_ping

  daemon docker-authz-deny-all -H tcp://127.20.0.6:2375 --authorization-plugin docksweep-lab-deny-all
  ready_when docker-authz-deny-all answers 403 http://127.20.0.6:2375/_ping
  daemon docker-authz-version-only -H tcp://127.20.0.7:2375 --authorization-plugin docksweep-lab-version-only
  ready_when docker-authz-version-only answers 200 http://127.20.0.7:2375/_ping

  server_certificate docker-authz-deny-all-tls
  daemon docker-authz-deny-all-tls -H tcp://127.20.0.13:2376 --tls --tlsverify=false "${tls[@]}" \
    --authorization-plugin docksweep-lab-deny-all
  ready_when docker-authz-deny-all-tls answers 403 https://127.20.0.13:2376/_ping
}

# Sets the caller's $tls to the options for the certificate of that name.
server_certificate() {
  tls=(--tlscacert "$CERTS/root.crt" --tlscert "$CERTS/$1.crt" --tlskey "$CERTS/$1.key")
}
