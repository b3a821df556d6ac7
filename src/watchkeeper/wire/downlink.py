"""The hub's side of one agent's connection: greet, take in, acknowledge, order, show logs.

`serve` runs the connection until it ends and hands every fact to the `Intake` (the hub),
synchronously and in order. What is durable is the hub's to say (`acknowledge`). Orders are sent at
most once; whoever waits for logs gets what comes, bounded, and an end when the agent goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.errors import Refused
from watchkeeper.model import Action, LogLines, Machine, new_id
from watchkeeper.wire import packets
from watchkeeper.wire.packets import Bye, Define, Done, EvidencePart, Figures, Happened, Hello, Logs, Statuses, WorkerPart
from watchkeeper.wire.session import GREETING_SECONDS, HubSession

logger = logging.getLogger(__name__)

SILENCE_SECONDS = 90.0
"""An agent that has said nothing for so long is taken for gone: it speaks at least every 20 s."""

EVIDENCE_BYTES = 8 << 20
"""More than any evidence has as a JSON document."""

WORKER_PARTS = 512
"""How many parts of what workers say may wait: some 32 MiB."""

LOG_PARTS = 256
"""How many parts of a log may wait for a slow reader before the oldest go."""


class Wire(Protocol):
    """The socket underneath, already let in by its token."""

    peer: str

    async def receive(self) -> bytes | None:
        """The next message; None once the other side has gone."""
        ...

    async def send(self, message: bytes) -> None:
        """Send one message."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close; twice is harmless."""
        ...


class Intake(Protocol):
    """What the hub does with what agents say; synchronous, so nothing overtakes anything."""

    def greet(self, link: Downlink, machine: Machine) -> None:
        """An agent has introduced itself; raises Refused to turn it away."""
        ...

    def take(self, link: Downlink, packet: Define | Figures | Happened | Statuses | Done) -> None:
        """A fact from a greeted agent; raises Refused when it is malformed, which closes the link."""
        ...

    def part(self, link: Downlink) -> None:
        """The connection has ended."""
        ...


class WorkerLine:
    """A line to workers of a stress run on the agent's machine."""

    def __init__(self, socket: Wire, ask: str) -> None:
        """Asked for already."""
        self._socket = socket
        self._ask = ask
        self.parts: asyncio.Queue[WorkerPart] = asyncio.Queue(WORKER_PARTS)

    async def send(self, number: int, content: bytes) -> None:
        """Bytes to a worker."""
        await self._socket.send(packets.encode(WorkerPart(self._ask, number, content)))

    async def receive(self) -> WorkerPart:
        """What comes next; `end` with the last."""
        return await self.parts.get()

    async def close(self) -> None:
        """Have the workers end."""
        await self._socket.send(packets.encode(WorkerPart(self._ask, -1, end=True)))


