"""HTTP questions to a remote store, from any thread: one kept connection each, a bounded wait, and faults in words.

Questions of the hub are synchronous, so a store that does not answer must not be waited for again and again:
for a moment after a failure the next ones fail at once.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from watchkeeper.errors import Failed, Refused

PATIENCE = 20.0
"""Seconds that an answer may take to begin or to go on."""
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
        self._mine = threading.local()
        self._all: list[http.client.HTTPConnection] = []
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
        """Close all connections."""
        for connection in self._all:
            connection.close()

    def _exchange(self, path: str, body: bytes, headers: Mapping[str, str], most: int = 65536) -> tuple[int, bytes]:
        """One request; a kept connection that has been closed meanwhile is opened anew, once."""
        for again in (True, False):
            connection = self._connection()
            kept = connection.sock is not None
            try:
                connection.request("POST", self._path + path, body, {**self._headers, **headers})
                answer = connection.getresponse()
                told = answer.read(most + 1)
                if not answer.isclosed():  # there is more of it
                    connection.close()
            except (OSError, http.client.HTTPException) as fault:
                connection.close()
                if kept and again and not isinstance(fault, TimeoutError):
                    continue
                self._quiet_until = time.monotonic() + PAUSE
                raise Failed(f"{self.place} does not answer: {getattr(fault, 'strerror', None) or fault}") from None
            self._quiet_until = 0.0
            return answer.status, told
        raise AssertionError("the second try returns or raises")

    def _connection(self) -> http.client.HTTPConnection:
        found: http.client.HTTPConnection | None = getattr(self._mine, "connection", None)
        if found is None:
            if self._secure:
                found = http.client.HTTPSConnection(*self._where, timeout=PATIENCE, context=ssl.create_default_context())
            else:
                found = http.client.HTTPConnection(*self._where, timeout=PATIENCE)
            self._mine.connection = found
            self._all.append(found)
        return found


def _said(told: bytes) -> str:
    """What it says, short enough for a log."""
    return told[:300].decode(errors="replace").strip()
