"""Is a frame late, or is its machine's clock wrong? Pure: instants and arrivals in, the hub's instant and a verdict out.

What was kept while there was no link comes in a burst, faster than it was read; what is read now comes in its own pace. So
frames in their own pace are of now, whatever they say, and only what comes faster may be late. Times are milliseconds.
"""

from __future__ import annotations

from typing import NamedTuple


class Seen(NamedTuple):
    """A frame's instant by the hub's clock, and whether it is late."""

    at: int
    late: bool


class Pace:
    """One stream of one connection."""

    __slots__ = ("_arrived", "_lag", "_period")

    def __init__(self, period: int) -> None:
        """No frame has come yet; `period` is that of the stream."""
        self._period = period
        self._arrived = 0
        self._lag = 0

    def take(self, at: int, now: int, skew: int, allowed: int) -> Seen:
        """One more frame: `at` by its own clock, which is `skew` ahead of ours; `allowed` is how old it may be."""
        lag = max(0, now - (at - skew))
        paced = self._arrived > 0 and (now - self._arrived) * 2 >= self._period
        if paced:
            # In its own pace a frame cannot fall behind: if it says so, its clock was set back.
            lag = min(lag, self._lag)
        self._lag, self._arrived = lag, now
        return Seen(now - lag, lag > allowed)