class Downlink:
    """One agent's connection."""

    def __init__(self, socket: Wire, intake: Intake, clock: Clock) -> None:
        """Wrap an open socket; `serve` does the work."""
        self._socket = socket
        self._intake = intake
        self._clock = clock
        self._session = HubSession(clock.monotonic())
        self._asks: dict[str, asyncio.Queue[LogLines]] = {}
        self._pieces: dict[str, asyncio.Queue[EvidencePart]] = {}
        self._lines: dict[str, WorkerLine] = {}
        self._task: asyncio.Task[object] | None = None
        self._leaving = ""
        self.machine = ""
        self.peer = socket.peer
        self.skew = 0
        """How far the agent's clock is ahead of ours, in ms."""

    @property
    def taken(self) -> int:
        """The number of the last numbered packet that the intake has."""
        return self._session.taken

    async def serve(self) -> str:
        """Run the connection until it ends; returns why. Raises nothing but cancellation."""
        task = self._task = asyncio.current_task()
        why, code, farewell = "the agent closed the link", 1000, None
        try:
            await self._take_all()
        except Refused as fault:
            why, code = fault.why, 1008
            farewell = Bye(why, "malformed" if fault.code == "malformed-packet" else "refused")
            logger.warning("closing the link with %s (%s): %s", self.machine or "an agent", self.peer, why)
        except asyncio.CancelledError:
            if not self._leaving or task is None:
                raise
            task.uncancel()
            why, code, farewell = self._leaving, 1001, Bye(self._leaving)
        finally:
            if self.machine:
                self._intake.part(self)
            for ask, queue in self._asks.items():
                _put(queue, LogLines(ask, (), end=True, why="the agent's link has ended"))
            for ask, pieces in self._pieces.items():
                pieces.put_nowait(EvidencePart(ask, b"", end=True, why="the agent's link has ended"))
            for ask, line in self._lines.items():
                _add(line, WorkerPart(ask, -1, end=True, why="the agent's link has ended"))
        if farewell is not None:
            await self._socket.send(packets.encode(farewell))
        await self._socket.close(code, why)
        return why

    async def _take_all(self) -> None:
        while True:
            limit = SILENCE_SECONDS if self.machine else GREETING_SECONDS
            try:
                async with asyncio.timeout(limit):
                    message = await self._socket.receive()
            except TimeoutError:
                raise Refused(f"silent for {limit:.0f} s", code="silent") from None
            if message is None:
                return
            await self._take(message)

    async def _take(self, message: bytes) -> None:
        packet = self._session.receive(message)
        match packet:
            case Hello(machine=machine, now=now):
                self.skew = now - milliseconds(self._clock.wall()) if now else 0
                self._intake.greet(self, machine)
                self.machine = machine.name
                await self._socket.send(self._session.welcome(milliseconds(self._clock.wall())))
            case Logs(part=part):
                if queue := self._asks.get(part.ask):
                    _put(queue, part)
            case EvidencePart():
                if pieces := self._pieces.get(packet.ask):
                    pieces.put_nowait(packet)
            case WorkerPart():
                if line := self._lines.get(packet.ask):
                    _add(line, packet)
            case Bye(reason=reason):
                raise Refused(f"the agent said goodbye: {reason}", code="bye")
            case _:
                self._intake.take(self, packet)

    async def acknowledge(self, upto: int) -> None:
        """Tell the agent that all up to `upto` are durable."""
        if message := self._session.acknowledge(upto):
            await self._socket.send(message)

    async def order(self, action: Action) -> None:
        """Send an order; its outcome comes through the intake."""
        await self._socket.send(packets.encode(packets.Order(action)))

    async def logs(self, server: str, lines: int, *, follow: bool) -> AsyncGenerator[LogLines, None]:
        """A server's output as its agent sends it, until the end or until the reader goes."""
        ask = new_id(milliseconds(self._clock.wall()))
        queue = self._asks[ask] = asyncio.Queue(LOG_PARTS)
        ended = False
        try:
            await self._socket.send(packets.encode(packets.LogsAsk(ask, server, lines, follow)))
            while not ended:
                part = await queue.get()
                ended = part.end
                yield part
        finally:
            del self._asks[ask]
            if not ended:
                await self._socket.send(packets.encode(packets.LogsStop(ask)))

    async def evidence(self, identity: str) -> bytes:
        """One piece of evidence, whole, as the agent keeps it: a JSON document.

        Raises Refused (``no-evidence``) when the agent has it no more, (``too-large``) when it sends more than any is.
        """
        ask = new_id(milliseconds(self._clock.wall()))
        pieces = self._pieces[ask] = asyncio.Queue()
        found = bytearray()
        try:
            await self._socket.send(packets.encode(packets.EvidenceAsk(ask, identity)))
            while not (piece := await pieces.get()).end:
                found += piece.content
                if len(found) > EVIDENCE_BYTES:
                    raise Refused(f"the evidence is over the limit of {EVIDENCE_BYTES} bytes", code="too-large")
        finally:
            del self._pieces[ask]
        if piece.why:
            raise Refused(piece.why, code="no-evidence")
        return bytes(found)

    @contextlib.asynccontextmanager
    async def workers(self, count: int) -> AsyncIterator[WorkerLine]:
        """Workers of a stress run on this machine, for the length of this; they end with it."""
        ask = new_id(milliseconds(self._clock.wall()))
        line = self._lines[ask] = WorkerLine(self._socket, ask)
        try:
            await self._socket.send(packets.encode(packets.WorkersAsk(ask, count)))
            yield line
        finally:
            del self._lines[ask]
            await line.close()

    def leave(self, reason: str) -> None:
        """Have `serve` close this connection, saying why; synchronous, and what was taken stays taken."""
        if not self._leaving and self._task is not None:
            self._leaving = reason
            self._task.cancel()


def _add(line: WorkerLine, part: WorkerPart) -> None:
    """Nothing of what workers say may be left out: whoever is too slow to take it hears that it is over."""
    queue = line.parts
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        part = WorkerPart(part.ask, -1, end=True, why="what the workers say was not taken in time")
    queue.put_nowait(part)


def _put(queue: asyncio.Queue[LogLines], part: LogLines) -> None:
    """Queue a part; a reader that is too slow loses the oldest, never the end."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(part)
