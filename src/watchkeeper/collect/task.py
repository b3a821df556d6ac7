"""One process and its tables, kept open: stat, status, io and the list of its descriptors.

The kernel ties an open table to the process, not to its number: once the process has ended, reading
fails, so a reused pid cannot be mistaken for it. `process` adds several up.
"""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path

from watchkeeper.errors import Failed
from watchkeeper.kept import KeptFile

_SECOND = 1.0 / (os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100)
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Tasks:
    """See `process.Tasks`; read from below `proc`."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        """Nothing is opened yet."""
        self._proc = proc

    def open(self, pid: int) -> Task:
        """Look at a living process; raises Failed when there is none."""
        return Task(self._proc, pid)

    def children(self, pid: int) -> list[int]:
        """The processes that `pid`'s threads have started and that live (CONFIG_PROC_CHILDREN, on in every distribution)."""
        found: list[int] = []
        try:
            threads = os.listdir(self._proc / str(pid) / "task")  # noqa: PTH208  # names suffice, and this runs all the time
        except OSError:
            return found
        for thread in threads:
            with contextlib.suppress(OSError):
                file = os.open(self._proc / str(pid) / "task" / thread / "children", os.O_RDONLY | os.O_CLOEXEC)
                try:
                    found += map(int, os.read(file, 65536).split())
                finally:
                    os.close(file)
        return found


class Task:
    """One living process."""

    __slots__ = ("_folder", "_io", "_stat", "_status", "pid")

    def __init__(self, proc: Path, pid: int) -> None:
        """Open its tables; raises Failed when it is gone."""
        self.pid = pid
        self._folder = proc / str(pid)
        self._stat = KeptFile(self._folder / "stat", 1024)
        self._status = KeptFile(self._folder / "status", 4096)
        self._io: KeptFile | None = None
        with contextlib.suppress(Failed):  # another user's process tells its I/O to root alone
            self._io = KeptFile(self._folder / "io", 512)

    def read(self) -> list[float] | None:
        """See `process.Task`. CPU, bytes and faults include those of children that were waited for."""
        try:
            # The name in the second field may hold blanks and brackets: the last bracket ends it (proc(5)).
            fields = self._stat.read().rpartition(b")")[2].split()
            status = self._status.read()
            io = self._io.read().split() if self._io else ()
        except OSError:
            return None
        try:
            files = float(len(os.listdir(self._folder / "fd")))  # noqa: PTH208  # a count suffices, and this runs all the time
        except OSError:
            files = math.nan
        before, _, involuntary = status.rpartition(b"voluntary_ctxt_switches:\t")
        voluntary = before.rpartition(b"voluntary_ctxt_switches:\t")[2].split(None, 1)[0]
        return [
            (int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])) * _SECOND,
            float(voluntary),
            float(involuntary),
            float(io[9]) if io else math.nan,
            float(io[11]) if io else math.nan,
            float(int(fields[9]) + int(fields[10])),
            int(fields[21]) * _PAGE,
            float(fields[20]),
            float(fields[17]),
            files,
        ]

    def proportional(self) -> float:
        """Its share of memory in bytes; NaN where the kernel does not tell us."""
        try:
            text = (self._folder / "smaps_rollup").read_bytes()
        except OSError:
            return math.nan
        return int(text.partition(b"Pss:")[2].split(None, 1)[0]) * 1024.0 if b"Pss:" in text else math.nan

    def files_limit(self) -> float:
        """How many descriptors it may have open."""
        try:
            limits = (self._folder / "limits").read_bytes()
        except OSError:
            return math.nan
        word = limits.partition(b"Max open files")[2].split(None, 1)[0]
        return math.inf if word == b"unlimited" else float(word)

    def close(self) -> None:
        """Give the descriptors back."""
        for file in (self._stat, self._status, self._io):
            if file:
                file.close()
