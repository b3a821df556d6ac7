"""A small real server for the quick start: the standard library's HTTP server with a page, health and metrics.

    python3 hello_server.py [PORT]

It listens on loopback only. GET / is a page, /healthz says ok, /metrics counts what was asked.
"""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8601


class Counter:
    """Requests so far, by path and status."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, int], int] = {}

    def add(self, path: str, status: int) -> None:
        """Count one answer."""
        with self._lock:
            self._counts[path, status] = self._counts.get((path, status), 0) + 1

    def exposition(self) -> str:
        """The counts in Prometheus' text format."""
        lines = ["# HELP hello_requests_total Requests answered.", "# TYPE hello_requests_total counter"]
        with self._lock:
            for (path, status), count in sorted(self._counts.items()):
                lines.append(f'hello_requests_total{{path="{path}",status="{status}"}} {count}')
        return "\n".join(lines) + "\n"


COUNTER = Counter()


class Hello(BaseHTTPRequestHandler):
    """Answers three paths."""

    def do_GET(self) -> None:
        """Answer one request."""
        pages = {
            "/": ("text/html", "<!doctype html><title>Hello</title><h1>Hello from a supervised server</h1>"),
            "/healthz": ("text/plain", "ok\n"),
            "/metrics": ("text/plain; version=0.0.4", COUNTER.exposition()),
        }
        kind, text = pages.get(self.path, ("text/plain", "not found\n"))
        status = 200 if self.path in pages else 404
        COUNTER.add(self.path if status == 200 else "other", status)
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else PORT
    server = ThreadingHTTPServer(("127.0.0.1", port), Hello)
    print(f"hello: listening on http://127.0.0.1:{port}/", flush=True)
    server.serve_forever()
