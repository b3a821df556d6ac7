"""One server per data folder: an advisory lock that names its holder, and that the system gives back at any death.

The program takes it once, before any of its processes opens the mailbox. A lock is no queue: who finds it held is refused.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloudnet.errors import ConfigError

if sys.platform == "win32":
    import msvcrt

    def _try(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _try(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold ``folder/lock``, making the folder if need be; raises ConfigError with the holder's pid.

    Children do not inherit it; it is free as soon as the process is gone, however it went.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as fault:
        raise ConfigError(f"the data folder {folder} cannot be used: {fault.strerror}") from None
    try:
        try:
            _try(file)
        except OSError:
            holder = os.pread(file, 20, 1).decode("ascii", "replace").strip() if hasattr(os, "pread") else ""
            by = f"a Cloud Server with pid {holder}" if holder.isdigit() else "another Cloud Server"
            raise ConfigError(f"the data folder {folder} is in use by {by}: stop it, or give --data another folder") from None
        # The first byte is what Windows locks, so the pid stands behind it.
        os.ftruncate(file, 0)
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, f" {os.getpid()}\n".encode("ascii"))
        yield
    finally:
        os.close(file)
