"""Rows of verdicts → verdicts.tsv and the generated part of README.md."""

from servers import VERSIONS
from collections import Counter

TOOLS = ["docksweep", "SSLyze", "nmap", "sslscan"]


def rows(servers, said, reasons, shown):
    """One dictionary for each server and version."""
    return [
        {
            "server": server.name,
            "implementation": server.implementation,
            "special": server.special,
            "version": version,
            "truth": server.truth[version],
            "bytes": said["bytes"][server.name, version],
            "shown": shown[server.name, version],
            "reason": reasons[server.name, version],
            **{tool: said[tool][server.name, version] for tool in TOOLS if tool in said},
        }
        for server in servers
        for version in VERSIONS
    ]


def lines(rows, only_differing=True):
    for row in rows:
        wrong = row["docksweep"] != row["truth"] or row["bytes"] != row["truth"]
        if wrong or not only_differing:
            mark = "!!" if row["docksweep"] != row["truth"] else "??" if row["bytes"] != row["truth"] else "  "
            yield f"{mark} {row['server']} {row['version']}: truth {row['truth']}, docksweep {row['docksweep']} ({row['reason']}), bytes {row['bytes']} ({row['shown']})" + "".join(f", {t} {row[t]}" for t in TOOLS[1:] if t in row)


def write(here, rows, tools):
    print("\n".join(lines(rows)))
    columns = ["server", "version", "truth", "bytes", *TOOLS, "shown", "reason"]
    with open(here / "verdicts.tsv", "w") as file:
        file.write("\t".join(columns) + "\n")
        for row in rows:
            file.write("\t".join(str(row[column]) for column in columns) + "\n")
    return 0
