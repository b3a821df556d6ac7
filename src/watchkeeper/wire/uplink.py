"""The agent's side of the link, kept up: dial, greet, forward the spool, obey, and again.

The agent gives it a spool to empty and a `Duty` to hand orders to; it owns nothing else. While
the hub is away it retries with growing, fully jittered pauses for ever. What must not be lost is
in the spool; statuses are said whole at each new connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Protocol

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.errors import ConfigError, Failed, Refused
from watchkeeper.model import Action, Event, Frame, LogLines, Machine, Outcome, ServerStatus
from watchkeeper.wire import packets
from watchkeeper.wire.session import AgentSession
from watchkeeper.wire.socket import ClientSocket, dial
from watchkeeper.wire.spool import Spool

logger = logging.getLogger(__name__)

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 15.0
QUIET_ATTEMPTS = 3
"""At the start so many may fail before that is worth a line: a hub that is started with us needs a moment."""
PING_SECONDS = 20.0
BURST = 64


class Duty(Protocol):
    """What the agent does for the hub."""

    async def order(self, action: Action) -> Outcome:
        """Carry out an order; never raises for what the caller did wrong, that is an outcome too."""
        ...

    def logs(self, server: str, lines: int, *, follow: bool) -> AsyncGenerator[tuple[str, ...], None]:
        """A server's output; raises Refused on the first step for an unknown server."""
        ...

    def statuses(self) -> tuple[ServerStatus, ...]:
        """How all servers stand now."""
        ...

    def evidence(self, identity: str) -> AsyncGenerator[bytes, None]:
        """One piece of evidence, in parts that fit a packet; raises Refused on the first step when it is not there."""
        ...

    async def carry(
        self, count: int, told: asyncio.Queue[tuple[int, bytes]], say: Callable[[int, bytes], Awaitable[None]]
    ) -> None:
        """Start workers of a stress run, hand them what is `told` and `say` what they do, until all have ended or cancelled.

        Raises Refused where this agent is not to make load.
        """
        ...


def pause_before(attempt: int, chance: float) -> float:
    """Seconds to wait before the `attempt`-th try (from 1): full jitter by `chance` in [0, 1), doubling to a cap."""
    ceiling: float = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempt, 20))
    return ceiling * chance


class Uplink:
    """Keeps one agent joined to its hub."""

    def __init__(
        self,
        url: Callable[[], str],
        token: Callable[[], str],
        machine: Callable[[], Machine],
        spool: Spool,
        duty: Duty,
        clock: Clock,
    ) -> None:
        """`url`, `token` and `machine` are asked at each connection, so that a moved hub or a changed token takes effect."""
        self._url = url
        self._token = token
        self._machine = machine
        self._spool = spool
        self._duty = duty
        self._clock = clock
        self._rung = asyncio.Event()
        self._changed: dict[str, ServerStatus] = {}
        self._outcomes: deque[Outcome] = deque(maxlen=BURST)
        self._orders: asyncio.TaskGroup
        self._under_way = 0
        self.connected = False
        self.connections = 0

    def record(self, record: Frame | Event) -> None:
        """Spool one record and see that it leaves soon; synchronous, never waits."""
        self._spool.append(record)
        self._rung.set()

    def status(self, status: ServerStatus) -> None:
        """Tell the hub of a changed server; only the newest word counts."""
        self._changed[status.name] = status
        self._rung.set()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        async with asyncio.TaskGroup() as orders:
            self._orders = orders
            attempt = 0
            said = ""
            quiet = QUIET_ATTEMPTS
            while True:
                try:
                    why = await self._serve(await dial(self._url(), self._token()))
                    attempt = quiet = 0
                    said = ""
                except (ConfigError, Failed, Refused) as fault:
                    why = str(fault)
                attempt += 1
                if why != said and attempt > quiet:
                    logger.warning("no link to the hub (%s); trying again, nothing is lost meanwhile", why)
                    said = why
                await asyncio.sleep(pause_before(attempt, random.random()))  # noqa: S311  # jitter, not a secret

    async def _serve(self, socket: ClientSocket) -> str:
        """Run one connection until it ends and say why; raises that instead if it never got as far as a welcome."""
        session = AgentSession(self._machine(), self._clock.monotonic())
        self._under_way = 0
        ended: Failed | Refused | None = None
        try:
            await socket.send(session.hello(milliseconds(self._clock.wall())))
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send(socket, session), name="link sender")
                group.create_task(self._keep_alive(socket, session), name="link pings")
                group.create_task(self._receive(socket, session, group), name="link receiver")
        except* (Failed, Refused) as faults:
            ended = _first(faults)
        finally:
            self.connected = False
            await socket.close(ended.why if ended else "stopping")
        assert ended is not None, "the receiver ends by a fault or by cancellation alone"
        if not session.welcomed or isinstance(ended, Refused):
            raise ended
        return ended.why

    async def _send(self, socket: ClientSocket, session: AgentSession) -> None:
        while True:
            await self._rung.wait()
            self._rung.clear()
            if not session.welcomed:
                continue
            while self._outcomes:
                await socket.send(packets.encode(packets.Done(self._outcomes[0])))
                self._outcomes.popleft()
            if self._changed:
                changed, self._changed = tuple(self._changed.values()), {}
                await socket.send(packets.encode(packets.Statuses(changed, whole=False)))
            while (room := min(session.room(), BURST)) > 0 and (records := self._spool.peek(self._under_way, room)):
                for record in records:
                    if isinstance(record, Frame) and session.lacks(record.dictionary):
                        layout = self._spool.layout(record.dictionary)
                        if layout is None:
                            # Its file was lost: the hub may still know it, and refuses the frame if not.
                            logger.warning("the layout of a spooled frame is lost; sending the frame all the same")
                        else:
                            await socket.send(session.define(layout))
                    self._under_way += 1
                    await socket.send(session.number(record))

    async def _keep_alive(self, socket: ClientSocket, session: AgentSession) -> None:
        while True:
            await asyncio.sleep(1.0 if not session.welcomed else PING_SECONDS)
            if session.overdue(self._clock.monotonic()):
                raise Failed("the hub did not welcome this agent in time")
            await socket.ping()

    async def _receive(self, socket: ClientSocket, session: AgentSession, group: asyncio.TaskGroup) -> None:
        errands = _Errands(socket, self._duty, group)
        while (message := await socket.receive()) is not None:
            packet, released = session.receive(message)
            match packet:
                case packets.Welcome():
                    self.connected = True
                    self.connections += 1
                    self._changed.clear()
                    await socket.send(packets.encode(packets.Statuses(self._duty.statuses(), whole=True)))
                    self._rung.set()
                case packets.Ack():
                    self._spool.release(released)
                    self._under_way -= released
                    self._rung.set()
                case packets.Order(action=action):
                    self._orders.create_task(self._obey(action), name=f"order {action.verb} {action.server}")
                case packets.Bye(reason=reason):
                    raise Failed(f"the hub said goodbye: {reason}")
                case _:
                    errands.take(packet)
        raise Failed("the hub closed the link")

    async def _obey(self, action: Action) -> None:
        """Carry out an order in a task of the link's, not of the connection: its outcome may have to wait for the next one."""
        self._outcomes.append(await self._duty.order(action))
        self._rung.set()


