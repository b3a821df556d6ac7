"""The law's parameters are found where it holds, with intervals that hold them, and it is refused where it does not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from watchkeeper.stress.analysis.usl import curve, fit, line

LEVELS = np.array([1, 2, 4, 8, 16, 32, 64], np.float64)


def noisy(scale: float, contention: float, coherency: float, noise: float, seed: int) -> np.ndarray:
    """Throughput by the law, so many percent off."""
    rng = np.random.default_rng(seed)
    return curve(LEVELS, scale, contention, coherency) * (1 + noise * rng.standard_normal(len(LEVELS)))


def test_known_parameters_are_found() -> None:
    """Without noise to a part in a hundred, and where the peak is: N* = sqrt((1 - sigma) / kappa)."""
    found = fit(LEVELS, curve(LEVELS, 1000, 0.03, 0.0005))
    assert not found.refused
    assert found.scale.value == pytest.approx(1000, rel=0.01)
    assert found.contention.value == pytest.approx(0.03, rel=0.03)
    assert found.coherency.value == pytest.approx(0.0005, rel=0.03)
    assert found.peak_n == pytest.approx(math.sqrt(0.97 / 0.0005), rel=0.02)
    assert line(found, [found.peak_n])[0] == pytest.approx([found.peak])
    assert found.explained > 0.999


def test_intervals_hold_the_truth_under_noise() -> None:
    """Three percent of noise on seven levels: eight of ten fits or more have each parameter in its interval."""
    held = np.zeros(3)
    for seed in range(10):
        found = fit(LEVELS, noisy(1000, 0.03, 0.0005, 0.03, seed))
        for place, (one, true) in enumerate(((found.scale, 1000), (found.contention, 0.03), (found.coherency, 0.0005))):
            held[place] += one.low * 0.98 <= true <= one.high * 1.02
    assert held.min() >= 8


def test_a_queue_has_a_ceiling_and_no_peak() -> None:
    """Kappa = 0: throughput tends to lambda / sigma, and no best N is claimed."""
    found = fit(LEVELS, curve(LEVELS, 500, 0.1, 0.0))
    assert not found.refused
    assert found.peak_n is None
    assert found.ceiling == pytest.approx(5000, rel=0.05)


def test_a_peak_far_beyond_what_was_seen_is_not_claimed() -> None:
    """N* at 316, seen up to 64."""
    found = fit(LEVELS, curve(LEVELS, 500, 0.0, 0.00001))
    assert found.peak_n is None


@pytest.mark.parametrize(
    ("n", "x", "why"),
    [
        ([1, 2], [1, 2], "2 levels"),
        ([1, 2, 4, 8, 16], [1, 2, 4, 8, 16], "5 levels"),
        ([10, 11, 12, 13, 14, 15], [10, 11, 12, 13, 14, 15], "varied only"),
        ([1, 2, 4, 8, 16, 32], [900, 20, 700, 30, 800, 10], "do not lie on such a curve"),
        ([math.nan, 0, 1], [1, 1, math.inf], "0 levels"),
    ],
)
def test_what_is_no_such_curve_is_refused(n: list[float], x: list[float], why: str) -> None:
    """Too few, too narrow, too far off, nothing at all: with the reason, never with an exception."""
    assert why in fit(n, x).refused


def test_the_band_is_around_the_curve() -> None:
    """Low below, high above, at every N."""
    found = fit(LEVELS, noisy(1000, 0.03, 0.0005, 0.02, 1))
    middle, low, high = (np.array(one) for one in line(found, LEVELS.tolist()))
    assert (low <= middle * 1.0001).all()
    assert (middle <= high * 1.0001).all()
    assert line(fit([1, 2], [1, 2]), [1.0]) == ([], [], [])
