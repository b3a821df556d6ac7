"""Plain TCP (or TLS): bytes that come back, an answer that ends as it should, or connections alone."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Literal

from watchkeeper.config import Part
from watchkeeper.quantities import Size
from watchkeeper.stress.faults import Code, of_connecting, of_socket
from watchkeeper.stress.lane import Floor, Ground, Lane, Operation, Tally


class Talk(Operation, frozen=True, kw_only=True):
    """What it `does`: ``echo`` sends `size` bytes and waits for the same; ``ask`` sends `send` and waits until the answer
    ends with `until`; ``connect`` opens a connection and closes it again.
    """  # noqa: D205  # one sentence

    does: Literal["echo", "ask", "connect"] = "echo"
    size: Size = Size(128)
    send: str = ""
    until: str = "\n"

    def __post_init__(self) -> None:
        """Refuse a question without an end."""
        if self.does == "ask" and not (self.send and self.until):
            raise ValueError(f"{self.name}: ask needs send and until")
        if not 1 <= self.size <= 16 << 20:
            raise ValueError("between 1B and 16MiB are sent")


class Tcp(Part, frozen=True, tag_field="kind", tag="tcp"):
    """``kind = "tcp"``: bytes over TCP, with TLS for ``tls://``; one exchange at a time on each connection.

    `operation` is the mix; left out, an echo of 128 bytes.
    """

    operation: tuple[Talk, ...] = ()

    def mix(self, url: str) -> Sequence[Talk]:  # noqa: ARG002  # as all protocols have it
        """See `LoadProtocol`."""
        return self.operation or (Talk(name="echo"),)

    def prepare(self, ground: Ground) -> Talks:
        """See `LoadProtocol`."""
        return Talks(self, ground)


class Talks:
    """All operations made ready in one worker."""

    def __init__(self, tcp: Tcp, ground: Ground) -> None:
        """Make what will be sent."""
        self.ground = ground
        chance = random.Random(ground.seed)  # noqa: S311  # a load, not a secret
        self.mix = tcp.mix(ground.url)
        self.sent = [one.send.encode() if one.does == "ask" else chance.randbytes(one.size) for one in self.mix]

    def lane(self, number: int, floor: Floor) -> Lane:
        """See `Maker`."""
        return TcpLane(self, floor, number)

    def settle(self, stage: int) -> None:
        """Nothing is known only later."""


class TcpLane(asyncio.Protocol):
    """One connection."""

    keeps = False

    def __init__(self, talks: Talks, floor: Floor, number: int) -> None:
        self.room = 1
        self.is_up = False
        self.listed = False
        self._talks = talks
        self._floor = floor
        self._number = number
        self._transport: asyncio.Transport | None = None
        self._tally: Tally = floor.idle
        self._intended = self._began = 0
        self._answer = bytearray()
        self._is_dialling = False

    def start(self, tally: Tally, intended: int, now: int) -> None:
        """See `Lane`."""
        self.room = 0
        self._tally, self._intended, self._began = tally, intended, now
        if self._talks.mix[tally.operation].does == "connect":
            self._hang_up()
        if self._transport is None:
            self._floor.spawn(self._dial(), "tcp connection")
        else:
            self._send()

    async def connect(self) -> None:
        """See `Lane`."""
        if self._transport is None:
            await self._connect(self._floor.idle)

    def sweep(self, before: int) -> None:
        """See `Lane`."""
        if not self.room and self._began < before and not self._is_dialling:
            self._fail(Code.TIMEOUT, f"no answer within {self._talks.ground.timeout:g} s")

    def cut(self, code: str) -> None:
        """See `Lane`."""
        if not self.room and not self._is_dialling:
            self._fail(code)
        else:
            self._hang_up()

    async def _dial(self) -> None:
        self._is_dialling = True
        try:
            await self._connect(self._tally)
        except Exception as fault:  # noqa: BLE001  # whatever it is, it is data: the code says whose word it is
            code, text = of_connecting(fault), str(fault)
            self.room = 1
            self._tally.fail(code, self._floor.clock() - self._intended, text)
            self._floor.down(self, self._tally, code, text)
            return
        finally:
            self._is_dialling = False
        self._floor.up(self)
        if self._talks.mix[self._tally.operation].does == "connect":
            self._hang_up()
            self._done()
        elif self._transport is None:
            self._fail(Code.CLOSED, "the connection was closed before anything was sent")
        else:
            self._send()

    async def _connect(self, tally: Tally) -> None:
        began = self._floor.clock()
        ground = self._talks.ground
        plugged = await ground.plug(self._number)
        name = ground.server_name if ground.tls is not None else None
        async with asyncio.timeout(ground.timeout):
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: self, sock=plugged, ssl=ground.tls, server_hostname=name)
        tally.span("connect")(self._floor.clock() - began)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a connection."""
        self._transport = transport  # type: ignore[assignment]  # a stream's

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side has closed it, or broken it."""
        if self._transport is None:
            return
        self._transport = None
        self._floor.lost(self, of_socket(exc))
        if not self.room and not self._is_dialling:
            self._fail(of_socket(exc), "the connection ended before the answer was whole")

    def data_received(self, data: bytes) -> None:
        """A piece of an answer."""
        if self.room:
            self._floor.idle.count("unexpected")
            self._hang_up()
            return
        tally = self._tally
        tally.received += len(data)
        answer = self._answer
        answer += data
        talk, sent = self._talks.mix[tally.operation], self._talks.sent[tally.operation]
        if talk.does == "echo":
            if len(answer) < len(sent):
                return
            if answer != sent:
                self._fail(Code.CORRUPT, f"{len(answer)} bytes came back that are not the {len(sent)} sent")
                return
        elif not answer.endswith(talk.until.encode()):
            if len(answer) > 64 << 20:
                self._fail(Code.PROTOCOL, "an answer of more than 64 MiB")
            return
        self._done()

    def _send(self) -> None:
        self._answer.clear()
        sent = self._talks.sent[self._tally.operation]
        self._tally.sent += len(sent)
        assert self._transport is not None
        self._transport.write(sent)

    def _done(self) -> None:
        now = self._floor.clock()
        self.room = 1
        tally = self._tally
        tally.took(now - self._intended)
        tally.served(now - self._began)
        self._floor.free(self, tally, now)

    def _fail(self, code: str, text: str = "") -> None:
        now = self._floor.clock()
        self.room = 1
        self._hang_up()
        self._tally.fail(code, now - self._intended, text)
        self._floor.free(self, self._tally, now)

    def _hang_up(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
            self._floor.lost(self, Code.CUT)
