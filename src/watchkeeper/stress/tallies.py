"""All tallies of one worker: of the stage that runs and of earlier ones that have not settled, and how late its starts were.

The floor writes on them, the worker tells them and asks here what is still under way. Nothing is kept of a stage that was
settled and told.
"""

from __future__ import annotations

from collections.abc import Sequence

from watchkeeper.stress.histogram import FOLD, Recorder
from watchkeeper.stress.lane import Operation, Tally
from watchkeeper.stress.talk import Drained


class Tallies:
    """One worker's."""

    def __init__(self) -> None:
        """One for what belongs to no operation; none else."""
        self.idle = Tally(0, -1, "")
        self.all: list[Tally] = [self.idle]
        self.own: list[Tally] = []
        """Of the stage that runs, by operation."""
        self.lag, self.lag_starved = Recorder(), Recorder()
        self._marked = 0
        self._settled = -1

    def begin(self, stage: int, operations: Sequence[Operation]) -> list[Tally]:
        """A stage begins; its tallies by operation."""
        self.idle = Tally(stage, -1, "")
        self.own = [Tally(stage, number, one.name) for number, one in enumerate(operations)]
        self.all += [self.idle, *self.own]
        return self.own

    def mark(self, *, starved: bool) -> None:
        """Since the last call the generator was `starved`, or was not: call it often, and before `fold_long`."""
        for tally in self.all:
            tally.mark(starved=starved)
        lags = self.lag.values
        if starved:
            self.lag_starved.values += lags[self._marked :]
            del lags[self._marked :]
        self._marked = len(lags)

    def fold_long(self) -> None:
        """Count what is in lists that have grown long."""
        for tally in self.all:
            if len(tally.latency.values) >= FOLD or len(tally.failed.values) >= FOLD:
                tally.fold()
        if self._marked >= FOLD:
            self.lag.fold()
            self._marked = 0

    def drain_lags(self) -> tuple[Drained, Drained]:
        """How late starts were since the last time: in moments that were not starved, and in those that were."""
        self._marked = 0
        return self.lag.drain(), self.lag_starved.drain()

    @property
    def in_flight(self) -> int:
        """Operations begun and not ended, but for those in the midst of which a user thinks."""
        return sum(tally.in_flight - tally.thinking for tally in self.all)

    def is_under_way(self, stage: int) -> bool:
        """Whether anything of a stage has begun and not ended."""
        return any(tally.in_flight for tally in self.all if tally.stage == stage)

    def settle(self, stage: int) -> None:
        """Everything of a stage, and of those before it, has ended."""
        self._settled = stage

    def forget(self) -> None:
        """What was settled and told is not needed any more."""
        self.all = [one for one in self.all if one.stage > self._settled or one is self.idle]
