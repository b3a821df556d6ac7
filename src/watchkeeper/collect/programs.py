"""Which programs take the machine: its processes by name, those that weigh told one by one, whoever started them.

All processes of one name are one program; a counter is what its processes were seen to use, so it goes on when one of them is
over. Told are the programs that use most of the processor, of memory and of disks, and for a while those that did: layouts must
not change with every breath. What lived and died between two looks is only in the machine's own figures. How processes are
listed is the system's (`proctable`).
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from watchkeeper.config import Timed
from watchkeeper.errors import Failed
from watchkeeper.model import Family, Series
from watchkeeper.proctable import Process, Table, table
from watchkeeper.quantities import Duration

FAMILIES = (
    Family("watchkeeper_program_cpu_seconds_total", "counter", "CPU time that the program's processes were seen to use."),
    Family("watchkeeper_program_resident_memory_bytes", "gauge", "Resident memory of its processes, shared pages in each."),
    Family("watchkeeper_program_processes", "gauge", "Processes of the program."),
    Family("watchkeeper_program_read_bytes_total", "counter", "Bytes that its processes were seen to read from disks."),
    Family("watchkeeper_program_written_bytes_total", "counter", "Bytes that its processes were seen to write to disks."),
)
LEAST_CPU = 0.005
"""Cores that a program must use to weigh,"""
LEAST_BYTES = 16_384.0
"""or bytes that it must move to or from disks in a second; memory has no least, since something always has the most of it."""
STAY_SECONDS = 600.0
"""How long a program is told after it has weighed for the last time."""
MOST_TOLD = 6
"""Programs told at once are at the most so many times `most`: a machine where all take turns must not fill the store."""


class Programs(Timed, frozen=True, kw_only=True):
    """``[collect.programs]``: which programs use most of the processor, of memory and of disks, `most` of each."""

    enabled: bool = True
    period: Duration | None = Duration(10)
    most: Annotated[int, msgspec.Meta(ge=1, le=50)] = 6

    def families(self) -> tuple[Family, ...]:
        """See `seams.Collector`."""
        return FAMILIES

    def open(self, root: Path) -> ProgramsReader:
        """See `seams.Collector`."""
        return ProgramsReader(table(root), self.most)


class Known:
    """A process that was seen before, and what it had used by then; `moved` is None where that is not known yet."""

    __slots__ = ("cpu", "moved", "name", "word")

    def __init__(self, name: str, word: str, cpu: float, moved: tuple[float, float] | None) -> None:
        """`name`: its program's; `word`: the system's."""
        self.name = name
        self.word = word
        self.cpu = cpu
        self.moved = moved


class Program:
    """All processes of one name, and what they were seen to use."""

    __slots__ = ("cpu", "memory", "processes", "read", "told_until", "written")

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self.cpu = self.memory = self.read = self.written = self.told_until = 0.0
        self.processes = 0


class ProgramsReader:
    """Adds processes up by program, and tells those that weigh."""

    def __init__(self, listed: Table, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Look once, so that the first figures have something to differ from; raises Failed where nothing can be seen."""
        self._table = listed
        self._most = most
        self._clock = clock
        self._known: dict[tuple[int, float], Known] = {}
        self._programs: dict[str, Program] = {}
        self._looked = clock()
        self._told: list[str] = []
        self.series: tuple[Series, ...] = ()
        self._look(is_first=True)
        if not self._known:
            raise Failed("no process can be seen", retry=False)

    def read(self) -> Sequence[float]:
        """See `seams.Reader`."""
        now = self._clock()
        seconds, self._looked = max(now - self._looked, 0.001), now
        used, moved = self._look()
        self._weigh(used, LEAST_CPU * seconds, now)
        self._weigh(moved, LEAST_BYTES * seconds, now)
        self._weigh({name: one.memory for name, one in self._programs.items()}, 0.0, now)
        self._programs = {name: one for name, one in self._programs.items() if one.processes or one.told_until > now}
        told = [name for name, one in self._programs.items() if one.told_until > now]
        told = sorted(heapq.nlargest(MOST_TOLD * self._most, told, key=lambda name: self._programs[name].told_until))
        if told != self._told:
            self._told = told
            self.series = tuple(Series(family.name, (("program", name),)) for name in told for family in FAMILIES)
        values: list[float] = []
        for name in told:
            one = self._programs[name]
            values += (one.cpu, one.memory, one.processes, one.read, one.written)
        return values

    def close(self) -> None:
        """See `seams.Reader`; nothing is held open."""

    def _look(self, *, is_first: bool = False) -> tuple[dict[str, float], dict[str, float]]:
        """Take every process in; the seconds and the bytes that each program has used since the look before."""
        used: dict[str, float] = {}
        moved: dict[str, float] = {}
        known: dict[tuple[int, float], Known] = {}
        for one in self._programs.values():
            one.memory, one.processes = 0.0, 0
        for process in self._table.look():
            key = (process.pid, process.started)
            seen = self._known.get(key)
            if seen is None or seen.word != process.word:
                seen = self._meet(process, seen, is_first=is_first)
            known[key] = seen
            program = self._programs.get(seen.name)
            if program is None:
                program = self._programs[seen.name] = Program()
            program.memory += process.memory
            program.processes += 1
            if process.cpu <= seen.cpu:  # who used no time has moved nothing either
                continue
            program.cpu += process.cpu - seen.cpu
            used[seen.name] = used.get(seen.name, 0.0) + process.cpu - seen.cpu
            seen.cpu = process.cpu
            if (now := self._table.moved(process.pid)) is None:
                continue
            if seen.moved is not None:
                read, written = max(0.0, now[0] - seen.moved[0]), max(0.0, now[1] - seen.moved[1])
                program.read += read
                program.written += written
                moved[seen.name] = moved.get(seen.name, 0.0) + read + written
            seen.moved = now
        self._known = known
        return used, moved

    def _meet(self, process: Process, seen: Known | None, *, is_first: bool) -> Known:
        """One that is new, or runs another program than when it was `seen`; what it had used before we came is not ours."""
        name = self._table.name(process)
        if seen is not None:
            return Known(name, process.word, seen.cpu, seen.moved)
        return Known(name, process.word, process.cpu if is_first else 0.0, None if is_first else (0.0, 0.0))

    def _weigh(self, weights: Mapping[str, float], least: float, now: float) -> None:
        """Those with most of something are told from now on for a while."""
        for name in heapq.nlargest(self._most, weights, key=weights.__getitem__):
            if weights[name] > least:
                self._programs[name].told_until = now + STAY_SECONDS
