"""Time, passed in: a wall clock for what people read, a monotonic one for what we measure.

Programs make one `SystemClock` and hand it on; tests hand on a `FakeClock`. Pure deciders
take neither: they take `now`. Nothing here sleeps or schedules.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the house may ask of time."""

    def wall(self) -> float:
        """Seconds since the Unix epoch; may jump when an operator sets the clock."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The machine's own clocks."""

    wall = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


class FakeClock:
    """A clock that moves only when told to, for tests."""

    def __init__(self, wall: float = 1_760_000_000.0, monotonic: float = 1_000.0) -> None:
        self._wall = wall
        self._monotonic = monotonic

    def wall(self) -> float:
        """Seconds since the epoch, as last set."""
        return self._wall

    def monotonic(self) -> float:
        """Seconds, as last advanced."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let both clocks run on by `seconds`."""
        self._wall += seconds
        self._monotonic += seconds

    def set_wall(self, wall: float) -> None:
        """Let the wall clock jump, as when an operator corrects it."""
        self._wall = wall


def until_together(wall: float, period: float) -> float:
    """Seconds from `wall` to the next whole multiple of `period`, and never none: where all that is done now and then is done.

    On an idle machine a waking alone costs several times what the work does.
    """
    return period - wall % period


def milliseconds(seconds: float) -> int:
    """Seconds as the whole milliseconds that frames, events and the store carry."""
    return round(seconds * 1000)
