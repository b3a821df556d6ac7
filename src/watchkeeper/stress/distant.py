"""Workers on another machine: started by its agent, spoken to through the hub, on a clock that was compared with ours.

All orders name instants of the run's clock, which is this machine's; a distant worker is told them in its own. How far its
clock is from ours is measured as NTP does: a question, its answer's time, half of the way there and back is the most that
it may be wrong by. The quickest of many answers bounds it best.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec

from watchkeeper.errors import Failed, Refused
from watchkeeper.stress import talk
from watchkeeper.stress.overnats import Socket
from watchkeeper.stress.run import Origin
from watchkeeper.wire.packets import WorkerPart, encode, worker_part

QUESTIONS = 20
"""Times that each clock is asked for at the start,"""
AGAIN_SECONDS = 30.0
"""and how often again during the run."""
START_SECONDS = 30.0
PIECE = 256 * 1024
"""Bytes of one message: a plan fits one many times over."""


class Lost(Exception):
    """A worker has ended, or could not go on."""


class DistantMember:
    """One worker of another machine."""

    def __init__(self, number: int, place: int, distant: Distant) -> None:
        """The `place`-th of that machine, the run's `number`-th."""
        self.number = number
        self.place = place
        self.machine = distant.machine
        self.reader = asyncio.StreamReader(limit=talk.MOST)
        self._distant = distant

    def order(self, order: talk.Order) -> None:
        """Tell it, in its own clock's time."""
        ahead = self._distant.ahead
        match order:
            case talk.Prepare():
                order.zero += ahead
            case talk.Begin():
                order = talk.Begin(order.stage, order.at + ahead)
            case _:
                pass
        self._distant.send(self.place, talk.written(order))

    async def how(self) -> str:
        """How it has ended, as far as one knows."""
        return f"on {self.machine}: {self._distant.why or 'the line to it has ended'}"

    async def leave(self) -> None:
        """Have it end; its agent sees to that."""
        self.order(talk.Quit())


class Distant:
    """The workers of one other machine, and the line to them."""

    def __init__(self, machine: str, count: int, dial: Callable[[], Awaitable[Socket]]) -> None:
        """`count` 0: one for each of its processors. Nothing is opened yet."""
        self.machine = machine
        self.count = count
        self.ahead = 0
        """How far its monotonic clock is ahead of ours, ns."""
        self.bound = 0
        """By how much that may be wrong at the most, ns."""
        self.drift = 0
        """How far the clocks have moved against each other since the start, ns."""
        self.why = ""
        self._dial = dial
        self._socket: Socket | None = None
        self._members: dict[int, DistantMember] = {}
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._first = 0

    async def start(self, first: int) -> list[DistantMember]:
        """Open the line and compare clocks; the run's numbers begin at `first`. Raises Lost and Failed."""
        self._first = first
        self._socket = await self._dial()
        # Two tasks of this line's own, ended by `close`: it lives as long as the crew that it belongs to.
        self._tasks = [
            asyncio.create_task(self._hear(self._socket), name=f"from {self.machine}"),
            asyncio.create_task(self._tell(self._socket), name=f"to {self.machine}"),
        ]
        for place in range(self.count):
            self._members[place] = DistantMember(first + place, place, self)
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._compare()
        except TimeoutError:
            raise Lost(f"the workers on {self.machine} did not say what time it is there") from None
        return list(self._members.values())

    def origin(self) -> Origin:
        """What the record has of it."""
        numbers = tuple(member.number for member in self._members.values())
        return Origin(self.machine, numbers, self.ahead, self.bound, self.drift)

    def send(self, place: int, content: bytes) -> None:
        """Bytes to a worker; they leave in order."""
        for at in range(0, len(content), PIECE):
            self._waiting.put_nowait(encode(WorkerPart("", place, content[at : at + PIECE])))

    def ask(self) -> None:
        """Ask what time it is there; `clocked` hears the answer."""
        self._members[0].order(talk.Clock(time.monotonic_ns()))

    def clocked(self, said: talk.Clocked) -> None:
        """Another answer to what time it is: how far the clocks have moved, where it says more than the bounds of both."""
        now = time.monotonic_ns()
        bound = (now - said.sent) // 2
        if bound <= self.bound * 4:
            self.drift = said.now - (said.sent + now) // 2 - self.ahead

    async def close(self) -> None:
        """End the line, and with it the workers."""
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                while not self._waiting.empty():  # noqa: ASYNC110  # the last orders, once
                    await asyncio.sleep(0.01)
        for task in self._tasks:
            task.cancel()
        if self._socket is not None:
            await self._socket.close("the run is over")

    async def _compare(self) -> None:
        """Ask each of its workers; they share one clock, so the best answer of all counts."""
        best = None
        for member in self._members.values():
            for _ in range(QUESTIONS):
                member.order(talk.Clock(time.monotonic_ns()))
                said = await talk.report(member.reader)
                now = time.monotonic_ns()
                if not isinstance(said, talk.Clocked):
                    raise Lost(f"worker {member.number} has ended ({await member.how()})")
                bound = (now - said.sent) // 2
                if best is None or bound < best:
                    best, self.bound = bound, bound
                    self.ahead = said.now - (said.sent + now) // 2

    async def _hear(self, socket: Socket) -> None:
        try:
            while (message := await socket.receive()) is not None:
                part = worker_part(message)
                if part.end:
                    self.why = part.why
                    break
                if (member := self._members.get(part.number)) is not None:
                    member.reader.feed_data(part.content)
        except (Failed, Refused, msgspec.MsgspecError) as fault:
            self.why = str(fault)
        finally:
            for member in self._members.values():
                member.reader.feed_eof()

    async def _tell(self, socket: Socket) -> None:
        try:
            while True:
                await socket.send(await self._waiting.get())
        except Failed as fault:
            self.why = self.why or str(fault)
