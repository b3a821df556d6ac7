"""Who a process is, beyond its number, which the system gives out again: pid, kernel start time, boot and executable.

A process is ours only if all are the same; a signal is never sent on the strength of a pid alone.
"""

from __future__ import annotations

import functools
import sys

import msgspec

from watchkeeper.errors import Failed
from watchkeeper.keeper import living


class Identity(msgspec.Struct, frozen=True):
    """One process of one boot. `start_ticks`: field 22 of proc(5)'s stat (elsewhere its start in milliseconds).

    `executable` is empty where it is not known, and then says nothing. A server may become another program by exec; whose
    order it carries in its environment (`watchkeeper.keeper.living`) is then what counts.
    """

    pid: int
    start_ticks: int
    boot_id: str
    executable: str = ""


def identify(pid: int) -> Identity:
    """The identity of a living process; raises Failed when there is none (a zombie is none)."""
    if sys.platform != "linux":
        return _portable(pid)
    fields = living.fields(pid)
    if not fields:
        raise Failed(f"there is no process {pid}", retry=False)
    if fields[0] in {b"Z", b"X"}:
        raise Failed(f"process {pid} has ended", retry=False)
    return Identity(pid, int(fields[19]), boot_id(), living.executable(pid))


def same(identity: Identity, order: str = "") -> bool:
    """Whether this very process still lives; one that has become another program must carry the mark of `order`."""
    try:
        now = identify(identity.pid)
    except Failed:
        return False
    if (now.start_ticks, now.boot_id) != (identity.start_ticks, identity.boot_id):
        return False
    if not identity.executable or not now.executable or identity.executable == now.executable:
        return True
    return bool(order) and living.mark(identity.pid).get(living.ORDER) == order


@functools.cache
def boot_id() -> str:
    """What tells one run of the kernel from the next."""
    return living.boot_id() if sys.platform == "linux" else _portable_boot()


def _portable_boot() -> str:
    import psutil  # noqa: PLC0415  # not on Linux

    return str(round(psutil.boot_time()))


def _portable(pid: int) -> Identity:
    import psutil  # noqa: PLC0415  # not on Linux

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            raise Failed(f"process {pid} has ended", retry=False)
        return Identity(pid, round(process.create_time() * 1000), boot_id())
    except psutil.Error:
        raise Failed(f"there is no process {pid}", retry=False) from None
