"""Between the street and the house: of a connection that has not logged in, no more is read than a login takes.

picows reads whole frames, of up to 1 MiB, and tells nobody before it has one. So until the login a `Porch` is the transport's
protocol in its place, hands over what comes, and counts it; then it steps aside and costs nothing any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

GREETING_BYTES = 8192
"""What a connection may send before its login is proved, frames and all; a login has a few hundred."""


class Porch(asyncio.BufferedProtocol):
    """One connection's protocol until its login."""

    def __init__(self, transport: asyncio.Transport, overrun: Callable[[], None]) -> None:
        """Stand before the transport's protocol; `overrun` is called once more has come than may, and nothing more is read."""
        self._transport = transport
        self._house = transport.get_protocol()
        self._overrun = overrun
        self._left = GREETING_BYTES
        self.pause_writing = self._house.pause_writing  # type: ignore[method-assign]  # as all protocols have it
        self.resume_writing = self._house.resume_writing  # type: ignore[method-assign]  # the same
        self.eof_received = self._house.eof_received  # type: ignore[attr-defined,method-assign]  # picows' is no mere BaseProtocol
        transport.set_protocol(self)

    def let_in(self) -> None:
        """The login is proved: everything is read from now on."""
        if self._transport.get_protocol() is self:
            self._transport.set_protocol(self._house)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Room for what comes next, no more than is still granted."""
        return self._house.get_buffer(sizehint)[: self._left]  # type: ignore[attr-defined,no-any-return]  # picows' has it

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes have come."""
        self._left -= nbytes
        self._house.buffer_updated(nbytes)  # type: ignore[attr-defined]  # as above
        if self._left <= 0 and self._transport.get_protocol() is self:
            self._left = 1  # a buffer may not be empty
            self._transport.pause_reading()
            self._overrun()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._house.connection_lost(exc)
