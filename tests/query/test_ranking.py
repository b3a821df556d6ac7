"""topk, bottomk and quantile over many groups at once: as one group after another, figure by figure."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.model import Series
from watchkeeper.query.ranking import extremes, quantile, sized
from watchkeeper.query.table import Table

FIGURES = st.sampled_from([None, math.nan, math.inf, -math.inf, -1.0, 0.0, 1.5, 2.5, 7.0])


@st.composite
def tables(draw: st.DrawFn) -> tuple[Table, np.ndarray]:
    """Rows of several groups, some figures absent, and each row's group."""
    steps = draw(st.integers(1, 3))
    groups = draw(st.lists(st.integers(0, 4), min_size=1, max_size=12))
    numbers = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    rows = [draw(st.lists(FIGURES, min_size=steps, max_size=steps)) for _ in groups]
    values = np.array([[0.0 if figure is None else figure for figure in row] for row in rows])
    present = np.array([[figure is not None for figure in row] for row in rows])
    series = [Series("x", (("row", str(row)),)) for row in range(len(groups))]
    return Table(series, values, present), np.array([numbers[group] for group in groups], np.intp)


def by_hand(figures: list[float], k: int, *, largest: bool) -> list[float]:
    """The first k in order, NaN last."""
    real = sorted((one for one in figures if not math.isnan(one)), reverse=largest)
    return [*real, *(math.nan for one in figures if math.isnan(one))][: max(0, k)]


def same(left: list[float], right: list[float]) -> bool:
    """NaN is NaN."""
    return np.array_equal(np.array(left), np.array(right), equal_nan=True)


@given(tables(), st.lists(st.integers(-1, 5), min_size=3, max_size=3), st.booleans())
def test_each_group_keeps_its_first_at_each_step(made: tuple[Table, np.ndarray], k: list[int], largest: bool) -> None:
    """As many as asked for at that step, absent ones never; at a single step in their order."""
    table, groups = made
    steps = table.values.shape[1]
    found = extremes(table, groups, np.array(k[:steps], np.float64), largest=largest)
    rows = [table.series.index(one) for one in found.series]
    for step in range(steps):
        for group in range(int(groups.max()) + 1):
            kept = [place for place, row in enumerate(rows) if groups[row] == group and found.present[place, step]]
            had = table.values[(groups == group) & table.present[:, step], step].tolist()
            told = found.values[kept, step].tolist()
            expected = by_hand(had, k[step], largest=largest)
            assert same(told if steps == 1 else by_hand(told, len(told), largest=largest), expected)
    if steps == 1:
        assert groups[rows].tolist() == sorted(groups[rows].tolist())


@given(tables(), st.sampled_from([-0.5, 0.0, 0.3, 0.5, 1.0, 1.5, math.nan]))
def test_the_quantile_of_each_group_is_that_of_its_figures_alone(made: tuple[Table, np.ndarray], q: float) -> None:
    """Whatever stands beside them."""
    table, groups = made
    steps = table.values.shape[1]
    names = [Series("", (("group", str(group)),)) for group in range(int(groups.max()) + 1)]
    found = quantile(table, names, groups, np.full(steps, q))
    for group, name in enumerate(names):
        mine = table.keep(np.flatnonzero(groups == group))
        alone = quantile(mine, [name], np.zeros(len(mine.series), np.intp), np.full(steps, q))
        assert np.array_equal(found.values[group], alone.values[0], equal_nan=True)
        assert (found.present[group] == alone.present[0]).all()


@pytest.mark.parametrize(
    ("figures", "q", "expected"),
    [([1.0, 2.0, 4.0], 0.75, 3.0), ([4.0, math.nan, 2.0], 0.5, 2.0), ([3.0], 2.0, math.inf), ([3.0], -1.0, -math.inf)],
)
def test_known_quantiles(figures: list[float], q: float, expected: float) -> None:
    """Interpolated; NaN is less than anything."""
    table = Table(
        [Series(str(one)) for one in range(len(figures))], np.array(figures)[:, None], np.ones((len(figures), 1), bool)
    )
    assert quantile(table, [Series("")], np.zeros(len(figures), np.intp), np.array([q])).values[0, 0] == expected


def test_rows_come_by_the_size_of_their_group() -> None:
    """Each row once, groups of one size together."""
    assert [some.tolist() for some in sized(np.array([2, 0, 2, 1, 2, 0, 3]))] == [[[3], [6]], [[1, 5]], [[0, 2, 4]]]
