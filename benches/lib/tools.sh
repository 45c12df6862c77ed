# The programs that docksweep is compared with, and what measuring needs. All but the Debian packages
# lies under target/bench-tools.
# shellcheck shell=bash

RUSTSCAN_VERSION=2.4.1
SSLYZE_VERSION=6.3.1

install_tools() {
  local packages=()
  type -P time >/dev/null || packages+=(time)
  command -v openssl >/dev/null || packages+=(openssl)
  command -v jq >/dev/null || packages+=(jq)
  command -v chromium >/dev/null || packages+=(chromium)
  command -v nmap >/dev/null || packages+=(nmap)
  command -v sslscan >/dev/null || packages+=(sslscan)
  command -v nginx >/dev/null || packages+=(nginx-light)
  python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
  if [ ${#packages[@]} -gt 0 ]; then
    apt_install "${packages[@]}"
    case " ${packages[*]} " in
      *' nginx-light '*) disable_nginx_service ;;
    esac
  fi
  mkdir -p "$TOOLS/bin"
  install_rustscan
  install_sslyze
}

# Not at the next start of the machine either.
disable_nginx_service() {
  if command -v systemctl >/dev/null; then systemctl --quiet disable nginx.service 2>/dev/null || true; fi
  if command -v update-rc.d >/dev/null; then update-rc.d nginx disable >/dev/null 2>&1 || true; fi
}

install_rustscan() {
  if [ "$(rustscan_version)" = "rustscan $RUSTSCAN_VERSION" ]; then return; fi
  say "installing RustScan $RUSTSCAN_VERSION (a few minutes)"
  cargo install rustscan --version "$RUSTSCAN_VERSION" --locked --force --quiet --root "$TOOLS" >&2
}

rustscan_version() { "$TOOLS/bin/rustscan" --version 2>/dev/null || true; }

install_sslyze() {
  local venv=$TOOLS/venv
  if [ "$(sslyze_version)" != "$SSLYZE_VERSION" ]; then
    say "installing SSLyze $SSLYZE_VERSION"
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" --quiet --disable-pip-version-check install "sslyze==$SSLYZE_VERSION" >&2
  fi
  ln -sfn ../venv/bin/sslyze "$TOOLS/bin/sslyze"
}

sslyze_version() {
  "$TOOLS/venv/bin/python" -c 'from importlib.metadata import version; print(version("sslyze"))' 2>/dev/null || true
}

# "name version" of each program in the comparison.
tool_versions() {
  docksweep --version
  rustscan_version
  echo "sslscan $(sslscan --version --no-colour | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1)"
  echo "nmap $(nmap --version | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1)"
  echo "sslyze $(sslyze_version)"
  echo "nginx $(nginx -v 2>&1 | grep -oE '[0-9]+(\.[0-9]+)+')"
}
