#!/usr/bin/env bash
# Installs the programs the lab runs (Debian 12, root). Quiet when nothing is missing.
#
# Packages such as nginx or docker.io start their service as they are installed, on public addresses and
# partly on the very ports the lab uses. A policy-rc.d that says no keeps them from starting, with and
# without systemd; afterwards their units are disabled, so that a reboot does not start them either.
set -euo pipefail

# program → package
declare -A PACKAGE_OF=(
  [dockerd]=docker.io [podman]=podman [nginx]=nginx-light [haproxy]=haproxy
  [sshd]=openssh-server [openssl]=openssl [stunnel]=stunnel4 [python3]=python3 [java]=default-jdk-headless
  [curl]=curl [rootlesskit]=rootlesskit [newuidmap]=uidmap [systemd-analyze]=systemd [sqlite3]=sqlite3
  [xmllint]=libxml2-utils [ndiff]=ndiff [nmap]=nmap [promtool]=prometheus [cmark-gfm]=cmark-gfm
  [mandoc]=mandoc [man]=man-db [zsh]=zsh [fish]=fish [chromium]=chromium [pdftotext]=poppler-utils
  [ip]=iproute2 [nft]=nftables [unshare]=util-linux [tinyproxy]=tinyproxy-bin [faketime]=faketime
)
SERVICES=(docker.service docker.socket containerd.service podman.service podman.socket
  podman-restart.service podman-auto-update.service podman-auto-update.timer
  nginx.service haproxy.service ssh.service ssh.socket prometheus.service)
# servers/settings.sh says what for. Its subordinate numbers are a free range of /etc/subuid and /etc/subgid.
LAB_USER=docksweep-lab
POLICY=/usr/sbin/policy-rc.d
PATH=$PATH:/usr/sbin:/sbin

missing=() packages=()
for program in "${!PACKAGE_OF[@]}"; do
  command -v "$program" >/dev/null || packages+=("${PACKAGE_OF[$program]}")
done
[ -e /etc/ssl/certs/ca-certificates.crt ] || packages+=(ca-certificates)
missing=("${packages[@]}")
id "$LAB_USER" >/dev/null 2>&1 || missing+=("the user $LAB_USER")
[ ${#missing[@]} -eq 0 ] && exit 0

[ "$(id -u)" -eq 0 ] || { echo "install.sh: missing ${missing[*]}; run as root" >&2; exit 1; }
if ! id "$LAB_USER" >/dev/null 2>&1; then
  useradd --system --user-group --add-subids-for-system --no-create-home --home-dir /nonexistent \
    --shell /usr/sbin/nologin "$LAB_USER"
fi
[ ${#packages[@]} -gt 0 ] || exit 0
command -v apt-get >/dev/null || { echo "install.sh: missing ${packages[*]}, and no apt-get here" >&2; exit 1; }

# Services that were there before are the machine's own: they stay as they are.
new_services=()
for service in "${SERVICES[@]}"; do
  [ -e "/lib/systemd/system/$service" ] || new_services+=("$service")
done

saved_policy=
restore_policy() {
  rm -f "$POLICY"
  if [ -n "$saved_policy" ]; then mv "$saved_policy" "$POLICY"; fi
}
if [ -e "$POLICY" ] || [ -L "$POLICY" ]; then
  saved_policy=$POLICY.before-lab
  mv "$POLICY" "$saved_policy"
fi
trap restore_policy EXIT
trap 'exit 130' INT TERM
printf '#!/bin/sh\nexit 101\n' >"$POLICY"
chmod 755 "$POLICY"

log=$(mktemp)
echo "installing: ${packages[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get -q update && apt-get -qy install --no-install-recommends "${packages[@]}"; } >"$log" 2>&1; then
  echo "install.sh: apt-get failed; the end of its output:" >&2
  tail -n 20 "$log" >&2
  exit 1
fi
rm -f "$log"

for service in "${new_services[@]}"; do
  [ -e "/lib/systemd/system/$service" ] || continue
  # Works on the unit files alone, so also where systemd is installed but not running.
  if command -v systemctl >/dev/null; then systemctl --quiet disable "$service" 2>/dev/null || true; fi
done
# Without systemd, the links in /etc/rc?.d decide.
if command -v update-rc.d >/dev/null; then
  for script in docker nginx haproxy ssh prometheus; do
    case " ${new_services[*]} " in
      *" $script.service "*) update-rc.d "$script" disable >/dev/null 2>&1 || true ;;
    esac
  done
fi
