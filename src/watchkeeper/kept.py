"""Files that are read again and again through one kept descriptor: the kernel's tables below /proc and /sys.

A `pread` at 0 makes the kernel write such a table anew; opening it each time would double the cost.
Readers of `collect` come in; nothing here knows what a table says.
"""

from __future__ import annotations

import os
from pathlib import Path

from watchkeeper.errors import Failed


class KeptFile:
    """One file, open until `close`."""

    __slots__ = ("_file", "_room", "path")

    def __init__(self, path: Path, room: int = 4096) -> None:
        """Open it; `room` is what is read at once, grown when it does not suffice. Raises Failed where it is not there."""
        self.path = path
        self._room = room
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as fault:
            raise Failed(f"{path} cannot be read: {fault.strerror}", retry=False) from None

    def read(self) -> bytes:
        """All of it as it is now; raises OSError."""
        found = os.pread(self._file, self._room, 0)
        while len(found) == self._room:
            self._room *= 2
            found = os.pread(self._file, self._room, 0)
        return found

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._file)
