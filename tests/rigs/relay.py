"""A relay without sockets: sessions over a scripted wire, time that is invented, and a real mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from cloudnet.codec import from_server
from cloudnet.directory import Directory
from cloudnet.figures import Figures
from cloudnet.greeting import Greeting
from cloudnet.keys import Identity
from cloudnet.line import Line
from cloudnet.mailbox import Mailbox
from cloudnet.packets import FromServer, Limits, Login
from cloudnet.presence import Attendance
from cloudnet.relay import Relay
from cloudnet.session import Flight

SERVER = Identity(b"S" * 32)
AUTHORITY = "cloud.example:8765"


class ScriptedWire:
    """Remembers what it was asked; what a line had to say is read by `said`."""

    def __init__(self, figures: Figures | None = None) -> None:
        self.line = Line(self, self, figures or Figures(), "test")
        self.asked: list[str] = []
        self.closed: tuple[int, str] | None = None
        self.is_paused = False
        self.bytes_taken = 0

    def ring(self, line: Line) -> None:
        """See `line.Bell`."""
        self.asked.append("ring")

    def ring_later(self, line: Line) -> None:
        """See `line.Bell`."""
        self.asked.append("ring later")

    def end(self, close: int, code: str, why: str) -> None:
        """See `line.Wire`."""
        if self.closed is None:
            self.closed = (close, str(code))

    def write_all(self) -> None:
        """See `line.Wire`; `said` tells what waits, so nothing is written."""

    def ping(self) -> None:
        """See `line.Wire`."""
        self.asked.append("ping")

    def beat(self) -> None:
        """See `line.Wire`."""
        self.asked.append("beat")

    def taken(self) -> int:
        """See `line.Wire`."""
        return self.bytes_taken

    def pause(self, seconds: float) -> None:
        """See `line.Wire`."""
        self.is_paused = True

    def proceed(self) -> None:
        """See `line.Wire`."""
        self.is_paused = False

    def is_held(self) -> bool:
        """See `line.Wire`."""
        return self.is_paused

    def said(self) -> list[FromServer]:
        """What has been said since the last time, through the codec."""
        return [packet for message in self.line.drain() for packet in from_server(message)]


def bare_login(key: bytes, **more: object) -> Login:
    """A login that nobody has signed, for what comes after the proof."""
    return Login(key, b"n" * 32, AUTHORITY, b"", b"", **more)  # type: ignore[arg-type]  # any of its fields


def greeting() -> Greeting:
    """A server's, at the start of time."""
    return Greeting(SERVER, 0.0)


LIMITS = Limits(body_bytes=1000, under_way=4, mailbox_messages=20, mailbox_bytes=4000)


class Office:
    """A relay with all its rooms, on a loop of its own that runs only when asked to."""

    def __init__(self, folder: Path, limits: Limits = LIMITS, *, mailbox_bytes: int = 1 << 20) -> None:
        self.limits = limits
        self.loop = asyncio.new_event_loop()
        self.broken: list[str] = []
        self.loop.set_exception_handler(lambda _, context: self.broken.append(str(context)))
        self.tasks: set[asyncio.Task[None]] = set()
        self.mailbox = self.loop.run_until_complete(self._open(folder))
        self._mailbox_bytes = mailbox_bytes
        self.renew()

    def renew(self) -> None:
        """Everything as new but the file, which is emptied."""
        if self.tasks or self.mailbox.total_messages:
            self.settle()
            self.loop.run_until_complete(self.mailbox.expire(1 << 62))
        self.figures = Figures()
        self.attendance = Attendance(self.limits, (), lambda device, state: None)
        self.relay = Relay(
            self.limits, self.attendance, Directory(), self.mailbox, self.figures, self._mailbox_bytes, self._spawn
        )

    def stored(self) -> int:
        """How many messages are in the file."""
        return int(self.ask("SELECT count(*) FROM mail")[0][0])

    def ask(self, statement: str) -> list[Any]:
        """Rows of the file."""
        return self.loop.run_until_complete(self.mailbox.do(lambda connection: connection.execute(statement).fetchall()))

    async def _open(self, folder: Path) -> Mailbox:
        mailbox = Mailbox(folder / "cloud.db", 0, Flight.settle, self._not_kept)
        mailbox.connection.execute("PRAGMA synchronous = OFF")  # what survives a power cut is not asked here
        return mailbox

    def _not_kept(self, flight: Flight, why: str) -> None:
        self.relay.keeping.not_kept(flight, why)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> object:
        task = self.loop.create_task(work)
        self.tasks.add(task)
        return task

    def turn(self) -> None:
        """Let the loop run one turn: tasks go as far as they get, the disk may or may not have answered."""
        self.loop.run_until_complete(asyncio.sleep(0))

    def settle(self) -> None:
        """Let the loop run until all that was begun is done."""
        while self.tasks:
            done = {task for task in self.tasks if task.done()}
            self.tasks -= done
            for task in done:
                task.result()
            self.loop.run_until_complete(self.mailbox.flush())
        self.loop.run_until_complete(self.mailbox.flush())
        assert self.broken == []

    def close(self) -> None:
        """Give the file back."""
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            self.loop.run_until_complete(asyncio.wait(self.tasks))
        self.mailbox.close()
        self.loop.close()
