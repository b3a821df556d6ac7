"""Bytes out of the front of a file that somebody else goes on writing to: copy them aside, then cut them off.

The cut is the kernel's and one step for the writer (`FALLOC_FL_COLLAPSE_RANGE`: ext4 and XFS have it); who
calls it decides what to do where there is none. Nothing here knows what the bytes mean.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

COLLAPSE_RANGE = 0x08
BLOCK = 256 << 10


def copy_range(source: int, target: int, start: int, end: int) -> int:
    """Append the bytes from `start` to `end` of one file to another; returns where it got to."""
    os.lseek(source, start, os.SEEK_SET)
    while start < end and (block := os.read(source, min(BLOCK, end - start))):
        left = memoryview(block)
        while left:
            left = left[os.write(target, left) :]
        start += len(block)
    return start


def begins(path: Path, copy: Path) -> bool:
    """Whether the file at `path` begins with all that is in `copy`."""
    try:
        with path.open("rb", buffering=0) as live, copy.open("rb", buffering=0) as aside:
            while block := aside.read(BLOCK):
                if live.read(len(block)) != block:
                    return False
    except FileNotFoundError:
        return False
    return True


def collapse(file: int, length: int) -> int:
    """Cut the first `length` bytes out of a file while others write to it: 0, or the error's number."""
    if sys.platform != "linux":
        return errno.EOPNOTSUPP
    import ctypes  # noqa: PLC0415  # only a rotation needs it, and the agent's memory is counted

    libc = ctypes.CDLL(None, use_errno=True)
    cut = getattr(libc, "fallocate64", None) or libc.fallocate
    cut.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    while cut(file, COLLAPSE_RANGE, 0, length):
        if (fault := ctypes.get_errno()) != errno.EINTR:
            return fault
    return 0
