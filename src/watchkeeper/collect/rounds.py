"""The frame of the collectors: reads all of one period at one instant and makes one frame of it.

A task per period wakes on the wall clock's own grid (a 5 s round at :00, :05, …), so that figures of
different machines meet. A reader that fails is absence: its columns are NaN, the round goes on, and
`watchkeeper_collector_success` says so. Instants of a stream always rise, whatever the clock does.
`emit` gets each frame, and its dictionary whenever that is new. Nothing here knows a single metric.
"""

from __future__ import annotations

import asyncio
import logging
import math
import operator
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.errors import Failed
from watchkeeper.model import Dictionary, Family, Frame, Series, dictionary
from watchkeeper.quantities import Duration
from watchkeeper.seams import Collector, Reader

logger = logging.getLogger(__name__)

Emit = Callable[[Dictionary | None, Frame], None]

FAMILIES = (
    Family("watchkeeper_collector_success", "gauge", "Whether the collector could be read in this round."),
    Family("watchkeeper_collector_duration_seconds", "gauge", "How long reading the collector took."),
)


def next_due(now: float, period: float) -> float:
    """The next instant (s, wall) on the grid of `period`, after `now`."""
    return (math.floor(now / period + 1e-9) + 1) * period


def instant(due: float, last_at: int) -> int:
    """What a round of `due` (s) is stamped with, in ms: always after the last one.

    While a clock that was set back catches up, instants go on by a millisecond a round: figures stay
    live and in order, and nothing that is kept is contradicted.
    """
    return max(milliseconds(due), last_at + 1)


class Source:
    """One reader of a round, and how it has fared."""

    def __init__(self, name: str, reader: Reader, families: Callable[[], tuple[Family, ...]]) -> None:
        """`name` is its label ``collector``; `families` is asked whenever the layout changes."""
        self.name = name
        self.reader = reader
        self.families = families
        self.trouble = ""
        self.series = reader.series


class Round:
    """All sources of one period, and the layout that they have together."""

    def __init__(self, period: float) -> None:
        """No sources yet."""
        self.period = period
        self.stream = str(Duration(period))
        self.sources: list[Source] = []
        self.last_at = 0
        self._layouts: list[tuple[Series, ...]] = []
        self._dictionary: Dictionary | None = None

    def take(self, at: int) -> tuple[Dictionary | None, Frame]:
        """Read every source; a frame for `at` (ms), with its dictionary if that has changed."""
        values = array("d")
        tail = array("d")
        for source in self.sources:
            began = time.perf_counter()
            figures = self._figures(source)
            values.extend(figures)
            tail.append(0.0 if source.trouble else 1.0)
            tail.append(time.perf_counter() - began)
        values += tail
        self.last_at = at
        fresh = self._fresh()
        assert self._dictionary is not None
        return fresh, Frame(self.stream, self._dictionary.id, at, values.tobytes())

    def _figures(self, source: Source) -> Sequence[float]:
        """One value for each series of the source's layout, come what may."""
        why = ""
        figures: Sequence[float] = ()
        try:
            figures = source.reader.read()
        except (OSError, Failed) as fault:
            why = str(fault)
        except Exception:  # a leaf's own bug must not end the agent
            if not source.trouble:
                logger.exception("the collector %s broke", source.name)
            why = "it broke; see the agent's log"
        if not why and len(figures) != len(source.reader.series):
            why = f"it gave {len(figures)} figures for {len(source.reader.series)} series"
        if why != source.trouble:
            if why:
                logger.warning("the collector %s cannot be read: %s", source.name, why)
            else:
                logger.info("the collector %s can be read again", source.name)
            source.trouble = why
        if why:
            return [math.nan] * len(source.series)
        source.series = source.reader.series
        return figures

    def _fresh(self) -> Dictionary | None:
        """Layouts are compared by identity, which costs nothing: a reader makes a new tuple when its layout changes."""
        layouts = [source.series for source in self.sources]
        same = len(layouts) == len(self._layouts) and all(map(operator.is_, layouts, self._layouts))
        if self._dictionary is not None and same:
            return None
        self._layouts = layouts
        series = [one for layout in layouts for one in layout]
        for source in self.sources:
            series += [Series(family.name, (("collector", source.name),)) for family in FAMILIES]
        families = {family.name: family for source in self.sources for family in source.families()}
        used = {one.name for one in series}
        told = tuple(family for name, family in families.items() if name in used)
        self._dictionary = dictionary(tuple(series), (*told, *FAMILIES))
        return self._dictionary


class Rounds:
    """All rounds of one agent."""

    def __init__(self, clock: Clock, emit: Emit) -> None:
        """Nothing is read before `run`."""
        self._clock = clock
        self._emit = emit
        self._rounds: dict[str, Round] = {}
        self._collectors: list[Source] = []
        self._added: list[tuple[Source, float | None]] = []
        self._default = 5.0
        self._changed = asyncio.Event()

    def add(self, name: str, reader: Reader, families: Callable[[], tuple[Family, ...]], period: float | None = None) -> None:
        """Read one more reader from the next `open` on, every `period` seconds (none: the default of that time)."""
        self._added.append((Source(name, reader, families), period))

    def open(self, collectors: Mapping[str, Collector], periods: Mapping[str, float], default: float, root: Path) -> None:
        """Open these collectors, close those of before; `periods` where one has its own. What a system lacks is left out."""
        for source in self._collectors:
            source.reader.close()
        self._collectors = []
        self._default = default
        last = {name: one.last_at for name, one in self._rounds.items()}
        rounds: dict[str, Round] = {}
        for name, leaf in collectors.items():
            try:
                source = Source(name, leaf.open(root), leaf.families)
            except (OSError, Failed) as fault:
                logger.warning("the collector %s is left out: %s", name, fault)
                continue
            self._collectors.append(source)
            self._place(rounds, source, periods.get(name, default))
        for source, period in self._added:
            self._place(rounds, source, period or default)
        for name, one in rounds.items():
            one.last_at = last.get(name, 0)
        self._rounds = rounds
        self._changed.set()

    @property
    def statistics(self) -> dict[str, int]:
        """How many series each stream has."""
        return {name: sum(len(source.series) for source in one.sources) for name, one in self._rounds.items()}

    async def run(self) -> None:
        """Read until cancelled; an `open` in between takes effect at once."""
        while True:
            self._changed.clear()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._repeat(one), name=f"round {one.stream}") for one in self._rounds.values()]
                await self._changed.wait()
                for task in tasks:
                    task.cancel()

    def close(self) -> None:
        """Close all collectors; what was added is its owner's to close."""
        for source in self._collectors:
            source.reader.close()
        self._collectors = []

    async def _repeat(self, one: Round) -> None:
        while True:
            due = next_due(self._clock.wall(), one.period)
            while (left := due - self._clock.wall()) > 0:
                if left > one.period:  # the clock was set back while we slept: its grid is another one now
                    due = next_due(self._clock.wall(), one.period)
                    continue
                await asyncio.sleep(left)
            self._emit(*one.take(instant(due, one.last_at)))

    @staticmethod
    def _place(rounds: dict[str, Round], source: Source, period: float) -> None:
        name = str(Duration(period))
        rounds.setdefault(name, Round(period)).sources.append(source)
