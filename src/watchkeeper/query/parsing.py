"""From text to a tree: `promql-parser` does the grammar, this room what differs from Prometheus 2.42.

Literals are put back (see `lexing`), functions and types are checked against our own tables, regular
expressions by RE2, which is what Prometheus matches with. Answers are kept: rules and pages ask the same again.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import promql_parser as grammar

from watchkeeper.errors import Refused
from watchkeeper.model import Matcher
from watchkeeper.model import Matching as Op
from watchkeeper.query.faults import bad_data
from watchkeeper.query.lexing import NEWER, OLDER, Prepared, prepare
from watchkeeper.query.locating import located
from watchkeeper.query.signatures import AGGREGATIONS, ARITHMETIC, COMPARISONS, FUNCTIONS, NATIVE_HISTOGRAMS, SETS
from watchkeeper.query.tree import (
    Aggregate,
    At,
    Binary,
    Call,
    Matching,
    Negative,
    Node,
    Number,
    Parens,
    Selector,
    Subquery,
    Text,
    Type,
)
from watchkeeper.store.finding import expression

DEEPEST = 120
"""Levels of a tree: what can be walked without fear for the stack."""
_OPS: dict[str, Op] = {"MatchOp.Equal": "=", "MatchOp.NotEqual": "!=", "MatchOp.Re": "=~", "MatchOp.NotRe": "!~"}
_CARDS = {"OneToOne": "one-to-one", "ManyToOne": "many-to-one", "OneToMany": "one-to-many", "ManyToMany": "many-to-many"}
_NAMES = {"scalar": "scalar", "vector": "instant vector", "matrix": "range vector", "string": "string"}


@lru_cache(maxsize=1024)
def parse(text: str) -> Node:
    """The tree of a question; raises Refused (``bad_data``) with what is wrong."""
    prepared = prepare(text)
    try:
        found = grammar.parse(prepared.text)
    except ValueError as fault:
        raise located(prepared, str(fault)) from None
    return _Reader(prepared).node(found, 0)


def type_of(node: Node) -> Type:  # noqa: PLR0911  # a table of kinds
    """What a node evaluates to."""
    match node:
        case Number():
            return "scalar"
        case Text():
            return "string"
        case Selector(window=window):
            return "matrix" if window else "vector"
        case Subquery():
            return "matrix"
        case Call(function=function):
            return FUNCTIONS[function].gives
        case Negative(inner=inner) | Parens(inner=inner):
            return type_of(inner)
        case Binary(left=left, right=right):
            return "scalar" if type_of(left) == type_of(right) == "scalar" else "vector"
        case _:
            return "vector"


class _Reader:
    """Reads one parsed question with its literals."""

    def __init__(self, prepared: Prepared) -> None:
        self._strings = prepared.strings
        self._numbers = prepared.numbers
        self._durations = prepared.durations

    def node(self, found: Any, depth: int) -> Node:  # noqa: C901, PLR0911  # a table of kinds
        """One node and all below it."""
        if depth > DEEPEST:
            raise bad_data(f"more than {DEEPEST} levels within one another")
        match found:
            case grammar.NumberLiteral():
                return Number(self._number(found.val))
            case grammar.StringLiteral():
                return Text(self._strings[int(found.val) - 1])
            case grammar.ParenExpr():
                return Parens(self.node(found.expr, depth + 1))
            case grammar.UnaryExpr():
                return self._unary(found, depth)
            case grammar.VectorSelector():
                return self._selector(found, 0)
            case grammar.MatrixSelector():
                return self._selector(found.vector_selector, self._duration(found.range))
            case grammar.SubqueryExpr():
                return self._subquery(found, depth)
            case grammar.Call():
                return self._call(found, depth)
            case grammar.AggregateExpr():
                return self._aggregate(found, depth)
            case grammar.BinaryExpr():
                return self._binary(found, depth)
        raise bad_data(f"unknown expression {type(found).__name__}")

    def _number(self, place: float) -> float:
        value = self._numbers[int(abs(place)) - 1]
        return -value if place < 0 else value

    def _duration(self, span: Any) -> int:
        """A timedelta of so many seconds as the parser gives it; None is nothing."""
        if span is None:
            return 0
        place: int = span.days * 86_400 + span.seconds
        return self._durations[place - 1] if place > 0 else -self._durations[-place - 1]

    def _unary(self, found: Any, depth: int) -> Node:
        inner = self.node(found.expr, depth + 1)
        if type_of(inner) not in {"scalar", "vector"}:
            kind = _NAMES[type_of(inner)]
            raise bad_data(f"unary expression only allowed on expressions of type scalar or instant vector, got {kind!r}")
        return Number(-inner.value) if isinstance(inner, Number) else Negative(inner)

    def _selector(self, found: Any, window: int) -> Selector:
        if found.matchers.or_matchers:
            raise bad_data("unexpected <or> in label matching")
        matchers = [Matcher("__name__", "=", found.name)] if found.name is not None else []
        matchers += [Matcher(one.name, _OPS[str(one.op)], self._strings[int(one.value) - 1]) for one in found.matchers.matchers]
        if found.name is not None and any(one.label == "__name__" for one in matchers[1:]):
            raise bad_data(f"metric name must not be set twice: {found.name!r} or {matchers[1].value!r}")
        empty = [_matches_empty(one) for one in matchers]  # a list, so that each expression is looked at
        if all(empty):
            raise bad_data("vector selector must contain at least one non-empty matcher")
        return Selector(tuple(matchers), window, self._duration(found.offset), self._at(found.at))

    def _at(self, found: Any) -> At:
        if found is None:
            return None
        kind = str(found.type).rpartition(".")[2]
        if kind != "At":
            return "start" if kind == "Start" else "end"
        # The parser holds instants as microseconds since the epoch; ours is a place in the table.
        seconds = self._number(found.at.timestamp())
        if not abs(seconds) < 9.2e15:
            raise bad_data(f"timestamp out of bounds for @ modifier: {seconds:f}")
        return float(int(seconds * 1000 + (0.5 if seconds >= 0 else -0.5)))

    def _subquery(self, found: Any, depth: int) -> Node:
        inner = self.node(found.expr, depth + 1)
        if type_of(inner) != "vector":
            raise bad_data(f"subquery is only allowed on instant vector, got {type_of(inner)} instead")
        return Subquery(
            inner, self._duration(found.range), self._duration(found.step), self._duration(found.offset), self._at(found.at)
        )

    def _call(self, found: Any, depth: int) -> Node:
        name = OLDER if found.func.name == NEWER else found.func.name
        signature = FUNCTIONS.get(name)
        if name in NATIVE_HISTOGRAMS:
            raise bad_data(f"{name} works on native histograms, which are not supported")
        if signature is None:
            raise bad_data(f'unknown function with name "{name}"')
        arguments = tuple(self.node(one, depth + 1) for one in found.args)
        least, most = len(signature.takes) - signature.optional, len(signature.takes)
        if len(arguments) < least or (len(arguments) > most and not signature.endless):
            wanted = str(least) if least == most else f"{least} to {most}"
            raise bad_data(f'expected {wanted} argument(s) in call to "{name}", got {len(arguments)}')
        for place, one in enumerate(arguments):
            _expect(one, signature.takes[min(place, most - 1)], f'call to function "{name}"')
        return Call(name, arguments)

    def _aggregate(self, found: Any, depth: int) -> Node:
        op = str(found.op)
        if op not in AGGREGATIONS:
            raise bad_data(f'unknown function with name "{op}"')
        inner = self.node(found.expr, depth + 1)
        _expect(inner, "vector", "aggregation expression")
        wanted = AGGREGATIONS[op]
        parameter = None if found.param is None else self.node(found.param, depth + 1)
        if parameter is not None and wanted is not None:
            _expect(parameter, "scalar" if wanted == "scalar" else "string", "aggregation parameter")
        elif (parameter is None) != (wanted is None):
            raise bad_data("wrong number of arguments for aggregate expression provided")
        modifier = found.modifier
        labels = tuple(modifier.labels) if modifier is not None else ()
        return Aggregate(op, inner, parameter, labels, modifier is not None and str(modifier.type).endswith("Without"))

    def _binary(self, found: Any, depth: int) -> Node:
        op = str(found.op)
        left, right = self.node(found.lhs, depth + 1), self.node(found.rhs, depth + 1)
        modifier = found.modifier
        wants_bool = modifier is not None and modifier.return_bool
        if op not in COMPARISONS | SETS | ARITHMETIC:
            raise bad_data(f"unexpected {op!r}")
        both = [type_of(left), type_of(right)]
        if not set(both) <= {"scalar", "vector"}:
            raise bad_data("binary expression must contain only scalar and instant vector types")
        if wants_bool and op not in COMPARISONS:
            raise bad_data("bool modifier can only be used on comparison operators")
        if op in COMPARISONS and not wants_bool and both == ["scalar", "scalar"]:
            raise bad_data("comparisons between scalars must use BOOL modifier")
        if op in SETS and "scalar" in both:
            raise bad_data(f"set operator {op!r} not allowed in binary scalar expression")
        matching = Matching("many-to-many" if op in SETS else "one-to-one")
        if modifier is not None:
            fills = modifier.fill_values
            if fills is not None and (fills.lhs is not None or fills.rhs is not None):
                raise bad_data("unexpected <fill>")
            matching = _matching(modifier)
            if matching.labels and "scalar" in both:
                raise bad_data("vector matching only allowed between instant vectors")
        return Binary(op, left, right, matching, wants_bool)


def _matching(modifier: Any) -> Matching:
    card = _CARDS[str(modifier.card).rpartition(".")[2]]
    include = tuple(modifier.group_labels or ()) if hasattr(modifier, "group_labels") else ()
    if modifier.matching is None:
        return Matching(card, include=include)  # type: ignore[arg-type]  # one of the four
    on = str(modifier.matching.type).endswith("Include")
    labels = tuple(modifier.matching.labels)
    if on and (both := sorted(set(labels) & set(include))):
        raise bad_data(f"label {both[0]!r} must not occur in ON and GROUP clause at once")
    return Matching(card, on, labels, include)  # type: ignore[arg-type]  # one of the four


def _expect(node: Node, wanted: Type, where: str) -> None:
    if type_of(node) != wanted:
        raise bad_data(f"expected type {_NAMES[wanted]} in {where}, got {_NAMES[type_of(node)]}")


def _matches_empty(matcher: Matcher) -> bool:
    if matcher.op in {"=", "!="}:
        return (matcher.value == "") is (matcher.op == "=")
    try:
        return (expression(matcher.value).fullmatch("") is not None) is (matcher.op == "=~")
    except Refused as fault:
        raise bad_data(fault.why) from None
