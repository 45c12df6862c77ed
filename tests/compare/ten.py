"""Prints what each scanner says of ten servers, as Markdown, from verdicts.tsv: the table of the project's README.

Per server: the versions that the scanner calls accepted; `?` after one that it leaves undetermined, `failed` where it
says nothing of the server. Bold is wrong.
"""

import csv
from pathlib import Path

SCANNERS = ["docksweep", "SSLyze", "nmap", "sslscan"]
SERVERS = [
    "nginx 1.0–1.3",
    "Java 17 3.0–1.3",
    "tlslite-ng 3.0–1.3",
    "Botan 2 1.0–1.2",
    "wolfSSL 1.1–1.3",
    "OpenSSL client certificate demanded, 1.0–1.3",
    "gate: close over 255 bytes, 1.0–1.2 behind",
    "gate: one byte a record, 1.0–1.3 behind",
    "gate: three connections in ten seconds, 1.2–1.3 behind",
    "gate: a ServerHello of 1.2 to everything",
]


def cell(rows, scanner):
    said = {row["version"].removeprefix("TLSv"): row[scanner] for row in rows}
    if set(said.values()) == {"failed"}:
        return "**failed**"
    shown = []
    for row in rows:
        version, verdict = row["version"].removeprefix("TLSv"), row[scanner]
        mark = {"accepted": version, "undetermined": f"{version}?", "failed": f"{version} failed"}.get(verdict)
        wrong = verdict not in (row["truth"], "undetermined")
        if wrong:
            mark = f"**{mark or f'no {version}'}**"
        if mark:
            shown.append(mark)
    return " ".join(shown) or "none"


def main():
    with open(Path(__file__).with_name("verdicts.tsv"), encoding="utf-8") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    print(f"| server | truth | {' | '.join(SCANNERS)} |")
    print("|---|---|" + "---|" * len(SCANNERS))
    for server in SERVERS:
        of_server = [row for row in rows if row["server"] == server]
        assert of_server, f"no verdicts on {server}"
        cells = [cell(of_server, scanner) for scanner in ["truth", *SCANNERS]]
        print(f"| {server} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
