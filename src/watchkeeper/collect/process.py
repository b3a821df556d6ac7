"""What each supervised server uses, its children summed: CPU, memory, threads, files, switches, I/O.

A server's processes are its leader and everything that descends from it. A child that has ended is
in the kernel's figures of the parent that waited for it, else in what `Rising` keeps: counters only
rise while a server lives. Memory shared between processes is counted once in the proportional figure,
which the kernel makes dear: it is read rarely. Called by the agent's round; who is supervised is the
supervisor's to say, and how a process is read is the system's (`task`, `portable_task`).
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from watchkeeper.errors import Failed
from watchkeeper.model import Family, Series

TREE_SECONDS = 5.0
"""How often the children are looked for; a server's own figures are fresh every time."""
PSS_SECONDS = 30.0
"""How often the proportional memory is read, which the kernel makes dear,"""
PSS_FIRST_SECONDS = 1.0
"""and how soon again at first: a server that has just been started grows quickly; the pause doubles from here."""
DIPS = 3
"""Reads that a sum may be lower in before what is missing counts as used by a child that nobody waited for."""

COUNTERS = 6
"""How many of a task's figures only rise: CPU, switches of both kinds, bytes read and written, major faults."""

FAMILIES = (
    Family("process_cpu_seconds_total", "counter", "CPU time of the server's processes in user and kernel mode."),
    Family("process_voluntary_context_switches_total", "counter", "Times that its processes gave up the CPU to wait."),
    Family("process_involuntary_context_switches_total", "counter", "Times that its processes were made to give up the CPU."),
    Family("process_read_bytes_total", "counter", "Bytes that its processes had read from disks."),
    Family("process_written_bytes_total", "counter", "Bytes that its processes had written to disks."),
    Family("process_major_page_faults_total", "counter", "Page faults that had to wait for a disk."),
    Family("process_resident_memory_bytes", "gauge", "Resident memory of the server's processes; shared pages count in each."),
    Family("process_virtual_memory_bytes", "gauge", "Virtual memory of the server's processes."),
    Family("process_threads", "gauge", "Threads of the server's processes."),
    Family("process_open_fds", "gauge", "Open file descriptors of the server's processes."),
    Family(
        "process_proportional_memory_bytes", "gauge", "Memory of the server's processes; shared pages in equal parts (PSS)."
    ),
    Family("process_max_fds", "gauge", "File descriptors that the server's first process may have open."),
    Family("process_start_time_seconds", "gauge", "When the server's first process was started, in Unix time."),
    Family("watchkeeper_server_processes", "gauge", "Processes of the server."),
)


class Supervised(NamedTuple):
    """A server that has a process now. `started_at` in ms."""

    server: str
    pid: int
    started_at: int


class Task(Protocol):
    """One living process."""

    pid: int

    def read(self) -> list[float] | None:
        """The counters in the order of `FAMILIES`, resident and virtual memory (bytes), threads, files; None: ended."""
        ...

    def proportional(self) -> float:
        """Its share of memory in bytes; NaN where the system does not tell us."""
        ...

    def files_limit(self) -> float:
        """How many descriptors it may have open."""
        ...

    def close(self) -> None:
        """Give descriptors back."""
        ...


class Tasks(Protocol):
    """Where a system's processes are looked up."""

    def open(self, pid: int) -> Task:
        """Look at a living process; raises Failed when there is none."""
        ...

    def children(self, pid: int) -> list[int]:
        """Those that it has started and that live."""
        ...


