"""A store elsewhere that takes what it is sent and lets who asks wait: a real HTTP server, held by a test."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

EMPTY = {"/api/v1/export": b"", "/api/v1/series": b'{"data":[]}'}
NOTHING = b'{"data":{"result":[]}}'


class Stalled:
    """Listens on loopback; a context manager. Questions are answered with nothing once `free` is set.

    `asked` has the paths of all questions, `waiting` counts those that wait. With `drip` an answer has a long body that
    comes byte by byte, at once, and never ends.
    """

    def __init__(self, *, drip: bool = False) -> None:
        self.free = threading.Event()
        self.waiting = threading.Semaphore(0)
        self.asked: list[str] = []
        rig = self

        class Held(BaseHTTPRequestHandler):
            """One request."""

            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # as the server calls it
                """Take it in; wait with the answer."""
                self.rfile.read(int(self.headers["content-length"]))
                if self.path == "/api/v1/write":
                    self._answer(204, b"")
                    return
                rig.asked.append(self.path)
                rig.waiting.release()
                if drip:
                    self._drip()
                    return
                assert rig.free.wait(60)
                self._answer(200, EMPTY.get(self.path, NOTHING))

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _drip(self) -> None:
                self.send_response(200)
                self.send_header("content-length", "1000000")
                self.end_headers()
                try:
                    while not rig.free.is_set():
                        self.wfile.write(b" ")
                        time.sleep(0.01)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Held)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who waited may have gone
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="stalled")
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self.free.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
