"""repeat.py REPORT TIMES: the report with its endpoints written that often, an endpoint a line."""

import json
import sys

path, times = sys.argv[1], int(sys.argv[2])
with open(path, encoding="utf-8") as file:
    report = json.load(file)
lines = [json.dumps(endpoint) for endpoint in report["endpoints"]]
report["endpoints"] = []
head = json.dumps(report)
assert head.endswith('"endpoints": []}')
sys.stdout.write(head[: -len("[]}")] + "[")
for number in range(times):
    for line in lines:
        sys.stdout.write(("," if number or line is not lines[0] else "") + "\n" + line)
sys.stdout.write("\n]}\n")
