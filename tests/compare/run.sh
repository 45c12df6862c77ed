#!/usr/bin/env bash
# run.sh: docksweep's verdicts on TLS versions against those of SSLyze, nmap and sslscan, on some 190 servers.
# Installs what is missing (Debian packages, as root; the rest to target/compare-tools), and writes README.md and
# verdicts.tsv beside this file. Logs are in target/compare.
#
# All runs in a network namespace that has loopback alone, so that no packet can leave it: several of the servers
# listen on every address.
set -euo pipefail
export LC_ALL=C.UTF-8

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PATH=$PATH:/usr/sbin:/sbin
# shellcheck source=../../benches/lib/apt.sh
. benches/lib/apt.sh

TOOLS=target/compare-tools
WORK=target/compare
SSLYZE_VERSION=6.3.1
TLSLITE_VERSION=0.8.2
PROGRAMS=tests/compare/programs
# program → package
declare -A PACKAGE_OF=(
  [nmap]=nmap [sslscan]=sslscan [openssl]=openssl [java]=default-jdk-headless [selfserv]=libnss3-tools
  [gnutls-serv]=gnutls-bin [botan]=botan [go]=golang-go [node]=nodejs [stunnel]=stunnel4 [haproxy]=haproxy
  [nginx]=nginx-light [gcc]=gcc [ip]=iproute2
)

install_packages() {
  local program packages=()
  for program in "${!PACKAGE_OF[@]}"; do
    command -v "$program" >/dev/null || packages+=("${PACKAGE_OF[$program]}")
  done
  [ -e /usr/include/mbedtls/ssl.h ] || packages+=(libmbedtls-dev)
  [ -e /usr/include/wolfssl/ssl.h ] || packages+=(libwolfssl-dev)
  python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
  [ ${#packages[@]} -eq 0 ] || apt_install "${packages[@]}"
}

# installed PACKAGE: its version in the environment there
installed() {
  "$TOOLS/venv/bin/python" -c 'import sys; from importlib.metadata import version; print(version(sys.argv[1]))' "$1" 2>/dev/null || true
}

install_python() {
  if [ "$(installed sslyze)" = "$SSLYZE_VERSION" ] && [ "$(installed tlslite-ng)" = "$TLSLITE_VERSION" ]; then return; fi
  python3 -m venv --clear "$TOOLS/venv"
  "$TOOLS/venv/bin/pip" --quiet --disable-pip-version-check install "sslyze==$SSLYZE_VERSION" "tlslite-ng==$TLSLITE_VERSION" >&2
}

build_servers() {
  mkdir -p "$TOOLS/bin"
  gcc -Wall -O1 -o "$TOOLS/bin/mbedtls_server" "$PROGRAMS/mbedtls_server.c" -lmbedtls -lmbedx509 -lmbedcrypto
  gcc -Wall -O1 -o "$TOOLS/bin/wolfssl_server" "$PROGRAMS/wolfssl_server.c" -lwolfssl
  GOCACHE=$PWD/$TOOLS/go-cache GO111MODULE=off go build -o "$TOOLS/bin/go_server" "$PROGRAMS/go_server.go"
}

[ "$(id -u)" -eq 0 ] || { echo "compare: a network namespace needs root" >&2; exit 1; }
install_packages
install_python
build_servers
cargo build --locked --quiet --bin docksweep
rm -rf "$WORK"
mkdir -p "$WORK"
# The process namespace ends every server with the comparison, however that ends.
unshare --net --pid --fork --kill-child --mount-proc sh -c 'ip link set lo up && exec "$@"' compare \
  "$TOOLS/venv/bin/python" tests/compare/compare.py "${CARGO_TARGET_DIR:-target}/debug/docksweep" "$TOOLS" "$WORK" "$@"
