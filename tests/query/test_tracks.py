"""Blocks as flat samples with windows: the same samples that each window has by definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.model import NOT_A_NUMBER, STALE, STALE_BITS, Block, Series
from watchkeeper.query.tracks import merged, tracks

CELLS = st.sampled_from([1.0, 2.5, -3.0, float("nan"), NOT_A_NUMBER, STALE, float("inf")])


@st.composite
def made(draw: st.DrawFn) -> list[Block]:
    """Some blocks of different axes."""
    blocks = []
    for number in range(draw(st.integers(1, 3))):
        times = np.array(sorted(draw(st.sets(st.integers(0, 60), min_size=1, max_size=12))), np.int64)
        columns = draw(st.integers(1, 3))
        cells = draw(st.lists(CELLS, min_size=len(times) * columns, max_size=len(times) * columns))
        series = tuple(Series(f"m{number}", (("column", str(column)),)) for column in range(columns))
        blocks.append(Block(series, times, np.array(cells).reshape(len(times), columns)))
    return blocks


@given(made(), st.integers(0, 30), st.booleans())
def test_each_window_has_the_samples_of_its_span(blocks: list[Block], length: int, stale: bool) -> None:
    """Both ends included; absent cells left out, stale markers too unless asked for; NaN is a sample."""
    ends = np.arange(0, 70, 7, dtype=np.int64)
    wanted = {}
    for block in blocks:
        for column, series in enumerate(block.series):
            bits = np.ascontiguousarray(block.values[:, column]).view(np.int64)
            there = bits != np.array([float("nan")]).view(np.int64)[0]
            there &= stale | (bits != STALE_BITS)
            for end in ends.tolist():
                inside = there & (block.times >= end - length) & (block.times <= end)
                wanted[series, end] = (block.times[inside].tolist(), bits[inside].tolist())
    found = {}
    for part in tracks(blocks, ends - length, ends, stale=stale):
        for row, series in enumerate(part.series):
            for step, end in enumerate(ends.tolist()):
                first, last, shift = part.first[row, step], part.last[row, step], part.shift[row]
                bits = part.values[first:last].view(np.int64).tolist()
                found[series, end] = (part.times[first + shift : last + shift].tolist(), bits)
    assert found == wanted


def test_a_series_of_two_streams_becomes_one() -> None:
    """An agent whose period was changed goes on in another stream: one line of figures, of two at an instant the later's."""
    a, b = Series("a"), Series("b")
    first = Block((a, b), np.array([10, 20]), np.array([[1.0, 5.0], [2.0, 6.0]]))
    second = Block((a,), np.array([20, 30]), np.array([[7.0], [3.0]]))
    one, two = sorted(merged([first, second]), key=lambda block: block.series[0].name)
    assert (one.series, one.times.tolist(), one.values.ravel().tolist()) == ((a,), [10, 20, 30], [1.0, 7.0, 3.0])
    assert (two.series, two.values.ravel().tolist()) == ((b,), [5.0, 6.0])
