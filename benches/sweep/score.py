#!/usr/bin/env python3
"""Scores what a scanner says it found against the truth.

    score.py TRUTH FORMAT FILE

TRUTH has ADDRESS:PORT a line; FORMAT is docksweep (JSON report), masscan (-oL), zmap (-f saddr,sport as CSV),
nmap (-oG) or rustscan (-g). Prints "found missed false duplicate" as numbers.
"""
import collections
import json
import re
import sys


def docksweep(text):
    return [f"{e['address']}:{e['port']}" for e in json.loads(text)["endpoints"]]


def masscan(text):
    fields = (line.split() for line in text.splitlines() if line.startswith("open "))
    return [f"{f[3]}:{f[2]}" for f in fields]


def zmap(text):
    return [line.strip().replace(",", ":") for line in text.splitlines() if line[:1].isdigit()]


def nmap(text):
    found = []
    for host, ports in re.findall(r"^Host: (\S+) .*\tPorts: (.*?)(?:\t|$)", text, re.M):
        found += [f"{host}:{p.strip().split('/')[0]}" for p in ports.split(",") if "/open/" in p]
    return found


def rustscan(text):
    found = []
    for host, ports in re.findall(r"^(\S+) -> \[([\d,]*)\]$", text, re.M):
        found += [f"{host}:{port}" for port in ports.split(",") if port]
    return found


FORMATS = {f.__name__: f for f in (docksweep, masscan, zmap, nmap, rustscan)}


def score(truth, said):
    counts = collections.Counter(said)
    found = sum(1 for target in truth if target in counts)
    false = sum(1 for target in counts if target not in truth)
    return found, len(truth) - found, false, len(said) - len(counts)


def main():
    truth_file, form, said_file = sys.argv[1:]
    with open(truth_file, encoding="ascii") as file:
        truth = set(file.read().split())
    with open(said_file, encoding="utf-8") as file:
        said = FORMATS[form](file.read())
    print(*score(truth, said))


if __name__ == "__main__":
    main()
