"""Leaks of known slope are found in noise, and what only fills up, or stands still, is no leak."""

from __future__ import annotations

import numpy as np
import pytest

from watchkeeper.stress.analysis.slope import slope

MB = 1 << 20


def series(seconds: int, leak: float, noise: float, seed: int, level: float = 100 * MB) -> tuple[np.ndarray, np.ndarray]:
    """A second apart."""
    at = np.arange(seconds, dtype=float)
    return at, level + leak * at + noise * np.random.default_rng(seed).standard_normal(seconds)


@pytest.mark.parametrize("leak", [0.1 * MB, 1 * MB])
def test_a_leak_of_known_slope_is_within_a_tenth(leak: float) -> None:
    """A tenth of a megabyte a second under noise of half a megabyte, two minutes long: named, and the interval holds it."""
    at, values = series(120, leak, 0.5 * MB, 1)
    found = slope(at, values)
    assert found is not None
    assert found.word == "grows"
    assert found.slope == pytest.approx(leak, rel=0.1)
    assert found.low <= leak <= found.high
    assert found.growth == pytest.approx(leak * 119, rel=0.1)
    assert found.per_hour == pytest.approx(leak * 3600, rel=0.1)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Eighteen of twenty at least, with noise that remembers (each second half of the one before)."""
    held = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        noise = np.zeros(200)
        for place in range(1, 200):
            noise[place] = 0.5 * noise[place - 1] + rng.standard_normal()
        found = slope(np.arange(200.0), 50 + 0.02 * np.arange(200.0) + noise)
        assert found is not None
        held += found.low <= 0.02 <= found.high
    assert held >= 18


def test_noise_is_steady_nineteen_times_in_twenty() -> None:
    """No leak where there is none."""
    words = []
    for seed in range(40):
        found = slope(*series(120, 0, 0.5 * MB, seed))
        assert found is not None
        words.append(found.word)
    assert words.count("steady") >= 38
    assert "grows" not in words


def test_what_fills_up_settles() -> None:
    """A cache that is full after a third of the time is no leak."""
    at = np.arange(180.0)
    found = slope(at, 100 * MB + 20 * MB * np.minimum(at / 60, 1) + 0.1 * MB * np.random.default_rng(1).standard_normal(180))
    assert found is not None
    assert found.word in {"settles", "steady"}


def test_outliers_do_not_make_a_leak() -> None:
    """Ten collections that show as spikes late in the run."""
    at, values = series(120, 0, 0.1 * MB, 5)
    values[100::2] += 50 * MB
    found = slope(at, values)
    assert found is not None
    assert found.word != "grows"


def test_steps_of_a_counter_of_files_are_found() -> None:
    """One descriptor each ten seconds: whole numbers, many ties."""
    at = np.arange(300.0)
    found = slope(at, 20 + np.floor(at / 10), least=3)
    assert found is not None
    assert found.word == "grows"
    assert found.slope == pytest.approx(0.1, rel=0.1)


def test_a_shrinking_series_and_a_short_or_broken_one() -> None:
    """Downwards is told; less than eight points, or all of one instant, is nothing; what is not finite is left out."""
    at, values = series(60, -MB, 0.1 * MB, 2)
    found = slope(at, values)
    assert found is not None
    assert found.word == "shrinks"
    assert slope([0, 1, 2], [1, 2, 3]) is None
    assert slope([1.0] * 20, list(range(20))) is None
    values[::3] = np.nan
    again = slope(at, values)
    assert again is not None
    assert again.points == 40


def test_long_series_are_thinned_and_say_the_same() -> None:
    """Six hours of seconds."""
    found = slope(*series(21_600, 1000, 0.5 * MB, 3))
    assert found is not None
    assert found.points == 240
    assert found.slope == pytest.approx(1000, rel=0.05)
