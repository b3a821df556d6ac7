"""How much room all servers' rotated output may take together, and for how long. `choose` is pure; the files are read here.

A server's own `log.size` and `log.keep` bound it alone; this bounds the folder, also what servers have left that are no
more. Live files are never touched: what a server writes to is cut by `logfile` only.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from watchkeeper.config import Part
from watchkeeper.quantities import Duration, Size

_ROTATED = re.compile(r"(.+)\.log\.(\d+)")


class LogsSettings(Part, frozen=True, kw_only=True):
    """``[agent.logs]``: all servers' rotated output takes at most `space` on this machine and is kept for at most `age`.

    The oldest goes first, whichever server's it is.
    """

    space: Size = Size(1 << 30)
    age: Duration = Duration(90 * 86_400)

    def __post_init__(self) -> None:
        """Refuse what would leave nothing to read after a fault."""
        if self.space < 1 << 20:
            raise ValueError("space: expected at least 1MiB")
        if self.age < 3600:
            raise ValueError("age: expected at least 1h")


class Rotated(NamedTuple):
    """One older file of a server's output: the higher its `number`, the older. `at`: its last write, in Unix seconds."""

    path: Path
    server: str
    number: int
    size: int
    at: float


def choose(files: Sequence[Rotated], space: int, age: float, now: float) -> list[Rotated]:
    """Those that must go, in the order in which they may be removed: a server's oldest always before its newer ones."""
    left: dict[str, list[Rotated]] = {}
    for one in sorted(files, key=lambda one: one.number):
        left.setdefault(one.server, []).append(one)
    total = sum(one.size for one in files)
    gone: list[Rotated] = []
    while oldest := [rows[-1] for rows in left.values() if rows]:
        first = min(oldest, key=lambda one: one.at)
        if total <= space and now - first.at <= age:
            break
        left[first.server].pop()
        total -= first.size
        gone.append(first)
    return gone


def rotated(folder: Path) -> list[Rotated]:
    """All older files in a folder of logs."""
    found = []
    for path in folder.iterdir():
        if match := _ROTATED.fullmatch(path.name):
            with contextlib.suppress(OSError):
                told = path.stat()
                found.append(Rotated(path, match[1], int(match[2]), told.st_size, told.st_mtime))
    return found
