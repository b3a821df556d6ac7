"""The worker processes: started, spoken to, listened to, and never left behind.

Each has one end of a socket pair; when ours is closed, by whatever death, it ends by itself. A worker that ends before it
was told to is `Lost`, which ends the run.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from watchkeeper.stress import talk

GOODBYE_SECONDS = 3.0


class Lost(Exception):
    """A worker has ended, or could not go on."""


class Member:
    """One worker, seen from here."""

    def __init__(self, number: int, process: asyncio.subprocess.Process) -> None:
        """Started already."""
        self.number = number
        self.process = process
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    def order(self, order: talk.Order) -> None:
        """Tell it."""
        self.writer.write(talk.written(order))


class Crew:
    """All workers of a run."""

    def __init__(self, log: Path) -> None:
        """`log` gets what workers have to say on their error output."""
        self.members: list[Member] = []
        self._log = log
        self._is_leaving = False

    async def start(self, many: int) -> None:
        """Start so many; raises OSError."""
        with self._log.open("ab") as log:
            for number in range(many):
                ours, theirs = socket.socketpair()
                with theirs:
                    process = await asyncio.create_subprocess_exec(
                        sys.executable,
                        "-m",
                        "watchkeeper.stress.worker",
                        str(theirs.fileno()),
                        pass_fds=(theirs.fileno(),),
                        stdin=asyncio.subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        # Their own group: Ctrl-C is for the coordinator, which lets them finish the second.
                        start_new_session=True,
                    )
                member = Member(number, process)
                self.members.append(member)
                member.reader, member.writer = await asyncio.open_connection(sock=ours, limit=talk.MOST)

    def order(self, order: talk.Order) -> None:
        """Tell all of them."""
        for member in self.members:
            member.order(order)

    async def listen(self, member: Member, take: Callable[[Member, talk.Report], Awaitable[None]]) -> None:
        """Hand on what a worker says until it ends; raises Lost when that was not its time."""
        while (said := await talk.report(member.reader)) is not None:
            if isinstance(said, talk.Broken):
                raise Lost(f"worker {member.number} cannot go on: {said.why}")
            await take(member, said)
        if not self._is_leaving:
            code = await member.process.wait()
            raise Lost(f"worker {member.number} has ended ({_how(code)})")

    async def leave(self) -> None:
        """Have all of them end, by force if need be."""
        self._is_leaving = True
        for member in self.members:
            with suppress(ConnectionError, AttributeError):
                member.order(talk.Quit())
                member.writer.close()
        await asyncio.gather(*(self._ended(member) for member in self.members))

    async def _ended(self, member: Member) -> None:
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await member.process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                member.process.kill()
            await member.process.wait()


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit status {code}"


def pids(crew: Crew) -> Sequence[int]:
    """The workers' process ids."""
    return [member.process.pid for member in crew.members]
