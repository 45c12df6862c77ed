"""tlslite_server.py CERTIFICATE KEY (ADDRESS PORT LOWEST HIGHEST)...: TLS servers in pure Python, back to SSL 3.0."""

import socket
import sys
import threading

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey

VERSIONS = {"3.0": (3, 0), "1.0": (3, 1), "1.1": (3, 2), "1.2": (3, 3), "1.3": (3, 4)}


def serve(connection, chain, key, settings):
    connection.settimeout(10)
    tls = TLSConnection(connection)
    try:
        tls.handshakeServer(certChain=chain, privateKey=key, settings=settings)
        tls.recv(4096)
        tls.sendall(b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        tls.close()
    except Exception:  # A scanner breaks off in every way there is.
        pass
    finally:
        connection.close()


def listen(listener, chain, key, settings):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, chain, key, settings), daemon=True).start()


def main(certificate, key, *servers):
    chain = X509CertChain()
    with open(certificate) as file:
        chain.parsePemList(file.read())
    with open(key) as file:
        private = parsePEMKey(file.read(), private=True)
    for at in range(0, len(servers), 4):
        address, port, lowest, highest = servers[at : at + 4]
        settings = HandshakeSettings()
        settings.minVersion, settings.maxVersion = VERSIONS[lowest], VERSIONS[highest]
        # The list that `supported_versions` is compared with does not follow the two.
        settings.versions = [v for v in settings.versions if settings.minVersion <= v <= settings.maxVersion]
        if settings.minVersion == (3, 4):
            settings.eccCurves = [curve for curve in settings.eccCurves if not curve.startswith("brainpool")]
        settings.cipherNames = settings.cipherNames + ["rc4"]
        settings.macNames = settings.macNames + ["md5"]
        listener = socket.create_server((address, int(port)), backlog=64)
        threading.Thread(target=listen, args=(listener, chain, private, settings)).start()


main(*sys.argv[1:])
