"""One program per folder: an advisory lock that names its holder, and that the system gives back at any death.

Store and agent each hold one for as long as they run. A lock is no queue: who finds it held is refused.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from watchkeeper.errors import Refused

if sys.platform == "win32":
    import msvcrt

    def _try(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _try(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Lock:
    """Holds ``folder/lock`` until `close`; children do not inherit it."""

    def __init__(self, folder: Path, what: str) -> None:
        """Take it; raises Refused (``in-use``) with the holder's pid. `what` is said in that sentence: ``the store``."""
        self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _try(self._file)
        except OSError:
            holder = os.pread(self._file, 20, 1).decode("ascii", "replace").strip() if hasattr(os, "pread") else ""
            os.close(self._file)
            by = f" by the process with pid {holder}" if holder.isdigit() else " by another process"
            raise Refused(f"{what} in {folder} is in use{by}", code="in-use") from None
        # The first byte is what Windows locks, so the pid stands behind it.
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, f" {os.getpid()}\n".encode("ascii"))

    def close(self) -> None:
        """Let the next one in."""
        os.close(self._file)
