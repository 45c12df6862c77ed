"""repeat.py REPORT TIMES [--apart]: the report with its endpoints written that often, an endpoint a line. With
--apart each repetition stands at addresses of its own: those of the report, so many further on."""

import ipaddress
import json
import sys

path, times, apart = sys.argv[1], int(sys.argv[2]), "--apart" in sys.argv[3:]
with open(path, encoding="utf-8") as file:
    report = json.load(file)
endpoints = report["endpoints"]


def moved(endpoint, number):
    if not apart:
        return endpoint
    stored = endpoint["observation"]["endpoint"]
    address = str(ipaddress.ip_address(stored["address"]) + number * len(endpoints))
    return {**endpoint, "observation": {**endpoint["observation"], "endpoint": {**stored, "address": address}}}


report["endpoints"] = []
head = json.dumps(report)
assert head.endswith('"endpoints": []}')
sys.stdout.write(head[: -len("[]}")] + "[")
for number in range(times):
    for place, endpoint in enumerate(endpoints):
        sys.stdout.write(("," if number or place else "") + "\n" + json.dumps(moved(endpoint, number)))
sys.stdout.write("\n]}\n")
