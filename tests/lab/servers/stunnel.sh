# One stunnel before nginx's start page, with ranges of TLS versions that begin and end in the middle.
# shellcheck shell=bash

stunnel_certificates() {
  certificate stunnel-tls10-tls11 127.20.0.90 key=rsa:2048
  certificate stunnel-tls11-tls13 127.20.0.91 key=rsa:2048
}

# stunnel_service NAME ADDRESS LOWEST HIGHEST
stunnel_service() {
  cat <<CONFIG
[$1]
accept = $2:2376
connect = 127.20.0.50:2375
cert = $CERTS/$1.pem
ciphers = DEFAULT:@SECLEVEL=0
securityLevel = 0
sslVersionMin = $3
sslVersionMax = $4
CONFIG
}

stunnel_start() {
  {
    printf 'foreground = yes\npid =\n'
    stunnel_service stunnel-tls10-tls11 127.20.0.90 TLSv1 TLSv1.1
    stunnel_service stunnel-tls11-tls13 127.20.0.91 TLSv1.1 TLSv1.3
  } >"$CONF/stunnel.conf"
  start stunnel stunnel "$CONF/stunnel.conf"
  ready_when stunnel accepts 127.20.0.90 2376
  ready_when stunnel accepts 127.20.0.91 2376
}
