"""What a client does in several steps, with another identity beside its own: logging in, being away, coming back.

Each visit is a coroutine of the floor's and ends its operation once. Its identities are taken out of a few slots of the
lane and given back, so that a server that remembers every key meets few.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from cloudnet.keys import Identity
from cloudnet.packets import Accepted, Deliver, FromServer, Leave, Rejected, Resume, Send, Watch
from watchkeeper.stress.faults import Code, Failure, of_connecting
from watchkeeper.stress.protocols.cloud import CloudOperation, seed_of, streams
from watchkeeper.stress.protocols.cloud.client import Connection
from watchkeeper.stress.protocols.cloud.streams import DATA, Stream

if TYPE_CHECKING:
    from watchkeeper.stress.protocols.cloud.crowd import Flight
    from watchkeeper.stress.protocols.cloud.lanes import CloudLane

LEAVE_SECONDS = 1.0
"""How long the server may take to close the connection of a client that has said that it goes."""


class Visitor:
    """A client beside the lane's own: what has come to it, and what became of what it sent."""

    def __init__(self, identity: Identity, mark: bytes, visits: asyncio.Semaphore) -> None:
        """Not connected. `visits`: connections that may still be opened beside the lanes' own."""
        self._visits = visits
        self.identity = identity
        self.stream = Stream()
        self.corrupt = self.repeated = self.reordered = 0
        self.connection: Connection | None = None
        self.known = False
        """It has logged in here before, so that mail is kept for it."""
        self._mark = mark
        self._told: Callable[[FromServer], None] | None = None
        self._told_of_end: Callable[[str], None] | None = None
        self._arrived = 0
        self._wanted = 0
        self._whole: asyncio.Future[None] | None = None
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def open(self, lane: CloudLane, resume: Resume | None = None) -> Connection:
        """Log in, once there is room for one more connection; raises what `Connection.open` raises."""
        await self._visits.acquire()
        self._gone = asyncio.get_running_loop().create_future()
        self.connection = Connection(self.identity, self._take, self._ended)
        try:
            await self.connection.open(lane.clients.ground, lane.number, lane.clients.server_key, resume=resume)
        except BaseException:
            self.cut()
            raise
        self.known = True
        return self.connection

    async def leave(self) -> None:
        """Go for good, and wait until the server has taken note of it."""
        connection, self.connection = self.connection, None
        if connection is None:
            return
        try:
            if not self._gone.done():
                connection.say(Leave())
                with suppress(TimeoutError):
                    async with asyncio.timeout(LEAVE_SECONDS):
                        await asyncio.shield(self._gone)
        finally:
            connection.cut()
            self._visits.release()

    def cut(self) -> None:
        """Go as if the network had broken."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.cut()
            self._visits.release()

    def _ended(self, code: str) -> None:
        if not self._gone.done():
            self._gone.set_result(None)
        if self._told_of_end is not None:
            self._told_of_end(code)

    def want(self, many: int) -> asyncio.Future[None]:
        """Done once so many messages have come."""
        self._arrived, self._wanted = 0, many
        self._whole = asyncio.get_running_loop().create_future()
        return self._whole

    def listen(self, take: Callable[[FromServer], None] | None, ended: Callable[[str], None] | None) -> None:
        """Have somebody else told what comes beside messages, and of the end."""
        self._told, self._told_of_end = take, ended

    def _take(self, packet: FromServer) -> None:
        if not isinstance(packet, Deliver):
            if self._told is not None:
                self._told(packet)
            return
        body = streams.read(packet.body)
        if body is None or body.mark != self._mark:
            return
        arrival = self.stream.arrive(body.number)
        self.corrupt += not body.is_whole
        self.repeated += arrival == "duplicate"
        self.reordered += arrival == "reordered"
        self._arrived += arrival != "duplicate"
        if self._whole is not None and not self._whole.done() and self._arrived >= self._wanted:
            self._whole.set_result(None)


class Posted:
    """Messages to a visitor, until the server is bound to deliver them all."""

    def __init__(self, stream: Stream) -> None:
        """`stream`: which they are numbered in. None is sent yet."""
        self.under_way: dict[int, int] = {}
        """The numbers of those that are neither accepted nor rejected, by what they were sent as."""
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once all are accepted; raises Failure when one is not."""
        self._stream = stream

    def take(self, packet: FromServer) -> None:
        """What the server says to their sender."""
        if isinstance(packet, Accepted):
            for seq in packet.seqs:
                self.under_way.pop(seq, None)
            if not self.under_way and not self.settled.done():
                self.settled.set_result(None)
        elif isinstance(packet, Rejected):
            if (number := self.under_way.pop(packet.seq, None)) is not None:
                self._stream.excuse(number)
            if not self.settled.done():
                self.settled.set_exception(Failure(f"rejected-{packet.code}", packet.why))

    def ended(self, code: str) -> None:
        """Their sender's connection is gone."""
        if not self.settled.done():
            self.settled.set_exception(Failure(code, "the sender's connection ended"))

    def close(self) -> None:
        """Nobody waits any more: if what was not accepted does not come, that is no loss."""
        if self.settled.done() and not self.settled.cancelled():
            self.settled.exception()
        self._stream.unsettled.update(self.under_way.values())


