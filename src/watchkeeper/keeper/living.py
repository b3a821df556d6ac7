"""What the kernel says of a process: when it started, what it executes, whose mark it carries. Reads /proc, writes nothing.

The keeper asks, and the agent's `control.identity`. A pid alone proves nothing: it is given out again. Pid, start and boot
name a process for good; the executable and the mark in its environment tell one that has replaced itself by exec.
"""

from __future__ import annotations

import os
import time

KEEP = "WATCHKEEPER_KEEP"
"""In a server's environment: the id of the folder whose keeper has started it."""
SERVER = "WATCHKEEPER_SERVER"
ORDER = "WATCHKEEPER_ORDER"
"""The order by which it was started: what its descendants carry too, wherever they go."""
LEADER = "WATCHKEEPER_PID"
"""The first process of an order: its descendants carry the number, but have others."""

_KERNELS = 0x00200000
_TEXT = 64 << 10
_TRIES = 50
_TRY_SECONDS = 0.001


def text(path: str) -> bytes:
    """What a small file of the kernel's says; empty where there is none or we may not read it."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        found = b""
        while block := os.read(file, _TEXT):
            found += block
        return found
    except OSError:
        return b""
    finally:
        os.close(file)


def fields(pid: int, proc: str = "/proc") -> list[bytes]:
    """The fields of stat from the third on (proc(5) counts from 1): state, ppid, pgrp, session …; empty for no process."""
    # The name in the second field may hold blanks and brackets: the last bracket ends it.
    return text(f"{proc}/{pid}/stat").rpartition(b")")[2].split()


def started(pid: int, proc: str = "/proc") -> int:
    """When a living process started, in ticks since boot; 0 when there is none (a zombie is none)."""
    found = fields(pid, proc)
    return int(found[19]) if len(found) > 19 and found[0] not in {b"Z", b"X"} else 0


def boot_id(proc: str = "/proc") -> str:
    """What tells one run of the kernel from the next."""
    return text(f"{proc}/sys/kernel/random/boot_id").decode("ascii", "replace").strip()


def executable(pid: int, proc: str = "/proc") -> str:
    """The file that it executes; empty where we may not know. One that was replaced on the disk keeps its name."""
    try:
        return os.readlink(f"{proc}/{pid}/exe").removesuffix(" (deleted)")
    except OSError:
        return ""


def of_the_kernel(pid: int, proc: str = "/proc") -> bool:
    """Whether it is a thread of the kernel's own (PF_KTHREAD in field 9), which executes no file that anybody may see."""
    found = fields(pid, proc)
    return len(found) > 6 and bool(int(found[6]) & _KERNELS)


def mark(pid: int, proc: str = "/proc") -> dict[str, str]:
    """Our variables in the environment that it was started with; empty for a stranger, or where we may not know.

    One that is just becoming another program has none for an instant: it is waited for, 50 ms at most.
    """
    found = {}
    environment = text(f"{proc}/{pid}/environ")
    tries = 0
    while not environment and tries < _TRIES and _may_have_some(fields(pid, proc)):
        time.sleep(_TRY_SECONDS if tries else 0.0)
        tries += 1
        environment = text(f"{proc}/{pid}/environ")
    for variable in environment.split(b"\0"):
        if variable.startswith(b"WATCHKEEPER_"):
            name, _, value = variable.decode("utf-8", "surrogateescape").partition("=")
            found[name] = value
    return found


def _may_have_some(stat: list[bytes]) -> bool:
    """Whether an environment that reads as empty is none.

    By proc(5): without memory (field 23) it has ended or is the kernel's, we may not look where its code starts at 1 (26), and
    it has begun without variables where these end where they begin (50, 51). Both are 0 within an exec.
    """
    return len(stat) > 48 and stat[20] != b"0" and stat[23] != b"1" and (stat[47] != stat[48] or stat[48] == b"0")


def is_same(pid: int, start: int, known: str, order: str = "", proc: str = "/proc") -> bool:
    """Whether the process `pid` is the one that started at `start` and executed `known`, or carries the mark of `order`.

    What cannot be known of the executable does not count against it; one that has become another program by exec
    (``sh -c 'exec …'``) still carries the mark.
    """
    if not start or started(pid, proc) != start:
        return False
    now = executable(pid, proc)
    return not known or not now or known == now or (bool(order) and mark(pid, proc).get(ORDER) == order)


def everybody(proc: str = "/proc") -> list[int]:
    """All processes."""
    try:
        return [int(name) for name in os.listdir(proc) if name.isdigit()]
    except OSError:
        return []


def marked(keep: str, proc: str = "/proc") -> list[tuple[int, dict[str, str]]]:
    """All processes that carry the mark of a keep, with their marks."""
    found = [(pid, mark(pid, proc)) for pid in everybody(proc)]
    return [(pid, words) for pid, words in found if words.get(KEEP) == keep]


def children(pid: int, proc: str = "/proc") -> list[int]:
    """The direct children of a process with one thread."""
    listed = text(f"{proc}/{pid}/task/{pid}/children")
    if listed or os.path.exists(f"{proc}/{pid}/task/{pid}/children"):
        return [int(word) for word in listed.split()]
    # A kernel without CONFIG_PROC_CHILDREN: the fourth field of everybody's stat.
    return [one for one in everybody(proc) if fields(one, proc)[1:2] == [str(pid).encode()]]
