"""Which chunk files go: too old, over the budget, or in the way of others who need the disk. Pure.

The oldest raw file goes first, then the oldest of the first rollup, the hourly rollups last, because a
year of hours is worth more than another day of seconds. The file that is being written never goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple


class Shelved(NamedTuple):
    """A file: its tier (``t0``, ``t1``, ``t2``), its span in ms and its bytes."""

    tier: str
    start: int
    end: int
    bytes: int


class Limits(NamedTuple):
    """Ages in ms by tier; `budget` in bytes for everything; `room`: bytes that may still be written, negative if too few."""

    ages: dict[str, int]
    budget: int
    room: int


class Removal(NamedTuple):
    """A file to be removed and the reason: its age, the budget, or the free space of the disk."""

    file: Shelved
    reason: Literal["age", "budget", "free space"]


def removals(files: Sequence[Shelved], log_bytes: int, limits: Limits, now: int) -> list[Removal]:
    """What must go now, in the order to remove it."""
    gone = [Removal(file, "age") for file in files if file.end + limits.ages[file.tier] <= now]
    left = [file for file in files if file.end + limits.ages[file.tier] > now]
    over = log_bytes + sum(file.bytes for file in left) - limits.budget
    short = -limits.room - sum(removal.file.bytes for removal in gone)
    for file in sorted((file for file in left if file.end <= now), key=lambda file: (file.tier, file.start)):
        if over <= 0 and short <= 0:
            break
        gone.append(Removal(file, "budget" if over > 0 else "free space"))
        over -= file.bytes
        short -= file.bytes
    return gone
