"""A server for benches: a page of 130 figures that change, on a port of loopback.

python _server.py PORT
"""

from __future__ import annotations

import itertools
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

COUNTS = itertools.count()


class Page(BaseHTTPRequestHandler):
    """Answers every GET with the page."""

    def do_GET(self) -> None:
        """One page."""
        asked = next(COUNTS)
        lines = ["# TYPE bench_requests_total counter"]
        lines += [f'bench_requests_total{{path="/{number}"}} {asked * number}' for number in range(130)]
        body = ("\n".join(lines) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
