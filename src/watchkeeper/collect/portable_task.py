"""One process, and those that it has started, where there is no /proc: psutil asked, the figures as `task` has them.

The door chooses between the two. What a system does not tell is NaN.
"""

from __future__ import annotations

import contextlib
import math
from typing import Any

import psutil

from watchkeeper.errors import Failed


class PortableTasks:
    """See `process.Tasks`."""

    def open(self, pid: int) -> PortableTask:
        """Look at a living process; raises Failed when there is none."""
        return PortableTask(pid)

    def children(self, pid: int) -> list[int]:
        """Those that it has started and that live."""
        try:
            return [child.pid for child in psutil.Process(pid).children()]
        except psutil.Error:
            return []


class PortableTask:
    """One living process; psutil knows it by its number and its start time, so a reused number is not mistaken for it."""

    def __init__(self, pid: int) -> None:
        """Raises Failed when it is gone."""
        self.pid = pid
        try:
            self._process = psutil.Process(pid)
        except psutil.Error:
            raise Failed(f"there is no process {pid}", retry=False) from None

    def read(self) -> list[float] | None:
        """See `process.Task`."""
        process = self._process
        if not process.is_running():
            return None
        with contextlib.suppress(psutil.NoSuchProcess), process.oneshot():
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            times = _told(process, "cpu_times")
            switches = _told(process, "num_ctx_switches")
            io = _told(process, "io_counters")
            memory = _told(process, "memory_info")
            threads = _told(process, "num_threads")
            files = _told(process, "num_fds" if hasattr(process, "num_fds") else "num_handles")
            waited = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
            return [
                times.user + times.system + waited if times else math.nan,
                float(switches.voluntary) if switches else math.nan,
                float(switches.involuntary) if switches else math.nan,
                float(io.read_bytes) if io else math.nan,
                float(io.write_bytes) if io else math.nan,
                float(getattr(memory, "pageins", math.nan)),
                float(memory.rss) if memory else math.nan,
                float(memory.vms) if memory else math.nan,
                math.nan if threads is None else float(threads),
                math.nan if files is None else float(files),
            ]
        return None

    def proportional(self) -> float:
        """Its share of memory in bytes, where a system counts shares."""
        return float(getattr(_told(self._process, "memory_full_info"), "pss", math.nan))

    def files_limit(self) -> float:
        """How many descriptors it may have open."""
        limits = getattr(self._process, "rlimit", None)
        if limits is None:
            return math.nan
        try:
            limit = limits(psutil.RLIMIT_NOFILE)[0]
        except (psutil.Error, OSError):
            return math.nan
        return math.inf if limit == psutil.RLIM_INFINITY else float(limit)

    def close(self) -> None:
        """Nothing is held open."""


def _told(process: psutil.Process, question: str) -> Any:  # psutil's named tuples differ by system
    """What the process tells, or None where this system does not tell or does not tell us."""
    ask = getattr(process, question, None)
    if ask is None:
        return None
    try:
        return ask()
    except psutil.NoSuchProcess:
        raise
    except (psutil.Error, OSError, NotImplementedError):
        return None
