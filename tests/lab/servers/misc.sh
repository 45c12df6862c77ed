# What else is found on open ports: an SSH server and one that accepts and never speaks.
# shellcheck shell=bash

misc_start() {
  # sshd insists on this directory; on a machine without an SSH service it is missing.
  mkdir -p /run/sshd
  ssh-keygen -q -t ed25519 -N '' -f "$CONF/ssh_host_key"
  cat >"$CONF/sshd_config" <<CONFIG
ListenAddress 127.20.0.51:2375
HostKey $CONF/ssh_host_key
PidFile none
UsePAM no
PasswordAuthentication no
PubkeyAuthentication no
CONFIG
  start sshd /usr/sbin/sshd -D -e -f "$CONF/sshd_config"
  ready_when sshd accepts 127.20.0.51 2375

  start silent python3 "$LAB/programs/silent.py" 127.20.0.52 2375
  ready_when silent accepts 127.20.0.52 2375
}

misc_clean() { rmdir /run/sshd 2>/dev/null || true; }
