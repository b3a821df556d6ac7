"""The live stream to a browser: news at once, a tick when figures came in, and a server's output when it is followed.

One WebSocket, three tasks in one group: one hears the browser, one pushes, one follows output. A slow browser gets fewer
ticks, never a queue; the last message before the hub closes on purpose is a farewell. A page is told the figures of the
machines that it shows and, of all others, how they stand; one that shows many is told at a calmer pace, at the same
instants as all its like, so that one reading serves them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from litestar import WebSocket, websocket
from litestar.di import NamedDependency
from litestar.exceptions import WebSocketDisconnect

from watchkeeper.errors import Refused
from watchkeeper.web import access
from watchkeeper.web.changes import Listener
from watchkeeper.web.hall import Hall
from watchkeeper.web.ledger import Due, Ledger
from watchkeeper.web.routes.machines import action_view, closing
from watchkeeper.web.shapes import (
    ActionNews,
    AlertNews,
    Farewell,
    FromBrowser,
    LogNews,
    LogsFollow,
    News,
    Point,
    Subscribe,
    Tick,
    ToBrowser,
)

logger = logging.getLogger(__name__)

AT_MOST = 0.8
"""Seconds between ticks while figures come in; a round of a 1 s agent gets its own."""
AT_LEAST = 2.0
"""Seconds after which a tick is sent though nothing came in, so that the page knows the hub is there."""
AT_ONCE = 0.1
"""Seconds between ticks when more than figures changed."""
FEW = 12
"""A page that shows the figures of more machines than these is told of them every `AT_LEAST` seconds, however many speak."""
SHOWN_AT_ONCE = 300
RECHECK = 30.0
"""How often, in seconds, it is looked whether the session still holds."""
PANELS_AT_ONCE = 32
MESSAGE_BYTES = 16 * 1024

_decode = msgspec.json.Decoder(FromBrowser).decode
_encode = msgspec.json.Encoder().encode

Socket = WebSocket[Any, Any, Any]


def next_beat(now: float) -> float:
    """When a page that hears nothing else is told, by the loop's clock: all pages at the same instants, `AT_LEAST` apart."""
    return (now // AT_LEAST + 1) * AT_LEAST


class _Ended(Exception):  # not an error: the stream is over, its tasks may go
    """The stream has been closed, by either side."""


@websocket("/live")
async def live(socket: WebSocket[Any, Any, Any], hall: NamedDependency[Hall]) -> None:
    """Serve one browser until it goes or the hub stops."""
    await socket.accept()
    stream = Stream(socket, hall)
    with hall.desk.changes.listen() as listener, stream.watching():
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(stream.hear(group, listener), name="live-hear")
                group.create_task(stream.push(listener), name="live-push")
                group.create_task(stream.recheck(), name="live-recheck")
        except* (_Ended, WebSocketDisconnect):
            pass
        except* Exception:  # the framework would close the socket and say nothing
            logger.exception("a bug ended a live stream")
            raise


class Stream:
    """One browser's stream."""

    def __init__(self, socket: Socket, hall: Hall) -> None:
        self._socket = socket
        self._hall = hall
        self._wanted = Subscribe()
        self._follower: asyncio.Task[None] | None = None
        self._shown: frozenset[str] | None = None
        self._ledger = Ledger()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """The board knows which figures this page shows, for the length of a ``with`` block."""
        try:
            yield
        finally:
            self._hall.board.watch((), instead_of=self._shown or ())

    async def hear(self, group: asyncio.TaskGroup, listener: Listener) -> None:
        """Take what the browser says until it goes; anything malformed closes the stream with a reason."""
        while True:
            said = await self._socket.receive_data("text")
            if len(said) > MESSAGE_BYTES:
                await self._end(1009, "that message is too long")
            try:
                message = _decode(said)
            except msgspec.DecodeError as fault:
                await self._end(1007, f"not a message of this stream: {fault}")
            if isinstance(message, Subscribe):
                known = tuple(panel for panel in message.panels[:PANELS_AT_ONCE] if self._hall.board.panel(panel))
                self._wanted = msgspec.structs.replace(message, panels=known)
                self._show(listener)
            else:
                self._follow(message, group)

    async def push(self, listener: Listener) -> None:
        """Send news as they come, and ticks in their pace."""
        loop = asyncio.get_running_loop()
        await self._tick()
        ticked = loop.time()
        due = next_beat(ticked)
        while True:
            try:
                async with asyncio.timeout_at(due):
                    batch = await listener.wait_batch()
            except TimeoutError:
                await self._tick()
                ticked = loop.time()
                due = next_beat(ticked)
                continue
            for event in batch.events:
                await self._send(News(event))
            for row in batch.actions:
                await self._send(ActionNews(action_view(row)))
            for alert in batch.alerts:
                await self._send(AlertNews(alert))
            for news in batch.stress:
                await self._send(news)
            if listener.farewell:
                await self._send(Farewell(listener.farewell))
                await self._end(1001, listener.farewell)
            due = min(due, ticked + (AT_ONCE if batch.urgent else AT_MOST))

    async def recheck(self) -> None:
        """End the stream soon after its session has ended."""
        headers = self._socket.headers
        while True:
            await asyncio.sleep(RECHECK)
            who, _ = await access.identify(
                self._hall.desk.journal, headers.get("authorization", ""), headers.get("cookie", ""), self._hall.now()
            )
            if who is None:
                await self._end(4401, "signed out")

    def _show(self, listener: Listener) -> None:
        """Read the figures of what is shown; wake for its frames, where it is little; tell what is newly shown at once."""
        wanted = self._wanted
        before, self._shown = self._shown, None if wanted.shown is None else frozenset(wanted.shown[:SHOWN_AT_ONCE])
        self._hall.board.watch(self._shown or (), instead_of=before or ())
        listener.heeded = None
        if self._shown is not None:
            listener.heeded = (self._shown if len(self._shown) <= FEW else frozenset()) | {wanted.machine}
        listener.ring()

    def _follow(self, wanted: LogsFollow, group: asyncio.TaskGroup) -> None:
        if self._follower:
            self._follower.cancel()
            self._follower = None
        if wanted.server:
            self._follower = group.create_task(self._send_lines(wanted), name="live-logs")

    async def _send_lines(self, wanted: LogsFollow) -> None:
        lines = max(1, min(wanted.lines, 5000))
        try:
            async with closing(self._hall.desk.logs(wanted.machine, wanted.server, lines, follow=True)) as parts:
                async for part in parts:
                    why = part.why or ("the output ended" if part.end else "")
                    if part.lines or part.end:
                        await self._send(LogNews(wanted.machine, wanted.server, part.lines, why))
                    if part.end:
                        return
        except Refused as fault:
            await self._send(LogNews(wanted.machine, wanted.server, (), fault.why))

    async def _tick(self) -> None:
        wanted = self._wanted
        reading = self._hall.board.reading() if wanted.shown is None else self._hall.board.glance()
        points: list[Point] = []
        for panel in wanted.panels if wanted.machine else ():
            known = self._hall.board.panel(panel)
            if known is None or (known.scope == "server" and not wanted.server):
                continue
            server = wanted.server if known.scope == "server" else ""
            if point := self._hall.board.point(panel, wanted.machine, server):
                points.append(point)
        due = Due(reading.machines, reading.servers, partial=False)
        if wanted.changes:
            due = self._ledger.due(reading, self._shown)
        said = reading.at, reading.sentence, reading.wrong, due.machines, due.servers, tuple(points), due.partial
        await self._send(Tick(*said, reading.spoke_at, reading.spoke_every))

    async def _send(self, message: ToBrowser) -> None:
        await self._socket.send_data(_encode(message), "text")

    async def _end(self, code: int, reason: str) -> None:
        await self._socket.close(code, reason.encode()[:120].decode(errors="ignore"))
        raise _Ended
