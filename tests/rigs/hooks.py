"""A webhook's receiver in a thread of its own, for tests that run real programs and wait for them."""

from __future__ import annotations

import http.server
import json
import threading
import time
from types import TracebackType
from typing import Any, Self


class Told:
    """Who is told: keeps each message with the instant at which it came."""

    def __init__(self) -> None:
        self.messages: list[tuple[float, str, list[str]]] = []
        self.bodies: list[dict[str, Any]] = []
        messages, bodies = self.messages, self.bodies

        class Hook(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                at = time.time()
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                bodies.append(body)
                titles = [one["annotations"].get("summary", "") for one in body["alerts"]]
                messages.append((at, body["status"], titles))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.channel = f'[channel.ops]\nkind = "webhook"\nurl = "{self.url}"\nper_minute = 6000\n'

    def count(self, status: str, title: str) -> int:
        """How often it was told."""
        return sum(said == status and title in titles for _, said, titles in self.messages)

    def close(self) -> None:
        """Listen no more."""
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
