#!/usr/bin/env python3
"""How long after its SYN-ACK each endpoint was judged, from docksweep's log (-vv).

    verdicts.py LOG ROUND_TRIP_MS PLAIN_TRIPS TLS_TRIPS

Prints a Markdown table of milliseconds by transport. TRIPS are the round trips that a verdict cannot do without.
"""
import datetime
import re
import statistics
import sys

TIME = re.compile(r"^(\S+Z)\s")
OPEN = re.compile(r"\bopen address=(\S+:\d+)")
JUDGED = re.compile(r'\bjudged endpoint="tcp/(\S+?:\d+)"')


def at(line):
    return datetime.datetime.fromisoformat(TIME.match(line).group(1).replace("Z", "+00:00"))


def main():
    path, trip, plain_trips, tls_trips = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    found, took = {}, {"plain, 2375": [], "TLS, 2376": []}
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            if (match := OPEN.search(line)) and match.group(1) not in found:
                found[match.group(1)] = at(line)
            elif (match := JUDGED.search(line)) and match.group(1) in found:
                kind = "plain, 2375" if match.group(1).endswith(":2375") else "TLS, 2376"
                took[kind].append((at(line) - found[match.group(1)]).total_seconds() * 1000)
    print("| transport | endpoints | median ms | slowest of 95 % | round trips it needs, ms | over them |")
    print("|---|---:|---:|---:|---:|---:|")
    for (kind, times), trips in zip(took.items(), (plain_trips, tls_trips)):
        times.sort()
        if not times:
            print(f"| {kind} | 0 | – | – | {trips * trip:.0f} | – |")
            continue
        slow = times[min(len(times) - 1, int(len(times) * 0.95))]
        over = statistics.median(times) - trips * trip
        print(f"| {kind} | {len(times)} | {statistics.median(times):.0f} | {slow:.0f} | {trips * trip:.0f} | {over:.0f} |")


if __name__ == "__main__":
    main()
