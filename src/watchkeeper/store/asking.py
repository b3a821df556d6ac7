"""HTTP questions to a remote store, from any thread: kept connections, a bounded wait, and faults in words.

They hold up the thread that asks, never the hub's loop: who stands there does not come in here. A store that does
not answer must not be waited for again and again: for a moment after a failure the next questions fail at once.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from watchkeeper.errors import Failed, Refused

PATIENCE = 20.0
"""Seconds that an answer may take to begin or to go on."""
LONGEST = 60.0
"""Seconds that it may take in all."""
KEPT = 8
"""Connections that are kept open while nobody asks."""
PAUSE = 5.0
"""Seconds in which nothing is asked after no answer came."""
MOST_BYTES = 1 << 30
"""No answer may be longer: of the samples that a question may have, each takes some twenty bytes."""


class Asking:
    """One remote address, with an optional token."""

    def __init__(self, url: str, token: str) -> None:
        """Connects when first asked."""
        parts = urlsplit(url)
        assert parts.hostname, "settings refuse other addresses"
        self.place = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        self._secure = parts.scheme == "https"
        self._where = (parts.hostname, parts.port or (443 if self._secure else 80))
        self._path = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self._busy: set[http.client.HTTPConnection] = set()
        self._is_closed = False
        self._quiet_until = 0.0

    def ask(self, path: str, fields: Mapping[str, str], most: int = MOST_BYTES) -> bytes:
        """A question's whole answer; raises Refused where it is refused or longer than `most`, Failed where none comes."""
        if time.monotonic() < self._quiet_until:
            raise Failed(f"{self.place} did not answer a moment ago")
        body = urlencode(fields).encode()
        status, told = self._exchange(path, body, {"Content-Type": "application/x-www-form-urlencoded"}, most)
        if status in {400, 422}:
            raise Refused(f"{self.place} refuses: {_said(told)}", code="bad-data")
        if len(told) > most:
            raise Refused(
                f"{self.place} has more to tell than may be read; ask for fewer series or a shorter time", code="too-much"
            )
        if status != 200:
            raise Failed(f"{self.place} answers {status}: {_said(told)}")
        return told

    def send(self, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Hand something over; raises Failed unless it was taken."""
        status, told = self._exchange(path, body, headers)
        if not 200 <= status < 300:
            raise Failed(f"{self.place} answers {status}: {_said(told)}")

    def close(self) -> None:
        """Close all connections; whoever waits for an answer hears that there is none."""
        with self._lock:
            self._is_closed = True
            for connection in self._busy:
                with contextlib.suppress(OSError, AttributeError):  # not connected (any more)
                    connection.sock.shutdown(socket.SHUT_RDWR)
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    def _exchange(self, path: str, body: bytes, headers: Mapping[str, str], most: int = 65536) -> tuple[int, bytes]:
        """One request; a kept connection that has been closed meanwhile is opened anew, once."""
        until = time.monotonic() + LONGEST
        for again in (True, False):
            connection = self._taken()
            kept = connection.sock is not None
            try:
                connection.request("POST", self._path + path, body, {**self._headers, **headers})
                answer = connection.getresponse()
                told = _read(answer, most, until)
                if not answer.isclosed():  # there is more of it
                    connection.close()
            except (OSError, http.client.HTTPException) as fault:
                connection.close()
                if kept and again and not isinstance(fault, TimeoutError):
                    continue
                self._quiet_until = time.monotonic() + PAUSE
                raise Failed(f"{self.place} does not answer: {getattr(fault, 'strerror', None) or fault}") from None
            finally:
                self._give_back(connection)
            self._quiet_until = 0.0
            return answer.status, told
        raise AssertionError("the second try returns or raises")

    def _taken(self) -> http.client.HTTPConnection:
        """A connection that nobody else uses, a kept one if there is one; raises Failed after the end."""
        with self._lock:
            if self._is_closed:
                raise Failed(f"{self.place} is not asked any more")
            if self._idle:
                found = self._idle.pop()
            elif self._secure:
                found = http.client.HTTPSConnection(*self._where, timeout=PATIENCE, context=ssl.create_default_context())
            else:
                found = http.client.HTTPConnection(*self._where, timeout=PATIENCE)
            self._busy.add(found)
            return found

    def _give_back(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._busy.discard(connection)
            if connection.sock is None:
                return
            if self._is_closed or len(self._idle) >= KEPT:
                connection.close()
            else:
                self._idle.append(connection)


def _read(answer: http.client.HTTPResponse, most: int, until: float) -> bytes:
    """A body as it comes, a little more than `most` of it where it is longer; raises TimeoutError when time is up."""
    parts: list[bytes] = []
    size = 0
    while size <= most and (part := answer.read1(1 << 18)):
        parts.append(part)
        size += len(part)
        if time.monotonic() > until:
            raise TimeoutError(f"its answer was not over after {LONGEST:g} s")
    if size <= most:
        parts.append(answer.read())  # nothing more, but then it knows that it is over and keeps the connection
    return b"".join(parts)


def _said(told: bytes) -> str:
    """What it says, short enough for a log."""
    return told[:300].decode(errors="replace").strip()
