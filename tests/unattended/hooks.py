#!/usr/bin/env python3
"""A server to post to on 127.0.0.1. Prints its port, then a line of JSON for each request, before it answers.

The first part of the path says how it behaves. Arguments: a PEM file to speak TLS by, and a file of which
each request's line says whether it is there; - for none.
"""
import collections
import http.server
import json
import os
import ssl
import sys
import threading
import time

tls, watched = sys.argv[1:3]
asked = collections.Counter()
printing = threading.Lock()


class Hooks(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        behaviour = self.path.split("/")[1]
        asked[behaviour] += 1
        record = {"path": self.path, "body": body, "type": self.headers.get("Content-Type"),
                  "agent": self.headers.get("User-Agent"), "report": os.path.exists(watched)}
        with printing:
            print(json.dumps(record), flush=True)
        getattr(self, behaviour, self.ok)(asked[behaviour])

    do_GET = do_POST

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def ok(self, _):
        self.answer(200, b"ok")

    def flaky(self, time_asked):
        self.answer([500, 503, 200][min(time_asked, 3) - 1])

    def busy(self, time_asked):
        self.answer(429 if time_asked == 1 else 200, Retry_After="1")

    def later(self, _):
        self.answer(429, Retry_After="3600")

    def gone(self, _):
        self.answer(404, b"no_service " + self.path.encode())

    def redirect(self, _):
        self.answer(307, Location="/stolen" + self.path)

    def silent(self, _):
        time.sleep(600)

    def garbage(self, _):
        self.wfile.write(b"\x00\x01 no HTTP at all\r\n\r\n")
        self.close_connection = True

    def heads(self, _):
        self.send_response(200)
        try:
            while True:
                self.wfile.write(b"X-Filler: " + b"x" * 4096 + b"\r\n")
        except OSError:
            self.close_connection = True

    def giant(self, _):
        self.send_response(200)
        self.send_header("Content-Length", str(1 << 40))
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x" * 65536)
        except OSError:
            self.close_connection = True

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """Clients that go away are what the tests are about."""


server = Server(("127.0.0.1", 0), Hooks)
server.daemon_threads = True
if tls != "-":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls)
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
