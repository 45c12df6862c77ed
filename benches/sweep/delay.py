#!/usr/bin/env python3
"""Opens the TUN device DEVICE as standard input of PROGRAM: delay.py DEVICE PROGRAM"""
import fcntl
import os
import struct
import sys

TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000

device, program = sys.argv[1:]
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
os.dup2(tun, 0)
os.execv(program, [program])
