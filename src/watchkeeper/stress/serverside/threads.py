"""A process's threads: processor time of each, and how long it was ready and had to wait for a processor.

/proc/PID/task/TID/schedstat counts both in ns (the ticks of `stat` are 10 ms); where a kernel lacks it, `stat` is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MOST = 256
"""Threads of one process that are read: what has more is told as a whole alone."""

_TICK = 1.0 / (os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100)


class Thread(NamedTuple):
    """One of them. Seconds; `waited` is None where the kernel does not tell."""

    tid: int
    name: str
    used: float
    waited: float | None


def threads(pid: int, proc: Path = Path("/proc")) -> Iterator[Thread]:
    """All threads of a process, the first `MOST`; nothing when it is gone or not ours to look at."""
    folder = proc / str(pid) / "task"
    try:
        names = sorted(os.listdir(folder), key=int)[:MOST]  # noqa: PTH208  # names suffice
    except OSError:
        return
    for tid in names:
        try:
            name = (folder / tid / "comm").read_text(encoding="utf-8", errors="replace").strip()
            yield _read(folder / tid, int(tid), name)
        except (OSError, ValueError, IndexError):  # it has just ended
            continue


def _read(folder: Path, tid: int, name: str) -> Thread:
    try:
        used, waited, _ = (folder / "schedstat").read_text(encoding="ascii").split()
        return Thread(tid, name, int(used) / 1e9, int(waited) / 1e9)
    except OSError:
        fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
        return Thread(tid, name, (int(fields[11]) + int(fields[12])) * _TICK, None)
