"""How much of a scan's work was really done, so that nobody is called fast for leaving it.

    complete.py swept REPORT PROBES    fails unless PROBES ports were closed and nothing else
    complete.py found REPORT TARGETS   prints how many of the file's address:port are in the report
    complete.py tls REPORT             prints how many endpoints have the one right, whole TLS verdict
    complete.py fleet REPORT           prints how many endpoints of bench_fleet are judged rightly
    complete.py sslyze OUTPUT          prints how many servers SSLyze has results for
"""

import json
import sys
from collections import Counter

MODERN = {
    "SSLv3": "refused",
    "TLSv1.0": "refused",
    "TLSv1.1": "refused",
    "TLSv1.2": "accepted",
    "TLSv1.3": "accepted",
}
# What nginx with TLS 1.0 to 1.2 comes to.
LEGACY = MODERN | {"TLSv1.0": "accepted", "TLSv1.1": "accepted", "TLSv1.3": "refused"}


def tls_is_whole(tls, *wanted):
    versions = {name: verdict["status"] for name, verdict in tls["versions"].items()}
    classes = [verdict["status"] for verdict in tls["cipher_classes"].values()]
    chain = tls["chains"]
    return (
        versions in wanted
        and "undetermined" not in classes
        and len(chain) == 1
        and chain[0]["certificates"]
        and tls["client_auth"]["requested"] != "undetermined"
        and tls["client_auth"]["required"] != "undetermined"
    )


def tls_verdict_is_right(endpoint):
    return (
        endpoint["transport"] == "tls"
        and endpoint["api"]["access"] == "not-docker"
        and tls_is_whole(endpoint["tls"], MODERN, LEGACY)
        and endpoint["tls"]["negotiated"]["key_possession"] == "proved"
        and endpoint["tls"]["client_auth"]["requested"] == "no"
    )


def fleet_verdict_is_right(endpoint):
    access = endpoint["api"]["access"]
    if endpoint["transport"] == "plain":
        return access == "open" and bool(endpoint["api"]["version"])
    required = endpoint["tls"]["client_auth"]["required"]
    expected = "client-certificate-required" if required == "yes" else "open"
    return access == expected and tls_is_whole(endpoint["tls"], MODERN)


def main(what, path, *rest):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    if what == "swept":
        counts = report["scan"]["counts"]
        done = report["scan"]["complete"] and counts["closed"] == int(rest[0])
        return 0 if done else f"the counts are {counts}"
    if what == "sslyze":
        states = Counter(server["scan_status"] for server in report["server_scan_results"])
        print(states["COMPLETED"])
        return 0
    endpoints = report["endpoints"]
    if what == "found":
        with open(rest[0], encoding="utf-8") as file:
            targets = set(file.read().split())
        print(len(targets & {f"{e['address']}:{e['port']}" for e in endpoints}))
        return 0
    right = {"tls": tls_verdict_is_right, "fleet": fleet_verdict_is_right}[what]
    print(sum(map(right, endpoints)) if report["scan"]["complete"] else 0)
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
