"""What a server's threads are doing: a look at all of them, and what moved between two looks.

Looks are taken only while a server is silent, so that a healthy one costs nothing. CPU time is the kernel's count in
ticks of 10 ms, so two looks must be `SHORTEST` apart to tell anything. `hang` decides by what is found here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from watchkeeper.control.processtree import PROC, processes

SHORTEST = 0.1
"""Two looks that are closer than this, in seconds, say nothing: the kernel counts CPU time in ticks of 10 ms."""
MOST_THREADS = 256
"""So many threads are looked at, the oldest first: a look is taken on the agent's loop, and must not hold up other servers.

Of a process that has more, the CPU time of all of its threads together stands for those that are left out.
"""
_TICK = 1.0 / (os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100)


class Thread(NamedTuple):
    """One thread at one instant: CPU seconds so far, seconds it waited for a CPU (-1: not told), and its state's letter."""

    cpu: float
    waited: float
    state: str


class Look(NamedTuple):
    """All threads of a server at the instant `at` (monotonic seconds), by thread id.

    `crowds`: CPU seconds so far of each process, by pid, of whose threads some were left out.
    """

    at: float
    threads: dict[int, Thread]
    crowds: Mapping[int, float] = MappingProxyType({})


class Motion(NamedTuple):
    """What a server's threads did in `seconds` between two looks.

    `cpu`: cores that they used together; `busiest`: the part of one core that the busiest used (a process of which threads
    were left out counts as one); `starved`: the part of the
    time that the most starved one wanted a CPU and had none; `states`: the letters of their states now, by how many.
    """

    seconds: float
    cpu: float
    busiest: float
    starved: float
    states: dict[str, int]


def look(leader: int, now: float, proc: Path = PROC) -> Look:
    """All threads of a server now; none where the system does not tell, or when it has gone."""
    if sys.platform != "linux" and proc is PROC:
        return Look(now, _portable(leader))
    threads: dict[int, Thread] = {}
    crowds: dict[int, float] = {}
    for pid in processes(leader, proc):
        folder = proc / str(pid) / "task"
        try:
            tids = sorted(map(int, os.listdir(folder)))  # noqa: PTH208  # names suffice
        except OSError:
            continue
        left = MOST_THREADS - len(threads)
        for tid in tids[:left]:
            if thread := _thread(folder / str(tid)):
                threads[tid] = thread
        if len(tids) > left and (whole := _thread(folder.parent)):
            crowds[pid] = whole.cpu
    return Look(now, threads, crowds)


def motion(before: Look, after: Look) -> Motion | None:
    """What moved between two looks; None when they are too close, or see nothing."""
    seconds = after.at - before.at
    if seconds < SHORTEST or not after.threads:
        return None
    total = busiest = starved = 0.0
    states: dict[str, int] = {}
    for tid, now in after.threads.items():
        states[now.state] = states.get(now.state, 0) + 1
        then = before.threads.get(tid)
        if then is None:
            total += min(now.cpu, seconds)  # it is new, so all of its time is of these seconds
            busiest = max(busiest, min(now.cpu / seconds, 1.0))
            continue
        share = max(0.0, now.cpu - then.cpu) / seconds
        total += share * seconds
        busiest = max(busiest, share)
        if now.waited >= 0 <= then.waited:
            starved = max(starved, (now.waited - then.waited) / seconds)
        elif now.state == then.state == "R":
            starved = max(starved, 1.0 - share)
    shares = [max(0.0, cpu - before.crowds[pid]) / seconds for pid, cpu in after.crowds.items() if pid in before.crowds]
    busiest = max(busiest, *(min(share, 1.0) for share in shares), 0.0)
    total = max(total, sum(shares) * seconds)  # the threads that were looked at are of them
    return Motion(seconds, total / seconds, busiest, min(max(starved, 0.0), 1.0), states)


def _thread(folder: Path) -> Thread | None:
    try:
        fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
        cpu = (int(fields[11]) + int(fields[12])) * _TICK
        state = fields[0].decode("ascii")
    except (OSError, ValueError, IndexError):
        return None
    try:
        waited = int((folder / "schedstat").read_bytes().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        waited = -1.0  # a kernel without the statistics of its scheduler
    return Thread(cpu, waited, state)


def _portable(leader: int) -> dict[int, Thread]:
    """Elsewhere: each process as one thread, in the letters of Linux."""
    import psutil  # noqa: PLC0415  # not on Linux

    letters = {psutil.STATUS_RUNNING: "R", psutil.STATUS_STOPPED: "T", psutil.STATUS_DISK_SLEEP: "D"}
    found: dict[int, Thread] = {}
    try:
        top = psutil.Process(leader)
        for one in [top, *top.children(recursive=True)]:
            times = one.cpu_times()
            found[one.pid] = Thread(times.user + times.system, -1.0, letters.get(one.status(), "S"))
    except psutil.Error:
        pass
    return found
