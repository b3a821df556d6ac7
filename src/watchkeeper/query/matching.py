"""Operators between two tables: which series belong together, and what comes of them.

Which series meet is a matter of labels and found once; that no two of one side are there at the same step is
a matter of figures and looked at for all steps. Rows of the side of one are put together first, so that the
side of many meets one row each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from watchkeeper.model import Labels, Series
from watchkeeper.query.faults import execution
from watchkeeper.query.pointwise import compare, operate
from watchkeeper.query.signatures import COMPARISONS
from watchkeeper.query.table import Bools, Floats, Table, empty, fold, fullest, nameless, settled
from watchkeeper.query.tree import Binary, Matching

Key = Callable[[Series], Labels]
NAME = "__name__"
KEEPS_NAME = COMPARISONS | {"atan2"}
"""Operators that leave the metric's name; atan2 is one of them in 2.42."""


def key_of(matching: Matching) -> Key:
    """What two series must have in common."""
    wanted = frozenset(matching.labels)
    if not matching.on:
        return lambda series: tuple(pair for pair in series.labels if pair[0] not in wanted)
    if NAME in wanted:
        return lambda series: tuple(pair for pair in fullest(series) if pair[0] in wanted)
    return lambda series: tuple(pair for pair in series.labels if pair[0] in wanted)


def combine(node: Binary, left: Table, right: Table) -> Table:
    """Both sides by an operator; raises Refused (``execution``) where matches are not unique."""
    steps = left.values.shape[1]
    key = key_of(node.matching)
    numbers: dict[Labels, int] = {}
    sides = [[numbers.setdefault(key(one), len(numbers)) for one in side.series] for side in (left, right)]
    groups = np.array(sides[0], np.intp), np.array(sides[1], np.intp)
    if node.op in {"and", "or", "unless"}:
        return _set(node.op, left, right, groups, len(numbers))
    if not len(left.series) or not len(right.series):
        return empty(steps)
    if node.matching.card == "one-to-many":
        return _meet(node, right, left, groups[::-1], len(numbers))
    return _meet(node, left, right, groups, len(numbers))


def with_scalar(node: Binary, table: Table, scalar: Floats, *, swapped: bool) -> Table:
    """A table and a scalar (float64[steps]); `swapped`: the scalar stands on the left."""
    scalars = np.broadcast_to(scalar, table.values.shape)
    left, right = (scalars, table.values) if swapped else (table.values, scalars)
    if node.op in COMPARISONS:
        held = compare(node.op, left, right)
        if node.bool:
            return settled(Table(nameless(table.series), held.astype(np.float64), table.present))
        return Table(table.series, table.values, table.present & held)
    series = table.series if node.op in KEEPS_NAME else nameless(table.series)
    return settled(Table(series, operate(node.op, left, right), table.present))


def _set(op: str, left: Table, right: Table, groups: tuple[np.ndarray, np.ndarray], count: int) -> Table:
    steps = left.values.shape[1]
    if op == "or":
        there = _any(left, groups[0], count)[groups[1]] if len(right.series) else np.zeros((0, steps), np.bool_)
        series = [*left.series, *right.series]
        values = np.concatenate((left.values, right.values))
        return settled(Table(series, values, np.concatenate((left.present, right.present & ~there))))
    there = _any(right, groups[1], count)[groups[0]] if len(left.series) else np.zeros((0, steps), np.bool_)
    return settled(left._replace(present=left.present & (there if op == "and" else ~there)))


def _any(side: Table, groups: np.ndarray, count: int) -> Bools:
    """At which steps a group has anything, bool[count, steps]."""
    found = np.zeros((count, side.values.shape[1]), np.bool_)
    if len(groups):
        used, places = np.unique(groups, return_inverse=True)
        found[used] = fold(np.logical_or, side.present, places, len(used))
    return found


class _Pairs(NamedTuple):
    """Rows of the many side, each with a row of the one side."""

    many: np.ndarray
    one: np.ndarray


