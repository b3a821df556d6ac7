"""Connections made, and made again: at a stated rate, some hundred at a time, each with its own pauses after failures.

The floor puts lanes in; a lane that comes out is `up`, or `down` for a while. Nothing here starts operations.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable

from watchkeeper.stress import faults
from watchkeeper.stress.lane import Floor, Lane

AT_ONCE = 200
"""Connections that are being made at the same time."""
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
TURN = 0.005
"""Seconds between two looks at what may be begun: a rate is kept in pieces of this."""


def pause_after(failures: int, chance: float) -> float:
    """Seconds before the next try of a lane that has failed so many times in a row: doubling, half of it by chance (0 to 1)."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 10))
    return longest * (0.5 + chance / 2)


class Keeper:
    """All lanes of one worker that are to be connected."""

    def __init__(self, floor: Floor, loop: asyncio.AbstractEventLoop) -> None:
        """`rate`: connections a second; set it before the first."""
        self.rate = 1000.0
        self.first_tries: Counter[str] = Counter()
        """How the first tries of all lanes since the last `reset` went: by code, empty for those that are up."""
        self._floor = floor
        self._loop = loop
        self._queue: deque[tuple[Lane, int, int]] = deque()
        self._failures: dict[Lane, int] = {}
        self._missing: dict[Lane, str] = {}
        self._retired: set[Lane] = set()
        self._under_way = 0
        self._budget = 0.0
        self._looked = 0.0
        self._is_turning = False

    def reset(self) -> None:
        """Count first tries anew."""
        self.first_tries.clear()

    def want(self, lane: Lane, *, since: int = 0) -> None:
        """Have this lane connected. `since`: when it was lost (ns), for the time until it is back."""
        self._retired.discard(lane)
        self._queue.append((lane, since, 0))
        self._turn_soon()

    def retire(self, lane: Lane) -> None:
        """It is not wanted any more."""
        self._retired.add(lane)
        self._missing.pop(lane, None)

    @property
    def missing(self) -> dict[str, int]:
        """Connections that should be there and whose last try has failed, by its code."""
        return dict(Counter(self._missing.values()))

    def rest(self, lane: Lane, then: Callable[[Lane], None]) -> float:
        """A try has failed: call `then` after a pause that grows with the failures in a row. Returns the pause."""
        failures = self._failures[lane] = self._failures.get(lane, 0) + 1
        pause = pause_after(failures, random.random())  # noqa: S311  # jitter, not a secret
        self._loop.call_later(pause, then, lane)
        return pause

    def rested(self, lane: Lane) -> None:
        """It is connected: the next failure is its first."""
        self._failures.pop(lane, None)
        self._missing.pop(lane, None)

    def _turn_soon(self) -> None:
        if not self._is_turning:
            self._is_turning = True
            self._looked = self._loop.time()
            self._budget = 1.0
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Begin as many as rate and company allow."""
        now = self._loop.time()
        self._budget = min(self._budget + (now - self._looked) * self.rate, max(1.0, self.rate * 0.1))
        self._looked = now
        while self._queue and self._under_way < AT_ONCE and self._budget >= 1.0:
            lane, since, tries = self._queue.popleft()
            if lane in self._retired or lane.is_up:
                continue
            self._budget -= 1.0
            self._under_way += 1
            self._floor.spawn(self._connect(lane, since, tries), "connect")
        if self._queue:
            self._loop.call_later(TURN, self._turn)
        else:
            self._is_turning = False

    async def _connect(self, lane: Lane, since: int, tries: int) -> None:
        try:
            await lane.connect()
        except Exception as fault:  # noqa: BLE001  # whatever it is, it is data: the code says whose word it is
            code = faults.of_connecting(fault)
            if not tries:
                self.first_tries[code] += 1
            self._floor.down(lane, None, code, str(fault))
            if lane.keeps and lane not in self._retired:
                self._missing[lane] = code
                self.rest(lane, lambda lane: self._again(lane, since, tries + 1))
        else:
            if not tries:
                self.first_tries[""] += 1
            self.rested(lane)
            if lane in self._retired:
                lane.cut(faults.Code.ABORTED)
            else:
                self._floor.up(lane)
                if since:
                    self._floor.idle.span("back")(self._floor.clock() - since)
        finally:
            self._under_way -= 1

    def _again(self, lane: Lane, since: int, tries: int) -> None:
        self._queue.append((lane, since, tries))
        self._turn_soon()
