"""The live stream to a browser: news at once, a tick when figures came in, and a server's output when it is followed.

One WebSocket, three tasks in one group: one hears the browser, one pushes, one follows output. A slow browser gets fewer
ticks, never a queue; the last message before the hub closes on purpose is a farewell.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
from litestar import WebSocket, websocket
from litestar.di import NamedDependency
from litestar.exceptions import WebSocketDisconnect

from watchkeeper.errors import Refused
from watchkeeper.web import access
from watchkeeper.web.board import Reading
from watchkeeper.web.changes import Listener
from watchkeeper.web.hall import Hall
from watchkeeper.web.routes.machines import action_view, closing
from watchkeeper.web.shapes import (
    ActionNews,
    AlertNews,
    Farewell,
    FromBrowser,
    LogNews,
    LogsFollow,
    MachineView,
    News,
    Point,
    ServerView,
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
RECHECK = 30.0
"""How often, in seconds, it is looked whether the session still holds."""
PANELS_AT_ONCE = 32
MESSAGE_BYTES = 16 * 1024

_decode = msgspec.json.Decoder(FromBrowser).decode
_encode = msgspec.json.Encoder().encode

Socket = WebSocket[Any, Any, Any]


class _Ended(Exception):  # not an error: the stream is over, its tasks may go
    """The stream has been closed, by either side."""


@websocket("/live")
async def live(socket: WebSocket[Any, Any, Any], hall: NamedDependency[Hall]) -> None:
    """Serve one browser until it goes or the hub stops."""
    await socket.accept()
    stream = Stream(socket, hall)
    with hall.desk.changes.listen() as listener:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(stream.hear(group), name="live-hear")
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
        self._asked = asyncio.Event()
        self._sent: dict[str, MachineView] = {}
        self._told: dict[tuple[str, str], ServerView] = {}

    async def hear(self, group: asyncio.TaskGroup) -> None:
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
                self._asked.set()
            else:
                self._follow(message, group)

    async def push(self, listener: Listener) -> None:
        """Send news as they come, and ticks in their pace."""
        loop = asyncio.get_running_loop()
        await self._tick()
        ticked = loop.time()
        pace = AT_LEAST
        while True:
            try:
                async with asyncio.timeout_at(ticked + pace):
                    batch = await listener.wait_batch()
            except TimeoutError:
                await self._tick()
                ticked, pace = loop.time(), AT_LEAST
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
            pace = min(pace, AT_ONCE if batch.urgent else AT_MOST)

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
        reading = self._hall.board.reading()
        wanted = self._wanted
        points: list[Point] = []
        for panel in wanted.panels if wanted.machine else ():
            known = self._hall.board.panel(panel)
            if known is None or (known.scope == "server" and not wanted.server):
                continue
            server = wanted.server if known.scope == "server" else ""
            if point := self._hall.board.point(panel, wanted.machine, server):
                points.append(point)
        machines, servers, partial = self._news(reading)
        await self._send(Tick(reading.at, reading.sentence, reading.wrong, machines, servers, tuple(points), partial))

    def _news(self, reading: Reading) -> tuple[tuple[MachineView, ...], tuple[ServerView, ...], bool]:
        """What is to be told of machines and servers: all, or what is not the very thing that was told last."""
        before, told = self._sent, self._told
        if not self._wanted.changes:
            return reading.machines, reading.servers, False
        self._sent = {view.machine.name: view for view in reading.machines}
        self._told = {(view.machine, view.status.name): view for view in reading.servers}
        if not before or before.keys() - self._sent.keys() or told.keys() - self._told.keys():
            return reading.machines, reading.servers, False
        machines = tuple(view for name, view in self._sent.items() if before.get(name) is not view)
        return machines, tuple(view for name, view in self._told.items() if told.get(name) is not view), True

    async def _send(self, message: ToBrowser) -> None:
        await self._socket.send_data(_encode(message), "text")

    async def _end(self, code: int, reason: str) -> None:
        await self._socket.close(code, reason.encode()[:120].decode(errors="ignore"))
        raise _Ended
