"""When connections write: everything that is said to a client within a turn of the event loop leaves as one WebSocket message.

Acceptances alone may wait a few milliseconds for company when much is going on. `line` rings here, and its `Wire` is
told to write.
"""

from __future__ import annotations

import asyncio

from cloudnet.line import Line

FEW = 16
"""So many lines with nothing but acceptances are written at once; when there are more, they wait for company."""
COMPANY_SECONDS = 0.005


class Pen:
    """Writes for all connections of one event loop, once a turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Nothing waits yet."""
        self._loop = loop
        self._now: list[Line] = []
        self._later: list[Line] = []
        self._is_due = False
        self._timer: asyncio.TimerHandle | None = None

    def ring(self, line: Line) -> None:
        """See `line.Bell`."""
        self._now.append(line)
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._write)

    def ring_later(self, line: Line) -> None:
        """See `line.Bell`."""
        self._later.append(line)
        if not self._is_due and self._timer is None:
            self._is_due = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._is_due = False
        lines, self._now = self._now, []
        for line in lines:
            line.wire.write_all()
        if self._later and self._timer is None:
            if len(self._later) <= FEW:
                self._write_later()
            else:
                self._timer = self._loop.call_later(COMPANY_SECONDS, self._write_later)

    def _write_later(self) -> None:
        self._timer = None
        lines, self._later = self._later, []
        for line in lines:
            if line.safe and not line.rung:
                line.wire.write_all()
