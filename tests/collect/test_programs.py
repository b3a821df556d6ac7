"""Programs of a machine: processes added up by name, those that weigh told, whatever comes, goes and takes another's number."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rigs.programs import until
from watchkeeper.collect.programs import MOST_TOLD, STAY_SECONDS, Programs, ProgramsReader
from watchkeeper.errors import Failed
from watchkeeper.proctable import Process
from watchkeeper.seams import Reader

MIB = 1 << 20


class Board:
    """A table of processes that is written by hand."""

    def __init__(self) -> None:
        self.processes: dict[int, Process] = {}
        self.bytes: dict[int, tuple[float, float]] = {}

    def put(self, pid: int, word: str, cpu: float, memory: float = MIB, *, started: float = 1.0) -> None:
        """A process as it is at the next look."""
        self.processes[pid] = Process(pid, started, word, cpu, memory)

    def look(self) -> list[Process]:
        """See `proctable.Table`."""
        return list(self.processes.values())

    def name(self, process: Process) -> str:
        """See `proctable.Table`."""
        return process.word

    def moved(self, pid: int) -> tuple[float, float] | None:
        """See `proctable.Table`."""
        return self.bytes.get(pid)


class Clock:
    """Ten seconds later at each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """See `time.monotonic`."""
        self.now += 10.0
        return self.now


def figures(reader: Reader) -> dict[str, list[float]]:
    """CPU, memory, processes, bytes read and written, by program."""
    values = reader.read()
    found: dict[str, list[float]] = {}
    for series, value in zip(reader.series, values, strict=True):
        found.setdefault(series.label("program"), []).append(value)
    return found


def test_processes_of_a_name_are_one_program_whose_counters_never_fall() -> None:
    """Two workers add up; one ends and the sum stays; what was used before the first look is nobody's."""
    board, clock = Board(), Clock()
    board.put(1, "web", 100.0, 3 * MIB)
    board.put(2, "web", 50.0, 2 * MIB)
    board.bytes = {1: (7.0, 9.0)}
    reader = ProgramsReader(board, 3, clock)
    board.put(1, "web", 101.0, 3 * MIB)
    assert figures(reader) == {"web": [1.0, 5.0 * MIB, 2, 0.0, 0.0]}
    board.put(1, "web", 103.0, 3 * MIB)
    board.put(2, "web", 54.0, 4 * MIB)
    board.bytes = {1: (1007.0, 109.0), 2: (5.0, 5.0)}
    assert figures(reader) == {"web": [7.0, 7.0 * MIB, 2, 1000.0, 100.0]}
    del board.processes[2]
    board.put(1, "web", 104.0, 3 * MIB)
    assert figures(reader) == {"web": [8.0, 3.0 * MIB, 1, 1000.0, 100.0]}


def test_a_number_that_is_used_again_is_another_process() -> None:
    """By its start; and a process that runs another program now goes on under that one's name."""
    board = Board()
    board.put(1, "shell", 5.0)
    reader = ProgramsReader(board, 3, Clock())
    board.put(1, "batch", 2.0, started=2.0)
    board.bytes[1] = (10.0, 0.0)
    assert figures(reader)["batch"] == [2.0, MIB, 1, 10.0, 0.0]
    board.put(1, "other", 3.0, started=2.0)
    told = figures(reader)
    assert told["other"] == [1.0, MIB, 1, 0.0, 0.0]
    assert told["batch"] == [2.0, 0.0, 0, 10.0, 0.0]


def test_only_those_that_weigh_are_told_and_for_a_while_those_that_did() -> None:
    """Most of the processor, most memory, most disk; the idle crowd is left out, and a layout keeps its object meanwhile."""
    board, clock = Board(), Clock()
    for pid in range(1, 101):
        board.put(pid, f"idle{pid}", 1.0)
    board.put(201, "huge", 1.0, 900 * MIB)
    reader = ProgramsReader(board, 1, clock)
    board.put(202, "busy", 8.0)
    board.put(203, "mover", 1.0)
    board.bytes[203] = (10.0 * MIB, 0.0)
    assert sorted(figures(reader)) == ["busy", "huge", "mover"]
    layout = reader.series
    reader.read()
    assert reader.series is layout
    del board.processes[202]
    assert figures(reader)["busy"] == [8.0, 0.0, 0, 0.0, 0.0]
    clock.now += STAY_SECONDS
    assert sorted(figures(reader)) == ["huge"]


def test_a_machine_where_all_take_turns_does_not_fill_the_store() -> None:
    """A bound on what is told at once; those that have weighed last stay, and what is over is forgotten."""
    board, clock = Board(), Clock()
    board.put(1, "first", 0.0)
    reader = ProgramsReader(board, 2, clock)
    for turn in range(100):
        board.put(1000 + turn, f"turn{turn:02}", 5.0)
        told = figures(reader)
        del board.processes[1000 + turn]
    assert len(told) == 2 * MOST_TOLD
    assert "turn99" in told
    assert "turn00" not in told
    clock.now += STAY_SECONDS
    reader.read()
    assert set(reader._programs) == {"first"}


def test_nothing_to_see_is_said() -> None:
    """A system that shows no process has no such figures."""
    with pytest.raises(Failed):
        ProgramsReader(Board(), 3)


def test_a_real_program_is_found_by_the_file_that_it_runs(tmp_path: Path) -> None:
    """Busy Python is told by its script, with the CPU that it used; what it was given as arguments is not."""
    script = tmp_path / "busy work.py"
    script.write_text("import time\nbegan = time.monotonic()\nwhile time.monotonic() < began + 60: pass\n")
    reader = Programs(most=100).open(Path("/"))  # others may be busy here too
    busy = subprocess.Popen([sys.executable, "-u", str(script), "--token", "hunter2"])
    told: dict[str, list[float]] = {}

    def name() -> str:
        told.update(figures(reader))
        return next((one for one in told if one.endswith(" busy work.py") and told[one][0] > 0), "")

    try:
        found = until(name, "the busy program")
    finally:
        busy.kill()
        busy.wait()
    assert found.startswith("py")
    cpu, memory, processes, *_ = told[found]
    assert (cpu > 0, memory > MIB, processes) == (True, True, 1)
    assert not any("hunter2" in one for one in told)
