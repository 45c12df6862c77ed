#!/bin/sh
# Makes the certificates of this directory again, with the OpenSSL 3 command line. Keys are new
# each time and not kept, so the files differ from run to run; the tests only use what this script
# fixes: algorithms, sizes, names, versions, extensions.
#
#     sh testdata/certificates/make.sh
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
days=36500
san='subjectAltName=DNS:docker.example,DNS:*.docker.example,IP:192.0.2.7,IP:2001:db8::7'

key() { # name, then the arguments of genpkey
    name=$1
    shift
    openssl genpkey -quiet -out "$work/$name.key" "$@" 2>/dev/null ||
        openssl genpkey -out "$work/$name.key" "$@" 2>/dev/null
}

self() { # name, key, then the arguments of req
    name=$1
    key=$2
    shift 2
    openssl req -x509 -new -key "$work/$key.key" -days $days -subj "/O=Example/CN=$name" \
        -addext "$san" "$@" -out "$name.pem"
}

for bits in 512 1024 2048; do
    key rsa-$bits -algorithm RSA -pkeyopt rsa_keygen_bits:$bits
    self rsa-$bits-sha256 rsa-$bits -sha256
done
self rsa-1024-sha1 rsa-1024 -sha1
self rsa-1024-sha384 rsa-1024 -sha384
for hash in md5 sha1 sha224 sha384 sha512; do
    self rsa-2048-$hash rsa-2048 -$hash
done
self rsa-2048-pss-sha256 rsa-2048 -sha256 \
    -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32
self rsa-2048-pss-salt-20 rsa-2048 -sha256 \
    -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20
key rsa-pss-key -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048
self rsa-pss-key rsa-pss-key -sha256 -sigopt rsa_pss_saltlen:32
key rsa-e3 -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3
self rsa-2048-e3 rsa-e3 -sha256

for curve in prime192v1 secp224r1 prime256v1 secp384r1 secp521r1 secp256k1 brainpoolP256r1; do
    key $curve -algorithm EC -pkeyopt ec_paramgen_curve:$curve
    self ec-$curve-sha256 $curve -sha256
done
self ec-prime256v1-sha1 prime256v1 -sha1
self ec-prime256v1-sha512 prime256v1 -sha512
self ec-secp384r1-sha384 secp384r1 -sha384
self ec-secp521r1-sha512 secp521r1 -sha512
key ec-explicit -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 \
    -pkeyopt ec_param_enc:explicit
self ec-explicit ec-explicit -sha256

key ed25519 -algorithm ED25519
self ed25519 ed25519
key ed448 -algorithm ED448
self ed448 ed448
openssl dsaparam -out "$work/dsa.param" 1024 2>/dev/null
openssl gendsa -out "$work/dsa.key" "$work/dsa.param" 2>/dev/null
self dsa-1024 dsa -sha256

# A small public key infrastructure: a root, a server and a version 1 server.
openssl req -x509 -new -key "$work/secp384r1.key" -days $days -sha384 \
    -subj '/O=Example/CN=Example CA' -addext 'keyUsage=critical,keyCertSign' -out root.pem
request() { openssl req -new -key "$work/prime256v1.key" -subj "/CN=$1" -out "$work/csr"; }
issue() { # name, then the arguments of x509
    name=$1
    shift
    request "$name"
    openssl x509 -req -in "$work/csr" -CA root.pem -CAkey "$work/secp384r1.key" -sha256 \
        -days $days "$@" -out "$name.pem" 2>/dev/null
}
printf '%s\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n' "$san" \
    >"$work/server.ext"
issue server -set_serial 4660 -extfile "$work/server.ext"
printf 'extendedKeyUsage=serverAuth,clientAuth,1.2.3.4\nsubjectAltName=email:a@example.org\n' \
    >"$work/both.ext"
issue server-and-client -set_serial -61 -extfile "$work/both.ext"
issue version-1 -set_serial 1
# A byte of the name changed after signing.
openssl req -x509 -new -key "$work/prime256v1.key" -days $days -sha256 \
    -subj '/CN=tampered@example' -outform DER -out "$work/good.der"
LC_ALL=C sed 's/tampered@example/tampered\x00example/g' "$work/good.der" >"$work/bad.der"
openssl x509 -inform DER -in "$work/bad.der" -out nul-in-name.pem

# Names to be afraid of: right-to-left override, ANSI escape, quotes, line feed.
self_named() {
    openssl req -x509 -new -key "$work/prime256v1.key" -days $days -sha256 -utf8 \
        -subj "$2" -out "$1.pem"
}
self_named bidi-name "/O=Exämple 日本/CN=$(printf 'evil\342\200\256txt.exe')"
self_named escape-name "/CN=$(printf 'a\033[31mred\033[0m, "quoted"; #x\n')end"

# Validity: expired, and "no well-defined expiration date" (RFC 5280, section 4.1.2.5).
: >"$work/index.txt"
cat >"$work/ca.cnf" <<CNF
[ca]
default_ca = own
[own]
database = $work/index.txt
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
CNF
dated() {
    request "$1"
    openssl ca -config "$work/ca.cnf" -selfsign -keyfile "$work/prime256v1.key" -in "$work/csr" \
        -startdate "$2" -enddate "$3" -batch -notext -out "$1.pem" 2>/dev/null
}
dated expired 20200101000000Z 20210101000000Z
dated never-expires 20200101000000Z 99991231235959Z
