"""Ask a server over TCP: does it accept a connection and, if told to, greet as it should?"""

from __future__ import annotations

import asyncio
import contextlib
from typing import ClassVar

from watchkeeper.config import Asked
from watchkeeper.errors import Failed
from watchkeeper.model import Notes

GREETING_BYTES = 4096
"""A greeting is looked for in so many bytes,"""
GREETING_SHARE = 0.9
"""and in the rest of this part of the time-out, once it has begun: then what came instead can be told."""


class Tcp(Asked, frozen=True, tag_field="kind", tag="tcp"):
    """``kind = "tcp"``: connect to `port` of `host`; with `send`, say it; with `expect`, the first bytes back must hold it."""

    port: int
    host: str = "127.0.0.1"
    send: str = ""
    expect: str = ""

    def __post_init__(self) -> None:
        """Refuse a port that does not exist."""
        if not 1 <= self.port <= 65535:
            raise ValueError(f"expected a port from 1 to 65535, got {self.port}")

    FAMILIES: ClassVar = ()

    async def attempt(self, notes: Notes) -> None:  # noqa: ARG002  # a connection has no figure but its time
        """Connect once."""
        began = asyncio.get_running_loop().time()
        try:
            reader, writer = await asyncio.open_connection(self.host, self.port)
        except OSError as fault:
            raise Failed(f"cannot connect to {self.host}:{self.port}: {fault.strerror or fault}") from None
        try:
            if self.send:
                writer.write(self.send.encode())
                await writer.drain()
            if self.expect:
                await self._greeted(reader, began + GREETING_SHARE * self.timeout)
        except OSError as fault:
            raise Failed(f"the connection broke: {fault.strerror or fault}") from None
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _greeted(self, reader: asyncio.StreamReader, until: float) -> None:
        """Read until the greeting is there: a server may write it in pieces. Raises Failed when it does not come."""
        wanted, greeting = self.expect.encode(), await reader.read(GREETING_BYTES)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while wanted not in greeting and (more := await reader.read(GREETING_BYTES - len(greeting))):
                    greeting += more
        if wanted not in greeting:
            raise Failed(f"expected {self.expect!r}, got {greeting[:80]!r}")
