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
from watchkeeper.stress.distant import Distant, DistantMember, Lost

GOODBYE_SECONDS = 3.0
NEARBY = 20_000_000
"""ns that a word may wait in a hub and an agent beside its way."""


class Member:
    """One worker of this machine, seen from here."""

    machine = ""

    def __init__(self, number: int, process: asyncio.subprocess.Process) -> None:
        """Started already."""
        self.number = number
        self.process = process
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    def order(self, order: talk.Order) -> None:
        """Tell it."""
        self.writer.write(talk.written(order))

    async def how(self) -> str:
        """How it has ended."""
        return _how(await self.process.wait())

    async def leave(self) -> None:
        """Have it end, by force if need be."""
        with suppress(ConnectionError, AttributeError):
            self.order(talk.Quit())
            self.writer.close()
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self.process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


class Crew:
    """All workers of a run."""

    def __init__(self, log: Path) -> None:
        """`log` gets what workers have to say on their error output."""
        self.members: list[Member | DistantMember] = []
        self.distant: list[Distant] = []
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

    @property
    def distance(self) -> int:
        """How long, in ns, a word may take to the workers that are farthest away; 0 where all are here."""
        return max((4 * one.bound + NEARBY for one in self.distant), default=0)

    async def join(self, distant: Distant) -> None:
        """Start workers on another machine, and compare clocks with them; raises Lost, Failed."""
        self.distant.append(distant)
        self.members += await distant.start(len(self.members))

    def order(self, order: talk.Order) -> None:
        """Tell all of them."""
        for member in self.members:
            member.order(order)

    async def listen(
        self, member: Member | DistantMember, take: Callable[[Member | DistantMember, talk.Report], Awaitable[None]]
    ) -> None:
        """Hand on what a worker says until it ends; raises Lost when that was not its time."""
        while (said := await talk.report(member.reader)) is not None:
            if isinstance(said, talk.Broken):
                raise Lost(f"worker {member.number} cannot go on: {said.why}")
            await take(member, said)
        if not self._is_leaving:
            raise Lost(f"worker {member.number} has ended ({await member.how()})")

    async def leave(self) -> None:
        """Have all of them end, by force if need be."""
        self._is_leaving = True
        await asyncio.gather(*(member.leave() for member in self.members), *(one.close() for one in self.distant))


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit status {code}"


def pids(crew: Crew) -> Sequence[int]:
    """The process ids of this machine's workers."""
    return [member.process.pid for member in crew.members if isinstance(member, Member)]
