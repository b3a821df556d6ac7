"""The chaos of `test_chaos` with a server of several processes: nothing accepted is lost, nothing comes twice.

The order of a pair may be broken in one case, which docs/cloud-protocol.md names: older mail waits at a process that is down.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from rigs.chaos import Chaos, judge


class Processes(Chaos):
    """One server of two processes: now one of these dies, now all of it."""

    def __init__(self, folder: Path, processes: int, each: int) -> None:
        super().__init__(folder, processes, each)
        self.server.arguments += ("--workers", "2")

    async def everybody_is_known(self) -> None:
        """By every process."""
        async with asyncio.timeout(60):
            while self.known(await self.server.figures()) < 2 * self.total:
                await asyncio.sleep(0.1)
        (self.folder / "go").touch()

    def known(self, figures: dict[str, float]) -> float:
        """Devices whose place is known, summed over the processes."""
        return sum(value for name, value in figures.items() if name.startswith("cloud_places"))

    async def kill_servers(self) -> None:
        """Kill -9 of a process most often, of the one that keeps them now and then."""
        while True:
            await asyncio.sleep(random.uniform(2, 7))
            children = self.server.processes()
            if children and random.random() < 0.7:
                os.kill(random.choice(children), signal.SIGKILL)
                self.broken["processes of the server killed"] += 1
                continue
            self.server.kill()
            self.broken["servers killed"] += 1
            await asyncio.sleep(random.uniform(0, 1))
            await asyncio.shield(asyncio.to_thread(self.server.start))


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_thirty_clients_of_a_server_of_two_processes(tmp_path: Path) -> None:
    """Each message that was accepted is taken once, whichever process it came to."""
    chaos = Processes(tmp_path, 3, 10)
    await chaos.run(10)
    judge(chaos)


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_two_hundred_clients_of_a_server_of_two_processes(tmp_path: Path) -> None:
    """The same with more of everything."""
    chaos = Processes(tmp_path, 8, 25)
    await chaos.run(60)
    judge(chaos)
