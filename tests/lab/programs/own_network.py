"""own_network.py ADDRESS PORT COMMAND...: runs COMMAND in a network namespace of its own, with a listening socket of
the machine's: `dockerd -H fd://` then answers on ADDRESS:PORT itself, while the bridges it makes are nobody else's.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
IFF_UP = 1
FIRST_HANDED_OVER = 3  # as systemd hands sockets over

address, port, *command = sys.argv[1:]
listener = socket.create_server((address, int(port)))
if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
    sys.exit(f"own_network.py: unshare: {os.strerror(ctypes.get_errno())}")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
os.dup2(listener.detach(), FIRST_HANDED_OVER)
os.set_inheritable(FIRST_HANDED_OVER, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execvp(command[0], command)
