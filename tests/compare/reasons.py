"""Why verdicts differ, written by hand: one entry for a scanner, a set of servers and a verdict."""

import re

NO_NAME = "refused for want of the right server name, which says nothing of a version"
ADDRESS_AS_NAME = (
    "sends the address as server name, which RFC 6066 section 3 forbids: alert 47 (15 03 03 00 02 02 2f). "
    "The same hello without that extension is answered"
)
LONG_LIST = "offers some 340 suites in a hello of 853 bytes, and takes the refusal of that for a refusal of the version"
NO_PROBE = "finds no version by its first hellos, which lack what this server wants, and gives up"
SILENT = "takes silence for a refusal"
LIMITED = "asks more often than the server allows, and takes the resets for refusals"
ONE_BYTE = "reads a ServerHello only from a record that has all of it"

# (scanner, servers, versions, verdict, why); the first that matches counts.
REASONS = [
    # The referee asks once and knows neither names nor limits.
    ("bytes", "no name sent", "", "refused", NO_NAME),
    ("bytes", "docker.test sent", "SSLv3", "refused", "alert 112"),
    ("bytes", "alert-40 without a name", "", "refused", NO_NAME),
    ("bytes", "three connections", "", "refused", "it asks five times"),
    ("bytes", "close on any extension", "", "refused", "its hello has extensions"),
    # SSLyze
    ("SSLyze", "^tlslite-ng|^gate: one byte a record, SSLv3", "", "refused", ADDRESS_AS_NAME),
    ("SSLyze", "^tlslite-ng", "", "failed", ADDRESS_AS_NAME),
    ("SSLyze", "^Java 17 3.0$", "", "failed",
     "its OpenSSL objects to the curve in Java's key exchange ('wrong curve'), after a ServerHello of SSLv3"),
    ("SSLyze", "^Java 17 3.0", "SSLv3", "failed",
     "its OpenSSL objects to the curve in Java's key exchange ('wrong curve'), after a ServerHello of SSLv3"),
    ("SSLyze", "^OpenSSL (retry request: ffdhe|AES-128-CCM-8|anonymous|suites without|a shared key)", "", "failed", NO_PROBE),
    ("SSLyze", "client certificate demanded", "", "failed",
     "the server ends the handshake for want of a certificate, after its ServerHello, and SSLyze reports an error"),
    ("SSLyze", "no name sent", "", "failed", "gives up on alert 112, and says nothing of the versions"),
    ("SSLyze", "silence on", "", "refused", SILENT),
    ("SSLyze", "silence on", "", "failed", "reports an error after the silence"),
    ("SSLyze", "close on any extension", "TLSv1.0", "refused", "every hello above SSLv3 has extensions, and is closed on"),
    ("SSLyze", "alert-40 without a name", "", "", "sends the address as a server name, and this gate takes any"),
    ("SSLyze", "three connections", "", "refused", LIMITED),
    ("SSLyze", "three connections", "", "failed", LIMITED),
    ("SSLyze", "a ServerHello of 1.2", "", "failed", "it has to finish a handshake, which this server never does"),
    # nmap
    ("nmap", "X448", "TLSv1.3", "refused", "its hello offers no X448: alert 40"),
    ("nmap", "Ed25519", "TLSv1.2", "refused", "its signature algorithms lack Ed25519: alert 40"),
    ("nmap", "no name sent|alert-40 without a name", "", "failed", "says nothing where every hello draws an alert"),
    ("nmap", "silence on", "", "refused", SILENT),
    ("nmap", "close on any extension", "TLSv1.0", "refused", "its hello has extensions, and is closed on"),
    ("nmap", "one byte a record", "", "failed", ONE_BYTE),
    ("nmap", "three connections", "", "refused", LIMITED),
    ("nmap", "three connections", "", "failed", LIMITED),
    # sslscan
    ("sslscan", "^tlslite-ng|one byte a record, SSLv3", "", "refused", ADDRESS_AS_NAME),
    ("sslscan", "^wolfSSL", "", "refused",
     LONG_LIST + ". wolfSSL answers a hello with suites up to 408 bytes, and alert 0 (15 03 03 00 02 01 00) to the same with more, of 488"),
    ("sslscan", "^Botan 2", "", "refused",
     "sends the address as server name, and takes Botan's warning about that (15 03 03 00 02 01 70) for a refusal; "
     "the ServerHello follows it"),
    ("sslscan", "no name sent", "", "refused", NO_NAME),
    ("sslscan", "silence on", "", "refused", SILENT),
    ("sslscan", "over 255 bytes|over 64 suites|256 to 511 bytes", "", "refused", LONG_LIST),
    ("sslscan", "close on any extension", "TLSv1.0", "refused", "its hello has extensions, and is closed on"),
    ("sslscan", "one byte a record", "", "refused", ONE_BYTE),
    ("sslscan", "alert-40 without a name", "", "accepted", "sends the address as a server name, and this gate takes any"),
    ("sslscan", "alert-40 without a name", "", "refused", "its hello of SSLv3 has no name, so it was asked nothing"),
    ("sslscan", "three connections", "", "refused", LIMITED),
    ("sslscan", "a ServerHello of 1.2", "TLSv1.3", "accepted", "does not look at which version the ServerHello chose"),
]


def reason_of(tool, row):
    for scanner, servers, versions, verdict, why in REASONS:
        if (
            scanner == tool
            and re.search(servers, row["server"])
            and re.search(versions, row["version"])
            and verdict in ("", row[tool])
        ):
            return why
    return None
