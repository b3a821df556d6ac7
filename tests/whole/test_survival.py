"""Hub and agent killed -9 at random moments under ingest: nothing that was spooled is lost, everything opens clean."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import time
from collections.abc import Callable

import pytest

from rigs.programs import Programs, is_alive, until
from watchkeeper.clock import SystemClock
from watchkeeper.model import Matcher
from watchkeeper.store import StoreSettings, open_store

PERIOD = 100
CONFIG = """
[agent]
period = "100ms"
[machine]
name = "test-machine"
[server.sleeper]
command = ["sleep", "100000"]
"""


@pytest.mark.parametrize(
    "kills",
    [pytest.param(8, id="8 kills"), pytest.param(30, id="30 kills", marks=[pytest.mark.long, pytest.mark.timeout(300)])],
)
def test_nothing_is_lost(programs: Callable[..., Programs], kills: int) -> None:
    """Every round of each life of the agent is in the store, once; the server never notices; the journals are whole."""
    one = programs(CONFIG)
    chance = random.Random(os.environ.get("WATCHKEEPER_TEST_SEED", "11"))
    hub, agent = one.hub(), one.agent()
    pid = until(lambda: one.server("sleeper").get("pid"), "the server")
    lives: list[tuple[float, float]] = []
    born = time.time()
    for _ in range(kills):
        time.sleep(chance.uniform(0.1, 1.6))
        if chance.random() < 0.5:
            hub = killed(hub, one.hub)
        else:
            lives.append((born, time.time()))
            agent = killed(agent, one.agent)
            # Its first round is read once it has started: from the kernel's own record of its boot files on.
            born = until(lambda: ready(one, lives[-1][1]), "the agent to read again")
    until(lambda: one.server("sleeper").get("health") == "up", "both to be there again")
    time.sleep(1)
    lives.append((born, time.time()))
    agent.terminate()
    assert agent.wait(20) == 0, "its last words reach the hub before it ends"
    hub.terminate()
    assert hub.wait(20) == 0
    assert not is_alive(int(str(pid)))
    check_store(one, lives)
    check_journal(one)


def killed(process: subprocess.Popen[bytes], again: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Kill -9 it and start it again."""
    process.kill()
    process.wait()
    return again()


def ready(one: Programs, after: float) -> float:
    """When the agent has written to its spool again; 0 while it has not."""
    files = list((one.data / "agent" / "spool").glob("*.layout"))
    newest = max((file.stat().st_mtime for file in files), default=0.0)
    return time.time() if newest > after else 0.0


def check_store(one: Programs, lives: list[tuple[float, float]]) -> None:
    """Each instant of the grid that lies within a life is there exactly once."""
    store = open_store(one.data / "store", StoreSettings(), SystemClock())
    blocks = store.select([Matcher("__name__", "=", "node_load1"), Matcher("machine", "=", "test-machine")], 0, 1 << 60)
    store.close()
    times = [at for block in blocks for at in block.times.tolist()]
    assert len(set(times)) == len(times)
    there = set(times)
    lost = []
    for born, died in lives:
        # A round that was due but not read yet at the kill, and one at the edge of a late wake-up, are nobody's loss.
        first, last = int(born * 1000) // PERIOD + 3, int(died * 1000) // PERIOD - 2
        lost += [number * PERIOD for number in range(first, last) if number * PERIOD not in there]
    expected = sum(max(0.0, died - born) for born, died in lives) * 1000 / PERIOD
    assert len(lost) <= expected * 0.02, f"{len(lost)} of {expected:.0f} rounds are lost: {lost[:10]}"


def check_journal(one: Programs) -> None:
    """Whole, and no event twice."""
    database = sqlite3.connect(one.data / "journal.db")
    assert database.execute("pragma integrity_check").fetchone() == ("ok",)
    ids = [row[0] for row in database.execute("select id from events")]
    database.close()
    assert len(ids) == len(set(ids))
    assert ids
