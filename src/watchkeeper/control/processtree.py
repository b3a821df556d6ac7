"""Which processes are a server's: its first one and all that descend from it, and whether a pid is one of them.

Linux alone tells a process's children by name; elsewhere the first process stands for all. Read when something is
wrong and when a message claims to come from a server, never on a round.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
MOST = 256
"""So many processes of one server are looked at; a server with more is still seen by these."""
DEEPEST = 64
"""So many generations up a sender's parents are followed."""


def processes(leader: int, proc: Path = PROC) -> list[int]:
    """The pids of a server's processes, its leader first; empty when that has gone."""
    found: list[int] = []
    waiting = [leader] if (proc / str(leader)).exists() else []
    while waiting and len(found) < MOST:
        pid = waiting.pop(0)
        if pid not in found:
            found.append(pid)
            waiting += _children(pid, proc)
    return found


def belongs(pid: int, leader: int, proc: Path = PROC) -> bool:
    """Whether `pid` is the leader, of its session, or descends from it; false for one that has gone.

    A server is started in a session of its own, whose number is its leader's pid; what has left the session is
    still known by its parents.
    """
    return leader in kin(pid, proc)


def kin(pid: int, proc: Path = PROC) -> Iterator[int]:
    """The leaders that `pid` may belong to: itself, its parents, and the sessions of all of these."""
    here = pid
    for _ in range(DEEPEST):
        yield here
        fields = stat(here, proc)
        if fields is None:
            return
        yield int(fields[3])
        here = int(fields[1])
        if here <= 1:
            return


def stat(pid: int, proc: Path = PROC) -> list[bytes] | None:
    """Fields of proc(5)'s stat from the third (the state) on; None for one that has gone."""
    try:
        # The name in the second field may hold blanks and brackets: the last bracket ends it.
        return (proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None


def _children(pid: int, proc: Path) -> list[int]:
    found: list[int] = []
    try:
        threads = os.listdir(proc / str(pid) / "task")  # noqa: PTH208  # names suffice
    except OSError:
        return found
    for thread in threads:
        try:
            found += map(int, (proc / str(pid) / "task" / thread / "children").read_bytes().split())
        except OSError:
            continue
    return found
