"""Everything is killed and cut at random, and in the end there is an account of what became of every message."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

from rigs.cloud import Cable, CloudProgram
from rigs.crowd import Log

CROWD = Path(__file__).with_name("crowd.py")
SETTLE_SECONDS = 90.0
"""How long the rest may take once everything is left in peace."""


class Chaos:
    """Servers, processes full of clients, a cable from each of these to each of those, and somebody who breaks it all."""

    between = (2.0, 7.0)
    """Seconds from one kill of a server to the next, and at the beginning."""

    def __init__(self, folder: Path, processes: int, each: int, servers: int = 1) -> None:
        self.folder = folder
        self.total = processes * each
        self.each = each
        self.servers = [self.make_server(folder / f"server {number}") for number in range(servers)]
        self.cables = [[Cable(server.port) for server in self.servers] for _ in range(processes)]
        self.crowds: list[subprocess.Popen[bytes]] = []
        self.broken: Counter[str] = Counter()
        self.starting: asyncio.Task[None] | None = None

    def make_server(self, folder: Path) -> CloudProgram:
        """One of them; much is kept."""
        folder.mkdir()
        return CloudProgram(folder, "--under-way", "32", "--mailbox-bytes", "1g", "--mailbox-messages", "1000000")

    def crowd(self, place: int) -> subprocess.Popen[bytes]:
        """A process full of clients, each with a server that it prefers."""
        urls = [cable.url for cable in self.cables[place]]
        where = [str(self.folder), ",".join(urls), str(place * self.each), str(self.each), str(self.total)]
        with (self.folder / "crowd.err").open("ab") as log:
            return subprocess.Popen([sys.executable, str(CROWD), *where], stderr=log)

    async def run(self, seconds: float) -> None:
        """Break things for so long, then let everything settle."""
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in self.servers))
        cables = [cable for of_one in self.cables for cable in of_one]
        async with AsyncExitStack() as stack:
            for cable in cables:
                await stack.enter_async_context(cable.plugged())
            try:
                self.crowds = [self.crowd(place) for place in range(len(self.cables))]
                await self.everybody_is_known()
                async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                    group.create_task(self.kill_servers())
                    group.create_task(self.kill_clients())
                    for cable in cables:
                        group.create_task(self.break_cable(cable))
            except TimeoutError:
                pass
            finally:
                for cable in cables:
                    cable.is_down = False
                    cable.release()
                (self.folder / "quiet").touch()
                await self.settle()
                for crowd in self.crowds:
                    crowd.kill()
                    crowd.wait()
                await asyncio.gather(*(asyncio.to_thread(server.stop) for server in self.servers))

    async def everybody_is_known(self) -> None:
        """Messages are kept only for those who have been here."""
        async with asyncio.timeout(60):
            for server in self.servers:
                while self.known(await server.figures()) < self.total:
                    await asyncio.sleep(0.1)
        (self.folder / "go").touch()

    def known(self, figures: dict[str, float]) -> float:
        """How many clients a server knows, by its figures."""
        return figures["cloud_known_devices"]

    async def kill_servers(self) -> None:
        """Kill -9 of one, and another one on the folder."""
        while True:
            await asyncio.sleep(random.uniform(*self.between))
            await self.kill_server(random.choice(self.servers))

    async def kill_server(self, server: CloudProgram) -> None:
        """One death; its successor comes soon."""
        server.kill()
        self.broken["servers killed"] += 1
        await asyncio.sleep(random.uniform(0, 1))
        self.starting = asyncio.create_task(asyncio.to_thread(server.start))
        await asyncio.shield(self.starting)

    async def kill_clients(self) -> None:
        """Kill -9 a process full of clients; it is started again at once, on its logs."""
        while True:
            await asyncio.sleep(random.uniform(0.5, 5))
            place = random.randrange(len(self.crowds))
            self.crowds[place].kill()
            self.crowds[place].wait()
            self.broken["client processes killed"] += 1
            self.crowds[place] = self.crowd(place)

    async def break_cable(self, cable: Cable) -> None:
        """Cut connections, hold them up, let nobody through for a while."""
        while True:
            await asyncio.sleep(random.uniform(0.5, 6))
            what = random.choice(("cut", "held", "held and cut", "down"))
            self.broken[f"cables {what}"] += 1
            if "held" in what:
                cable.hold()
                await asyncio.sleep(random.uniform(0.1, 3))
            cable.is_down = what == "down"
            if what != "held":
                cable.cut()
            await asyncio.sleep(random.uniform(0, 1) if cable.is_down else 0)
            cable.is_down = False
            cable.release()

    async def settle(self) -> None:
        """Wait until nothing is owed by anybody."""
        deadline = time.monotonic() + SETTLE_SECONDS
        if self.starting is not None:
            await self.starting
        for server in self.servers:
            assert server.process is not None
            if server.process.poll() is not None:  # killed, and chaos was over before its successor came
                await asyncio.to_thread(server.start)
        while time.monotonic() < deadline:
            assert all(crowd.poll() is None for crowd in self.crowds), (self.folder / "crowd.err").read_text()[-2000:]
            await asyncio.sleep(1)
            account = Account(self.folder, self.total)
            if not account.owed and not account.lost:
                return


def judge(chaos: Chaos, late: float = 0.0) -> Account:
    """Say what happened, and whether it was right: nothing lost, nothing twice, at most the share `late` out of their order."""
    account = Account(chaos.folder, chaos.total)
    counts = f"{account.sent} sent, {account.accepted} accepted, {account.taken} taken, {len(account.disordered)} late"
    print(f"\n{counts};", dict(chaos.broken))  # noqa: T201  # its summary
    assert account.lost == []
    assert account.twice == []
    assert account.owed == 0
    assert not account.refused
    assert len(account.disordered) <= late * account.taken, account.disordered
    assert account.accepted > 100
    return account


class Account:
    """What the logs say in the end."""

    def __init__(self, folder: Path, total: int) -> None:
        logs = [Log(folder, number) for number in range(total)]
        for log in logs:
            log.close()
        self.sent = sum(len(log.sent) for log in logs)
        self.accepted = sum(len(log.accepted) for log in logs)
        self.refused = Counter(code for log in logs for code in log.refused.values())
        self.owed = sum(len(log.owed) for log in logs)
        self.taken = sum(len(log.taken) for log in logs)
        taken = [Counter(id_ for _, id_, _ in log.taken) for log in logs]
        self.twice = [id_ for counter in taken for id_, times in counter.items() if times > 1]
        self.lost = [
            (number, one)
            for number, log in enumerate(logs)
            for one in log.sent
            if one.id in log.accepted and one.id not in taken[one.to]
        ]
        self.disordered = []
        for number, log in enumerate(logs):
            newest: Counter[int] = Counter()
            for sender, id_, count in log.taken:
                if count <= newest[sender]:
                    self.disordered.append((sender, number, count, newest[sender], id_))
                newest[sender] = max(newest[sender], count)
