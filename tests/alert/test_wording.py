"""What a message says of an alert's figure."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.alert.rules import make
from watchkeeper.alert.settings import RuleSettings
from watchkeeper.alert.wording import narrowed, shown, slope, threshold, unit
from watchkeeper.model import Matcher
from watchkeeper.query import parse
from watchkeeper.query.tree import Node, Selector

HOUR = 3_600_000
MINUTE = 60_000


@pytest.mark.parametrize(
    ("expr", "words"),
    [
        ("a_bytes < 1073741824", "below 1GiB"),
        ("a_seconds > 90", "above 1m 30s"),
        ("a >= 2.5", "at or above 2.5"),
        ("max_over_time(a_bytes[5m]) > 1024", "above 1kiB"),
        ("sum(a_seconds) <= 60", "at or below 1m 0s"),
        ("a_bytes / b_bytes * 100 > 90", "above 90"),
        ("a > b", ""),
        ("vector(1)", ""),
    ],
)
def test_against_what_it_is_held(expr: str, words: str) -> None:
    """One number, in the unit that the metric's name tells; where there is none, nothing is said."""
    rule = make(RuleSettings(alert="A", expr=expr), interval=15, where="x:1", file="x", group="g")
    assert threshold(rule) == words


def test_units_are_told_where_the_shape_tells_them() -> None:
    """A quotient of bytes is no bytes."""
    told = {
        text: unit(parse(text)) for text in ("a_bytes", "-(a_bytes)", "a_bytes - b", "a_bytes / b_bytes", "rate(a_bytes[5m])")
    }
    assert told == {"a_bytes": "B", "-(a_bytes)": "B", "a_bytes - b": "B", "a_bytes / b_bytes": "", "rate(a_bytes[5m])": ""}


def test_how_it_moves() -> None:
    """By the median of all slopes: one spike says nothing of the trend."""
    rising = [(at * MINUTE, 1024.0**3 * at / 60) for at in range(60)]
    assert slope(rising, "B") == "rising by 1GiB an hour"
    assert slope([(at, -value) for at, value in rising], "B") == "falling by 1GiB an hour"
    spiked = [*rising[:30], (30 * MINUTE, 1e15), *rising[31:]]
    assert slope(spiked, "B").startswith("rising by 1")
    assert slope([(at * MINUTE, 5.0) for at in range(60)], "") == "level over the last hour"
    assert slope(rising[:4], "B") == ""
    assert slope([(at * MINUTE, math.nan) for at in range(60)], "") == ""


@given(st.lists(st.tuples(st.integers(0, HOUR), st.floats(width=32)), max_size=40), st.sampled_from(["", "B", "s"]))
def test_any_trend_has_words(trend: list[tuple[int, float]], kind: str) -> None:
    """Also one at a single instant, with infinities or holes."""
    assert isinstance(slope(trend, kind), str)


@given(st.floats(), st.sampled_from(["", "B", "s"]))
def test_any_figure_has_words(value: float, kind: str) -> None:
    """Never empty."""
    assert shown(value, kind)


def selectors(tree: Node) -> list[Selector]:
    """All of an expression, by its text."""
    if isinstance(tree, Selector):
        return [tree]
    children = [getattr(tree, name, None) for name in ("inner", "left", "right")]
    children += list(getattr(tree, "arguments", ()))
    return [one for child in children if child is not None and not isinstance(child, str) for one in selectors(child)]


def test_narrowed_means_some_series_alone() -> None:
    """Every selector gets the condition, wherever it stands."""
    wanted = Matcher("machine", "=", "box")
    tree = narrowed(parse("sum(rate(a[5m])) / -(b + max_over_time(c[1h:1m])) > 3"), (wanted,))
    assert len(selectors(tree)) == 3
    assert all(wanted in one.matchers for one in selectors(tree))
