"""Who a process is, beyond its number, which the system gives out again: pid, kernel start time and boot.

A process is ours only if all three are the same; a signal is never sent on the strength of a pid alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from watchkeeper.errors import Failed


class Identity(msgspec.Struct, frozen=True):
    """One process of one boot. `start_ticks`: field 22 of proc(5)'s stat (elsewhere its start in milliseconds)."""

    pid: int
    start_ticks: int
    boot_id: str


def identify(pid: int) -> Identity:
    """The identity of a living process; raises Failed when there is none (a zombie is none)."""
    if sys.platform != "linux":
        return _portable(pid)
    try:
        # The name in the second field may hold blanks and brackets: the last bracket ends it.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        raise Failed(f"there is no process {pid}", retry=False) from None
    if not fields or fields[0] in {b"Z", b"X"}:
        raise Failed(f"process {pid} has ended", retry=False)
    return Identity(pid, int(fields[19]), boot_id())


def same(identity: Identity) -> bool:
    """Whether this very process still lives."""
    try:
        return identify(identity.pid) == identity
    except Failed:
        return False


def boot_id() -> str:
    """What tells one run of the kernel from the next."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _portable(pid: int) -> Identity:
    import psutil  # noqa: PLC0415  # not on Linux

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            raise Failed(f"process {pid} has ended", retry=False)
        return Identity(pid, round(process.create_time() * 1000), str(round(psutil.boot_time())))
    except psutil.Error:
        raise Failed(f"there is no process {pid}", retry=False) from None
