"""Figures on steps: what each node of a question evaluates to while it is walked.

A `Table` is some series over all steps at once. A figure that is not there and one that is NaN are two
things in PromQL, so presence is an array of its own. Series of one name and labels may come from several
rows (a name was dropped); they become one row, unless two of them are there at one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from watchkeeper.model import Labels, Series
from watchkeeper.query.faults import execution

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Kind = TypeVar("Kind", bound=np.generic)


class Steps(msgspec.Struct, frozen=True):
    """The instants of an evaluation: `start`, then every `step` ms, `count` of them."""

    start: int
    step: int
    count: int

    @property
    def times(self) -> Ints:
        """All of them, int64[steps], ms."""
        return np.arange(self.start, self.start + self.step * self.count, self.step, dtype=np.int64)


class Table(NamedTuple):
    """Some series over the steps. `values`: float64[series, steps]; `present`: bool[series, steps]; where absent, any value."""

    series: Sequence[Series]
    values: Floats
    present: Bools

    def keep(self, rows: Sequence[int] | NDArray[np.intp]) -> Table:
        """Some rows, in this order."""
        return Table([self.series[row] for row in rows], self.values[rows], self.present[rows])


def empty(steps: int) -> Table:
    """No series."""
    return Table([], np.zeros((0, steps)), np.zeros((0, steps), np.bool_))


def nameless(series: Sequence[Series]) -> list[Series]:
    """The same series without their metric names."""
    return [Series("", one.labels) for one in series]


def settled(table: Table) -> Table:
    """One row for each series that is there at all; raises Refused (``execution``) where two are the same at one step."""
    alive = table.present.any(axis=1)
    if not alive.all():
        table = table.keep(np.flatnonzero(alive))
    places: dict[Series, int] = {}
    rows = [places.setdefault(one, len(places)) for one in table.series]
    if len(places) == len(rows):
        return table
    values = np.zeros((len(places), table.values.shape[1]))
    present = np.zeros(values.shape, np.bool_)
    for row, place in enumerate(rows):
        here = table.present[row]
        if (present[place] & here).any():
            raise execution("vector cannot contain metrics with the same labelset")
        values[place, here] = table.values[row, here]
        present[place] |= here
    return Table(list(places), values, present)


def distinct(table: Table) -> Table:
    """The same rule for a whole range: every series that is there at all must be there once (range functions)."""
    alive = table.present.any(axis=1)
    if not alive.all():
        table = table.keep(np.flatnonzero(alive))
    if len(set(table.series)) != len(table.series):
        raise execution("vector cannot contain metrics with the same labelset")
    return table


def joined(tables: Sequence[Table], steps: int) -> Table:
    """Rows of all, one after another."""
    if not tables:
        return empty(steps)
    if len(tables) == 1:
        return tables[0]
    return Table(
        [one for table in tables for one in table.series],
        np.concatenate([table.values for table in tables]),
        np.concatenate([table.present for table in tables]),
    )


def fullest(series: Series) -> Labels:
    """All labels with the metric's name among them, sorted: what Prometheus orders series by."""
    return tuple(sorted((("__name__", series.name), *series.labels))) if series.name else series.labels


def in_order(table: Table) -> Table:
    """Rows sorted by their labels, as ranges are answered."""
    if len(table.series) < 2:
        return table
    return table.keep(sorted(range(len(table.series)), key=lambda row: fullest(table.series[row])))


def fold(ufunc: np.ufunc, rows: NDArray[Kind], groups: NDArray[np.intp], count: int) -> NDArray[Kind]:
    """Fold rows of one group by `ufunc`: [rows, steps] to [count, steps]; every group has a row."""
    if len(rows) == count and (groups == np.arange(count)).all():
        return rows
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(count))
    ordered = rows if (order == np.arange(len(order))).all() else rows[order]
    found: NDArray[Kind] = ufunc.reduceat(ordered, starts, axis=0)
    return found
