"""What servers use, read from real processes: children summed, counters that only rise, gaps where nobody is."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from watchkeeper.collect import process, tasks
from watchkeeper.collect.process import FAMILIES, ProcessReader, Rising, Supervised

BURN = "end = time.process_time() + {seconds}\nwhile time.process_time() < end: pass\n"


@pytest.fixture
def start() -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Start a Python program that says a line when it is ready and ends when its input does."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str) -> subprocess.Popen[str]:
        code = f"import os, subprocess, sys, time\n{code}\nprint('ready', flush=True)\nsys.stdin.read()"
        one = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(one)
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
        return one

    yield start
    for one in started:
        one.kill()
        one.communicate()


def figures(reader: ProcessReader, server: str = "web") -> dict[str, float]:
    """One server's figures by name."""
    values = reader.read()
    pairs = zip(reader.series, values, strict=True)
    return {series.name: value for series, value in pairs if series.label("server") == server}


def watching(pids: dict[str, int]) -> ProcessReader:
    """A reader over these servers."""
    return ProcessReader(
        tasks(), lambda: tuple(pids), lambda: [Supervised(name, pid, 5000) for name, pid in pids.items() if pid]
    )


def test_one_process(start: Callable[[str], subprocess.Popen[str]]) -> None:
    """Every figure of a single process is there and plausible, in base units."""
    child = start(BURN.format(seconds=0.2) + "kept = bytearray(30_000_000)")
    found = figures(watching({"web": child.pid}))
    assert set(found) == {family.name for family in FAMILIES}
    assert 0.19 <= found["process_cpu_seconds_total"] < 5
    assert 30e6 < found["process_resident_memory_bytes"] < 200e6
    assert 20e6 < found["process_proportional_memory_bytes"] <= found["process_resident_memory_bytes"] * 1.1
    assert found["process_threads"] == found["watchkeeper_server_processes"] == 1
    assert 3 <= found["process_open_fds"] < found["process_max_fds"]
    assert found["process_start_time_seconds"] == 5.0


def test_children_are_summed(start: Callable[[str], subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that forks is its leader and everything below it, grandchildren too."""
    monkeypatch.setattr(process, "TREE_SECONDS", 0.0)
    code = "grandchild = [sys.executable, '-c', 'import sys; sys.stdin.read()']\n"
    code += "child = [sys.executable, '-c', f'import subprocess, sys; subprocess.run({grandchild!r})']\n"
    code += "subprocess.Popen(child, stdin=subprocess.PIPE)"
    parent = start(code)
    reader = watching({"web": parent.pid})
    deadline = time.monotonic() + 10
    while (found := figures(reader))["watchkeeper_server_processes"] < 3:
        assert time.monotonic() < deadline
    assert found["process_threads"] == 3
    assert found["process_resident_memory_bytes"] > 15e6


def test_a_child_that_ends_takes_nothing_away(
    start: Callable[[str], subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a child has used stays in the counters when it ends, and is counted once."""
    monkeypatch.setattr(process, "TREE_SECONDS", 0.0)
    burn = "import time\n" + BURN.format(seconds=0.3)
    code = f"child = [sys.executable, '-c', {burn!r}]\nprint('ready', flush=True)\n"
    parent = start(code + "while sys.stdin.readline(): subprocess.run(child)")
    assert parent.stdin is not None
    reader = watching({"web": parent.pid})
    seen = [figures(reader)["process_cpu_seconds_total"]]
    parent.stdin.write("\n")
    parent.stdin.flush()
    deadline = time.monotonic() + 20
    while seen[-1] < seen[0] + 0.3:
        assert time.monotonic() < deadline
        seen.append(figures(reader)["process_cpu_seconds_total"])
        time.sleep(0.01)
    seen += [figures(reader)["process_cpu_seconds_total"] for _ in range(10)]
    assert all(later >= earlier for earlier, later in pairwise(seen))
    assert seen[-1] < seen[0] + 1.5


def test_a_server_without_a_process_is_a_gap() -> None:
    """Its series stay, their figures are NaN, and the layout does not change."""
    reader = watching({"web": 0})
    assert all(math.isnan(value) for value in figures(reader).values())
    layout = reader.series
    reader.read()
    assert reader.series is layout


def test_a_new_process_is_not_mistaken_for_the_old_one(start: Callable[[str], subprocess.Popen[str]]) -> None:
    """After a restart the figures are the successor's, from the first round on; the ended one gives a gap."""
    first, second = start(BURN.format(seconds=0.4)), start("")
    pids = {"web": first.pid}
    reader = watching(pids)
    assert figures(reader)["process_cpu_seconds_total"] >= 0.4
    first.kill()
    first.wait()
    assert math.isnan(figures(reader)["process_cpu_seconds_total"])
    pids["web"] = second.pid
    assert figures(reader)["process_cpu_seconds_total"] < 0.4


def test_descriptors_are_given_back(start: Callable[[str], subprocess.Popen[str]]) -> None:
    """A reader that has read and is closed holds no file."""
    child = start("")
    held = set(Path("/proc/self/fd").iterdir())
    reader = watching({"web": child.pid})
    reader.read()
    reader.close()
    assert set(Path("/proc/self/fd").iterdir()) == held


def test_sums_ride_out_a_dip_and_keep_what_was_lost() -> None:
    """A dip of three reads is not shown; one that stays is taken for use by a child that nobody waited for."""
    rising = Rising(1)
    shown = [rising.show([figure])[0] for figure in (5.0, 4.0, 4.0, 5.0, 4.0, 4.0, 4.0, 4.0, 4.5, 6.0)]
    assert shown == [5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.5, 7.0]


def test_sums_leave_unknown_ones_alone() -> None:
    """NaN is passed on, and the sum goes on where it was."""
    rising = Rising(1)
    assert rising.show([3.0]) == [3.0]
    assert math.isnan(rising.show([math.nan])[0])
    assert rising.show([4.0]) == [4.0]


class Growing:
    """A process whose proportional memory grows by one at each look."""

    pid = 7
    looks = 0

    def read(self) -> list[float]:
        """Nothing but noughts."""
        return [0.0] * (process.COUNTERS + 4)

    def proportional(self) -> float:
        """One more."""
        self.looks += 1
        return float(self.looks)

    def files_limit(self) -> float:
        """Some."""
        return 10.0

    def close(self) -> None:
        """Nothing is open."""


class OneProcess:
    """A system with a single process."""

    def __init__(self, one: Growing) -> None:
        self.one = one

    def open(self, pid: int) -> Growing:
        """That one."""
        return self.one

    def children(self, pid: int) -> list[int]:
        """None."""
        return []


def test_the_dear_figure_is_read_often_at_first_and_seldom_later() -> None:
    """A server that was just started is not shown for half a minute with what it had at its first breath."""
    one = Growing()
    tree = process.Tree(OneProcess(one), Supervised("web", one.pid, 0))
    looked = []
    for second in range(121):
        before = one.looks
        tree.read(1000.0 + second)
        if one.looks > before:
            looked.append(second)
    assert looked == [0, 1, 3, 7, 15, 31, 61, 91]
