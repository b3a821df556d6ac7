"""From rules to a program for one layout: which registers meet is settled once, by labels; figures come later.

`locality` has said of each rule that its answer for a source depends on that source's newest figures alone; a match that only
figures can decide is `NotHere` all the same, and the whole engine (`query`) answers such a rule. What a program answers and
what the engine answers are the same; a test holds them against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from watchkeeper.alert.locality import OF_SOURCE, NotHere
from watchkeeper.alert.program import REDUCTIONS, UNARY, Out, Program, Step
from watchkeeper.alert.shape import NAME, metric
from watchkeeper.model import Labels, Matcher, Series
from watchkeeper.query.matching import key_of
from watchkeeper.query.parsing import type_of
from watchkeeper.query.signatures import COMPARISONS
from watchkeeper.query.table import fullest
from watchkeeper.query.tree import Aggregate, Binary, Call, Negative, Node, Number, Parens, Selector
from watchkeeper.store.finding import condition

PLACEHOLDER = "\0"
"""Stands for the source's name, so that machines of one layout share a program."""


class Wanted(NamedTuple):
    """One expression of a rule: what `kind` of answer its result is (see `program.Out`)."""

    rule: int
    kind: str
    tree: Node


class Row(NamedTuple):
    """One series of an expression on the way: its labels, and the register that will have its figure."""

    series: Series
    register: int


class _Op(msgspec.Struct):
    """A register to be made: `level` is when it can be."""

    op: str
    left: tuple[int, ...]
    right: int
    level: int


def compile_rules(
    wanted: Sequence[Wanted], columns: Sequence[Series | None], name: str, *, alone: bool = False
) -> tuple[Program, dict[int, str]]:
    """A program over a layout, and the rules that cannot be answered by it, with why.

    `columns` have `PLACEHOLDER` where the source's `name` stands; None: not to be read. `alone`: no other source tells these
    metrics, so that its series may speak of any machine (the hub's own figures).
    """
    compiler = _Compiler(columns, name, alone=alone)
    outs: list[Out] = []
    left_out: dict[int, str] = {}
    for one in wanted:
        if one.rule in left_out:
            continue
        try:
            found = compiler.rows(one.tree)
            if len({row.series.labels for row in found}) < len(found):
                raise NotHere("two series of its answer have the same labels")
        except NotHere as why:
            left_out[one.rule] = str(why)
            continue
        outs += [Out(one.rule, one.kind, row.series.labels, row.register) for row in found]
    outs = [out for out in outs if out.rule not in left_out]
    return compiler.program(outs), left_out


