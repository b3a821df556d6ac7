"""The output of a server that runs elsewhere: read where it is, never rotated or cut by us."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING

from watchkeeper.control.logfile import LogFile

if TYPE_CHECKING:
    from watchkeeper.seams import Driver


class ForeignLog(LogFile):
    """Somebody else's log: a file of theirs, or what a driver's `tail` gives."""

    def __init__(self, reach: Driver) -> None:
        """`reach.log` is the file, if it is one."""
        super().__init__(reach.log or Path(), 0, 0)
        self._reach = reach

    @property
    def end(self) -> int:
        """Nobody counts its bytes."""
        return 0

    def last_line(self, since: int) -> str:
        """What it said last is not read at its end: it may have to be asked for."""
        del since
        return ""

    @property
    def has_grown(self) -> bool:
        """See `rotate_if_needed`."""
        return False

    def rotate_if_needed(self) -> bool:
        """Whoever writes it sees to that."""
        return False

    async def tail(self, lines: int, *, follow: bool) -> AsyncGenerator[tuple[str, ...], None]:
        """See `logfile.LogFile.tail`."""
        found = super().tail(lines, follow=follow) if self._reach.log else self._reach.tail(lines, follow=follow)
        async for batch in found:
            yield batch
