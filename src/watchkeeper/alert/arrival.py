"""Which rules that look back should be asked again, because figures that they read have just changed; and how often they may.

A frame comes in, keys of rules come out. The engine answers a rule over the store, which costs more than the newest figures
do, so each rule has an allowance of processor time: what changes now and then is answered at once, what changes with every
frame as often as its share allows. The rule's own interval holds in any case. Pure: `now` comes in, in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from watchkeeper.alert.program import Floats
from watchkeeper.alert.rules import Rule
from watchkeeper.alert.shape import selectors
from watchkeeper.model import Dictionary, Series
from watchkeeper.query.tree import Selector
from watchkeeper.store.finding import condition

SHARE = 0.02
"""The part of one core that all questions together may take beside their intervals."""
MOST = 0.25
"""What a rule saves up at most, in seconds of work: what has been calm for long is answered at once, some times in a row."""
UNKNOWN = 0.01
"""What an answer costs, in seconds, before the first was measured."""


class Columns(NamedTuple):
    """Of one layout, what questions read: the places, and for each place the rules."""

    version: int
    layout: int
    places: NDArray[np.int64]
    keys: tuple[frozenset[str], ...]


class Arrivals:
    """All sources' figures that questions read, as they were last."""

    def __init__(self) -> None:
        """No rules yet."""
        self._version = 0
        self._rules: tuple[tuple[str, tuple[Selector, ...]], ...] = ()
        self._columns: dict[tuple[str, str], Columns] = {}
        self._last: dict[tuple[str, str], Floats] = {}

    def replace(self, questions: Sequence[Rule]) -> None:
        """Go by these from now on."""
        trees = [(rule.key, (rule.tree, rule.clear)) for rule in questions]
        self._rules = tuple(
            (key, tuple(one for tree in some if tree is not None for one in selectors(tree))) for key, some in trees
        )
        self._version += 1

    def take(self, source: str, stream: str, layout: Dictionary, figures: Floats) -> frozenset[str]:
        """One frame: the rules of which something that they read is not what it was in the frame before."""
        place = (source, stream)
        columns = self._columns.get(place)
        if columns is None or (columns.version, columns.layout) != (self._version, layout.id):
            columns = self._columns[place] = self._read(layout)
            self._last.pop(place, None)
        if not len(columns.places):
            return frozenset()
        now = figures[columns.places]
        before = self._last.get(place)
        self._last[place] = now
        if before is None:
            return frozenset().union(*columns.keys)
        changed = np.flatnonzero((now != before) & ~(np.isnan(now) & np.isnan(before)))
        return frozenset().union(*(columns.keys[number] for number in changed.tolist()))

    def forget(self, source: str) -> None:
        """A machine is no more."""
        for place in [place for place in self._columns if place[0] == source]:
            self._columns.pop(place, None)
            self._last.pop(place, None)

    def _read(self, layout: Dictionary) -> Columns:
        places, keys = [], []
        for number, series in enumerate(layout.series):
            if mine := frozenset(key for key, some in self._rules if any(_reads(one, series) for one in some)):
                places.append(number)
                keys.append(mine)
        return Columns(self._version, layout.id, np.array(places, np.int64), tuple(keys))


class Allowance(msgspec.Struct):
    """One rule's: what it has saved up (`saved`, seconds of work) by `at`, and what its last answer cost."""

    at: float
    saved: float = MOST
    cost: float = UNKNOWN

    def may(self, now: float, share: float) -> bool:
        """Whether it may be asked now beside its interval; `share` is its part of a core."""
        self.saved = min(MOST, self.saved + max(0.0, now - self.at) * share)
        self.at = now
        return self.saved >= self.cost

    def spent(self, seconds: float) -> None:
        """It was asked beside its interval, and took so long."""
        self.cost = seconds
        self.saved -= seconds


def _reads(selector: Selector, series: Series) -> bool:
    return all(condition(one)(series.name if one.label == "__name__" else series.label(one.label)) for one in selector.matchers)
