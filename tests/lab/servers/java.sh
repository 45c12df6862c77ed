# One Java virtual machine with all its HTTPS servers: JSSE still has every version back to SSLv3, and RC4, 3DES, DES,
# export, NULL and anonymous suites.
# shellcheck shell=bash

java_certificates() {
  certificate java-client-cert 127.20.0.15 key=rsa:2048
  certificate java-all-versions 127.20.0.16 key=rsa:2048
  certificate java-ssl3 127.20.0.69 key=rsa:2048
  certificate cipher-rc4-3des 127.20.0.74 key=rsa:2048
  certificate cipher-export 127.20.0.75 key=rsa:2048
  certificate cipher-all 127.20.0.76 key=rsa:2048
  local name
  for name in java-client-cert java-all-versions java-ssl3 cipher-rc4-3des cipher-export cipher-all; do
    openssl pkcs12 -export -in "$CERTS/$name.crt" -inkey "$CERTS/$name.key" -passout pass:lab -out "$CERTS/$name.p12"
  done
}

java_start() {
  local all=SSLv3,TLSv1,TLSv1.1,TLSv1.2,TLSv1.3 modern=TLSv1.2,TLSv1.3
  # A suite is there if this matches its name.
  local sound='(?!.*_(anon|NULL)_).*'
  start java java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx96m "$LAB/programs/Server.java" "$CERTS/root.crt" \
    127.20.0.15 "$CERTS/java-client-cert.p12" need-client-auth "$modern" "$sound" \
    127.20.0.16 "$CERTS/java-all-versions.p12" no-client-auth "$all" "$sound" \
    127.20.0.69 "$CERTS/java-ssl3.p12" no-client-auth SSLv3 "$sound" \
    127.20.0.74 "$CERTS/cipher-rc4-3des.p12" no-client-auth "$modern" "TLS_ECDHE_RSA_WITH_(AES_.*_GCM|RC4|3DES).*|TLS_AES_.*|SSL_RSA_WITH_3DES.*" \
    127.20.0.75 "$CERTS/cipher-export.p12" no-client-auth TLSv1,TLSv1.1,TLSv1.2 "TLS_ECDHE_RSA_WITH_AES_.*|SSL_DHE_RSA_EXPORT_.*" \
    127.20.0.76 "$CERTS/cipher-all.p12" no-client-auth SSLv3,TLSv1 '.*'
  ready_when java answers 200 https://127.20.0.15:2376/ --cert "$CERTS/client.crt" --key "$CERTS/client.key"
  ready_when java answers 200 https://127.20.0.16:2376/
  ready_when java accepts 127.20.0.76 2376
}