class ProcessReader:
    """A reader over all supervised servers; the layout changes with their names."""

    def __init__(
        self, tasks: Tasks, names: Callable[[], Sequence[str]], supervised: Callable[[], Iterable[Supervised]]
    ) -> None:
        """`names()`: all servers; `supervised()`: those that have a process, asked at every read."""
        self._system = tasks
        self._ask_names = names
        self._supervised = supervised
        self._names: tuple[str, ...] = ()
        self._trees: dict[str, Tree] = {}
        self.series: tuple[Series, ...] = ()

    def families(self) -> tuple[Family, ...]:
        """Kind and sentence of everything that `read` may give."""
        return FAMILIES

    def read(self) -> Sequence[float]:
        """See `seams.Reader`; NaN for a server that has no process."""
        names = tuple(self._ask_names())
        if names != self._names:
            self._names = names
            self.series = tuple(Series(family.name, (("server", name),)) for name in names for family in FAMILIES)
        living = {one.server: one for one in self._supervised()}
        for name in [name for name, tree in self._trees.items() if living.get(name) != tree.server]:
            self._trees.pop(name).close()
        values: list[float] = []
        now = time.monotonic()
        for name in names:
            figures: Sequence[float] | None = None
            if server := living.get(name):
                tree = self._trees.get(name)
                if tree is None:
                    tree = self._trees[name] = Tree(self._system, server)
                figures = tree.read(now)
            values += figures or [math.nan] * len(FAMILIES)
        return values

    def close(self) -> None:
        """See `seams.Reader`."""
        for tree in self._trees.values():
            tree.close()
        self._trees.clear()


class Rising:
    """Sums that must not fall. A dip of a round or two is a child changing hands; one that stays is what the child had used."""

    __slots__ = ("_dips", "_lost", "_shown")

    def __init__(self, count: int) -> None:
        """All zero."""
        self._shown = [0.0] * count
        self._lost = [0.0] * count
        self._dips = [0] * count

    def show(self, sums: Sequence[float]) -> list[float]:
        """What to show for these sums; NaN is shown as NaN and changes nothing."""
        told = list(sums)
        for place, figure in enumerate(sums):
            if figure != figure:  # noqa: PLR0124  # the quickest way to ask for NaN, and this runs all the time
                continue
            figure += self._lost[place]  # noqa: PLW2901  # as above
            if figure >= self._shown[place]:
                self._shown[place] = figure
                self._dips[place] = 0
            else:
                self._dips[place] += 1
                if self._dips[place] > DIPS:
                    self._lost[place] += self._shown[place] - figure
                    self._dips[place] = 0
            told[place] = self._shown[place]
        return told


class Tree:
    """One server's processes while its leader lives."""

    def __init__(self, tasks: Tasks, server: Supervised) -> None:
        """Look at the leader; its children at the first read."""
        self.server = server
        self._system = tasks
        self._tasks: dict[int, Task] = {}
        self._rising = Rising(COUNTERS)
        self._limit = math.nan
        self._proportional = math.nan
        self._tree_due = 0.0
        self._proportional_due = 0.0
        self._pause = PSS_FIRST_SECONDS

    def read(self, now: float) -> list[float] | None:
        """The figures in the order of `FAMILIES`; None when the leader is gone."""
        if now >= self._tree_due:
            self._tree_due = now + TREE_SECONDS
            self._look()
        sums = [0.0] * (COUNTERS + 4)
        for task in list(self._tasks.values()):
            figures = task.read()
            if figures is None:
                task.close()
                del self._tasks[task.pid]
                continue
            for place, figure in enumerate(figures):
                sums[place] += figure
        if self.server.pid not in self._tasks:
            return None
        if now >= self._proportional_due:
            self._proportional_due = now + self._pause
            self._pause = min(self._pause * 2, PSS_SECONDS)
            self._proportional = sum(task.proportional() for task in self._tasks.values())
            self._limit = self._tasks[self.server.pid].files_limit()
        counters = self._rising.show(sums[:COUNTERS])
        count = float(len(self._tasks))
        return [*counters, *sums[COUNTERS:], self._proportional, self._limit, self.server.started_at / 1000, count]

    def close(self) -> None:
        """Give the descriptors back."""
        for task in self._tasks.values():
            task.close()
        self._tasks.clear()

    def _look(self) -> None:
        """Find the descendants, generation by generation."""
        found: set[int] = set()
        waiting = [self.server.pid]
        while waiting:
            pid = waiting.pop()
            if pid not in found:
                found.add(pid)
                waiting += self._system.children(pid)
        for pid in self._tasks.keys() - found:
            self._tasks.pop(pid).close()
        for pid in found - self._tasks.keys():
            with contextlib.suppress(Failed):
                self._tasks[pid] = self._system.open(pid)
