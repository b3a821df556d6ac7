"""Between a stress run and its workers on another machine without the hub: messages over a NATS server, numbered.

NATS delivers at most once. Nothing of what workers say may be missing in the middle, so each message begins with its number,
and a gap, a lost connection or a reader who is too slow ends the line with the reason. What is said on it is the same as
over the hub's links (`packets.WorkerPart`). Subjects are of one run and one machine, and cannot be guessed.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

from watchkeeper.errors import Failed, Refused

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

OVER = -2
"""The number of the part that names a subject (to the agent) and of the first one that comes over it (from there)."""
PREFIX = "watchkeeper.stress"
CONNECT_SECONDS = 5.0
WAITING = 4096
"""Messages that wait for whoever reads them; NATS's own buffer is behind that."""
NUMBER_BYTES = 8
_SUBJECT = re.compile(r"[0-9a-f]{32}")


class Address(NamedTuple):
    """A NATS server: ``nats://host:port`` or ``tls://host:port``, and the token that it wants, if any."""

    url: str
    token: str = ""


def subject() -> str:
    """One that nobody has."""
    return secrets.token_hex(16)


class Bus:
    """One end of a line. `open` it, and `close` it."""

    def __init__(self, client: Client, tells: str) -> None:
        """Connected already."""
        self._client = client
        self._tells = tells
        self._sent = self._heard = 0
        self._waiting: asyncio.Queue[bytes | Failed] = asyncio.Queue(WAITING)

    @classmethod
    async def open(cls, address: Address, name: str, *, asks: bool) -> Bus:
        """The end of whoever `asks`, or the workers' one, of the line `name`. Raises Refused and Failed."""
        try:
            from nats.aio.client import Client  # noqa: PLC0415  # an extra: who has one hub needs no NATS
            from nats.errors import Error  # noqa: PLC0415  # only needed here
        except ImportError:
            raise Refused("a line over NATS needs nats-py: pip install 'watchkeeper[nats]'", code="no-nats") from None
        if not _SUBJECT.fullmatch(name):
            raise Refused(f"{name[:40]!r} is no line's name", code="malformed-packet")
        client = Client()
        hears, tells = (f"{PREFIX}.{name}.{way}" for way in (("up", "down") if asks else ("down", "up")))
        bus = cls(client, tells)
        more: dict[str, Any] = {"token": address.token} if address.token else {}
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await client.connect(
                    address.url,
                    name="watchkeeper stress",
                    allow_reconnect=False,
                    disconnected_cb=bus._gone,
                    error_cb=bus._fault,
                    **more,
                )
                await client.subscribe(hears, cb=bus._take)
                await client.flush()
        except (OSError, Error, TimeoutError) as fault:
            with contextlib.suppress(Exception):  # it may never have been open
                await client.close()
            raise Failed(f"NATS at {address.url} does not do: {str(fault) or 'no answer in time'}") from None
        return bus

    async def send(self, message: bytes) -> None:
        """Say something; raises Failed when the line is gone."""
        from nats.errors import Error  # noqa: PLC0415  # as above

        number, self._sent = self._sent, self._sent + 1
        try:
            await self._client.publish(self._tells, number.to_bytes(NUMBER_BYTES, "big") + message)
        except (OSError, Error) as fault:
            raise Failed(f"the line over NATS broke: {fault}") from None

    async def receive(self) -> bytes:
        """The next message; raises Failed when something is missing or the line is gone."""
        found = await self._waiting.get()
        if isinstance(found, Failed):
            raise found
        return found

    async def close(self) -> None:
        """Let go of it, what was said last first."""
        with contextlib.suppress(Exception):  # whatever is wrong with it: it is over
            async with asyncio.timeout(1):
                await self._client.flush()
        with contextlib.suppress(Exception):
            await self._client.close()

    async def _take(self, message: Msg) -> None:
        number = int.from_bytes(message.data[:NUMBER_BYTES], "big")
        if number != self._heard:
            self._end(f"{number - self._heard} messages of the workers' line were lost by NATS")
            return
        self._heard += 1
        await self._waiting.put(message.data[NUMBER_BYTES:])

    async def _gone(self) -> None:
        self._end("the connection to NATS has ended")

    async def _fault(self, fault: Exception) -> None:
        self._end(f"NATS: {fault}")

    def _end(self, why: str) -> None:
        """Whoever reads hears it next; what was not taken before is worth nothing any more."""
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._waiting.put_nowait(Failed(why))
