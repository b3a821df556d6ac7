"""What `top` hears of the hub: its live stream, and where that cannot be had, a question every two seconds.

`listen` never ends by itself: a hub that goes is `Lost`, and the next `Tick` says that it is back. The screen
alone decides what to show; nothing here draws.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from watchkeeper.cli.client import Hub
from watchkeeper.cli.live.lines import SEEN, Join
from watchkeeper.cli.live.programs import Program, look
from watchkeeper.cli.live.stream import AGAIN_SECONDS, SILENCE_SECONDS, call, fault_of, read
from watchkeeper.errors import Failed, Refused
from watchkeeper.model import Verb
from watchkeeper.telling import Incident
from watchkeeper.web.shapes import ActionAsk, ActionView, Farewell, LogNews, LogsFollow, Overview, Tick, ToBrowser

POLL_SECONDS = 2.0
TAIL = 200
NO_STREAM = frozenset({404, 426, 501})
"""Answers of something between us and the hub that knows no WebSocket: asking still works."""


class Lost(msgspec.Struct, frozen=True):
    """The hub is not there; what is on the screen is old."""

    why: str


Heard = ToBrowser | Lost


class Feed:
    """One listener; `find` is asked for the hub before every attempt, since it may come back elsewhere."""

    def __init__(self, find: Callable[[], Hub]) -> None:
        """Nothing is opened yet."""
        self._find = find
        self._socket: ClientConnection | None = None
        self._followed = LogsFollow()
        self._lines: deque[str] = deque(maxlen=SEEN)
        self._join = Join(())
        self._why = ""
        """Why the followed output does not go on; empty: it does."""
        self.polls = False
        """Whether it asks every two seconds, for want of a stream."""

    async def listen(self) -> AsyncIterator[Heard]:
        """All there is to hear, for ever."""
        while True:
            try:
                hub = await asyncio.to_thread(self._find)
                async for heard in self._poll(hub) if self.polls else self._stream(hub):
                    yield heard
            except (Failed, Refused) as fault:
                yield Lost(fault.why)
            await asyncio.sleep(AGAIN_SECONDS)

    async def follow(self, machine: str, server: str) -> None:
        """Hear one server's output too, from its last lines on; an empty `server`: no more."""
        self._followed = LogsFollow(machine, server, TAIL)
        self._lines.clear()
        self._why = ""
        await self._ask_for_lines()

    async def act(self, machine: str, server: str, verb: Verb) -> ActionView:
        """Order something and wait for what comes of it, at most as long as the hub holds the answer."""
        hub = await asyncio.to_thread(self._find)
        return await asyncio.to_thread(hub.act, machine, server, ActionAsk(verb))

    async def incidents(self) -> tuple[Incident, ...]:
        """What goes on now; raises `Failed` and `Refused`."""
        return await asyncio.to_thread((await asyncio.to_thread(self._find)).incidents)

    async def acknowledge(self, incident: str) -> Incident:
        """Say that one looks after it; raises `Failed` and `Refused`."""
        hub = await asyncio.to_thread(self._find)
        return await asyncio.to_thread(hub.acknowledge, incident)

    async def programs(self, machine: str) -> list[Program]:
        """What weighs on a machine now; raises `Failed` and `Refused`."""
        hub = await asyncio.to_thread(self._find)

        def ask() -> list[Program]:
            now = hub.now()
            return look(lambda question: hub.query(question, now), machine)

        return await asyncio.to_thread(ask)

    async def _stream(self, hub: Hub) -> AsyncIterator[Heard]:
        url, arguments = call(hub)
        try:
            async with connect(url, **arguments) as socket:
                self._socket = socket
                if self._followed.server:
                    await self._ask_for_lines()
                while True:
                    async with asyncio.timeout(SILENCE_SECONDS):
                        heard = read(await socket.recv())
                    if isinstance(heard, Farewell):
                        yield Lost(f"the hub is gone ({heard.reason})")
                        return
                    if isinstance(heard, Tick) and self._why:  # its agent may be back
                        await self._ask_for_lines()
                    if isinstance(heard, LogNews):
                        heard = self._fresh(heard)
                    yield heard
        except InvalidStatus as fault:
            if fault.response.status_code not in NO_STREAM:
                raise fault_of(hub, fault) from None
            self.polls = True
        except (ConnectionClosed, TimeoutError):
            raise Failed("the hub is gone") from None
        except (OSError, InvalidHandshake, EOFError) as fault:
            raise fault_of(hub, fault) from None
        finally:
            self._socket = None

    async def _poll(self, hub: Hub) -> AsyncIterator[Heard]:
        while True:
            seen: Overview = await asyncio.to_thread(hub.overview)
            yield Tick(seen.at, seen.sentence, seen.wrong, seen.machines, seen.servers, ())
            if asked := self._followed.server:
                machine = self._followed.machine
                tail = await asyncio.to_thread(hub.logs, machine, asked, TAIL)
                self._join = Join(self._lines)
                yield self._fresh(LogNews(machine, asked, tail.lines))
            await asyncio.sleep(POLL_SECONDS)

    def _fresh(self, news: LogNews) -> LogNews:
        """Of a tail that was asked for again only what was not told before, and why it ended only once."""
        if (news.machine, news.server) != (self._followed.machine, self._followed.server):
            return news
        lines = tuple(self._join.fresh(news.lines))
        self._lines += lines
        before, self._why = self._why, news.why
        return LogNews(news.machine, news.server, lines, news.why if news.why != before else "")

    async def _ask_for_lines(self) -> None:
        if self._socket is None:
            return
        self._join = Join(self._lines)
        try:
            await self._socket.send(msgspec.json.encode(self._followed).decode())
        except ConnectionClosed:
            return  # `_stream` sees the same, and asks again on the next connection
