"""silent.py ADDRESS PORT: accepts every connection, reads all of it and never says a word."""

import socketserver
import sys


class Silent(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            while self.request.recv(4096):
                pass
        except OSError:
            pass  # a client that resets is as good as one that closes


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server((sys.argv[1], int(sys.argv[2])), Silent).serve_forever()
