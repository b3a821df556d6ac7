"""Answers as Prometheus' API puts them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigs import figures
from rigs.prometheus import Prometheus
from watchkeeper.query import Limits, evaluate, told
from watchkeeper.query.telling import figure, texts
from watchkeeper.store import FrameStore


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (-0.0, "-0"),
        (0.1, "0.1"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e-6, "0.0000015"),
        (1e-7, "1e-07"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_figures_are_written_as_go_writes_them(value: float, text: str) -> None:
    """Positional within the usual sizes."""
    assert figure(value) == text


@given(st.floats(allow_nan=False))
def test_a_figure_is_read_back_as_it_was(value: float) -> None:
    """To the last bit."""
    assert float(figure(value)) == value


@given(st.lists(st.one_of(st.floats(), st.floats(-1e5, 1e5), st.integers(-(10**16), 10**16).map(float)), max_size=8))
def test_many_figures_are_written_as_one_by_one(values: list[float]) -> None:
    """Whichever encoder writes them."""
    assert texts(np.array(values, np.float64)) == [figure(value) for value in values]


@pytest.mark.parametrize(
    "question",
    [
        "temperature",
        "odd",
        "wide",
        "sum(level)",
        "time()",
        '"text"',
        "temperature[1m]",
        "scalar(capacity{machine='a'})",
        "nosuch",
    ],
)
def test_answers_have_the_shape_that_prometheus_gives_them(pair: tuple[Prometheus, FrameStore], question: str) -> None:
    """Kinds, labels, times and texts, word for word; in any order."""
    prometheus, store = pair
    at = figures.END
    theirs = prometheus.instant(question, at)
    ours = told(evaluate(question, store, at, at, 0, Limits()))
    assert ours["resultType"] == theirs.kind
    assert plain(ours["result"]) == plain(theirs.data)


def plain(result: list) -> list:
    """Tuples as lists, series in the order of their labels."""
    if result and isinstance(result[0], dict):
        return sorted(
            (sorted(one["metric"].items()), [list(point) for point in one.get("values", [one.get("value")])]) for one in result
        )
    return list(result)
