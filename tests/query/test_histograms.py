"""Quantiles of many histograms at once: each the same as alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.model import Series
from watchkeeper.query.histograms import histogram_quantile
from watchkeeper.query.table import Table

SETS = (("0.5", "1", "+Inf"), ("0.5", "0.50", "2", "+Inf"), ("1", "2"), ("-1", "0", "3", "+Inf"), ("none", "+Inf"))
STEPS = 4


@st.composite
def made(draw: st.DrawFn) -> Table:
    """Some histograms of some sets of bounds, buckets missing here and there."""
    series, values, present = [], [], []
    for number in range(draw(st.integers(1, 6))):
        for bound in draw(st.sampled_from(SETS)):
            series.append(Series("wait_bucket", (("le", bound), ("number", str(number)))))
            values.append(draw(st.lists(st.sampled_from([0.0, 1.0, 3.0, 9.0, np.nan]), min_size=STEPS, max_size=STEPS)))
            present.append(draw(st.lists(st.sampled_from([True, True, True, False]), min_size=STEPS, max_size=STEPS)))
    return Table(series, np.array(values), np.array(present))


@given(made(), st.lists(st.sampled_from([-1.0, 0.0, 0.3, 0.9, 1.0, 2.0, np.nan]), min_size=STEPS, max_size=STEPS))
def test_each_histogram_is_answered_as_if_it_were_alone(table: Table, q: list[float]) -> None:
    """Also step by step: what stands beside it, and when, is nothing to it."""
    wanted = np.array(q)
    together = histogram_quantile(wanted, table)
    for place, histogram in enumerate(together.series):
        number = histogram.label("number")
        rows = [row for row, one in enumerate(table.series) if one.label("number") == number]
        for step in range(STEPS):
            only = Table(
                [table.series[row] for row in rows], table.values[rows, step : step + 1], table.present[rows, step : step + 1]
            )
            alone = histogram_quantile(wanted[step : step + 1], only)
            there = together.present[place, step]
            assert there == alone.present[0, 0]
            if there:
                np.testing.assert_array_equal(together.values[place, step], alone.values[0, 0])


def test_thousands_of_histograms_are_one_piece_of_work() -> None:
    """Of one set of bounds, with the right figure in each."""
    count = 3000
    bounds = ("1", "2", "+Inf")
    series = [Series("b", (("le", bound), ("n", str(n)))) for n in range(count) for bound in bounds]
    values = np.array([[float(total)] for _ in range(count) for total in (0, 4, 4)])
    found = histogram_quantile(np.array([0.25]), Table(series, values, np.ones(values.shape, np.bool_)))
    assert len(found.series) == count
    assert (found.values == 1.25).all()
