"""Histograms count what they are given to three digits, merge, and speak HdrHistogram's own form."""

from __future__ import annotations

import base64
import math
from contextlib import suppress

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.stress.histogram import (
    BUCKETS,
    DIGITS,
    HIGHEST,
    LOWEST,
    Histogram,
    Recorder,
    lower,
    place,
    poured,
    unpacked,
    upper,
)

durations = st.lists(st.integers(0, HIGHEST), max_size=300)


def histogram(values: list[int]) -> Histogram:
    """One that has counted these."""
    found = Histogram()
    found.take(values)
    return found


@given(durations)
def test_every_value_is_within_its_bucket(values: list[int]) -> None:
    """The bucket's ends enclose the value, and lie within a thousandth of it (or 64 ns) of each other."""
    for value, index in zip(values, place(np.array(values, np.int64)).tolist(), strict=True):
        assert 0 <= index < BUCKETS
        assert lower(index) <= value <= upper(index)
        assert upper(index) - lower(index) < max(LOWEST, value / 1000)


@settings(deadline=None)
@given(durations)
def test_the_reference_implementation_agrees(values: list[int]) -> None:
    """HdrHistogram reads what we pack, finds the same percentiles, and we read what it packs."""
    ours = histogram(values)
    theirs = HdrHistogram(LOWEST, HIGHEST, DIGITS)
    for value in values:
        theirs.record_value(value)
    assert np.array_equal(unpacked(base64.b64decode(theirs.encode())).counts, ours.counts)
    if values:
        read = HdrHistogram.decode(base64.b64encode(ours.packed()))
        assert read.get_total_count() == len(values)
        for share in (0.5, 0.9, 0.99, 0.999, 1.0):
            expected = theirs.get_value_at_percentile(share * 100)
            assert read.get_value_at_percentile(share * 100) == expected


@given(durations, durations)
def test_merging_is_counting_both(one: list[int], other: list[int]) -> None:
    """Whoever counts, and in whichever order, the sum is the same; also through a worker's drain and the packed form."""
    recorder, whole = Recorder(), Histogram()
    recorder.values.extend(one)
    poured(whole, recorder.drain())
    recorder.values.extend(other)
    poured(whole, recorder.drain())
    assert recorder.drain() is None
    merged = unpacked(histogram(one).packed()).merge(unpacked(histogram(other).packed()))
    assert np.array_equal(whole.counts, merged.counts)
    assert whole.total == merged.total == len(one) + len(other)
    assert np.array_equal(whole.counts, histogram(one + other).counts)


@given(durations.filter(bool), st.floats(0, 1))
def test_a_quantile_is_the_value_of_its_rank(values: list[int], share: float) -> None:
    """Within three digits, the value that so many do not exceed."""
    rank = max(1, math.ceil(share * len(values) - 1e-9))
    exact = sorted(values)[rank - 1]
    assert exact <= histogram(values).quantile(share) <= exact * 1.001 + LOWEST


def test_what_is_out_of_range_counts_at_the_ends() -> None:
    """A clock that went back, or an hour and more, breaks nothing."""
    found = histogram([-5, HIGHEST * 10])
    assert found.total == 2
    assert found.counts[0] == 1
    assert lower(int(np.flatnonzero(found.counts)[-1])) <= HIGHEST


def test_an_empty_one_has_no_figures() -> None:
    """NaN rather than nought, and nothing to write."""
    empty = Histogram()
    assert math.isnan(empty.quantile(0.5))
    assert math.isnan(empty.mean)
    assert empty.packed() == b""
    assert unpacked(b"").total == 0


def test_counts_up_to_a_limit() -> None:
    """For a share of good ones."""
    found = histogram([1_000_000] * 3 + [50_000_000] * 2)
    assert (found.at_most(2_000_000), found.at_most(60_000_000)) == (3, 5)
    assert found.mean == pytest.approx((3e6 + 100e6) / 5, rel=1e-3)


@pytest.mark.parametrize(
    "damage", [lambda text: text[:-3], lambda text: b"x" + text[1:], lambda text: text[:8], lambda text: text[:2]]
)
def test_damage_is_refused(damage) -> None:
    """What is no histogram raises ValueError and nothing else."""
    with pytest.raises(ValueError, match=r"histogram"):
        unpacked(damage(histogram(list(range(0, 10**9, 10**6))).packed()))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(text: bytes) -> None:
    """No bytes make the reader do anything else than read or raise ValueError."""
    with suppress(ValueError):
        unpacked(text)


def test_other_buckets_are_refused() -> None:
    """Counts that mean other durations must not be added to ours."""
    theirs = HdrHistogram(1, HIGHEST, 2)
    theirs.record_value(7)
    with pytest.raises(ValueError, match="other buckets"):
        unpacked(base64.b64decode(theirs.encode()))
