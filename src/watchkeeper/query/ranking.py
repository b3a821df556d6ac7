"""topk, bottomk and quantile: figures of a group in order, at every step.

Groups of one size are worked on together, as one array: a fleet has few sizes of groups, however many groups. What is
absent comes last in every order, and NaN where Prometheus has it: last in topk and bottomk, least in quantile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from watchkeeper.model import Series
from watchkeeper.query.sums import quantiles
from watchkeeper.query.table import Bools, Floats, Ints, Table, settled


def extremes(table: Table, groups: Ints, k: Floats, *, largest: bool) -> Table:
    """Topk and bottomk: the rows as they are, where they are among the first k (float64[steps]) of their group.

    `groups`: each row's group. At a single step rows come group by group, the first of each in front; over a range their
    order means nothing.
    """
    ranks = np.empty(table.present.shape, np.int64)
    for rows in sized(groups):
        values = np.moveaxis(table.values[rows], 1, 2)
        present = np.moveaxis(table.present[rows], 1, 2)
        ranks[rows] = np.moveaxis(_ranks(-values if largest else values, present), 2, 1)
    kept = table.present & (ranks < k)
    return settled(table._replace(present=kept).keep(np.lexsort((ranks[:, 0], groups))))


def quantile(table: Table, results: Sequence[Series], groups: Ints, q: Floats) -> Table:
    """The q-quantile (float64[steps]) of each group, interpolated; `results` are the groups' names."""
    steps = table.values.shape[1]
    values = np.zeros((len(results), steps))
    there = np.zeros(values.shape, np.bool_)
    for rows in sized(groups):
        figures, present = np.moveaxis(table.values[rows], 1, 2), np.moveaxis(table.present[rows], 1, 2)
        blank = np.isnan(figures) & present
        ordered = np.sort(np.where(present, np.where(blank, -np.inf, figures), np.inf), axis=2)
        which, count = groups[rows[:, 0]], len(rows) * steps
        found = quantiles(
            ordered.reshape(count, -1),
            blank.sum(axis=2).ravel(),
            present.sum(axis=2).ravel(),
            np.broadcast_to(q, (len(rows), steps)).ravel(),
        )
        values[which], there[which] = found.reshape(len(rows), steps), present.any(axis=2)
    return Table(results, values, there)


def sized(groups: Ints) -> Iterator[Ints]:
    """The rows of all groups of one size, int64[groups, rows of each], size after size."""
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    for size in np.unique(sizes[sizes > 0]).tolist():
        yield order[starts[sizes == size, None] + np.arange(size)]


def _ranks(values: Floats, present: Bools) -> Ints:
    """Each figure's rank along the last axis, from 0: rising figures, then NaN, then what is absent."""
    odd = np.isnan(values)
    order = np.argsort(np.where(present, values, np.nan), axis=2, kind="stable")
    ranks = np.empty(order.shape, np.int64)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(order.shape[2]), order.shape), axis=2)
    blank = odd & present
    if blank.any():  # what is absent was sorted among them
        figures = (present & ~odd).sum(axis=2, keepdims=True)
        ranks = np.where(blank, figures + np.cumsum(blank, axis=2) - 1, ranks)
    return ranks
