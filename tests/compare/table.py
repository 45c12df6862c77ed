"""Rows of verdicts → verdicts.tsv and the generated part of README.md."""

import re
import subprocess
import sys
from collections import Counter
from datetime import date
from itertools import groupby

from reasons import reason_of
from servers import VERSIONS, short

TOOLS = ["docksweep", "SSLyze", "nmap", "sslscan"]
COLUMNS = ["server", "version", "truth", "bytes", *TOOLS, "shown", "reason", "implementation", "special"]
BEGIN, END = "<!-- generated: begin -->\n", "<!-- generated: end -->\n"


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


def read(here):
    """The rows of verdicts.tsv."""
    with open(here / "verdicts.tsv") as file:
        lines = [line.rstrip("\n").split("\t") for line in file][1:]
    rows = [dict(zip(COLUMNS, line)) for line in lines]
    for row in rows:
        row["special"] = row["special"] == "True"
    return rows


def kind(verdict, truth):
    """How a verdict stands to the truth."""
    if verdict == truth:
        return "right"
    if verdict in ("failed", "undetermined"):
        return verdict
    return "unfounded" if truth == "undetermined" else "wrong"


def write(here, rows, tools):
    """Returns the exit code: 1 if something needs a human."""
    with open(here / "verdicts.tsv", "w") as file:
        file.write("\t".join(COLUMNS) + "\n")
        for row in rows:
            file.write("\t".join(str(row[column]) for column in COLUMNS) + "\n")
    readme = here / "README.md"
    head, _, rest = readme.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    generated = "\n".join([*versions(tools), *counts(rows), *equal(rows), *disagreements(rows), ""])
    readme.write_text(head + BEGIN + generated + END + tail)
    problems = list(unsettled(rows))
    print("\n".join(problems), file=sys.stderr)
    return 1 if problems else 0


def unsettled(rows):
    for row in rows:
        for tool in TOOLS:
            if kind(row[tool], row["truth"]) != "right" and not reason_of(tool, row):
                yield f"no reason: {tool} says {row[tool]}. {line(row)}"
        if kind(row["bytes"], row["truth"]) != "right" and not reason_of("bytes", row):
            yield f"no reason: the bytes say {row['bytes']}. {line(row)}"


def line(row):
    said = ", ".join(f"{tool} {row[tool]}" for tool in TOOLS if tool in row)
    return f"{row['server']}, {row['version']}: truth {row['truth']}; {said}; docksweep: {row['reason']}; bytes {row['bytes']}: {row['shown']}"


def output_of(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout + done.stderr


def debian(package):
    return output_of("dpkg-query", "-W", "-f", "${Version}", package).strip()


def versions(tools):
    pip = lambda name: output_of(str(tools / "venv/bin/pip"), "show", name).split("Version: ")[1].split("\n")[0]
    scanners = {"SSLyze": pip("sslyze"), "nmap": debian("nmap"), "sslscan": debian("sslscan")}
    servers = {
        "tlslite-ng": pip("tlslite-ng"),
        "OpenSSL": debian("openssl"),
        "Java": re.search(r'"(.+?)"', output_of("java", "-version"))[1],
        "NSS": debian("libnss3-tools"),
        "GnuTLS": debian("gnutls-bin"),
        "Mbed TLS": debian("libmbedtls-dev"),
        "wolfSSL": debian("libwolfssl-dev"),
        "Botan": debian("botan"),
        "Go": output_of("go", "version").split()[2].removeprefix("go"),
        "Node": output_of("node", "--version").strip().removeprefix("v"),
        "stunnel": debian("stunnel4"),
        "HAProxy": debian("haproxy"),
        "nginx": output_of("nginx", "-v").strip().rpartition("/")[2],
    }
    for what, listed in (("Scanners", scanners), ("Servers", servers)):
        yield f"{what} of {date.today()}: " + ", ".join(f"{name} {version}" for name, version in listed.items()) + "."
        yield ""


def counts(rows):
    yield f"## {len(rows)} verdicts a scanner: {len(rows) // len(VERSIONS)} servers, {len(VERSIONS)} versions"
    yield ""
    yield "| scanner | right | wrong | unfounded | undetermined | failed | differs from docksweep |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for tool in TOOLS:
        kinds = Counter(kind(row[tool], row["truth"]) for row in rows)
        differs = sum(row[tool] != row["docksweep"] for row in rows)
        cells = [kinds[k] for k in ("right", "wrong", "unfounded", "undetermined", "failed")]
        yield f"| {tool} | " + " | ".join(str(cell) for cell in [*cells, differs]) + " |"
    yield ""


def equal(rows):
    yield "## By implementation"
    yield ""
    yield "Right verdicts of all."
    yield ""
    yield "| servers | number | " + " | ".join(TOOLS) + " |"
    yield "|---|--:|" + "--:|" * len(TOOLS)

    def group(row):
        return "special cases" if row["special"] else row["implementation"]

    ordered = sorted(rows, key=lambda row: row["special"])
    for name, members in groupby(ordered, key=group):
        members = list(members)
        right = [sum(kind(row[tool], row["truth"]) == "right" for row in members) for tool in TOOLS]
        cells = [f"{count} of {len(members)}" for count in right]
        yield f"| {name} | {len(members) // len(VERSIONS)} | " + " | ".join(cells) + " |"
    yield ""


def disagreements(rows):
    yield "## Every disagreement"
    yield ""
    yield "Where a scanner differs from docksweep, or docksweep from the truth. Servers that differ in the same way"
    yield "share a line; the bytes are those of the first."
    for tool in TOOLS:
        differing = [
            row for row in rows if row[tool] != row["docksweep"] or kind(row[tool], row["truth"]) != "right"
        ]
        yield ""
        yield f"### {tool}"
        yield ""
        if not differing:
            yield "None."
            continue
        heads = ["server", "version", *dict.fromkeys([tool, "docksweep"]), "truth", "right", "the bytes", "why"]
        yield "| " + " | ".join(heads) + " |"
        yield "|" + "---|" * len(heads)
        for members in together(tool, differing).values():
            first = members[0]
            right = [name for name in dict.fromkeys([tool, "docksweep"]) if kind(first[name], first["truth"]) == "right"]
            why = reason_of(tool, first) or reason_of("docksweep", first) or "no reason known"
            yield "| " + " | ".join(
                [
                    servers_of(members),
                    versions_of(members),
                    *(first[name] for name in dict.fromkeys([tool, "docksweep"])),
                    first["truth"],
                    " and ".join(right) or "neither",
                    cell(first["shown"]),
                    why,
                ]
            ) + " |"


def together(tool, rows):
    groups = {}
    for row in rows:
        shared = (
            row["server"] if row["special"] else row["implementation"],
            row[tool],
            row["docksweep"],
            row["truth"],
            reason_of(tool, row),
        )
        groups.setdefault(shared, []).append(row)
    return groups


def servers_of(rows):
    first = rows[0]
    if first["special"]:
        return cell(first["server"])
    titles = dict.fromkeys(row["server"].removeprefix(first["implementation"]).strip() for row in rows)
    return f"{first['implementation']} {', '.join(titles)}"


def versions_of(rows):
    seen = {row["version"] for row in rows}
    return ", ".join(short(version) if version != "SSLv3" else version for version in VERSIONS if version in seen)


def cell(text):
    return text.replace("|", "\\|")
