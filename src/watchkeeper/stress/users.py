"""The closed model: so many users, each of whom begins the next operation once the last one has ended, and has thought.

What all of them together begin in a second is held to a ceiling. `free` is the hot path, as the floor's own is: plain calls,
no task, no allocation beyond what is kept.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Protocol

from watchkeeper.stress import lane
from watchkeeper.stress.lane import Lane, Tally
from watchkeeper.stress.schedule import Mix

ASK_AGAIN = 0.1
"""Seconds before a user tries again where nobody answers at all."""
CHOSEN = 4096
"""Operations that are chosen at a time."""
SLACK = 5_000_000
"""ns for which starts are allowed at a time, and that they may catch up: event loops' timers are off by a millisecond or so."""


class Floor(lane.Floor, Protocol):
    """Where users begin their operations: what they know of it beside what lanes do."""

    connected: int
    nobody: str
    """The code of the last try where nobody answers; empty where somebody does."""


class Users:
    """Those of one worker. None until `begin`; none again after `stop`."""

    def __init__(self, floor: Floor, loop: asyncio.AbstractEventLoop, free_lanes: OrderedDict[Lane, None]) -> None:
        """`free_lanes`: the floor's own."""
        self._floor, self._loop, self._free_lanes = floor, loop, free_lanes
        self._clock = floor.clock
        self._turns: Iterator[Tally] = iter(())
        self._thinks: Sequence[float] = ()
        self._is_running = self._is_waking = False
        self._stage = -1
        self._end = self._waiting = 0
        self._gap = self._next = self._left = 0
        """ns between two starts at the ceiling, when the next ones are allowed, and how many are already."""

    def begin(
        self, users: int, own: Sequence[Tally], thinks: Sequence[float], chosen: Iterator[int], at: int, end: int, most: float
    ) -> None:
        """Have so many users of a stage from `at` until `end` (ns).

        `own`: the stage's tallies; `thinks`: seconds after each operation; `chosen`: which comes next, without end; `most`:
        starts a second of all of them together.
        """
        self._turns, self._thinks = map(own.__getitem__, chosen), thinks
        self._stage, self._end, self._waiting = own[0].stage, end, 0
        self._gap, self._left = int(1e9 / most), 0
        self._is_running = True
        lead = max(0.0, (at - self._clock()) / 1e9)
        for _ in range(users):
            self._loop.call_later(lead, self._user, self._stage)

    def stop(self) -> None:
        """Nobody begins anything any more."""
        self._is_running = False

    def again(self, tally: Tally, pause: float) -> None:
        """The connection of an operation could not be made (it has ended): its user goes on after so many seconds."""
        if self._is_running and tally.stage == self._stage:
            self._loop.call_later(pause, self._user, self._stage)

    def offer(self, lane: Lane) -> None:
        """A lane has room: to whoever waits, else it waits itself."""
        if lane.room and not lane.listed:
            lane.listed = True
            self._free_lanes[lane] = None
        if self._waiting:
            self._go()

    def free(self, lane: Lane, tally: Tally, now: int) -> None:
        """An operation has ended: its user thinks, or begins the next."""
        if tally.stage == self._stage and now < self._end and self._is_running:
            think = self._thinks[tally.operation]
            if not think and lane.room and (self._left or self._may(now)):  # as `_go`, without a call more: as hot as it gets
                self._left -= 1
                tally = next(self._turns)
                tally.scheduled += 1
                tally.started += 1
                tally.unended += 1
                lane.start(tally, now, now)
                if lane.room and not lane.listed:
                    self.offer(lane)
                return
            if think:
                self._loop.call_later(think, self._user, self._stage)
            else:
                self._waiting += 1
        self.offer(lane)

    def _user(self, stage: int) -> None:
        """A user begins the next operation, or waits for a lane, or until it may."""
        if not self._is_running or stage != self._stage:
            return
        if not self._free_lanes and self._floor.nobody and not self._floor.connected:
            tally = next(self._turns)
            tally.scheduled += 1
            tally.begin()
            tally.fail(self._floor.nobody, 0)
            self._loop.call_later(ASK_AGAIN, self._user, stage)
        else:
            self._waiting += 1
            self._go()

    def _go(self) -> None:
        """Start whoever waits, where there are lanes, no sooner than the ceiling allows."""
        while self._waiting and self._free_lanes and self._is_running:
            now = self._clock()
            if not (self._left or self._may(now)):
                if not self._is_waking:
                    self._is_waking = True
                    self._loop.call_later((self._next - now) / 1e9, self._wake)
                return
            self._left -= 1
            self._waiting -= 1
            lane, _ = self._free_lanes.popitem(last=False)
            lane.listed = False
            tally = next(self._turns)
            tally.scheduled += 1
            tally.begin()
            lane.start(tally, now, now)
            if lane.room and not lane.listed:
                lane.listed = True
                self._free_lanes[lane] = None

    def _may(self, now: int) -> bool:
        """Whether the ceiling allows a start, and perhaps some more after it."""
        if now < self._next:
            return False
        self._left = max(1, SLACK // self._gap) if self._gap else CHOSEN
        self._next = max(self._next, now - SLACK) + self._left * self._gap
        return True

    def _wake(self) -> None:
        self._is_waking = False
        self._go()


def choices(mix: Mix, worker: int, workers: int) -> Iterator[int]:
    """Which operation each start is, without end: the shares of a mix hold over all of them, however rare one is."""
    firsts = itertools.count(worker, CHOSEN * workers)
    return itertools.chain.from_iterable(mix.choose(first, workers, CHOSEN).tolist() for first in firsts)
