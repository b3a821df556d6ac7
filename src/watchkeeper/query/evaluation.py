"""Walking a question's tree: each node once, for all steps together.

    parse → evaluate → reading (store) → tracks → overtime ┐
                                  pointwise, labelling, histograms, grouping, matching → Value

A scalar is float64[steps], a vector a `Table`; what a range selector gives exists only inside the function over
it. Raises Refused with the codes of `faults`; knows no page and no file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from watchkeeper.errors import Refused
from watchkeeper.model import ABSENT_BITS, NOT_A_NUMBER, Block, Series
from watchkeeper.query import overtime
from watchkeeper.query.faults import bad_data
from watchkeeper.query.functions import FUNCTIONS, Arguments
from watchkeeper.query.grouping import aggregate
from watchkeeper.query.labelling import told_by_matchers
from watchkeeper.query.matching import combine, with_scalar
from watchkeeper.query.parsing import parse, type_of
from watchkeeper.query.pointwise import compare, operate
from watchkeeper.query.reading import Account, Limits, Reader, asked_at
from watchkeeper.query.signatures import COMPARISONS, OVER_TIME
from watchkeeper.query.table import Bools, Floats, Ints, Steps, Table, distinct, empty, in_order, nameless, settled
from watchkeeper.query.tree import Aggregate, Binary, Call, Negative, Node, Number, Parens, Selector, Subquery, Text, Type
from watchkeeper.seams import Store

RANGE_FUNCTIONS = {*OVER_TIME, "quantile_over_time", "predict_linear", "holt_winters"}


class Value(NamedTuple):
    """An answer. `kind` is that of the expression; over a range a scalar and a vector are both told as ``matrix``.

    `times`: int64[steps], ms; `values`: float64[series, steps]; `present`: bool[series, steps]; a scalar is one
    nameless series. A range selector asked at an instant has its raw `samples` instead, a string its `text`.
    """

    kind: Type
    times: Ints
    series: tuple[Series, ...] = ()
    values: Floats = np.zeros((0, 0))
    present: Bools = np.zeros((0, 0), np.bool_)
    text: str = ""
    samples: tuple[tuple[Series, Ints, Floats], ...] = ()

    def lines(self) -> Iterator[tuple[Series, Ints, Floats]]:
        """Each series with its times and figures, absent ones left out; `times` itself where none is."""
        yield from self.samples
        for series, here, values in zip(self.series, self.present, self.values, strict=True):
            if here.all():
                yield series, self.times, values
            elif here.any():
                yield series, self.times[here], values[here]


def evaluate(question: str | Node, store: Store, start: int, end: int, step: int, limits: Limits) -> Value:
    """Answer a question over ``start``, ``start + step``, … up to `end` (ms); `step` 0: at `start` alone, an instant query.

    Over a range, series come sorted by their labels; at an instant in the order that the question gives them (sort, topk).
    Raises Refused: ``bad_data``, ``execution``, ``timeout``, ``too-much``.
    """
    tree = parse(question) if isinstance(question, str) else question
    kind = type_of(tree)
    if step < 0 or end < start:
        raise bad_data("end timestamp must not be before start time" if step >= 0 else "zero or negative step is not accepted")
    if step and kind not in {"scalar", "vector"}:
        names = {"matrix": "range vector", "string": "string"}
        raise Refused(
            f'invalid expression type "{names[kind]}" for range query, must be Scalar or instant Vector', code="bad_data"
        )
    steps = Steps(start, step or 1, (end - start) // step + 1 if step else 1)
    account = Account(limits)
    account.room(1, steps.count)
    walk = _Walk(Reader(store, account), steps, (start, end if step else start))
    if not step and kind in {"matrix", "string"}:
        return walk.plain(tree)
    found = walk.value(tree, steps)
    if isinstance(found, Table):
        found = settled(found)
        table = in_order(found) if step else found
        return Value("matrix" if step else kind, steps.times, tuple(table.series), table.values, table.present)
    values = np.broadcast_to(found, (1, steps.count))
    return Value("matrix" if step else kind, steps.times, (Series(""),), values, np.ones(values.shape, np.bool_))


class _Walk:
    """One question being answered. `outermost` are its own steps, `bounds` what start() and end() mean, in ms."""

    def __init__(self, reader: Reader, outermost: Steps, bounds: tuple[int, int]) -> None:
        self._reader = reader
        self._outermost = outermost
        self._bounds = bounds

    def plain(self, node: Node) -> Value:
        """A string, or a range vector at an instant."""
        while isinstance(node, Parens):
            node = node.inner
        times = self._outermost.times
        if isinstance(node, Text):
            return Value("string", times, text=node.value)
        if isinstance(node, Subquery):
            samples = self._subquery_samples(node)
        else:
            assert isinstance(node, Selector)
            samples = self._reader.samples(node, asked_at(node.at, node.offset, self._outermost, self._bounds))
        return Value("matrix", times, samples=tuple(samples))

    def value(self, node: Node, steps: Steps) -> Table | Floats:  # noqa: PLR0911  # a table of kinds
        """A scalar or a vector on these steps."""
        self._reader.account.look()
        match node:
            case Number(value=value):
                return np.full(steps.count, value)
            case Parens(inner=inner):
                return self.value(inner, steps)
            case Selector():
                return self._reader.instant(node, steps, self._bounds)
            case Negative(inner=inner):
                found = self.value(inner, steps)
                if not isinstance(found, Table):
                    return -found
                return distinct(Table(nameless(found.series), -found.values, found.present))
            case Binary():
                return self._binary(node, steps)
            case Aggregate():
                return self._aggregate(node, steps)
            case Call():
                return self._call(node, steps)
        raise AssertionError(f"no case for {type(node).__name__}")

    def scalar(self, node: Node, steps: Steps) -> Floats:
        """A node that the types say is a scalar."""
        found = self.value(node, steps)
        assert not isinstance(found, Table)
        return found

    def vector(self, node: Node, steps: Steps) -> Table:
        """A node that the types say is a vector."""
        found = self.value(node, steps)
        assert isinstance(found, Table)
        return found

    def _binary(self, node: Binary, steps: Steps) -> Table | Floats:
        left, right = self.value(node.left, steps), self.value(node.right, steps)
        if isinstance(left, Table):
            if isinstance(right, Table):
                return combine(node, left, right)
            return with_scalar(node, left, right, swapped=False)
        if isinstance(right, Table):
            return with_scalar(node, right, left, swapped=True)
        return compare(node.op, left, right).astype(np.float64) if node.op in COMPARISONS else operate(node.op, left, right)

    def _aggregate(self, node: Aggregate, steps: Steps) -> Table:
        parameter: Floats | str | None = None
        if isinstance(node.parameter, Text):
            parameter = node.parameter.value
        elif node.parameter is not None:
            inner = node.parameter
            while isinstance(inner, Parens):
                inner = inner.inner
            parameter = inner.value if isinstance(inner, Text) else self.scalar(inner, steps)
        return aggregate(node, self.vector(node.inner, steps), parameter)

    def _call(self, node: Call, steps: Steps) -> Table | Floats:
        if node.function in RANGE_FUNCTIONS:
            return self._over_time(node, steps)
        if node.function == "timestamp":
            inner = node.arguments[0]
            while isinstance(inner, Parens):
                inner = inner.inner
            if isinstance(inner, Selector):
                found = self._reader.instant(inner, steps, self._bounds, when=True)
                return settled(found._replace(series=nameless(found.series)))
        arguments = tuple(_text(one) if type_of(one) == "string" else self.value(one, steps) for one in node.arguments)
        return FUNCTIONS[node.function](Arguments(node, arguments, steps))

    def _over_time(self, node: Call, steps: Steps) -> Table:
        scalars = tuple(self.scalar(one, steps) for one in node.arguments if type_of(one) == "scalar")
        inner = next(one for one in node.arguments if type_of(one) == "matrix")
        while isinstance(inner, Parens):
            inner = inner.inner
        assert isinstance(inner, Selector | Subquery)
        ends = asked_at(inner.at, inner.offset, steps, self._bounds)
        window = overtime.Window(inner.window, ends, steps.times, scalars)
        function = overtime.FUNCTIONS[node.function]
        if isinstance(inner, Subquery):
            found = self._reader.over(self._subquery(inner, ends), window, function)
        else:
            found = self._reader.range(inner, window, function)
        if node.function == "absent_over_time":
            return missing(found, told_by_matchers(inner))
        if node.function != "last_over_time":
            found = found._replace(series=nameless(found.series))
        return distinct(found)

    def _subquery(self, node: Subquery, ends: Ints) -> list[Block]:
        """The inner expression on the subquery's own grid, as samples."""
        step = node.step or self._reader.account.limits.interval
        first = int(ends.min()) - node.window
        start = -(-first // step) * step if first >= 0 else int(first / step) * step
        start += step if start < first else 0
        count = (int(ends.max()) - start) // step + 1
        if count < 1:
            return []
        self._reader.account.room(1, count)
        steps = Steps(start, step, count)
        table = settled(self.vector(node.inner, steps))
        self._reader.account.spend(table.values.size, 0)
        if not len(table.series):
            return []
        values = np.where(table.present, _told(table.values), np.nan)
        return [Block(tuple(table.series), steps.times, values.T)]

    def _subquery_samples(self, node: Subquery) -> list[tuple[Series, Ints, Floats]]:
        ends = asked_at(node.at, node.offset, self._outermost, self._bounds)
        found = []
        for block in self._subquery(node, ends):
            inside = (block.times >= ends[0] - node.window) & (block.times <= ends[0])
            for column, series in enumerate(block.series):
                values = block.values[inside, column]
                there = values.view(np.int64) != ABSENT_BITS
                if there.any():
                    found.append((series, block.times[inside][there], values[there]))
        return found


def _told(values: Floats) -> Floats:
    """The same with every NaN as one that is a figure, not an absence."""
    return np.where(np.isnan(values), NOT_A_NUMBER, values)


def _text(node: Node) -> str:
    while isinstance(node, Parens):
        node = node.inner
    assert isinstance(node, Text)
    return node.value


def missing(found: Table, series: Series) -> Table:
    """1 at the steps where nothing was found."""
    gone: Bools = ~np.any(found.present, axis=0)
    return Table([series], np.ones((1, len(gone))), gone[None, :]) if gone.any() else empty(len(gone))
