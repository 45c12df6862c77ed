"""Which servers there are, what each is configured for, and how they are started."""

import json
import subprocess
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

VERSIONS = ["SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
PROGRAMS = Path(__file__).parent / "programs"
LAB_PROGRAMS = Path(__file__).parent.parent / "lab" / "programs"
NAME = "docker.test"


@dataclass
class Server:
    implementation: str
    title: str
    port: int
    address: str
    # What it was configured for, by version; see `truth_of`.
    truth: dict
    sni: str | None = None
    # Options by which the implementation's own command line differs from server to server.
    settings: list = field(default_factory=list)
    special: bool = False

    @property
    def name(self):
        return f"{self.implementation} {self.title}"

    @property
    def target(self):
        return f"{self.address}:{self.port}"


def truth_of(accepted, undetermined=()):
    """ "undetermined" is for what nobody outside can know, so that it is the one right verdict."""
    return {
        version: "accepted" if version in accepted else "undetermined" if version in undetermined else "refused"
        for version in VERSIONS
    }


def ranges(lowest, highest="TLSv1.3"):
    """Every unbroken range of versions between the two."""
    known = VERSIONS[VERSIONS.index(lowest) : VERSIONS.index(highest) + 1]
    return [list(known[i:j]) for i, j in combinations(range(len(known) + 1), 2)]


def short(version):
    """SSLv3 → 3.0, TLSv1.2 → 1.2."""
    return "3.0" if version == "SSLv3" else version.removeprefix("TLSv")


def title_of(versions):
    """1.0–1.2, or 1.0+1.2 where the range has a hole."""
    places = [VERSIONS.index(version) for version in versions]
    if len(versions) == 1:
        return short(versions[0])
    if places == list(range(places[0], places[-1] + 1)):
        return f"{short(versions[0])}–{short(versions[-1])}"
    return "+".join(short(version) for version in versions)


class Fleet:
    """All servers; `start` runs them in `work`, with the certificates made there."""

    def __init__(self, work):
        self.work = Path(work).resolve()
        self.servers = []
        self.processes = []
        self.settings = {}

    def add(self, implementation, title, truth, **more):
        number = len(self.servers) + 1
        address = f"127.34.{number // 250}.{number % 250 + 1}"
        # Some of the programs listen on every address, so that each needs a port of its own.
        port = 20000 + number if implementation in ("NSS", "GnuTLS", "Botan 2") else 2376
        server = Server(implementation, title, port, address, truth, **more)
        self.servers.append(server)
        return server

    def add_ranges(self, implementation, version_sets, **more):
        return [self.add(implementation, title_of(v), truth_of(v), settings=v, **more) for v in version_sets]

    def of(self, implementation):
        return [server for server in self.servers if server.implementation == implementation]

    # Files and processes.

    def file(self, name):
        return str(self.work / name)

    def write(self, name, text):
        (self.work / name).write_text(text)
        return self.file(name)

    def make(self, *command):
        subprocess.run(command, check=True, cwd=self.work, capture_output=True, text=True)

    def run(self, name, *command):
        log = open(self.file(f"{name}.log".replace(" ", "-")), "wb")
        words = [str(word) for word in command]
        self.processes.append((name, subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.work)))

    def stop(self):
        for _, process in self.processes:
            process.terminate()
        for _, process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()

    def certificates(self):
        usual = ["-nodes", "-days", "30", "-subj", "/CN=compare", "-addext", f"subjectAltName=DNS:{NAME}"]
        self.make("openssl", "req", "-x509", "-newkey", "rsa:2048", "-keyout", "rsa.key", "-out", "rsa.crt", *usual)
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        self.make("openssl", "req", "-x509", *curve, "-keyout", "ec.key", "-out", "ec.crt", *usual)
        # A key in the form that every library here reads.
        self.make("openssl", "rsa", "-in", "rsa.key", "-traditional", "-out", "rsa-pkcs1.key")
        self.make("openssl", "dsaparam", "-out", "dsa.parameters", "1024")
        self.make("openssl", "req", "-x509", "-newkey", "dsa:dsa.parameters", "-keyout", "dsa.key", "-out", "dsa.crt", *usual)
        self.make("openssl", "req", "-x509", "-newkey", "ed25519", "-keyout", "ed25519.key", "-out", "ed25519.crt", *usual)
        self.make(*"openssl pkcs12 -export -in rsa.crt -inkey rsa.key -passout pass:lab -name rsa -out rsa.p12".split())
        pem = Path(self.file("rsa.crt")).read_text() + Path(self.file("rsa.key")).read_text()
        self.write("rsa.pem", pem)

    # The servers, an implementation at a time.

    def define(self):
        holes = [["TLSv1.0", "TLSv1.2"], ["TLSv1.0", "TLSv1.3"], ["TLSv1.1", "TLSv1.3"], ["TLSv1.0", "TLSv1.1", "TLSv1.3"]]
        self.add_ranges("tlslite-ng", ranges("SSLv3"))
        java_holes = [["SSLv3", "TLSv1.2"], ["TLSv1.0", "TLSv1.2"], ["TLSv1.1", "TLSv1.3"], ["SSLv3", "TLSv1.3"]]
        self.add_ranges("Java 17", ranges("SSLv3") + java_holes)
        # NSS takes no range from SSLv3 up to TLS 1.3.
        self.add_ranges("NSS", ranges("SSLv3", "TLSv1.2") + [r for r in ranges("TLSv1.0") if "TLSv1.3" in r])
        # GnuTLS serves no TLS 1.3 where 1.2 is off and an older one is on.
        self.add_ranges("GnuTLS", ranges("TLSv1.0") + [["TLSv1.0", "TLSv1.2"]])
        self.add_ranges("Mbed TLS 2.28", ranges("TLSv1.0", "TLSv1.2"))
        self.add_ranges("wolfSSL", ranges("TLSv1.1"))
        self.add_ranges("Botan 2", ranges("TLSv1.0", "TLSv1.2"))
        self.add_ranges("Go", ranges("TLSv1.0"))
        self.add_ranges("Node", ranges("TLSv1.0"))
        self.add_ranges("stunnel", ranges("TLSv1.0"))
        self.add_ranges("HAProxy", ranges("TLSv1.0"))
        self.add_ranges("nginx", ranges("TLSv1.0") + holes)
        self.add_ranges("OpenSSL s_server", ranges("TLSv1.0"))
        self.special_suites()
        self.special_names()
        self.special_gates()

    def special_suites(self):
        """s_server with one kind of key, group or suite."""
        weak = "-cipher ALL:@SECLEVEL=0"
        modern, new = truth_of(["TLSv1.2", "TLSv1.3"]), truth_of(["TLSv1.3"])
        all_four = truth_of(VERSIONS[1:])
        rsa, ec = "-cert rsa.crt -key rsa.key", "-cert ec.crt -key ec.key"
        cases = [
            ("retry request: P-384 only", new, f"{rsa} -tls1_3 -groups P-384"),
            ("retry request: X448 only, 1.2–1.3", modern, f"{rsa} -min_protocol TLSv1.2 -groups X448"),
            ("retry request: ffdhe2048 only", new, f"{rsa} -tls1_3 -groups ffdhe2048"),
            ("retry request: P-521 only, 1.0–1.3", all_four, f"{ec} -min_protocol TLSv1 -groups P-521:P-256 {weak}"),
            ("AES-128-CCM-8 in 1.3 only", new, f"{rsa} -tls1_3 -ciphersuites TLS_AES_128_CCM_8_SHA256 {weak}"),
            ("ChaCha20 in 1.3 only", new, f"{rsa} -tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256"),
            ("ECDSA key, 1.0–1.3", all_four, f"{ec} -min_protocol TLSv1 {weak}"),
            ("Ed25519 key", modern, "-cert ed25519.crt -key ed25519.key -min_protocol TLSv1.2"),
            ("DSA key, 1.0–1.2", truth_of(VERSIONS[1:4]), f"-cert dsa.crt -key dsa.key -min_protocol TLSv1 -no_tls1_3 {weak}"),
            ("AES-256 without forward secrecy, 1.2", truth_of(["TLSv1.2"]), f"{rsa} -tls1_2 -cipher AES256-SHA256"),
            ("Camellia, 1.0–1.2", truth_of(VERSIONS[1:4]), f"{rsa} -min_protocol TLSv1 -no_tls1_3 -cipher CAMELLIA256-SHA:@SECLEVEL=0"),
            ("anonymous suites, 1.2", truth_of(["TLSv1.2"]), "-nocert -tls1_2 -cipher aNULL:@SECLEVEL=0"),
            ("anonymous suites, 1.0", truth_of(["TLSv1.0"]), "-nocert -tls1 -cipher aNULL:@SECLEVEL=0"),
            ("suites without encryption, 1.2", truth_of(["TLSv1.2"]), f"{rsa} -tls1_2 -cipher eNULL:@SECLEVEL=0"),
            ("a shared key alone, 1.2", truth_of(["TLSv1.2"]), "-nocert -tls1_2 -psk 00112233445566778899aabbccddeeff -cipher PSK:@SECLEVEL=0"),
            ("a suite of TLS 1.0 alone, 1.2", truth_of(["TLSv1.2"]), f"{rsa} -tls1_2 -cipher ECDHE-RSA-AES128-SHA:@SECLEVEL=0"),
            ("client certificate demanded, 1.0–1.3", all_four, f"{rsa} -min_protocol TLSv1 {weak} -Verify 3 -verify_return_error"),
        ]
        for title, truth, options in cases:
            self.add("OpenSSL", title, truth, settings=options.split(), special=True)

    def special_names(self):
        """A name is demanded: asked twice, without and with it."""
        four = VERSIONS[1:]
        unknown = truth_of([], VERSIONS)
        for kind in ("nginx", "HAProxy"):
            without = self.add(f"{kind} with names", "no name sent", unknown, special=True)
            named = self.add(f"{kind} with names", f"{NAME} sent", truth_of(four), sni=NAME, special=True)
            named.address, named.port = without.address, without.port
        self.add("nginx", "a chain of 100 certificates", truth_of(four), special=True)

    def special_gates(self):
        old, four, all_five = VERSIONS[1:4], VERSIONS[1:], VERSIONS
        modern = VERSIONS[3:]
        cases = [
            # title, truth, the versions of the server behind, condition, action
            *[
                (f"{action} on a hello with 1.3, 1.0–1.2 behind", truth_of(old), old, "offers-1.3", action)
                for action in ("close", "reset", "alert-40", "alert-70", "alert-80")
            ],
            ("close on a hello with 1.3, 1.2 behind", truth_of(["TLSv1.2"]), ["TLSv1.2"], "offers-1.3", "close"),
            *[
                (f"{action} on a hello with 1.2, 1.0–1.1 behind", truth_of(old[:2]), old[:2], "offers-1.2", action)
                for action in ("close", "reset", "alert-40", "alert-70")
            ],
            # What is silent may be slow: nobody outside knows.
            ("silence on a hello with 1.3, 1.0–1.2 behind", truth_of(old, ["TLSv1.3"]), old, "offers-1.3", "silence"),
            ("silence on a hello with 1.2, 1.0–1.1 behind", truth_of(old[:2], modern), old[:2], "offers-1.2", "silence"),
            ("close over 255 bytes, 1.0–1.2 behind", truth_of(old), old, "over-255-bytes", "close"),
            ("silence at 256 to 511 bytes, 1.0–1.2 behind", truth_of(old), old, "256-to-511-bytes", "silence"),
            ("close at 256 to 511 bytes, 1.0–1.3 behind", truth_of(four), four, "256-to-511-bytes", "close"),
            ("alert-50 over 255 bytes, 1.2–1.3 behind", truth_of(modern), modern, "over-255-bytes", "alert-50"),
            ("close over 64 suites, 1.0–1.3 behind", truth_of(four), four, "over-64-suites", "close"),
            ("close on any extension, SSLv3–1.0 behind", truth_of(VERSIONS[:2]), VERSIONS[:2], "any-extension", "close"),
            ("one byte a record, SSLv3–1.3 behind", truth_of(all_five), all_five, "always", "one-byte-records"),
            ("one byte a record, 1.0–1.3 behind", truth_of(four), four, "always", "one-byte-records"),
            ("1.3 hidden on the way (downgrade sentinel)", truth_of(old), four, "always", "hide-1.3"),
            ("alert-40 without a name, 1.0–1.3 behind", truth_of(four), four, "no-server-name", "alert-40"),
            ("1.2 s late, 1.2–1.3 behind", truth_of(modern), modern, "always", "delay"),
            ("three connections in ten seconds, 1.2–1.3 behind", truth_of(modern), modern, "always", "three-in-ten-seconds"),
            ("a ServerHello of 1.2 to everything", truth_of(["TLSv1.2"]), modern, "always", "answers-1.2"),
        ]
        for title, truth, behind, condition, action in cases:
            self.add("gate:", title, truth, settings=[behind, condition, action], special=True)

    # Starting.

    def start(self, tools):
        self.certificates()
        python = str(tools / "venv/bin/python")
        self.make(python, str(PROGRAMS / "long_chain.py"), "rsa")
        self.start_tlslite(python)
        self.start_java()
        self.start_nss()
        self.start_gnutls()
        self.start_built(tools)
        self.start_botan()
        self.start_node()
        self.start_stunnel()
        self.start_haproxy()
        self.start_nginx()
        self.start_openssl()
        self.start_gates(python)

    def by_range(self, implementation):
        """ADDRESS PORT LOWEST HIGHEST of each, as the programs here take them."""
        for server in self.of(implementation):
            yield from (server.address, server.port, short(server.settings[0]), short(server.settings[-1]))

    def start_tlslite(self, python):
        program = PROGRAMS / "tlslite_server.py"
        self.run("tlslite-ng", python, program, "rsa.crt", "rsa-pkcs1.key", *self.by_range("tlslite-ng"))

    def start_java(self):
        servers = []
        for server in self.of("Java 17"):
            names = ["TLSv1" if version == "TLSv1.0" else version for version in server.settings]
            suites = "(?!.*(_anon_|_NULL_)).*"
            servers += [server.address, "rsa.p12", "no-client-auth", ",".join(names), suites]
        self.run("java", "java", "-XX:+UseSerialGC", "-Xmx128m", LAB_PROGRAMS / "Server.java", "rsa.crt", *servers)

    def start_nss(self):
        self.make("mkdir", "nss")
        self.make("certutil", "-N", "-d", "sql:nss", "--empty-password")
        self.make("pk12util", "-i", "rsa.p12", "-d", "sql:nss", "-W", "lab", "-K", "")
        names = dict(zip(VERSIONS, ["ssl3", "tls1.0", "tls1.1", "tls1.2", "tls1.3"]))
        for server in self.of("NSS"):
            versions = f"{names[server.settings[0]]}:{names[server.settings[-1]]}"
            self.run(server.name, "selfserv", "-n", "rsa", "-d", "sql:nss", "-p", server.port, "-V", versions, "-H", "1")

    def start_gnutls(self):
        for server in self.of("GnuTLS"):
            enabled = "".join(f":+VERS-TLS{short(version)}" for version in server.settings)
            priority = f"LEGACY:-VERS-ALL{enabled}"
            certificate = ["--x509certfile", "rsa.crt", "--x509keyfile", "rsa.key"]
            self.run(server.name, "gnutls-serv", "-q", "--http", "-p", server.port, *certificate, "--priority", priority)

    def start_built(self, tools):
        for implementation, program in [("Mbed TLS 2.28", "mbedtls_server"), ("wolfSSL", "wolfssl_server")]:
            self.run(program, tools / "bin" / program, "rsa.crt", "rsa-pkcs1.key", *self.by_range(implementation))
        servers = []
        for server in self.of("Go"):
            servers += [server.target, short(server.settings[0]), short(server.settings[-1])]
        self.run("go", tools / "bin/go_server", "rsa.crt", "rsa.key", *servers)

    def start_botan(self):
        for server in self.of("Botan 2"):
            switches = "".join(
                f"allow_tls{short(version).replace('.', '')} = {str(version in server.settings).lower()}\n"
                for version in VERSIONS[1:4]
            )
            more = "ciphers = AES-256/GCM AES-128/GCM AES-256 AES-128\nmacs = AEAD SHA-384 SHA-256 SHA-1\nsignature_hashes = SHA-512 SHA-384 SHA-256 SHA-1\nkey_exchange_methods = ECDH DH RSA\nallow_dtls10 = false\nallow_dtls12 = false\n"
            policy = self.write(f"botan-{server.port}.policy", switches + more)
            self.run(server.name, "botan", "tls_server", "rsa.crt", "rsa.key", f"--port={server.port}", f"--policy={policy}")

    def start_node(self):
        self.run("node", "node", PROGRAMS / "node_server.js", "rsa.crt", "rsa.key", *self.by_range("Node"))

    def start_stunnel(self):
        text = "foreground = yes\npid =\n"
        for server in self.of("stunnel"):
            names = ["TLSv1" if version == "TLSv1.0" else version for version in server.settings]
            text += (
                f"[{server.port}]\naccept = {server.target}\nconnect = 127.34.9.1:20000\ncert = rsa.pem\n"
                f"ciphers = ALL:@SECLEVEL=0\nsecurityLevel = 0\nsslVersionMin = {names[0]}\nsslVersionMax = {names[-1]}\n"
            )
        self.run("stunnel", "stunnel", self.write("stunnel.conf", text))

    def start_haproxy(self):
        text = "global\n  ssl-server-verify none\ndefaults\n  mode http\n  timeout client 10s\n  timeout server 10s\n  timeout connect 5s\nfrontend all\n"
        usual = "ssl crt rsa.pem ciphers ALL:@SECLEVEL=0"
        for server in self.of("HAProxy"):
            lowest, highest = (f"TLSv{short(version)}" for version in (server.settings[0], server.settings[-1]))
            text += f"  bind {server.target} {usual} ssl-min-ver {lowest} ssl-max-ver {highest}\n"
        text += f"  bind {self.of('HAProxy with names')[0].target} {usual} ssl-min-ver TLSv1.0 strict-sni\n"
        text += "  http-request return status 404\n"
        self.run("haproxy", "haproxy", "-db", "-f", self.write("haproxy.cfg", text))

    def start_nginx(self):
        text = "daemon off; worker_processes 1; pid nginx.pid; error_log nginx-error.log; user root;\nevents {}\nhttp {\n  access_log off;\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
            text += f"  {kind}_temp_path nginx-{kind};\n"
        text += "  ssl_ciphers ALL:@SECLEVEL=0;\n  server { listen 127.34.9.1:20000; return 404; }\n"
        rsa = "ssl_certificate rsa.crt; ssl_certificate_key rsa.key;"

        def block(listen, versions, rest):
            names = " ".join("TLSv1" if version == "TLSv1.0" else version for version in versions)
            return f"  server {{ listen {listen}; ssl_protocols {names}; {rest} }}\n"

        for server in self.of("nginx"):
            if server.special:
                rest = "ssl_certificate chain.crt; ssl_certificate_key rsa.key; return 404;"
                text += block(f"{server.target} ssl", VERSIONS[1:], rest)
            else:
                text += block(f"{server.target} ssl", server.settings, f"{rsa} return 404;")
        named = self.of("nginx with names")[0].target
        text += block(f"{named} ssl default_server", VERSIONS[1:], "ssl_reject_handshake on;")
        text += block(f"{named} ssl", VERSIONS[1:], f"server_name {NAME}; {rsa} return 404;")
        self.run("nginx", "nginx", "-p", self.work, "-c", self.write("nginx.conf", text + "}\n"))

    def start_openssl(self):
        common = ["openssl", "s_server", "-quiet", "-www"]
        for server in self.of("OpenSSL s_server"):
            absent = [f"-no_{'tls1' if v == 'TLSv1.0' else v.replace('TLSv', 'tls').replace('.', '_')}" for v in VERSIONS[1:] if v not in server.settings]
            certificate = ["-cert", "rsa.crt", "-key", "rsa.key", "-cipher", "ALL:@SECLEVEL=0"]
            self.run(server.name, *common, "-accept", server.target, *certificate, *absent)
        for server in self.of("OpenSSL"):
            self.run(server.name, *common, "-accept", server.target, *server.settings)

    def start_gates(self, python):
        """Behind a gate stands the server of those versions that takes many connections at a time."""
        gates = []
        for server in self.of("gate:"):
            versions, condition, action = server.settings
            kind = "tlslite-ng" if "SSLv3" in versions else "Node"
            behind = next(s for s in self.of(kind) if s.settings == list(versions))
            gates.append(
                {
                    "listen": [server.address, server.port],
                    "before": [behind.address, behind.port],
                    "when": condition,
                    "then": action,
                }
            )
        gates = self.write("gates.json", json.dumps(gates, indent=1))
        self.run("gates", python, LAB_PROGRAMS / "gate.py", gates)
