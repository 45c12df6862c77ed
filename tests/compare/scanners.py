"""Runs each scanner over all servers and reads its verdicts.

A verdict is "accepted", "refused", "undetermined" (the scanner says that it does not know) or "failed" (it says
nothing about this server, or reports an error).
"""

import json
import subprocess
import xml.etree.ElementTree as XML
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import wire
from servers import VERSIONS

PARALLEL = 8
SECONDS = 300


def docksweep(program, servers, work):
    verdicts, reasons = {}, {}
    for sni in sorted({server.sni for server in servers}, key=str):
        asked = [server for server in servers if server.sni == sni]
        options = ["--sni", sni] if sni else []
        output = Path(work) / f"docksweep-{sni or 'no-name'}.json"
        targets = [server.target for server in asked]
        command = [program, "scan", "--rate", "max", "-q", "-o", f"json={output}", *options, *targets]
        subprocess.run(command, check=True, capture_output=True, timeout=SECONDS * 2)
        endpoints = {endpoint["id"]: endpoint for endpoint in json.loads(output.read_text())["endpoints"]}
        for server in asked:
            endpoint = endpoints.get(f"tcp/{server.target}") or {}
            versions = (endpoint.get("tls") or {}).get("versions") or {}
            # Whether it is TLS at all may be what it does not know.
            unknown = endpoint.get("transport") == "undetermined"
            whole = {"status": "undetermined", "reason": endpoint["api"]["reason"]} if unknown else {}
            for version in VERSIONS:
                said = versions.get(version, whole)
                verdicts[server.name, version] = said.get("status", "failed")
                reasons[server.name, version] = said.get("reason", "")
    return verdicts, reasons


def each(servers, ask):
    """`ask(server)` gives a verdict for each version it knows; several servers at a time."""
    verdicts = {}
    with ThreadPoolExecutor(PARALLEL) as pool:
        for server, seen in zip(servers, pool.map(ask, servers)):
            for version in VERSIONS:
                verdicts[server.name, version] = seen.get(version, "failed")
    return verdicts


def run(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS).stdout
    except subprocess.TimeoutExpired:
        return ""


def xml_of(text):
    try:
        return XML.fromstring(text)
    except XML.ParseError:
        return XML.Element("nothing")


def sslscan(servers):
    names = {("ssl", "3"): "SSLv3"} | {("tls", version[4:]): version for version in VERSIONS[1:]}

    def ask(server):
        quick = ["--no-heartbleed", "--no-groups", "--no-renegotiation", "--no-fallback", "--no-compression"]
        options = [f"--sni-name={server.sni}"] if server.sni else []
        report = xml_of(run(["sslscan", "--xml=-", "--no-colour", *quick, *options, server.target]))
        seen = {}
        for protocol in report.iter("protocol"):
            name = names.get((protocol.get("type"), protocol.get("version")))
            if name:
                seen[name] = "accepted" if protocol.get("enabled") == "1" else "refused"
        return seen

    return each(servers, ask)


def nmap(servers):
    names = {"SSLv3": "SSLv3"} | {version: version for version in VERSIONS[1:]}

    def ask(server):
        options = ["--script-args", f"tls.servername={server.sni}"] if server.sni else []
        command = ["nmap", "-Pn", "-n", "-sT", "-p", str(server.port), "--script", "+ssl-enum-ciphers", *options]
        report = xml_of(run([*command, "-oX", "-", server.address]))
        script = next((script for script in report.iter("script") if script.get("id") == "ssl-enum-ciphers"), None)
        if script is None:
            return {}
        listed = {names[table.get("key")] for table in script.findall("table") if table.get("key") in names}
        return {version: "accepted" if version in listed else "refused" for version in VERSIONS}

    return each(servers, ask)


def sslyze(program, servers, work):
    commands = dict(zip(VERSIONS, ["ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2", "tls_1_3"]))
    flags = ["--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3"]

    def ask(server):
        output = Path(work) / f"sslyze-{server.address}-{server.sni}.json"
        options = ["--sni", server.sni] if server.sni else []
        run([program, "--quiet", *flags, *options, "--mozilla_config", "disable", "--json_out", str(output), server.target])
        try:
            results = json.loads(output.read_text())["server_scan_results"]
        except (OSError, ValueError, KeyError):
            return {}
        if not results or not results[0].get("scan_result"):
            return {}
        seen = {}
        for version, command in commands.items():
            attempt = results[0]["scan_result"][f"{command}_cipher_suites"]
            if attempt["status"] == "COMPLETED":
                seen[version] = "accepted" if attempt["result"]["accepted_cipher_suites"] else "refused"
        return seen

    return each(servers, ask)


def referee(servers):
    """Verdicts and bytes of hellos made here."""
    verdicts, shown = {}, {}

    def ask(server):
        return {version: wire.asked(server.address, server.port, version, server.sni) for version in VERSIONS}

    with ThreadPoolExecutor(PARALLEL) as pool:
        for server, seen in zip(servers, pool.map(ask, servers)):
            for version, (verdict, what) in seen.items():
                verdicts[server.name, version], shown[server.name, version] = verdict, what
    return verdicts, shown
