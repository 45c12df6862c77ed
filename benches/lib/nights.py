"""nights.py REPORT TIMES BEFORE AFTER: two reports with the endpoints of REPORT written that often, on
addresses of their own, an endpoint a line. Of every hundred, one is changed in AFTER, and one is not there."""

import ipaddress
import json
import sys

path, times, before, after = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
with open(path, encoding="utf-8") as file:
    report = json.load(file)
endpoints = report["endpoints"]
lines = [(endpoint["address"], json.dumps(endpoint)) for endpoint in endpoints]


def changed(line):
    endpoint = json.loads(line)
    endpoint["findings"] = endpoint["findings"][1:]
    endpoint["api"]["access"] = "denied"
    endpoint["grade"] = "B"
    return json.dumps(endpoint)


def write(path, night):
    report["endpoints"] = []
    report["scan"]["id"] = f"night-{night}"
    report["scan"]["started_at"] = f"2026-01-0{night}T02:00:00Z"
    head = json.dumps(report)
    assert head.endswith('"endpoints": []}')
    with open(path, "w", encoding="utf-8") as file:
        file.write(head[: -len("[]}")] + "[")
        number = 0
        for _ in range(times):
            for address, line in lines:
                place = str(ipaddress.IPv4Address(0x0A000000 + number))
                number += 1
                if night == 2 and number % 100 == 0:
                    continue
                line = line.replace(address, place)
                if night == 2 and number % 100 == 50:
                    line = changed(line)
                file.write(("," if number > 1 else "") + "\n" + line)
        file.write("\n]}\n")


write(before, 1)
write(after, 2)
