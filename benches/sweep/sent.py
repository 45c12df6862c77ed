#!/usr/bin/env python3
"""Runs a command and watches how fast packets leave by an interface meanwhile.

    sent.py INTERFACE RESULT COMMAND...

Writes to RESULT: packets, packets a second from the first 2 % to the last 2 %, most packets in any 100 ms, seconds the
command took, its peak memory in KiB, its exit code.
"""
import os
import resource
import sys
import time

INTERVAL = 0.002
WINDOW = 0.1


def at(samples, packets):
    """The time at which that many had left."""
    for (t0, p0), (t1, p1) in zip(samples, samples[1:]):
        if p0 <= packets <= p1 and p1 > p0:
            return t0 + (t1 - t0) * (packets - p0) / (p1 - p0)
    return samples[-1][0]


def most_in_window(samples):
    most, first = 0, 0
    for t1, p1 in samples:
        while t1 - samples[first + 1][0] >= WINDOW if first + 1 < len(samples) else False:
            first += 1
        t0, p0 = samples[first]
        if t1 - t0 <= WINDOW + INTERVAL * 2:
            most = max(most, (p1 - p0) * min(1.0, WINDOW / max(t1 - t0, 1e-9)))
    return most


def main():
    interface, result, *command = sys.argv[1:]
    counter = os.open(f"/sys/class/net/{interface}/statistics/tx_packets", os.O_RDONLY)
    read = lambda: int(os.pread(counter, 32, 0))
    before = read()
    begin = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ)
    samples = [(begin, 0)]
    status = None
    while status is None:
        samples.append((time.monotonic(), read() - before))
        done, code = os.waitpid(pid, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(code)
        else:
            time.sleep(INTERVAL)
    took = time.monotonic() - begin
    packets = samples[-1][1]
    span = at(samples, packets * 0.98) - at(samples, packets * 0.02)
    rate = packets * 0.96 / span if span > 0 else 0
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with open(result, "w", encoding="ascii") as file:
        print(packets, round(rate), round(most_in_window(samples)), f"{took:.3f}", peak, status, file=file)


if __name__ == "__main__":
    main()
