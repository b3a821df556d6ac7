"""Hits that are due and have no lane: in their order, bounded, each started or dropped in the end."""

from __future__ import annotations

from collections import deque

from watchkeeper.stress.lane import Tally

MOST = 100_000
"""Of one worker; beyond it hits are dropped at once, so that memory stays bounded."""


class Waiting:
    """One worker's queue. `hits`: each with its intended start (ns)."""

    def __init__(self) -> None:
        """Empty."""
        self.hits: deque[tuple[Tally, int]] = deque()

    def add(self, tally: Tally, intended: int, now: int) -> None:
        """One that has found no lane."""
        if len(self.hits) < MOST:
            self.hits.append((tally, intended))
        else:
            tally.dropped += 1
            tally.gave_up(now - intended)

    def drop(self, before: int, now: int) -> None:
        """Give up those that were due before this instant."""
        hits = self.hits
        while hits and hits[0][1] < before:
            tally, intended = hits.popleft()
            tally.dropped += 1
            tally.gave_up(now - intended)
