# Authorization plugins for the dockerds that have one. dockerd looks for plugins in this directory only.
# shellcheck shell=bash

AUTHZ_SOCKETS=/run/docker/plugins

authz_start() {
  authz_plugin deny-all version-only
}

# authz_plugin POLICY...
authz_plugin() {
  local policy try
  mkdir -p "$AUTHZ_SOCKETS"
  for policy in "$@"; do
    start "authz-$policy" python3 "$LAB/programs/authz_plugin.py" "$policy" "$AUTHZ_SOCKETS/docksweep-lab-$policy.sock"
  done
  # dockerd asks for its plugins as it starts: they have to be there before it.
  for policy in "$@"; do
    for try in $(seq 100); do
      [ -S "$AUTHZ_SOCKETS/docksweep-lab-$policy.sock" ] && break
      [ "$try" -lt 100 ] || { died "authz-$policy" "no socket after 10 s"; return 1; }
      sleep 0.1
    done
  done
}

authz_clean() {
  rm -f "$AUTHZ_SOCKETS"/docksweep-lab-*.sock
  rmdir "$AUTHZ_SOCKETS" /run/docker 2>/dev/null || true
}
