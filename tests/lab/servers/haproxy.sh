# HAProxy before the plain dockerd: as a socket proxy that filters, as the guard that wants certificates, and as one
# that only speaks TLS of old.
# shellcheck shell=bash

haproxy_certificates() {
  certificate haproxy-verify-required 127.20.0.12 key=rsa:2048
  certificate haproxy-tls10 127.20.0.66 key=rsa:2048
  certificate haproxy-tls11-client-cert 127.20.0.67 key=rsa:2048
  certificate haproxy-rsa-key-exchange 127.20.0.68 key=rsa:2048
  certificate haproxy-ignores-errors 127.20.0.84
}

haproxy_start() {
  cat >"$CONF/haproxy.cfg" <<CONFIG
global
  maxconn 200
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend filtered
  bind 127.20.0.5:2375
  http-request deny unless { path_reg ^(/v[0-9.]+)?/(_ping|version)$ }
  default_backend docker
frontend verify-required
  bind 127.20.0.12:2376 ssl crt $CERTS/haproxy-verify-required.pem ca-file $CERTS/root.crt verify required ssl-min-ver TLSv1.2
  default_backend docker
frontend tls10
  bind 127.20.0.66:2376 ssl crt $CERTS/haproxy-tls10.pem ssl-min-ver TLSv1.0 ssl-max-ver TLSv1.0 ciphers DEFAULT:@SECLEVEL=0
  default_backend docker
frontend tls11-client-cert
  bind 127.20.0.67:2376 ssl crt $CERTS/haproxy-tls11-client-cert.pem ca-file $CERTS/root.crt verify required ssl-min-ver TLSv1.1 ssl-max-ver TLSv1.1 ciphers DEFAULT:@SECLEVEL=0
  default_backend docker
frontend rsa-key-exchange
  bind 127.20.0.68:2376 ssl crt $CERTS/haproxy-rsa-key-exchange.pem ssl-min-ver TLSv1.2 ssl-max-ver TLSv1.2 ciphers AES128-SHA
  default_backend docker
frontend ignores-errors
  bind 127.20.0.84:2376 ssl crt $CERTS/haproxy-ignores-errors.pem ca-file $CERTS/root.crt verify required ca-ignore-err all crt-ignore-err all ssl-min-ver TLSv1.2
  default_backend docker
backend docker
  server docker 127.20.0.1:2375
CONFIG
  start haproxy haproxy -db -f "$CONF/haproxy.cfg"
  ready_when haproxy answers 200 http://127.20.0.5:2375/_ping
  local address
  for address in 127.20.0.12 127.20.0.66 127.20.0.67 127.20.0.68 127.20.0.84; do
    ready_when haproxy accepts "$address" 2376
  done
}
