"""How big a machine: a real hub, and 1, 10, 100 and 300 machines of 300 series on links of their own, stock rules on.

The machines are made up here, one asyncio task each, by the session that real agents speak (stock rules on node_* figures
find nothing to judge); frames of the made fleet (`_fleet`) leave at each machine's own instant of the period and count once the
hub has acknowledged them. CPU is the hub's alone, from the scheduler's clock, once every machine was acknowledged and
`WARM` seconds more have gone by (names that are new cost more than all that follows); memory its PSS at the end;
the disk's growth is reckoned from what a sample of this mix takes there. BENCH_SECONDS sets the length of each row (60).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import _fleet
from _noise import Noise, table
from agent import cpu, free_port, memory, start

from watchkeeper.errors import Failed
from watchkeeper.model import Frame, Machine, Series, dictionary
from watchkeeper.wire.packets import Ack, Welcome
from watchkeeper.wire.session import AgentSession
from watchkeeper.wire.socket import ClientSocket, dial

SECONDS = float(os.environ.get("BENCH_SECONDS", "60"))
WARM = 15.0
ONLY = set(sys.argv[1:])
"""Numbers of machines, where not all rows are wanted."""
ROWS = ((1, 1.0), (1, 5.0), (10, 5.0), (100, 10.0), (300, 10.0))
"""Machines, and seconds between two frames of one."""
DAY = 86_400
BYTES_A_SAMPLE = 0.7
"""What `dev.py bench ingest` finds on disk for this mix."""


class Crowd:
    """Machines that talk to one hub."""

    def __init__(self, url: str, token: str, count: int, period: float) -> None:
        self.url, self.token, self.count, self.period = url, token, count, period
        self.acked = 0
        self.met: set[int] = set()
        self.is_over = False

    async def talk(self) -> None:
        """All of them, until `is_over`."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.count):
                group.create_task(self._one(number), name=f"machine {number}")

    async def settle(self) -> None:
        """Wait until the hub has acknowledged something of each of them, and a while more."""
        async with asyncio.timeout(300):
            while len(self.met) < self.count:  # noqa: ASYNC110  # a look a second at other programs' work
                await asyncio.sleep(1)
        await asyncio.sleep(WARM + self.period)

    async def _one(self, number: int) -> None:
        ticks = int((WARM + SECONDS) / self.period) + 10
        _, values = await asyncio.to_thread(_fleet.machine, number, ticks, max(1, int(self.period)))
        stream = f"{self.period:.0f}s"
        layout = dictionary(
            tuple(
                Series(one.name, tuple(pair for pair in one.labels if pair[0] != "machine"))
                for one in _fleet.layout(number).series
            )
        )
        socket = await self._dial()
        session = AgentSession(
            Machine(f"machine-{number}", "Linux", "6.1", "x86_64", 2, 4 << 30, 0, "0.1.0", int(time.time() * 1000)),
            time.monotonic(),
        )
        await socket.send(session.hello(int(time.time() * 1000)))
        welcome, _ = session.receive(await socket.receive() or b"")
        assert isinstance(welcome, Welcome), welcome
        await socket.send(session.define(layout))
        reader = asyncio.create_task(self._listen(socket, session, number), name=f"reader {number}")
        await asyncio.sleep(random.random() * self.period)
        for row in itertools.cycle(values):
            if self.is_over:
                break
            await socket.send(session.number(Frame(stream, layout.id, int(time.time() * 1000), row.tobytes())))
            await asyncio.sleep(self.period)
        await asyncio.sleep(2)
        reader.cancel()
        await socket.close()

    async def _dial(self) -> ClientSocket:
        for attempt in range(30):
            with contextlib.suppress(Failed):
                return await dial(self.url, self.token)
            await asyncio.sleep(min(attempt, 5) * random.random())
        raise SystemExit("the hub takes no more links")

    async def _listen(self, socket: ClientSocket, session: AgentSession, number: int) -> None:
        with contextlib.suppress(Failed):
            while (message := await socket.receive()) is not None:
                packet, acknowledged = session.receive(message)
                if isinstance(packet, Ack):
                    self.acked += acknowledged
                    self.met.add(number)


def measure(folder: Path, count: int, period: float) -> list[object]:
    """One row: a fresh hub, and so many machines."""
    port = free_port()
    config = folder / "bench.toml"
    config.write_text("", encoding="utf-8")
    with ExitStack() as stack:
        shared = ["--config", str(config), "--data", str(folder / "data"), "--log-level", "error"]
        hub = start(stack, [sys.executable, "-m", "watchkeeper", "hub", *shared, "--listen", f"127.0.0.1:{port}"])
        token = _token(folder / "data" / "link-token", hub)
        crowd = Crowd(f"ws://127.0.0.1:{port}/link", token, count, period)
        seen: list[float] = []

        async def whole() -> None:
            talking = asyncio.create_task(crowd.talk(), name="crowd")
            await crowd.settle()
            seen.extend((cpu(hub.pid), time.monotonic(), crowd.acked))
            await asyncio.sleep(SECONDS)
            seen.extend((cpu(hub.pid), time.monotonic(), crowd.acked, memory(hub.pid)))
            crowd.is_over = True
            await talking

        asyncio.run(whole())
    used, began, first, used_after, ended, last, held = seen
    samples = (last - first) * _fleet.SERIES
    share = (used_after - used) / (ended - began) * 100
    return [
        count,
        f"{period:.0f} s",
        f"{samples / (ended - began):,.0f}",
        f"{share:.2f} %",
        f"{held:.0f} MiB",
        disk(count, period),
    ]


def disk(count: int, period: float) -> str:
    """A day's raw figures at what `bench ingest` finds for this mix once it is sealed and compacted."""
    return f"{count * _fleet.SERIES / period * DAY * BYTES_A_SAMPLE / 2**20:,.0f} MiB"


def _token(path: Path, hub: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 60
    while not path.exists():
        if time.monotonic() > deadline or hub.poll() is not None:
            raise SystemExit("the hub does not come up")
        time.sleep(0.1)
    time.sleep(2)
    return path.read_text(encoding="utf-8").strip()


def main() -> None:
    """Every row on a hub of its own."""
    noise = Noise()
    rows = []
    for count, period in [row for row in ROWS if not ONLY or str(row[0]) in ONLY]:
        with tempfile.TemporaryDirectory(prefix="wk-bench-") as folder:
            rows.append(measure(Path(folder), count, period))
        noise.look()
    heads = ["machines", "each", "samples/s", "CPU of a core", "memory (PSS)", "disk a day"]
    table("a hub and its machines, 300 series each", heads, rows, str(noise))


if __name__ == "__main__":
    main()
