"""The last minute of a figure, for a row of blocks: averages of equal steps of time, a gap where nothing came.

Pure: it is told every value with its instant and asked with another; it holds no clock.
"""

from __future__ import annotations

from collections import deque

SECONDS = 60
KEPT = 256
"""More than a minute of ticks, however fast they come."""


class Past:
    """One figure's recent values."""

    def __init__(self) -> None:
        self._values: deque[tuple[int, float]] = deque(maxlen=KEPT)

    def add(self, at: int, value: float | None) -> None:
        """Remember a value at its instant (ms); one that is not known leaves a gap."""
        if value is not None and (not self._values or at > self._values[-1][0]):
            self._values.append((at, value))

    def row(self, now: int, steps: int) -> list[float | None]:
        """The minute before `now` (ms) in `steps` averages, oldest first; None where nothing came."""
        step = SECONDS * 1000 / steps
        begin = now - SECONDS * 1000
        total, seen = [0.0] * steps, [0] * steps
        for at, value in self._values:
            if begin < at <= now:
                place = min(steps - 1, int((at - begin) / step))
                total[place] += value
                seen[place] += 1
        return [total[place] / seen[place] if seen[place] else None for place in range(steps)]


class Minute:
    """The past of everything on the screen, by name; what has gone is forgotten with `keep`."""

    def __init__(self) -> None:
        self._pasts: dict[tuple[str, ...], Past] = {}

    def add(self, name: tuple[str, ...], at: int, value: float | None) -> None:
        """Remember a value."""
        self._pasts.setdefault(name, Past()).add(at, value)

    def row(self, name: tuple[str, ...], now: int, steps: int) -> list[float | None]:
        """As `Past.row`; nothing but gaps for a name never heard."""
        past = self._pasts.get(name)
        return past.row(now, steps) if past else [None] * steps

    def keep(self, names: set[tuple[str, ...]]) -> None:
        """Forget all but these."""
        for name in self._pasts.keys() - names:
            del self._pasts[name]
