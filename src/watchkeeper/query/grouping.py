"""Aggregations: many series into one for each group of labels, at every step.

Series of a group are brought together and folded along their rows. Sums are plain, as in 2.42; NaN takes part
as the figure that it is; what is absent does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from watchkeeper.model import Labels, Series
from watchkeeper.query.faults import execution
from watchkeeper.query.lexing import LABEL
from watchkeeper.query.ranking import extremes, quantile
from watchkeeper.query.table import Floats, Table, empty, fold
from watchkeeper.query.tree import Aggregate

NAME = "__name__"


def aggregate(node: Aggregate, table: Table, parameter: Floats | str | None) -> Table:
    """Fold a table; `parameter`: float64[steps] or a label's name. Raises Refused (``execution``) on one that cannot be."""
    alive = np.flatnonzero(table.present.any(axis=1))
    if node.op == "count_values":
        assert isinstance(parameter, str)
        if not LABEL.fullmatch(parameter):
            raise execution(f'invalid label name "{parameter}"')
        return _count_values(node, table, parameter)
    if node.op in {"topk", "bottomk"}:
        assert isinstance(parameter, np.ndarray)
        _check_k(parameter)
    if len(alive) < len(table.series):
        table = table.keep(alive)
    if not len(table.series):
        return empty(table.values.shape[1])
    results, groups = grouped(node, table.series)
    if node.op in {"topk", "bottomk"}:
        assert isinstance(parameter, np.ndarray)
        return extremes(table, groups, parameter, largest=node.op == "topk")
    if node.op == "quantile":
        assert isinstance(parameter, np.ndarray)
        return quantile(table, results, groups, parameter)
    there = fold(np.logical_or, table.present, groups, len(results))
    return Table(results, _FOLDS[node.op](table, groups, len(results)), there)


def grouped(node: Aggregate, series: Sequence[Series]) -> tuple[list[Series], np.ndarray]:
    """What the groups are called, and each row's group."""
    wanted = frozenset(node.labels)
    results: dict[tuple[str, Labels], int] = {}
    groups = []
    named = NAME in wanted and not node.without
    for one in series:
        labels = tuple(pair for pair in one.labels if (pair[0] in wanted) is not node.without) if wanted or node.without else ()
        groups.append(results.setdefault((one.name if named else "", labels), len(results)))
    return [Series(*key) for key in results], np.array(groups, np.intp)


def _sum(table: Table, groups: np.ndarray, count: int) -> Floats:
    with np.errstate(all="ignore"):
        return fold(np.add, np.where(table.present, table.values, 0.0), groups, count)


def _count(table: Table, groups: np.ndarray, count: int) -> Floats:
    return fold(np.add, table.present.astype(np.float64), groups, count)


def _avg(table: Table, groups: np.ndarray, count: int) -> Floats:
    """The mean. Where adding up overflows it is taken of parts, of equal figures it is that figure: a running mean has both."""
    with np.errstate(all="ignore"):
        sums = _sum(table, groups, count)
        counts = _count(table, groups, count)
        mean = sums / counts
        if not np.isfinite(sums).all():
            scaled = _sum(table._replace(values=table.values / 1024.0), groups, count) / counts * 1024.0
            mean = np.where(np.isfinite(sums), mean, scaled)
        least = _least(table, groups, count)
        return np.where((least == _most(table, groups, count)) & ~np.isnan(mean), least, mean)


def _least(table: Table, groups: np.ndarray, count: int) -> Floats:
    return fold(np.fmin, np.where(table.present, table.values, np.nan), groups, count)


def _most(table: Table, groups: np.ndarray, count: int) -> Floats:
    return fold(np.fmax, np.where(table.present, table.values, np.nan), groups, count)


def _group(table: Table, _: np.ndarray, count: int) -> Floats:
    return np.ones((count, table.values.shape[1]))


def _stdvar(table: Table, groups: np.ndarray, count: int) -> Floats:
    """The mean square of deviations, of figures relative to the group's least; nought of a single figure, whatever it is."""
    with np.errstate(all="ignore"):
        counts = _count(table, groups, count)
        moved = table._replace(values=table.values - _least(table, groups, count)[groups])
        middle = (_sum(moved, groups, count) / counts)[groups]
        found = _sum(moved._replace(values=(moved.values - middle) ** 2), groups, count) / counts
        return np.where(counts == 1, 0.0, found)


def _stddev(table: Table, groups: np.ndarray, count: int) -> Floats:
    return np.sqrt(_stdvar(table, groups, count))


_FOLDS: dict[str, Callable[[Table, np.ndarray, int], Floats]] = {
    "sum": _sum,
    "count": _count,
    "avg": _avg,
    "min": _least,
    "max": _most,
    "group": _group,
    "stdvar": _stdvar,
    "stddev": _stddev,
}


def _check_k(k: Floats) -> None:
    wrong = k[~(np.abs(k) < 9.2e18)]
    if len(wrong):
        raise execution(f"Scalar value {wrong[0]} overflows int64")


def _count_values(node: Aggregate, table: Table, label: str) -> Table:
    """How many series of each group have each figure: one row per group and figure."""
    rows, steps = np.nonzero(table.present)
    figures, places = np.unique(table.values[rows, steps], return_inverse=True)
    texts = [_written(figure) for figure in figures.tolist()]
    pairs, which = np.unique(np.stack((rows, places.ravel())), axis=1, return_inverse=True)
    marked = [
        Series(table.series[row].name, tuple(sorted((dict(table.series[row].labels) | {label: texts[place]}).items())))
        for row, place in pairs.T.tolist()
    ]
    wanted = node if node.without else Aggregate(node.op, node.inner, node.parameter, (*node.labels, label))
    results, groups = grouped(wanted, marked)
    counts = np.zeros((len(results), table.values.shape[1]))
    np.add.at(counts, (groups[which.ravel()], steps), 1.0)
    return Table(results, counts, counts > 0)


def _written(figure: float) -> str:
    """As Go writes a float without an exponent."""
    if figure != figure:  # noqa: PLR0124  # NaN
        return "NaN"
    if figure in {np.inf, -np.inf}:
        return "+Inf" if figure > 0 else "-Inf"
    return np.format_float_positional(figure, trim="-")