class Visits:
    """All visits of one lane."""

    def __init__(self, lane: CloudLane) -> None:
        """None."""
        self._lane = lane
        self._idle: list[Visitor] = []
        self._made = 0
        self._tasks: dict[asyncio.Task[None], Flight] = {}
        self._code = ""

    def owns(self, flight: Flight) -> bool:
        """Whether a visit will end this operation."""
        return flight in self._tasks.values()

    def cancel(self, code: str) -> None:
        """End all of them with `code`."""
        self._code = code
        for task in list(self._tasks):
            task.cancel()

    async def make(self, flight: Flight, operation: CloudOperation) -> None:
        """One visit, from its beginning to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks[task] = flight
        self._code = ""
        lane = self._lane
        visitor = self._idle.pop() if self._idle else self._new()
        code, text = "", ""
        try:
            async with asyncio.timeout(lane.clients.ground.timeout):
                await self._visit(visitor, flight, operation)
        except asyncio.CancelledError:
            code = self._code or Code.ABORTED
        except TimeoutError:
            code, text = Code.TIMEOUT, f"not ended within {lane.clients.ground.timeout:g} s"
        except Exception as fault:  # noqa: BLE001  # whatever it is, it is data: the code says whose word it is
            code, text = of_connecting(fault), str(fault)
        now = lane.clock()
        del self._tasks[task]
        self._count(visitor, flight)
        if code:
            lane.crash(flight, code, text, now)
        else:
            lane.land(flight, now)
        await visitor.leave()
        self._idle.append(visitor)

    async def _visit(self, visitor: Visitor, flight: Flight, operation: CloudOperation) -> None:
        match operation.does:
            case "login":
                await visitor.open(self._lane)
            case "presence":
                await self._presence(visitor)
            case "offline":
                await self._offline(visitor, flight, operation)
            case _:
                await self._resume(visitor, flight, operation)

    async def _presence(self, visitor: Visitor) -> None:
        """Be told that somebody came."""
        lane = self._lane
        connection = lane.connection
        if connection is None:
            raise Failure(Code.CLOSED, "the watching client is not connected")
        came: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def told(state: str) -> None:
            if state == "came" and not came.done():
                came.set_result(None)

        key = visitor.identity.key
        if key not in lane.watched:
            connection.say(Watch(0, (key,)))
        lane.watched[key] = told
        await visitor.open(lane)
        await came

    async def _offline(self, visitor: Visitor, flight: Flight, operation: CloudOperation) -> None:
        """Mail for somebody who is away, until that one has taken it."""
        lane = self._lane
        if not visitor.known:  # making somebody known is no part of it
            before = lane.clock()
            await visitor.open(lane)
            await visitor.leave()
            passed = lane.clock() - before
            flight.intended += passed
            flight.began += passed
        began = lane.clock()
        await self._send(visitor, flight, operation)
        flight.tally.span("accepted")(lane.clock() - began)
        whole = visitor.want(operation.messages)
        began = lane.clock()
        await visitor.open(lane)
        await whole
        flight.tally.span("replay")(lane.clock() - began)

    async def _resume(self, visitor: Visitor, flight: Flight, operation: CloudOperation) -> None:
        """Messages to somebody whose connection has broken, until that one has come back to its session and taken them."""
        lane = self._lane
        connection = await visitor.open(lane)
        welcome = connection.welcome
        assert welcome is not None
        position = connection.position
        visitor.cut()
        await self._send(visitor, flight, operation)
        whole = visitor.want(operation.messages)
        began = lane.clock()
        again = await visitor.open(lane, Resume(welcome.epoch, position))
        if again.welcome is not None and not again.welcome.resumed:
            raise Failure("rejected-not-resumed", "the session was not there any more")
        flight.tally.span("resume")(lane.clock() - began)
        await whole

    async def _send(self, visitor: Visitor, flight: Flight, operation: CloudOperation) -> None:
        """Send its messages from a client of the visit's own, and wait until the server is bound to deliver them."""
        lane = self._lane
        sender = self._idle.pop() if self._idle else self._new()
        posted = Posted(visitor.stream)
        try:
            connection = await sender.open(lane)
            sender.listen(posted.take, posted.ended)
            for seq in range(1, operation.messages + 1):
                number = posted.under_way[seq] = visitor.stream.next()
                filler = lane.clients.fillers[flight.tally.operation]
                body = streams.made(lane.clients.mark, DATA, lane.number, lane.number, number, flight.intended, filler)
                identity = (next(lane.clients.ids) & ((1 << 128) - 1)).to_bytes(16, "big")
                connection.say(Send(seq, visitor.identity.key, identity, body))
            await posted.settled
        finally:
            posted.close()
            sender.listen(None, None)
            lane.floor.spawn(self._put_back(sender), "a sender leaves")

    async def _put_back(self, visitor: Visitor) -> None:
        await visitor.leave()
        self._idle.append(visitor)

    def _count(self, visitor: Visitor, flight: Flight) -> None:
        """What was amiss with what came, on the operation's tally."""
        fates = visitor.stream.settle().get(0, Counter())
        for name, many in (
            *fates.items(),
            ("corrupt", visitor.corrupt),
            ("duplicated", visitor.repeated),
            ("reordered", visitor.reordered),
        ):
            if many:
                flight.tally.count(name, many)
        visitor.corrupt = visitor.repeated = visitor.reordered = 0

    def _new(self) -> Visitor:
        self._made += 1
        lane = self._lane
        seed = seed_of(lane.clients.ground.url, lane.clients.ground.worker, lane.number, self._made)
        return Visitor(Identity(seed), lane.clients.mark, lane.clients.visits)
