"""A desk with many machines: three hundred agents pretended, their figures in a real store, taken in frame by frame.

The page's own tests come in, and the bench that says what the page costs. Each machine has what a small real one has: four
processors, memory, two file systems, load, network, and two servers that are kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from rigs.desk import VERBS, StandInDesk, Web, until
from watchkeeper.clock import SystemClock
from watchkeeper.journal import Journal, open_journal
from watchkeeper.model import Dictionary, Frame, Machine, Series, ServerState, ServerStatus, dictionary
from watchkeeper.store import StoreSettings, open_store
from watchkeeper.web.access import local_token
from watchkeeper.web.app import build
from watchkeeper.web.desk import Presence
from watchkeeper.web.listen import address, bind
from watchkeeper.web.serve import WebServer
from watchkeeper.web.settings import WebSettings

PERIOD = 5.0
SERVERS = ("shop", "worker")
CHATTY = 1
"""The machine whose server ``shop`` tells much of itself, every second:"""
CHATTER = 24
"""so many metrics of four lines each."""
MODES = ("user", "system", "iowait", "idle")


def name_of(number: int) -> str:
    """``node-007``."""
    return f"node-{number:03}"


def layout_of(name: str) -> Dictionary:
    """What the columns of one machine are."""
    found = [("node_cpu_seconds_total", {"cpu": str(cpu), "mode": mode}) for cpu in range(4) for mode in MODES]
    found += [(f"node_memory_{what}_bytes", {}) for what in ("MemTotal", "MemAvailable", "Cached", "Buffers", "MemFree")]
    for mount in ("/", "/srv"):
        where = {"mountpoint": mount, "fstype": "ext4", "device": f"/dev/{len(mount)}"}
        found += [(f"node_filesystem_{what}_bytes", where) for what in ("size", "avail")]
    found += [("node_load1", {}), ("node_load5", {}), ("node_load15", {})]
    found += [(f"node_network_{way}_bytes_total", {"device": "eth0"}) for way in ("receive", "transmit")]
    process = ("cpu_seconds_total", "resident_memory_bytes", "threads", "open_fds", "max_fds")
    found += [(f"process_{what}", {"server": server}) for server in SERVERS for what in process]
    found += [("watchkeeper_server_up", {"server": server}) for server in SERVERS]
    return dictionary(tuple(Series(metric, tuple(sorted((labels | {"machine": name}).items()))) for metric, labels in found))


def figures_at(number: int, seconds: float) -> np.ndarray:
    """Its figures so many seconds after the epoch: as smooth and as restless as real ones."""
    wave = 0.5 + 0.4 * math.sin(seconds / 300 + number)
    since = 0.5 * seconds - 120 * math.cos(seconds / 300 + number)  # the wave's sum so far: what is counted never falls
    spent = (0.6 * since, 0.2 * since, 0.02 * seconds, 0.98 * seconds - 0.8 * since)
    cpu = [each for _ in range(4) for each in spent]
    total = 8.0 * 2**30
    memory = [total, total * (0.3 + 0.4 * (1 - wave)), total * 0.2, total * 0.02, total * 0.1]
    disks = [1e11, 1e11 * (0.05 + (number * 37 % 90) / 100), 4e11, 2e11]
    rest = [4 * wave, 3 * wave, 2.0, since * 1e5, since * 4e4]
    process = [value for part in (0.3, 0.1) for value in (since * part, 2e8 * (1 + wave), 12.0, 40.0, 1024.0)]
    return np.array([*cpu, *memory, *disks, *rest, *process, 1.0, 1.0])


def chatter() -> Dictionary:
    """What the chatty server tells."""
    where = {"machine": name_of(CHATTY), "server": "shop"}
    series = [
        Series(f"app_{number:02}", tuple(sorted((where | {"kind": kind}).items())))
        for number in range(CHATTER)
        for kind in "abcd"
    ]
    return dictionary(tuple(series))


class ManyDesk(StandInDesk):
    """As its base, with `count` machines; one of each forty is silent, one server of each thirty down."""

    def __init__(self, journal: Journal, folder: Path, count: int) -> None:
        super().__init__(journal)
        self.store = open_store(folder / "store", StoreSettings(), SystemClock())
        self._seen = dict.fromkeys(range(count), self.now())
        self._layouts = {number: layout_of(name_of(number)) for number in range(count)}
        self._machines = {
            number: Machine(name_of(number), "Debian GNU/Linux 12", "6.1", "x86_64", 4, 1 << 33, self.now() - 10**9, "0.1.0", 1)
            for number in range(count)
        }
        self._statuses = {name_of(number): statuses_of(number) for number in range(count)}
        for number, layout in self._layouts.items():
            self.store.define(name_of(number), "5s", layout)
        self._chatter = chatter()
        self.store.define(name_of(CHATTY), "1s", self._chatter)

    def take(self, number: int, at: int) -> None:
        """A frame of one machine comes in."""
        self.store.take(name_of(number), Frame("5s", self._layouts[number].id, at, figures_at(number, at / 1000).tobytes()))

    def fill(self, number: int, start: int, end: int, step: int) -> None:
        """The past of one machine, ms."""
        for at in range(start, end, step):
            self.take(number, at)

    def chat(self, at: int) -> None:
        """The chatty server's figures come in."""
        steps = np.arange(CHATTER * 4)
        figures = 50 + 40 * np.sin(at / 60_000 + steps) + 5 * np.sin(at / 900 + steps)
        self.store.take(name_of(CHATTY), Frame("1s", self._chatter.id, at, figures.tobytes()))

    async def chat_on(self) -> None:
        """So it goes on, every second, until cancelled."""
        while True:
            self.chat(self.now())
            self.changes.frame(name_of(CHATTY))
            await asyncio.sleep(1)

    async def live(self) -> None:
        """A round of all machines every `PERIOD`, spread evenly over it, until cancelled."""
        loop = asyncio.get_running_loop()
        for turn in range(1 << 60):
            begun = loop.time()
            for number in self._layouts:
                if number % 40 != 17:
                    now = self.now()
                    self.take(number, now)
                    self._seen[number] = now
                    self.changes.frame(name_of(number))
                await asyncio.sleep(max(0.0, begun + PERIOD * (number + 1) / len(self._layouts) - loop.time()))
            await self.store.commit()
            if turn == 0:
                self.changes.turns += 1

    def machines(self) -> list[Presence]:
        """All of them."""
        return [Presence(machine, number % 40 != 17, self._seen[number], PERIOD) for number, machine in self._machines.items()]

    def statuses(self, machine: str) -> tuple[ServerStatus, ...]:
        """Two of each."""
        return self._statuses[machine]


