# One Java virtual machine with three HTTPS servers: JSSE still has every version back to SSLv3.
# shellcheck shell=bash

java_certificates() {
  certificate java-client-cert 127.20.0.15 key=rsa:2048
  certificate java-all-versions 127.20.0.16 key=rsa:2048
  certificate java-ssl3 127.20.0.69 key=rsa:2048
  local name
  for name in java-client-cert java-all-versions java-ssl3; do
    openssl pkcs12 -export -in "$CERTS/$name.crt" -inkey "$CERTS/$name.key" -passout pass:lab -out "$CERTS/$name.p12"
  done
}

java_start() {
  start java java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx96m "$LAB/programs/Server.java" "$CERTS/root.crt" \
    127.20.0.15 "$CERTS/java-client-cert.p12" need-client-auth TLSv1.2,TLSv1.3 \
    127.20.0.16 "$CERTS/java-all-versions.p12" no-client-auth SSLv3,TLSv1,TLSv1.1,TLSv1.2,TLSv1.3 \
    127.20.0.69 "$CERTS/java-ssl3.p12" no-client-auth SSLv3
  ready_when java answers 200 https://127.20.0.15:2376/ --cert "$CERTS/client.crt" --key "$CERTS/client.key"
  ready_when java answers 200 https://127.20.0.16:2376/
  ready_when java accepts 127.20.0.69 2376
}
