"""An application's heartbeat file: one that it touches again and again while all is well.

What counts is that the file changes, by our own monotonic clock: its time stamp is compared with the one before and never
with the wall clock, which an operator may set. Looking may block where a file system hangs, so it is done in a thread.
"""

from __future__ import annotations

from pathlib import Path

from watchkeeper.config import Part
from watchkeeper.quantities import Duration


class HeartbeatFileSettings(Part, frozen=True, kw_only=True):
    """``[server.NAME.liveness.heartbeat]``: `file` (relative to the server's folder) must change every so often (`within`)."""

    file: Path
    within: Duration

    def __post_init__(self) -> None:
        """Refuse what no file system could tell."""
        if not 0.5 <= self.within <= 86_400:
            raise ValueError("within: expected 500ms to 1d")


Stamp = tuple[int, int] | None
"""What tells one state of a file from the next; None: there is none."""


def stamp(path: Path) -> Stamp:
    """The file as it is now; a file that cannot be read is as none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