def statuses_of(number: int) -> tuple[ServerStatus, ...]:
    """What a machine's agent says of its two servers."""
    down = number % 30 == 11
    return (
        ServerStatus("shop", "process", ServerState.RUNNING, "up", 1, pid=100 + number, started_at=1, allowed=VERBS),
        ServerStatus(
            "worker",
            "process",
            ServerState.BACKOFF if down else ServerState.RUNNING,
            "down" if down else "up",
            1,
            pid=0 if down else 9000 + number,
            started_at=1,
            reason="exited with code 3" if down else "",
            allowed=VERBS,
        ),
    )


@asynccontextmanager
async def many(folder: Path, count: int, past: int = 60, before: tuple[int, int] = (0, 1)) -> AsyncIterator[Web]:
    """A server over `count` machines with `past` seconds behind them, which goes on living.

    `before` that they have spoken for so many ms, every so many ms; the chatty one six times as often.
    """
    async with open_journal(folder / "journal.db") as journal:
        desk = ManyDesk(journal, folder, count)
        now = desk.now()
        for number in range(count):
            desk.fill(number, now - before[0], now - past * 1000, max(1, before[1] // (6 if number == CHATTY else 1)))
            desk.fill(number, now - past * 1000, now, 5000)
            if number % 20 == 0:
                await desk.store.commit()
        for at in range(now - 600_000, now, 1000):
            desk.chat(at)
        await desk.store.commit()
        token = await local_token(journal, folder / "token", "local", "admin", now)
        with bind("127.0.0.1", 0) as bound:
            server = WebServer(build(desk, WebSettings(), bound), desk.changes, bound)
            port = int(address(bound).rpartition(":")[2])
            async with asyncio.TaskGroup() as group:
                group.create_task(server.run_on_bound(), name="web")
                living = [group.create_task(work(), name="agents") for work in (desk.live, desk.chat_on)]
                await until(lambda: server.started, 30)
                try:
                    yield Web(desk, server, port, token)
                finally:
                    server.stop()
                    for one in living:
                        one.cancel()
        with contextlib.suppress(AttributeError):
            desk.store.close()