class _Compiler:
    """Registers and steps, as they are asked for."""

    def __init__(self, columns: Sequence[Series | None], name: str, *, alone: bool) -> None:
        self._name = name
        self._alone = alone
        self._columns = columns
        self._by_name: dict[str, list[int]] = {}
        for place, series in enumerate(columns):
            if series is not None:
                self._by_name.setdefault(series.name, []).append(place)
        self._used: dict[int, int] = {}
        self._constants: dict[float, int] = {}
        self._clock: int | None = None
        self._ops: list[_Op] = []
        self._levels: dict[int, int] = {}
        self._known: dict[tuple[str, tuple[int, ...], int], int] = {}
        self._next = 0

    # -- from trees to registers ------------------------------------------------------------------

    def rows(self, tree: Node) -> list[Row]:
        """The series that a vector expression has in this layout."""
        match tree:
            case Parens(inner=inner):
                return self.rows(inner)
            case Selector():
                return self._selected(tree)
            case Negative(inner=inner):
                minus = self._constant(-1.0)
                return _nameless([Row(row.series, self._op("*", (row.register,), minus)) for row in self.rows(inner)])
            case Call():
                return self._called(tree)
            case Aggregate():
                return self._aggregated(tree)
            case Binary():
                return self._combined(tree)
        raise NotHere(f"{type(tree).__name__.lower()} needs more than the newest figures")

    def scalar(self, tree: Node) -> int:
        """The register of a scalar expression."""
        match tree:
            case Parens(inner=inner):
                return self.scalar(inner)
            case Number(value=value):
                return self._constant(value)
            case Negative(inner=inner):
                return self._op("*", (self.scalar(inner),), self._constant(-1.0))
            case Call(function="time"):
                if self._clock is None:
                    self._clock = self._new(0)
                return self._clock
            case Binary(op=op, left=left, right=right):
                called = f"bool{op}" if op in COMPARISONS else op
                return self._op(called, (self.scalar(left),), self.scalar(right))
        raise NotHere("this scalar needs more than the newest figures")

    def _selected(self, node: Selector) -> list[Row]:
        conditions = [(one.label, self._condition(one)) for one in node.matchers if one.label != NAME]
        found = []
        for place in self._by_name.get(metric(node), ()):
            series = self._columns[place]
            assert series is not None
            if not self._alone and (series.label("machine") != PLACEHOLDER or series.label("instance") != PLACEHOLDER):
                raise NotHere(f"{series.name} comes with another machine's name")
            if all(holds(series.label(label)) for label, holds in conditions):
                found.append(Row(series, self._column(place)))
        return found

    def _condition(self, matcher: Matcher) -> Callable[[str], bool]:
        holds = condition(matcher)
        if matcher.label not in OF_SOURCE or self._alone:
            return holds
        answer = holds(self._name)
        return lambda _: answer

    def _called(self, node: Call) -> list[Row]:
        name, arguments = node.function, node.arguments
        if name == "vector":
            raise NotHere("it is about no machine")
        rows = self.rows(arguments[0])
        if name in UNARY:
            return _nameless([Row(row.series, self._op(name, (row.register,), row.register)) for row in rows])
        by = self.scalar(arguments[1]) if len(arguments) > 1 else self._constant(1.0)
        op = {"clamp_min": "most", "clamp_max": "least", "round": "round"}[name]
        return _nameless([Row(row.series, self._op(op, (row.register,), by)) for row in rows])

    def _aggregated(self, node: Aggregate) -> list[Row]:
        groups: dict[Labels, list[int]] = {}
        wanted = frozenset(node.labels)
        for row in self.rows(node.inner):
            labels = fullest(row.series) if NAME in wanted and not node.without else row.series.labels
            key = tuple(pair for pair in labels if (pair[0] in wanted) is not node.without)
            groups.setdefault(key, []).append(row.register)
        return [Row(Series("", key), self._op(node.op, tuple(some), 0)) for key, some in groups.items()]

    def _combined(self, node: Binary) -> list[Row]:
        scalars = type_of(node.left) == "scalar", type_of(node.right) == "scalar"
        if scalars == (True, True):
            raise NotHere("it is about no series")
        if any(scalars):
            return self._with_scalar(node, swapped=scalars[0])
        left, right = self.rows(node.left), self.rows(node.right)
        if node.op in {"and", "or", "unless"}:
            return self._set(node, left, right)
        return self._matched(node, left, right)

    def _with_scalar(self, node: Binary, *, swapped: bool) -> list[Row]:
        rows = self.rows(node.right if swapped else node.left)
        scalar = self.scalar(node.left if swapped else node.right)
        found = []
        for row in rows:
            if node.op in COMPARISONS and not node.bool:
                op = _MIRRORED[node.op] if swapped else node.op
                found.append(Row(row.series, self._op(op, (row.register,), scalar)))
                continue
            op = f"bool{node.op}" if node.bool else node.op
            pair = (scalar, row.register) if swapped else (row.register, scalar)
            found.append(Row(Series("", row.series.labels), self._op(op, pair[:1], pair[1])))
        return found

    def _set(self, node: Binary, left: list[Row], right: list[Row]) -> list[Row]:
        key = key_of(node.matching)
        groups: dict[Labels, list[int]] = {}
        for row in left if node.op == "or" else right:
            groups.setdefault(key(row.series), []).append(row.register)
        there = {labels: self._any(some) for labels, some in groups.items()}
        if node.op == "or":
            return self._either(left, right, there, key)
        found = []
        for row in left:
            other = there.get(key(row.series))
            if other is not None:
                found.append(Row(row.series, self._op(node.op, (row.register,), other)))
            elif node.op == "unless":
                found.append(row)
        return found

    def _either(
        self, left: list[Row], right: list[Row], there: dict[Labels, int], key: Callable[[Series], Labels]
    ) -> list[Row]:
        # No two of one set of labels are there at once: the right one is left out where the left one is.
        found = {row.series.labels: row.register for row in left}
        for row in right:
            other = there.get(key(row.series))
            register = row.register if other is None else self._op("unless", (row.register,), other)
            known = found.get(row.series.labels)
            found[row.series.labels] = register if known is None else self._op("pick", (known,), register)
        return [Row(Series("", labels), register) for labels, register in found.items()]

    def _any(self, registers: list[int]) -> int:
        found = registers[0]
        for other in registers[1:]:
            found = self._op("any", (found,), other)
        return found

    def _matched(self, node: Binary, left: list[Row], right: list[Row]) -> list[Row]:
        matching, key = node.matching, key_of(node.matching)
        swapped = matching.card == "one-to-many"
        many, one = (right, left) if swapped else (left, right)
        ones: dict[Labels, Row] = {}
        for row in one:
            if ones.setdefault(key(row.series), row) is not row:
                raise NotHere("which of two series is meant depends on figures")
        found: dict[Series, Row] = {}
        groups: set[Labels] = set()
        for row in many:
            group = key(row.series)
            other = ones.get(group)
            if other is None:
                continue
            if matching.card == "one-to-one" and group in groups:
                raise NotHere("which of two series is meant depends on figures")
            groups.add(group)
            a, b = (other, row) if swapped else (row, other)
            op = f"bool{node.op}" if node.bool else node.op
            fresh = Row(_result(node, row.series, other.series), self._op(op, (a.register,), b.register))
            if found.setdefault(fresh.series, fresh) is not fresh:
                raise NotHere("two series of its answer have the same labels")
        return list(found.values())

    # -- registers --------------------------------------------------------------------------------

    def _new(self, level: int) -> int:
        register = self._next
        self._next += 1
        self._levels[register] = level
        return register

    def _column(self, place: int) -> int:
        if place not in self._used:
            self._used[place] = self._new(0)
        return self._used[place]

    def _constant(self, value: float) -> int:
        if value not in self._constants:
            self._constants[value] = self._new(0)
        return self._constants[value]

    def _op(self, op: str, left: tuple[int, ...], right: int) -> int:
        """A register for this operation; the same one for the same operation, whichever rule asks."""
        key = (op, left, right)
        if key not in self._known:
            level = 1 + max(self._levels[one] for one in (left if op in REDUCTIONS else (*left, right)))
            self._known[key] = self._new(level)
            self._ops.append(_Op(op, left, right, level))
        return self._known[key]

    def program(self, outs: list[Out]) -> Program:
        """Everything in its final place: inputs first, then level by level what can be worked on together."""
        order = sorted(range(len(self._ops)), key=lambda place: (self._ops[place].level, self._ops[place].op))
        made = list(self._known.values())
        place = {register: number for number, register in enumerate(self._used.values())}
        for register in self._constants.values():
            place[register] = len(place)
        constants = list(self._constants)
        if self._clock is not None:
            place[self._clock] = len(place)
            constants.append(0.0)
        for number in order:
            place[made[number]] = len(place)
        steps: list[Step] = []
        batch: list[int] = []
        for position, number in enumerate(order):
            batch.append(number)
            one = self._ops[number]
            following = self._ops[order[position + 1]] if position + 1 < len(order) else None
            if following is None or (following.level, following.op) != (one.level, one.op):
                steps.append(self._step(one.op, [self._ops[some] for some in batch], place[made[batch[0]]], place))
                batch = []
        columns = np.array(list(self._used), np.intp)
        clock = -1 if self._clock is None else place[self._clock]
        settled = [out._replace(register=place[out.register]) for out in outs]
        return Program(columns, np.array(constants), clock, len(place), steps, settled)

    @staticmethod
    def _step(op: str, ops: list[_Op], low: int, place: dict[int, int]) -> Step:
        left = np.array([place[register] for one in ops for register in one.left], np.intp)
        starts = np.cumsum([0, *(len(one.left) for one in ops[:-1])]).astype(np.intp)
        right = np.array([place.get(one.right, 0) for one in ops], np.intp)
        return Step(op, low, low + len(ops), left, right, starts)


_MIRRORED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}


def _nameless(rows: list[Row]) -> list[Row]:
    return [Row(Series("", row.series.labels), row.register) for row in rows]


def _result(node: Binary, many: Series, one: Series) -> Series:
    """The labels of what comes of two series; names are dropped, since no alert has one."""
    matching = node.matching
    wanted = frozenset(matching.labels)
    labels = many.labels
    if matching.card == "one-to-one":
        labels = tuple(pair for pair in labels if (pair[0] in wanted) is matching.on)
    if matching.include:
        mixed = dict(labels)
        for label in matching.include:
            if value := one.label(label):
                mixed[label] = value
            else:
                mixed.pop(label, None)
        labels = tuple(sorted(mixed.items()))
    return Series("", labels)