def _meet(node: Binary, many: Table, one: Table, groups: tuple[np.ndarray, np.ndarray], count: int) -> Table:
    """`many` meets `one`; of one-to-one the left is many."""
    many_groups, one_groups = groups
    # Where one side has nothing at all, nothing is matched and nothing can be wrong.
    both = many.present.any(axis=0) & one.present.any(axis=0)
    _only_one(one._replace(present=one.present & both), one_groups, "right" if node.matching.card != "one-to-many" else "left")
    pairs = _paired(many_groups, one_groups, count)
    if not len(pairs.many):
        return empty(many.values.shape[1])
    present = many.present[pairs.many] & one.present[pairs.one]
    a, b = many.values[pairs.many], one.values[pairs.one]
    left, right = (b, a) if node.matching.card == "one-to-many" else (a, b)
    if node.op in COMPARISONS:
        held = compare(node.op, left, right)
        values = held.astype(np.float64) if node.bool else left
        present = present if node.bool else present & held
    else:
        values = operate(node.op, left, right)
    series = _results(node, many.series, one.series, pairs)
    _only_match(node, series, present, many_groups[pairs.many])
    return settled(Table(series, values, present))


def _paired(many_groups: np.ndarray, one_groups: np.ndarray, count: int) -> _Pairs:
    """Each row of many with each row of one of its group: mostly there is one."""
    members: list[list[int]] = [[] for _ in range(count)]
    for row, group in enumerate(one_groups.tolist()):
        members[group].append(row)
    both = [(row, other) for row, group in enumerate(many_groups.tolist()) for other in members[group]]
    found = np.array(both, np.intp).reshape(-1, 2)
    return _Pairs(found[:, 0], found[:, 1])


def _only_one(one: Table, groups: np.ndarray, side: str) -> None:
    """Raise where a group has two series at one step on the side of one."""
    if len(set(groups.tolist())) == len(groups):
        return
    used, places = np.unique(groups, return_inverse=True)
    seen = fold(np.add, one.present.astype(np.int64), places, len(used))
    crowded = np.argwhere(seen > 1)
    if len(crowded):
        group, step = crowded[0]
        rows = [one.series[row].text() for row in np.flatnonzero((places == group) & one.present[:, step])[:2]]
        raise execution(
            f"found duplicate series for the match group on the {side} hand-side of the operation: [{', '.join(rows)}]"
            ";many-to-many matching not allowed: matching labels must be unique on one side"
        )


def _only_match(node: Binary, series: Sequence[Series], present: Bools, groups: np.ndarray) -> None:
    """Raise where a match is not unique: in one-to-one by its group, else by the labels of what comes out within the group."""
    if node.matching.card == "one-to-one":
        keys: list[object] = groups.tolist()
        why = "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
    else:
        keys = list(zip(groups.tolist(), series, strict=True))
        why = "multiple matches for labels: grouping labels must ensure unique matches"
    numbers: dict[object, int] = {}
    places = np.array([numbers.setdefault(one, len(numbers)) for one in keys], np.intp)
    if len(numbers) < len(keys) and (fold(np.add, present.astype(np.int64), places, len(numbers)) > 1).any():
        raise execution(why)


def _results(node: Binary, many: Sequence[Series], one: Sequence[Series], pairs: _Pairs) -> list[Series]:
    """The labels of what comes out."""
    matching = node.matching
    keeps = node.op in KEEPS_NAME and not node.bool
    wanted = frozenset(matching.labels)
    found = []
    for row, other in zip(pairs.many.tolist(), pairs.one.tolist(), strict=True):
        series = many[row]
        name, labels = series.name if keeps else "", series.labels
        if matching.card == "one-to-one":
            labels = tuple(pair for pair in labels if (pair[0] in wanted) is matching.on)
            name = name if not matching.on or NAME in wanted else ""
        if matching.include:
            mixed = dict(labels)
            for label in matching.include:
                value = one[other].name if label == NAME else one[other].label(label)
                if label == NAME:
                    name = value
                elif value:
                    mixed[label] = value
                else:
                    mixed.pop(label, None)
            labels = tuple(sorted(mixed.items()))
        found.append(Series(name, labels))
    return found
