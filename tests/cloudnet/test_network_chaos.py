"""The chaos of `test_chaos` with several processes, and with several servers: nothing accepted is lost, nothing comes twice.

The processes of one server keep the order of a pair as well. So do servers over NATS but in the one case that
docs/cloud-protocol.md names: older mail waits at a server that is down.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from rigs.chaos import Chaos, judge
from rigs.cloud import CloudProgram
from rigs.nats import NatsProgram

PROCESSES = 2
LATE = 0.1
"""The share of messages that may be late where servers over NATS are killed: those behind mail that waits at one of these."""


class Processes(Chaos):
    """One server of several processes: now one of these dies, now all of it."""

    def make_server(self, folder: Path) -> CloudProgram:
        """As its parent's, of several processes."""
        server = super().make_server(folder)
        server.arguments += ("--workers", str(PROCESSES))
        return server

    def known(self, figures: dict[str, float]) -> float:
        """How many clients every process knows, on the average."""
        return sum(value for name, value in figures.items() if name.startswith("cloud_places")) / PROCESSES

    async def kill_server(self, server: CloudProgram) -> None:
        """Kill -9 of a process most often, of the one that keeps them now and then."""
        children = server.processes()
        if children and random.random() < 0.8:
            os.kill(random.choice(children), signal.SIGKILL)
            self.broken["processes of the server killed"] += 1
        else:
            await super().kill_server(server)


class Servers(Chaos):
    """Two servers over NATS, and clients that turn to the other one when theirs is gone."""

    def __init__(self, folder: Path, processes: int, each: int) -> None:
        self.nats = NatsProgram(folder)
        super().__init__(folder, processes, each, servers=2)

    def make_server(self, folder: Path) -> CloudProgram:
        """As its parent's, joined to the other one."""
        server = super().make_server(folder)
        server.arguments += ("--nats", self.nats.url)
        return server

    def known(self, figures: dict[str, float]) -> float:
        """How many clients are known to be anywhere."""
        return figures["cloud_places"]

    async def run(self, seconds: float) -> None:
        """See `Chaos`; NATS lives a little longer."""
        await asyncio.to_thread(self.nats.start)
        try:
            await super().run(seconds)
        finally:
            self.nats.kill()


@pytest.mark.slow
async def test_a_server_of_two_processes_for_six_seconds(tmp_path: Path) -> None:
    """Each message that was accepted is taken once and in order, whichever process it came to and whichever dies."""
    chaos = Processes(tmp_path, 2, 6)
    await chaos.run(6)
    judge(chaos)


@pytest.mark.slow
async def test_two_servers_over_nats_for_six_seconds(tmp_path: Path) -> None:
    """Each message that was accepted is taken once, whichever server it came to and whichever dies."""
    chaos = Servers(tmp_path, 2, 6)
    await chaos.run(6)
    judge(chaos, late=LATE if chaos.broken["servers killed"] else 0)


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("processes", "each", "seconds"), [(3, 10, 20), (8, 25, 60)])
async def test_a_server_of_two_processes_for_long(tmp_path: Path, processes: int, each: int, seconds: float) -> None:
    """Two hundred clients for a minute: not one late, lost or twice."""
    chaos = Processes(tmp_path, processes, each)
    await chaos.run(seconds)
    judge(chaos)


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("processes", "each", "seconds"), [(3, 10, 20), (8, 25, 60)])
async def test_two_servers_over_nats_for_long(tmp_path: Path, processes: int, each: int, seconds: float) -> None:
    """Two hundred clients for a minute: not one lost or twice."""
    chaos = Servers(tmp_path, processes, each)
    await chaos.run(seconds)
    judge(chaos, late=LATE if chaos.broken["servers killed"] else 0)
