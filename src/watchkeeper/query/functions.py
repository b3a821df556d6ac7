"""Functions over vectors and scalars: from a name to what it does with its evaluated arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from watchkeeper.model import Series
from watchkeeper.query import labelling
from watchkeeper.query.histograms import histogram_quantile
from watchkeeper.query.pointwise import MATHS, date, rounded
from watchkeeper.query.signatures import DATES
from watchkeeper.query.table import Bools, Floats, Steps, Table, nameless, settled
from watchkeeper.query.tree import Call


class Arguments(NamedTuple):
    """A call, what its arguments are, and the steps they are on."""

    node: Call
    values: tuple[Table | Floats | str, ...]
    steps: Steps

    def table(self, place: int = 0) -> Table:
        """An argument that is a vector."""
        found = self.values[place]
        assert isinstance(found, Table)
        return found

    def scalar(self, place: int) -> Floats:
        """An argument that is a scalar, float64[steps]."""
        found = self.values[place]
        assert isinstance(found, np.ndarray)
        return found

    def texts(self) -> list[str]:
        """The arguments that are strings."""
        return [one for one in self.values if isinstance(one, str)]


Function = Callable[[Arguments], Table | Floats]


def _mapped(work: Callable[[Floats], Floats], table: Table) -> Table:
    with np.errstate(all="ignore"):
        return settled(Table(nameless(table.series), work(table.values), table.present))


def _maths(name: str) -> Function:
    return lambda arguments: _mapped(MATHS[name], arguments.table())


def _date(name: str) -> Function:
    def dated(arguments: Arguments) -> Table:
        if arguments.values:
            return _mapped(lambda values: date(name, values), arguments.table())
        return _single(date(name, np.floor_divide(arguments.steps.times, 1000).astype(np.float64)))

    return dated


def _single(values: Floats) -> Table:
    return Table([Series("")], values[None, :], np.ones((1, len(values)), np.bool_))


def _absent(arguments: Arguments) -> Table:
    gone: Bools = ~np.any(arguments.table().present, axis=0)
    series = labelling.told_by_matchers(arguments.node.arguments[0])
    return Table([series], np.ones((1, len(gone))), gone[None, :])


def _scalar(arguments: Arguments) -> Floats:
    """The only figure of a step; NaN where there are none or several."""
    table = arguments.table()
    if not len(table.series):
        return np.full(arguments.steps.count, np.nan)
    row = table.present.argmax(axis=0)
    return np.where(table.present.sum(axis=0) == 1, table.values[row, np.arange(len(row))], np.nan)


def _round(arguments: Arguments) -> Table:
    nearest = arguments.scalar(1) if len(arguments.values) > 1 else np.ones(arguments.steps.count)
    return _mapped(lambda values: rounded(values, nearest), arguments.table())


def _clamp(arguments: Arguments) -> Table:
    least, most = arguments.scalar(1), arguments.scalar(2)
    table = arguments.table()
    table = table._replace(present=table.present & ~(most < least))
    return _mapped(lambda values: np.maximum(least, np.minimum(most, values)), table)


def _sorted(arguments: Arguments, *, down: bool) -> Table:
    """By the figures of the only step, NaN last; over a range order means nothing."""
    table = arguments.table()
    if arguments.steps.count != 1:
        return table
    table = table.keep(np.flatnonzero(table.present[:, 0]))
    figures = table.values[:, 0]
    return table.keep(np.argsort(-figures if down else figures, kind="stable"))


def _label_replace(arguments: Arguments) -> Table:
    table = arguments.table()
    return settled(table._replace(series=labelling.label_replace(table.series, *arguments.texts())))


def _label_join(arguments: Arguments) -> Table:
    table = arguments.table()
    target, separator, *sources = arguments.texts()
    return settled(table._replace(series=labelling.label_join(table.series, target, separator, sources)))


FUNCTIONS: dict[str, Function] = (
    {name: _maths(name) for name in MATHS}
    | {name: _date(name) for name in DATES}
    | {
        "absent": _absent,
        "clamp": _clamp,
        "clamp_max": lambda some: _mapped(lambda values: np.minimum(some.scalar(1), values), some.table()),
        "clamp_min": lambda some: _mapped(lambda values: np.maximum(some.scalar(1), values), some.table()),
        "histogram_quantile": lambda some: histogram_quantile(some.scalar(0), some.table(1)),
        "label_join": _label_join,
        "label_replace": _label_replace,
        "pi": lambda some: np.full(some.steps.count, np.pi),
        "round": _round,
        "scalar": _scalar,
        "sort": lambda some: _sorted(some, down=False),
        "sort_desc": lambda some: _sorted(some, down=True),
        "time": lambda some: some.steps.times / 1000,
        "timestamp": lambda some: _mapped(lambda values: np.broadcast_to(some.steps.times / 1000, values.shape), some.table()),
        "vector": lambda some: _single(np.broadcast_to(some.scalar(0), some.steps.count)),
    }
)
"""What `signatures.FUNCTIONS` names, but for the functions over time."""