class _Errands:
    """What the hub has asked for on one connection and gets piece by piece; it ends with the connection."""

    def __init__(self, socket: ClientSocket, duty: Duty, group: asyncio.TaskGroup) -> None:
        self._socket = socket
        self._duty = duty
        self._group = group
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, asyncio.Queue[tuple[int, bytes]]] = {}

    def take(self, packet: packets.FromHub) -> None:
        """Begin one, hand it something, or end it."""
        match packet:
            case packets.LogsAsk(ask=ask):
                self._begin(ask, self._show_logs(packet), f"logs {packet.server}")
            case packets.EvidenceAsk(ask=ask):
                self._begin(ask, self._show_evidence(packet), f"evidence {packet.evidence}")
            case packets.WorkersAsk(ask=ask):
                self._told[ask] = asyncio.Queue()
                self._begin(ask, self._carry(packet, self._told[ask]), "workers")
            case packets.WorkerPart(ask=ask, end=False) if ask in self._told:
                self._told[ask].put_nowait((packet.number, packet.content))
            case packets.LogsStop(ask=ask) | packets.WorkerPart(ask=ask, end=True):
                if task := self._tasks.get(ask):
                    task.cancel()

    def _begin(self, ask: str, work: Coroutine[None, None, None], name: str) -> None:
        self._tasks = {key: task for key, task in self._tasks.items() if not task.done()}
        self._told = {key: told for key, told in self._told.items() if key in self._tasks or key == ask}
        self._tasks[ask] = self._group.create_task(work, name=name)

    async def _show_logs(self, ask: packets.LogsAsk) -> None:
        why = ""
        try:
            async with contextlib.aclosing(self._duty.logs(ask.server, ask.lines, follow=ask.follow)) as parts:
                async for lines in parts:
                    await self._socket.send(packets.encode(packets.Logs(LogLines(ask.ask, lines, end=False))))
        except Refused as fault:
            why = fault.why
        await self._socket.send(packets.encode(packets.Logs(LogLines(ask.ask, (), end=True, why=why))))

    async def _show_evidence(self, ask: packets.EvidenceAsk) -> None:
        why = ""
        try:
            async with contextlib.aclosing(self._duty.evidence(ask.evidence)) as parts:
                async for part in parts:
                    await self._socket.send(packets.encode(packets.EvidencePart(ask.ask, part, end=False)))
        except Refused as fault:
            why = fault.why
        await self._socket.send(packets.encode(packets.EvidencePart(ask.ask, b"", end=True, why=why)))

    async def _carry(self, ask: packets.WorkersAsk, told: asyncio.Queue[tuple[int, bytes]]) -> None:
        """A task of the connection's: when the link ends, so do the workers."""

        async def say(number: int, content: bytes) -> None:
            await self._socket.send(packets.encode(packets.WorkerPart(ask.ask, number, content)))

        why = ""
        try:
            await self._duty.carry(ask.count, told, say)
        except Refused as fault:
            why = fault.why
        await self._socket.send(packets.encode(packets.WorkerPart(ask.ask, -1, end=True, why=why)))


def _first(faults: BaseExceptionGroup[Failed | Refused]) -> Failed | Refused:
    for fault in faults.exceptions:
        return _first(fault) if isinstance(fault, BaseExceptionGroup) else fault
    raise AssertionError("an empty group of faults")
