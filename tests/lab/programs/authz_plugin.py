"""A Docker authorization plugin: authz_plugin.py deny-all|version-only|allow-all SOCKET."""

import json
import re
import socketserver
import sys
from http.server import BaseHTTPRequestHandler

policy, path = sys.argv[1:]
POLICIES = {"deny-all": r"(?!)", "version-only": r"^(/v[0-9.]+)?/(_ping|version)$", "allow-all": r""}
ALLOWED = re.compile(POLICIES[policy])


class Plugin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/Plugin.Activate":
            answer = {"Implements": ["authz"]}
        elif self.path == "/AuthZPlugin.AuthZReq":
            allow = bool(ALLOWED.match(json.loads(body)["RequestUri"].split("?")[0]))
            answer = {"Allow": allow, "Msg": "" if allow else "the lab's policy forbids this"}
        else:
            answer = {"Allow": True}
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.docker.plugins.v1.1+json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


Server(path, Plugin).serve_forever()
