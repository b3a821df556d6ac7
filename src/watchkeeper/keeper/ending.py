"""How a process has ended: what its parent is told, and what the kernel still tells others.

The parent's `waitpid` knows always. Of a process that is not our child any more (an earlier keeper was killed) two places know:
the zombie's own stat, as long as its new parent has not waited for it, and from Linux 6.15 on the pidfd itself, once it has.
"""

from __future__ import annotations

import os
import select

from watchkeeper.keeper import living

_GET_INFO = 0xC040FF0B
"""PIDFD_GET_INFO with the 64 bytes of its first version (include/uapi/linux/pidfd.h): _IOWR(0xFF, 11, …)."""
_INFO_EXIT = 1 << 3
_CODE_AT = 60


def of_stranger(pid: int, handle: int, start: int) -> int | None:
    """The wait status of an ended process that is not our child, by its pidfd; None while nobody tells (any more)."""
    status = of_pidfd(handle)
    if status is not None:
        return status
    found = living.fields(pid)
    # Field 52, exit_code: only of the very process, and only as long as it is a zombie.
    if len(found) > 49 and found[0] == b"Z" and int(found[19]) == start:
        return int(found[49])
    return of_pidfd(handle)


def of_pidfd(handle: int) -> int | None:
    """The wait status of a process that was waited for by somebody, from Linux 6.15 on; else None."""
    import fcntl

    asked = bytearray(64)
    asked[0] = _INFO_EXIT
    try:
        fcntl.ioctl(handle, _GET_INFO, asked)
    except OSError:
        return None
    if not asked[0] & _INFO_EXIT:
        return None
    return int.from_bytes(asked[_CODE_AT : _CODE_AT + 4], "little", signed=True)


def wait(handle: int, most: int) -> bool:
    """Wait until the process of a pidfd has ended, at most so many milliseconds."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(most))


def opened(pid: int, start: int) -> int | None:
    """A pidfd of the very process that started at `start`, or None: what is sent through it reaches no stranger."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return None
    # Looked at after it was opened: a pidfd never comes to mean another process.
    if living.started(pid) == start:
        return handle
    os.close(handle)
    return None
