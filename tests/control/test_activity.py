"""What moved between two looks: real processes that sleep, work and are stopped, and figures that cannot be had."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchkeeper.control.activity import MOST_THREADS, SHORTEST, Look, Thread, look, motion
from watchkeeper.control.processtree import belongs, processes

WORKS = """
import threading, time
threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
while True: pass
"""
PARENT = "import subprocess, sys\nsubprocess.Popen(['sleep', '1000'])\nsubprocess.run(['setsid', 'sleep', '1001'])"


@pytest.fixture
def start() -> Iterator[object]:
    """Start Python in a session of its own; all of it ends with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def one(code: str) -> int:
        started.append(subprocess.Popen([sys.executable, "-uc", code], stdout=subprocess.DEVNULL, start_new_session=True))
        return started[-1].pid

    yield one
    for process in started:
        for pid in processes(process.pid)[::-1]:
            os.kill(pid, signal.SIGKILL)
        process.wait()


def moved(pid: int, seconds: float = 0.3):
    """What it did in that time."""
    before = look(pid, time.monotonic())
    time.sleep(seconds)
    return motion(before, look(pid, time.monotonic()))


def until(true, seconds: float = 10) -> None:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_that_works_one_that_sleeps_and_one_that_is_stopped(start) -> None:
    """A spinning thread is seen beside one that sleeps; SIGSTOP is seen as such."""
    works, sleeps = start(WORKS), start("import time; time.sleep(1000)")
    until(lambda: len(look(works, 0).threads) == 2)
    busy = moved(works)
    assert busy.busiest > 0.1
    assert busy.states.get("S") == 1
    until(lambda: moved(sleeps).cpu == 0)
    os.kill(works, signal.SIGSTOP)
    until(lambda: set(moved(works, 0.15).states) == {"T"})


def test_a_thread_that_works_among_hundreds_is_seen(start) -> None:
    """One that came after more than are looked at burns a core: the server is at work, and its idle twin is not."""
    crowd = f"""
import threading, time
for _ in range({MOST_THREADS + 40}): threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
"""
    works, idles = (
        start(crowd + "def burn():\n  while True: pass\nthreading.Thread(target=burn).start()"),
        start(crowd + "time.sleep(1000)"),
    )
    count = {works: MOST_THREADS + 42, idles: MOST_THREADS + 41}
    until(lambda: all(len(os.listdir(f"/proc/{pid}/task")) == wanted for pid, wanted in count.items()), 30)
    assert len(look(works, 0).threads) == MOST_THREADS
    until(lambda: moved(idles).cpu == 0)
    busy, idle = moved(works), moved(idles)
    assert busy.busiest > 0.1
    assert busy.cpu >= busy.busiest
    assert idle.busiest < 0.1


def test_children_are_the_servers_own_even_in_a_session_of_theirs(start) -> None:
    """Who descends from the leader belongs to it; a stranger and one that has gone do not."""
    leader = start(PARENT)
    until(lambda: len(processes(leader)) >= 3)
    own = processes(leader)
    assert own[0] == leader
    assert all(belongs(pid, leader) for pid in own)
    assert not belongs(os.getpid(), leader)
    assert not belongs(1, leader)
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert not belongs(gone.pid, leader)
    assert processes(gone.pid) == []


def test_two_looks_that_are_too_close_say_nothing() -> None:
    """Nor do looks that see no thread."""
    thread = {1: Thread(1.0, -1, "S")}
    assert motion(Look(0, thread), Look(SHORTEST / 2, thread)) is None
    assert motion(Look(0, thread), Look(1, {})) is None


def test_what_moves_is_told_by_thread() -> None:
    """New threads count with what they have used, gone ones not at all; waiting for a CPU is told where the kernel tells it."""
    before = Look(0, {1: Thread(1.0, 0.5, "S"), 2: Thread(5.0, -1, "R"), 3: Thread(9.0, -1, "S")})
    after = Look(2, {1: Thread(2.0, 1.9, "S"), 2: Thread(5.0, -1, "R"), 4: Thread(0.5, -1, "S")})
    found = motion(before, after)
    assert found is not None
    assert (found.cpu, found.busiest, found.starved) == (0.75, 0.5, 1.0)
    assert found.states == {"S": 2, "R": 1}
    crowded = motion(Look(0, before.threads, {7: 10.0}), Look(2, after.threads, {7: 16.0, 8: 99.0}))
    assert crowded is not None
    assert (crowded.cpu, crowded.busiest) == (3.0, 1.0)


def test_statistics_of_the_scheduler_are_used_where_they_are(tmp_path: Path) -> None:
    """From a captured tree: CPU from stat, waiting from schedstat; a name with brackets confuses nobody."""
    task = tmp_path / "7" / "task" / "7"
    task.mkdir(parents=True)
    fields = ["R", *["0"] * 10, "250", "50", *["0"] * 30]
    (task / "stat").write_text(f"7 (a) b) {' '.join(fields)}")
    (task / "schedstat").write_text("3000000000 1500000000 77\n")
    (thread,) = look(7, 5.0, tmp_path).threads.values()
    assert (thread.cpu, thread.waited, thread.state) == (3.0, 1.5, "R")
