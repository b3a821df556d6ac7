"""`python tests/rigs/crowd.py FOLDER URL,… FIRST COUNT TOTAL`: applications on Cloud Clients that write down what they did.

Each has a log of its own, which outlives any death: what it was about to send, what the server has accepted, what it has taken.
So "accepted", "once" and "in order" are well defined across kill -9, of this process or of the server. New messages are sent
once FOLDER/go is there, and no more once FOLDER/quiet is.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import uvloop

from cloudnet.client import Client, connect
from cloudnet.errors import CloudError, Failed, Refused
from cloudnet.keys import Identity

UNDER_WAY = 60
"""Messages that one application has unaccepted at the most."""
BETWEEN_SECONDS = 0.5
"""Between two bursts of one application, on the average."""
BURST = 10
"""Messages in one of them, on the average."""
SIZES = (10, 100, 1000, 1000, 20_000)
"""Bytes of a message's body."""
FAVOURITES = 10
"""How many of all get a third of everything, so that much waits for them."""
LIFE_SECONDS = 90.0
"""How long an application lives on the average before it dies abruptly within its process."""


def identity(number: int) -> Identity:
    """Everybody knows everybody."""
    return Identity(hashlib.sha256(b"crowd %d" % number).digest())


class Sent(NamedTuple):
    """A message that was to be sent: `count` numbers those from one to another."""

    id: str
    to: int
    count: int


class Log:
    """What one application did, in order; read back after its death."""

    def __init__(self, folder: Path, number: int) -> None:
        self.path = folder / f"{number}.log"
        self.sent: list[Sent] = []
        self.accepted: set[str] = set()
        self.refused: dict[str, str] = {}
        self.taken: list[tuple[int, str, int]] = []
        """Sender, id and count."""
        if self.path.exists():
            for line in self.path.read_text().splitlines():
                match line.split():
                    case "sent", id_, to, count:
                        self.sent.append(Sent(id_, int(to), int(count)))
                    case "accepted", id_:
                        self.accepted.add(id_)
                    case "refused", id_, code:
                        self.refused[id_] = code
                    case "taken", sender, id_, count:
                        self.taken.append((int(sender), id_, int(count)))
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    @property
    def owed(self) -> list[Sent]:
        """What was to be sent and is neither accepted nor refused."""
        return [one for one in self.sent if one.id not in self.accepted and one.id not in self.refused]

    def write(self, *words: object) -> None:
        """Add a line, in one system call: kill -9 leaves all of it or nothing."""
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())

    def close(self) -> None:
        """Its application is dead."""
        os.close(self._file)


class Application:
    """One client, and what it does with it."""

    def __init__(self, folder: Path, url: str, number: int, total: int) -> None:
        self.folder, self.number, self.total = folder, number, total
        urls = url.split(",")
        self.urls = [*urls[number % len(urls) :], *urls[: number % len(urls)]]
        self.client: Client | None = None
        self.numbers = {identity(other).key: other for other in range(total)}
        self.keys = {other: key for key, other in self.numbers.items()}

    async def live(self) -> None:
        """From a start on its log to its death."""
        log = Log(self.folder, self.number)
        seen = [(self.keys[sender], bytes.fromhex(id_)) for sender, id_, _ in log.taken]
        try:
            async with (
                connect(self.urls, identity(self.number), takeover=True, seen=seen, timeout=300, linger=0) as self.client,
                asyncio.TaskGroup() as group,
            ):
                group.create_task(self.receive(log))
                group.create_task(self.send(log))
        finally:
            log.close()

    async def receive(self, log: Log) -> None:
        """Take what comes."""
        assert self.client is not None
        async for message in self.client:
            log.write("taken", self.numbers[message.author], message.id.hex(), int(message.body.split()[0]))
            if random.random() < 0.005:
                await asyncio.sleep(random.expovariate(1 / 0.2))  # it has to think

    async def send(self, log: Log) -> None:
        """What is owed first, under the ids that it had, then something new again and again."""
        counts = Counter({one.to: one.count for one in log.sent})
        async with asyncio.TaskGroup() as group:
            tasks = {group.create_task(self.send_one(log, one)) for one in log.owed}
            while not (self.folder / "quiet").exists():
                await asyncio.sleep(random.expovariate(1 / BETWEEN_SECONDS))
                if not (self.folder / "go").exists() or (self.folder / "quiet").exists():  # it may have come while we slept
                    continue
                tasks = {task for task in tasks if not task.done()}
                to = self.somebody()
                for _ in range(min(UNDER_WAY - len(tasks), round(random.expovariate(1 / BURST)))):
                    to = to if random.random() < 0.7 else self.somebody()
                    counts[to] += 1
                    one = Sent(os.urandom(16).hex(), to, counts[to])
                    log.write("sent", *one)
                    tasks.add(group.create_task(self.send_one(log, one)))

    def somebody(self) -> int:
        """Anybody else."""
        most = FAVOURITES if random.random() < 0.33 else self.total
        return random.choice([other for other in range(most) if other != self.number])

    async def send_one(self, log: Log, one: Sent) -> None:
        """Send, and write down how it went."""
        assert self.client is not None
        body = b"%d %s" % (one.count, b"." * random.choice(SIZES))
        try:
            await self.send_until_told(self.keys[one.to], body, bytes.fromhex(one.id))
        except Refused as fault:
            log.write("refused", one.id, fault.code)
        else:
            log.write("accepted", one.id)

    async def send_until_told(self, key: bytes, body: bytes, id_: bytes) -> None:
        """Some wait for the receipt; it dies with its sender's process and the server's, so it is asked for again."""
        assert self.client is not None
        wait = random.random() < 0.1
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(15 if wait else None):
                    await self.client.send(key, body, identity=id_, wait=wait)
                    return

    async def lives(self) -> None:
        """One life after the other."""
        while True:
            life = asyncio.create_task(self.live())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(life), random.expovariate(1 / LIFE_SECONDS))
            if (self.folder / "quiet").exists():
                await life
            self.die()
            life.cancel()
            with contextlib.suppress(asyncio.CancelledError, CloudError, ExceptionGroup):
                await life

    def die(self) -> None:
        """As if the process had been killed: nothing is acknowledged any more, nobody is told."""
        if self.client is not None:
            self.client._handed = None
            self.client._reaching._ended = Failed("dead")
            if self.client._reaching._link is not None:
                self.client._reaching._link.cut()


async def main(folder: Path, url: str, first: int, count: int, total: int) -> None:
    """All of a process's applications, until it is killed."""
    async with asyncio.TaskGroup() as group:
        for number in range(first, first + count):
            group.create_task(Application(folder, url, number, total).lives())


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])))
