"""Intervals hold the truth as often as they say, halves are halves, and ranks tell what differs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from watchkeeper.stress.analysis.chance import (
    FEWEST,
    Interval,
    halves,
    interval,
    mann_whitney,
    quantile,
    quantile_interval,
    ratio_interval,
)

EDGES = np.geomspace(1e-3, 10, 800)


def counted(rng: np.random.Generator, blocks: int, each: int, scale: float = 0.1) -> np.ndarray:
    """Blocks of exponential times, counted in buckets."""
    return np.stack(
        [np.histogram(rng.exponential(scale, each), np.concatenate(([0], EDGES)))[0] for _ in range(blocks)]
    ).astype(float)


def test_a_quantile_is_the_upper_end_of_its_bucket() -> None:
    """Ranks as HdrHistogram has them; nothing counted is NaN."""
    values = np.array([1.0, 2.0, 3.0])
    assert quantile(np.array([1.0, 1.0, 2.0]), values, 0.5) == 2.0
    assert quantile(np.array([1.0, 1.0, 2.0]), values, 0.51) == 3.0
    assert math.isnan(quantile(np.zeros(3), values, 0.5))


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_intervals_hold_the_true_quantile_nine_times_in_ten(share: float) -> None:
    """Of an exponential time the quantiles are known; 95 % are promised, 20 blocks are few, so nine in ten are asked."""
    rng = np.random.default_rng(1)
    true = -0.1 * math.log(1 - share)
    held = 0
    for _ in range(40):
        found = quantile_interval(counted(rng, 20, 300), EDGES, share)
        assert found is not None
        assert found.low <= found.value <= found.high
        held += found.low <= true * 1.005 and found.high >= true * 0.995
    assert held >= 36


def test_too_few_blocks_give_no_interval() -> None:
    """Rather than a narrow one."""
    rng = np.random.default_rng(2)
    assert quantile_interval(counted(rng, FEWEST - 1, 100), EDGES, 0.5) is None
    assert ratio_interval([counted(rng, 3, 10)], [counted(rng, 30, 10)], EDGES, 0.5) is None
    assert interval([1.0, math.nan, 2.0]) is None


def test_blocks_that_differ_make_a_wide_interval() -> None:
    """What changes from block to block is uncertainty, however many values each has."""
    rng = np.random.default_rng(3)
    calm = quantile_interval(counted(rng, 20, 2000), EDGES, 0.95)
    moody = quantile_interval(np.concatenate([counted(rng, 1, 2000, 0.05 + 0.1 * (n % 3)) for n in range(20)]), EDGES, 0.95)
    assert calm is not None
    assert moody is not None
    assert moody.spread > 3 * calm.spread


def test_the_mean_of_samples_has_an_interval() -> None:
    """Of repeated runs; the same each time that it is asked."""
    found = interval([10.0, 11.0, 9.0, 10.5, 9.5])
    assert found == interval([10.0, 11.0, 9.0, 10.5, 9.5])
    assert found is not None
    assert found.value == 10.0
    assert 9.2 < found.low < 9.8
    assert 10.2 < found.high < 10.8
    assert found.spread == pytest.approx((found.high - found.low) / 20)
    assert Interval(0.0, -1.0, 1.0).spread == math.inf


def test_a_ratio_of_a_tenth_is_found_and_none_is_not() -> None:
    """Second over first; several runs carry what differs between them into the interval."""
    rng = np.random.default_rng(4)
    slower = ratio_interval([counted(rng, 30, 3000)], [counted(rng, 30, 3000, 0.11)], EDGES, 0.95)
    assert slower is not None
    assert slower.low > 1.03
    assert slower.high < 1.17
    same = ratio_interval([counted(rng, 30, 3000)], [counted(rng, 30, 3000)], EDGES, 0.95)
    assert same is not None
    assert same.low < 1 < same.high
    strayed = ratio_interval(
        [counted(rng, 10, 3000, scale) for scale in (0.08, 0.1, 0.12)],
        [counted(rng, 10, 3000, scale) for scale in (0.08, 0.1, 0.12)],
        EDGES,
        0.95,
    )
    assert strayed is not None
    assert strayed.spread > 3 * same.spread


def test_halves_tell_a_drift() -> None:
    """The second half of a run that became slower by half."""
    rng = np.random.default_rng(5)
    found = halves(np.concatenate((counted(rng, 5, 5000), counted(rng, 5, 5000, 0.15))), EDGES, 0.5)
    assert found is not None
    assert found.change == pytest.approx(0.5, abs=0.1)
    assert halves(counted(rng, 1, 10), EDGES, 0.5) is None


def test_ranks_agree_with_the_textbook() -> None:
    """Mann-Whitney: U and p of a worked example, ties and all, and no answer from too few."""
    found = mann_whitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10])
    assert found is not None
    assert found.greater == 1.0
    assert found.p == pytest.approx(0.01219, abs=1e-4)  # z = (12.5 - 0.5) / sqrt(25 * 11 / 12)
    same = mann_whitney([1, 1, 1, 1, 1], [1, 1, 1, 1, 1])
    assert same is not None
    assert same == (1.0, 0.5)
    assert mann_whitney([1, 2, 3], [4, 5, 6, 7, 8]) is None
