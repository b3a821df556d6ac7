"""A program says of one source what the whole engine says: made expressions over made figures, answered by both."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.alert.compiling import Wanted, compile_rules
from watchkeeper.alert.locality import is_local
from watchkeeper.alert.source import Source
from watchkeeper.errors import Refused
from watchkeeper.model import NOT_A_NUMBER, STALE, Block, Matcher, Series, dictionary
from watchkeeper.query import Limits, evaluate, parse
from watchkeeper.store.finding import condition

AT = 1_760_000_000_000
METRICS = ("a", "b", "c")


def series(name: str, machine: str = "box", **labels: str) -> Series:
    """A series as the hub places it."""
    return Series(name, tuple(sorted((labels | {"machine": machine, "instance": machine}).items())))


COLUMNS = tuple(series(name, m=m, d=d) for name in METRICS for m in ("x", "y") for d in ("1", "2")) + tuple(
    series(name, m=m) for name in ("e", "f") for m in ("x", "y")
)
LAYOUT = dictionary(COLUMNS)


class OneInstant:
    """A store that knows one frame, and another machine's beside it."""

    def __init__(self, figures: Sequence[float]) -> None:
        self._blocks = [
            Block(COLUMNS, np.array([AT]), np.array([figures])),
            Block((series("a", "other", m="x", d="1"), series("e", "other", m="x")), np.array([AT]), np.array([[1.0, 2.0]])),
        ]

    def select(self, matchers: Sequence[Matcher], start: int, end: int, most: int | None = None) -> list[Block]:
        """What matches."""
        found = []
        for block in self._blocks:
            rows = [place for place, one in enumerate(block.series) if all(_fits(matcher, one) for matcher in matchers)]
            if rows and start <= AT <= end:
                found.append(Block(tuple(block.series[row] for row in rows), block.times, block.values[:, rows]))
        return found


def _fits(matcher: Matcher, one: Series) -> bool:
    return condition(matcher)(one.name if matcher.label == "__name__" else one.label(matcher.label))


def by_program(text: str, figures: Sequence[float]) -> dict[tuple[tuple[str, str], ...], float] | str:
    """What a program says of box, or why it cannot."""
    tree = parse(text)
    if why := is_local(tree):
        return why
    source = Source("box")
    source.take("5s", LAYOUT, AT, np.array(figures))
    program, left_out = compile_rules([Wanted(0, "holds", tree)], source.columns(frozenset("abcdef")), "box")
    if left_out:
        return left_out[0]
    registers = program.run(source.figures(AT), AT)
    return {
        source.real(out.labels): float(registers.values[out.register])
        for out in program.outs
        if registers.present[out.register]
    }


def by_engine(text: str, figures: Sequence[float]) -> dict[tuple[tuple[str, str], ...], float]:
    """What the engine says of box."""
    found = evaluate(text, OneInstant(figures), AT, AT, 0, Limits())  # type: ignore[arg-type]  # it asks for select alone
    return {
        one.labels: float(found.values[row, 0])
        for row, one in enumerate(found.series)
        if found.present[row, 0] and "other" not in (one.label("machine"), one.label("instance"))
    }


numbers = st.sampled_from(["0", "1", "2.5", "-1", "0.5", "time()", "(2 * 3)"])
names = st.sampled_from(
    ["a", "b", "c", 'a{m="x"}', 'b{d=~"1|2"}', 'c{m!="x"}', 'a{machine="box"}', 'b{instance!="box"}', "nothing"]
)
singles = st.sampled_from(["e", "f", 'e{m="x"}', 'f{machine=~"b.*"}'])
arithmetic = st.sampled_from(["+", "-", "*", "/", "%", "^"])
comparing = st.sampled_from(["<", ">", "<=", ">=", "==", "!="])
sets = st.sampled_from(["and", "or", "unless"])
meeting = st.sampled_from(["", "on(machine, m, d)", "ignoring(nothing)", "on(instance, m, d)"])


def wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions of expressions."""
    return st.one_of(
        st.tuples(inner, arithmetic, meeting, inner).map(lambda x: f"({x[0]} {x[1]} {x[2]} {x[3]})"),
        st.tuples(inner, comparing, st.sampled_from(["", "bool"]), numbers).map(lambda x: f"({x[0]} {x[1]} {x[2]} {x[3]})"),
        st.tuples(numbers, comparing, inner).map(lambda x: f"({x[0]} {x[1]} {x[2]})"),
        st.tuples(numbers, arithmetic, inner).map(lambda x: f"({x[0]} {x[1]} {x[2]})"),
        st.tuples(inner, comparing, inner).map(lambda x: f"({x[0]} {x[1]} {x[2]})"),
        st.tuples(inner, sets, st.sampled_from(["", "on(machine)", "on(machine, m)"]), inner).map(
            lambda x: f"({x[0]} {x[1]} {x[2]} {x[3]})"
        ),
        st.tuples(
            st.sampled_from(["sum", "min", "max", "avg", "count", "group"]),
            st.sampled_from(["by (machine)", "by (machine, m)", "without (d)", "by (instance, d)"]),
            inner,
        ).map(lambda x: f"{x[0]} {x[1]} ({x[2]})"),
        st.tuples(st.sampled_from(["abs", "ceil", "sqrt", "sgn", "exp"]), inner).map(lambda x: f"{x[0]}({x[1]})"),
        st.tuples(st.sampled_from(["clamp_min", "clamp_max", "round"]), inner, numbers).map(
            lambda x: f"{x[0]}({x[1]}, {x[2]})"
        ),
        st.tuples(inner, singles).map(lambda x: f"({x[0]} / on(machine, m) group_left() {x[1]})"),
        st.tuples(singles, inner).map(lambda x: f"({x[0]} * on(machine, m) group_right() {x[1]})"),
        inner.map(lambda x: f"-({x})"),
    )


expressions = st.recursive(st.one_of(names, singles), wider, max_leaves=8)
values = st.sampled_from([0.0, 1.0, 2.0, 3.5, -1.0, 1e9, math.inf, math.nan, NOT_A_NUMBER, STALE])


@settings(max_examples=400, deadline=None)
@given(expressions, st.lists(values, min_size=len(COLUMNS), max_size=len(COLUMNS)))
def test_a_program_says_what_the_engine_says(text: str, figures: list[float]) -> None:
    """Wherever a program answers, its labels and figures are the engine's.

    Where the engine sees a fault, no program answers.
    """
    mine = by_program(text, figures)
    if isinstance(mine, str):
        return
    theirs = by_engine(text, figures)
    assert mine.keys() == theirs.keys(), text
    for labels, value in mine.items():
        assert value == pytest.approx(theirs[labels], nan_ok=True, rel=1e-12), (text, labels)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("rate(a[5m]) > 1", "rate() needs more than the newest figures"),
        ("a offset 5m > 1", "it looks back"),
        ("sum(a) > 1", "it adds up over machines"),
        ("sum without (machine, instance) (a)", "it adds up over machines"),
        ("a / on(m) b", "it matches series of different machines"),
        ("absent(a)", "absent() needs more than the newest figures"),
        ("topk(1, a)", "topk needs all series at once"),
        ('{__name__=~"a|b"} > 1', "it names no metric"),
        ("vector(1)", "it is about no series"),
        ("a @ 5", "it looks back"),
        ("a[5m:1m]", "subquery needs more than the newest figures"),
    ],
)
def test_what_needs_more_than_one_source_is_left_to_the_engine(text: str, why: str) -> None:
    """Ranges, other machines and open selectors are told apart before any layout is known, each with its reason."""
    assert is_local(parse(text)) == why


def test_a_match_that_figures_decide_is_left_to_the_engine() -> None:
    """Two series on the side of one may be there one at a time: only the engine can tell."""
    assert by_program("e / on(machine, m) a", [1.0] * len(COLUMNS)) == "which of two series is meant depends on figures"
    with pytest.raises(Refused):
        by_engine("e / on(machine, m) a", [1.0] * len(COLUMNS))


def test_machines_of_one_layout_share_a_program_and_not_their_names() -> None:
    """What a program says of another machine bears that machine's name."""
    source = Source("other")
    layout = dictionary(
        tuple(Series(one.name, tuple((k, "other" if v == "box" else v) for k, v in one.labels)) for one in COLUMNS)
    )
    source.take("5s", layout, AT, np.ones(len(COLUMNS)))
    box = Source("box")
    box.take("5s", LAYOUT, AT, np.ones(len(COLUMNS)))
    read = frozenset("a")
    assert source.columns(read) == box.columns(read)
    program, _ = compile_rules([Wanted(0, "holds", parse("a > 0"))], source.columns(read), "other")
    assert {dict(source.real(out.labels))["machine"] for out in program.outs} == {"other"}
