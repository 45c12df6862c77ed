"""compare.py DOCKSWEEP TOOLS WORK [SERVER]...: starts the servers, lets every scanner at them, and writes what they said.

Writes verdicts.tsv, and the generated part of README.md, beside this file. With parts of servers' names, asks only docksweep and for the bytes, of those servers,
and prints the verdicts. `compare.py again DOCKSWEEP TOOLS WORK` asks only docksweep, of all servers, and keeps what verdicts.tsv
says of the others. `compare.py table TOOLS` writes README.md anew from verdicts.tsv. Ends with 1 if docksweep is wrong, if a
server does not serve what it was configured for, or if a disagreement has no reason in reasons.py.
"""

import socket
import sys
import time
from pathlib import Path

import scanners
import table
from servers import Fleet

READY_SECONDS = 60
HERE = Path(__file__).parent


def wait_for(fleet):
    deadline = time.monotonic() + READY_SECONDS
    waiting = list(fleet.servers)
    while waiting:
        for name, process in fleet.processes:
            if process.poll() is not None:
                sys.exit(f"compare: {name} ended; its log is in {fleet.work}")
        waiting = [server for server in waiting if not listens(server)]
        if waiting and time.monotonic() > deadline:
            sys.exit(f"compare: not ready: {', '.join(server.name for server in waiting)}; logs are in {fleet.work}")
        time.sleep(0.2)


def listens(server):
    try:
        socket.create_connection((server.address, server.port), timeout=2).close()
    except OSError:
        return False
    return True


def timed(name, work, *arguments):
    begun = time.monotonic()
    result = work(*arguments)
    print(f"compare: {name} took {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return result


def again(docksweep, tools, work):
    tools, work = Path(tools).resolve(), Path(work)
    fleet = Fleet(work)
    fleet.define()
    try:
        fleet.start(tools)
        wait_for(fleet)
        verdicts, reasons = timed("docksweep", scanners.docksweep, docksweep, fleet.servers, work)
    finally:
        fleet.stop()
    rows = table.read(HERE)
    for row in rows:
        place = row["server"], row["version"]
        row["docksweep"], row["reason"] = verdicts[place], reasons[place]
    return table.write(HERE, rows, tools)


def main(docksweep, tools, work, *only):
    tools, work = Path(tools).resolve(), Path(work)
    fleet = Fleet(work)
    fleet.define()
    servers = fleet.servers
    try:
        fleet.start(tools)
        wait_for(fleet)
        servers = [server for server in servers if not only or any(part in server.name for part in only)]
        print(f"compare: {len(servers)} servers are ready", file=sys.stderr)
        said = {}
        # docksweep first: a server that counts connections has not seen any of the others yet.
        said["docksweep"], reasons = timed("docksweep", scanners.docksweep, docksweep, servers, work)
        # Ten seconds of which the wait for the next scanner is part.
        time.sleep(10)
        said["bytes"], shown = timed("asking for the bytes", scanners.referee, servers)
        if not only:
            said["SSLyze"] = timed("SSLyze", scanners.sslyze, str(tools / "venv/bin/sslyze"), servers, work)
            said["nmap"] = timed("nmap", scanners.nmap, servers)
            said["sslscan"] = timed("sslscan", scanners.sslscan, servers)
    finally:
        fleet.stop()
    rows = table.rows(servers, said, reasons, shown)
    if only:
        print("\n".join(table.line(row) for row in rows))
        return 0
    return table.write(HERE, rows, tools)


if __name__ == "__main__":
    if sys.argv[1] == "table":
        sys.exit(table.write(HERE, table.read(HERE), Path(sys.argv[2])))
    if sys.argv[1] == "again":
        sys.exit(again(*sys.argv[2:]))
    sys.exit(main(*sys.argv[1:]))
