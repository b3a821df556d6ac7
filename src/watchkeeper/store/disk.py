"""What the store asks of the file system: durable folders, sizes, and how much is free.

The guard against filling the disk that is being watched lives here as a number (`room`): what may still
be written before others' share is touched.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

SHARE = 0.05
"""Of a small disk no more than this share is kept free, so that a store on it can work at all."""


def durable_folder(folder: Path) -> None:
    """Make created, renamed and removed names in a folder survive a power cut (where the system can)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def size(path: Path) -> int:
    """A file's bytes; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def room(folder: Path, kept_free: int) -> int:
    """Bytes that may be written there until only `kept_free` (or `SHARE` of a small disk) are left; negative: too late."""
    usage = shutil.disk_usage(folder)
    return usage.free - min(kept_free, int(usage.total * SHARE))
