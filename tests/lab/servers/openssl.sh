# `openssl s_server`, one for each version and certificate: it takes even what other servers refuse to load.
# With -www it answers every GET with 200 and a status page.
# shellcheck shell=bash

openssl_certificates() {
  certificate openssl-tls10 127.20.0.20 key=rsa:2048
  certificate openssl-tls10-client-cert 127.20.0.21 key=rsa:2048
  certificate openssl-tls11 127.20.0.22 key=rsa:2048
  certificate openssl-tls11-client-cert 127.20.0.23
  certificate openssl-tls12 127.20.0.24
  certificate openssl-tls13 127.20.0.25
  certificate openssl-client-cert 127.20.0.26
  certificate openssl-tls13-client-cert 127.20.0.27
  certificate openssl-client-cert-optional 127.20.0.28
  certificate openssl-tls-mute 127.20.0.29
  certificate openssl-verifies-nothing 127.20.0.80
  certificate openssl-tls12-verifies-nothing 127.20.0.81
  certificate openssl-rsa-clients-only 127.20.0.86
  certificate openssl-tls11-verifies-nothing 127.20.0.87 key=rsa:2048
  certificate cert-expired 127.20.0.30 from='-400 days' until='-3 days'
  certificate cert-not-yet-valid 127.20.0.31 from='+10 days' until='+407 days'
  certificate cert-expiring 127.20.0.32 from='-370 days' until='+20 days'
  certificate cert-rsa-1024 127.20.0.33 key=rsa:1024
  certificate cert-self-signed 127.20.0.34 by=self
  certificate cert-sha1 127.20.0.35 digest=sha1
  certificate cert-chain 127.20.0.36 by=intermediate
  certificate cert-ec-p256 127.20.0.37
  certificate cert-ed25519 127.20.0.38 key=ED25519
  certificate cert-no-san 127.20.0.39 san=
  certificate cert-is-ca 127.20.0.40 ca=TRUE usage=digitalSignature,keyCertSign
  certificate cert-long-lived 127.20.0.41 until='+3650 days'
  certificate cert-client-auth 127.20.0.42 eku=serverAuth,clientAuth
  certificate cert-no-eku 127.20.0.43 eku=
  certificate cert-other-name 127.20.0.44 san=DNS:docker.example
  certificate cert-rsa-3072 127.20.0.45 key=rsa:3072
  certificate cipher-null 127.20.0.70 key=rsa:2048
  certificate cipher-anonymous 127.20.0.71
  certificate cipher-rsa-only 127.20.0.72 key=rsa:2048
  certificate cipher-anonymous-only 127.20.0.73
  have_ipv6 && certificate openssl-ipv6 ::1
  return 0
}

# s_server NAME ADDRESS OPTIONS...: on port 2376, with the certificate of that name
s_server() {
  local name=$1 address=$2; shift 2
  start "$name" openssl s_server -accept "$address:2376" -cert "$CERTS/$name.crt" -key "$CERTS/$name.key" -quiet "$@"
  ready_when "$name" accepts "${address//[\[\]]/}" 2376
}

openssl_start() {
  # Below TLS 1.2, and for weak keys and signatures, OpenSSL 3 has to be talked into it.
  local weak=(-cipher DEFAULT:@SECLEVEL=0)
  local modern_weak=("${weak[@]}" -min_protocol TLSv1.2)
  local wants_client=(-Verify 3 -verify_return_error -CAfile "$CERTS/root.crt")

  s_server openssl-tls10 127.20.0.20 -www -tls1 "${weak[@]}"
  s_server openssl-tls10-client-cert 127.20.0.21 -www -tls1 "${weak[@]}" "${wants_client[@]}"
  s_server openssl-tls11 127.20.0.22 -www -tls1_1 "${weak[@]}"
  s_server openssl-tls11-client-cert 127.20.0.23 -www -tls1_1 "${weak[@]}" "${wants_client[@]}"
  s_server openssl-tls12 127.20.0.24 -www -tls1_2
  s_server openssl-tls13 127.20.0.25 -www -tls1_3
  s_server openssl-client-cert 127.20.0.26 -www "${wants_client[@]}"
  s_server openssl-tls13-client-cert 127.20.0.27 -www -tls1_3 "${wants_client[@]}"
  s_server openssl-client-cert-optional 127.20.0.28 -www -verify 3 -CAfile "$CERTS/root.crt"

  # -Verify alone demands a certificate, and takes any.
  s_server openssl-verifies-nothing 127.20.0.80 -www -Verify 1
  s_server openssl-tls12-verifies-nothing 127.20.0.81 -www -Verify 1 -tls1_2
  s_server openssl-rsa-clients-only 127.20.0.86 -www -Verify 1 -client_sigalgs RSA-PSS+SHA256:RSA+SHA256
  s_server openssl-tls11-verifies-nothing 127.20.0.87 -www -Verify 1 -tls1_1 "${weak[@]}"

  s_server cert-expired 127.20.0.30 -www
  s_server cert-not-yet-valid 127.20.0.31 -www
  s_server cert-expiring 127.20.0.32 -www
  s_server cert-rsa-1024 127.20.0.33 -www "${modern_weak[@]}"
  s_server cert-self-signed 127.20.0.34 -www
  s_server cert-sha1 127.20.0.35 -www "${modern_weak[@]}"
  cat "$CERTS/intermediate.crt" "$CERTS/root.crt" >"$CERTS/cert-chain.issuers"
  s_server cert-chain 127.20.0.36 -www -cert_chain "$CERTS/cert-chain.issuers"
  s_server cert-ec-p256 127.20.0.37 -www
  s_server cert-ed25519 127.20.0.38 -www
  s_server cert-no-san 127.20.0.39 -www
  s_server cert-is-ca 127.20.0.40 -www
  s_server cert-long-lived 127.20.0.41 -www
  s_server cert-client-auth 127.20.0.42 -www "${wants_client[@]}"
  s_server cert-no-eku 127.20.0.43 -www
  s_server cert-other-name 127.20.0.44 -www
  s_server cert-rsa-3072 127.20.0.45 -www
  s_server cipher-null 127.20.0.70 -www -tls1_2 -cipher ECDHE+AESGCM:NULL-SHA256:@SECLEVEL=0
  s_server cipher-anonymous 127.20.0.71 -www -min_protocol TLSv1.2 -cipher ECDHE+AESGCM:ADH-AES128-GCM-SHA256:@SECLEVEL=0
  s_server cipher-rsa-only 127.20.0.72 -www -tls1_2 -cipher kRSA:!eNULL
  s_server cipher-anonymous-only 127.20.0.73 -www -tls1_2 -cipher ADH:@SECLEVEL=0

  if have_ipv6; then s_server openssl-ipv6 '[::1]' -www; fi

  # Without -www it speaks TLS and then never a word. It ends at the end of its standard input, so it
  # gets a pipe that has none.
  mkfifo "$RUN/mute"
  # shellcheck disable=SC2016 # for the inner shell
  start openssl-tls-mute bash -c 'exec openssl s_server -accept 127.20.0.29:2376 -cert "$1.crt" -key "$1.key" -quiet <>"$2"' \
    mute "$CERTS/openssl-tls-mute" "$RUN/mute"
  ready_when openssl-tls-mute accepts 127.20.0.29 2376
}
