"""Knee, ceiling and breaking point of curves that are known in closed form."""

from __future__ import annotations

import math

import pytest

from watchkeeper.stress.analysis.capacity import Level, bend, breaking, ceiling, power, sureness


def queue(offered: float, mu: float = 1000.0, word: str = "held") -> Level:
    """M/M/1 at this rate; beyond mu only mu is done, and time is a queue of ten seconds."""
    if offered >= mu:
        return Level(offered, offered, mu, 5.0, 9.0, 10.0, 5.0, 0.0, "broken")
    mean = 1 / (mu - offered)
    quantiles = [mean * math.log(1 / (1 - share)) for share in (0.5, 0.95, 0.99)]
    return Level(offered, offered, offered, *quantiles, mean, 0.0, word)


LEVELS = [queue(rate) for rate in (100, 200, 300, 400, 500, 600, 700, 800, 900, 950, 1100, 1500)]


def test_the_power_of_one_clerk_is_greatest_at_half_its_rate() -> None:
    """X/R = x(mu - x), greatest at mu / 2."""
    assert power(LEVELS) == 500
    assert power(LEVELS[:3]) is None
    assert power(LEVELS[5:]) is None, "the best lies below what was looked at"


def test_the_ceiling_is_what_is_done_whatever_is_due() -> None:
    """Of the levels that fell behind; none that did, none."""
    found = ceiling(LEVELS)
    assert found is not None
    assert (found.value, found.low, found.high) == (1000, 1000, 1000)
    assert ceiling(LEVELS[:8]) is None


def test_the_breaking_point_is_where_work_is_left() -> None:
    """Not where time merely rose: at 1,100/s, as 950/s still kept up."""
    found = breaking(LEVELS)
    assert found is not None
    assert (found.level, found.below) == (1100, 950)
    assert "1,000/s were done" in found.why
    assert breaking(LEVELS[:10]) is None
    failing = breaking([*LEVELS[:5], Level(550, 550, 545, 0.1, 0.1, 0.1, 0.1, 0.02, "broken")])
    assert failing is not None
    assert failing.why == "2.00% failed"


def test_a_bend_is_found_where_there_is_one() -> None:
    """p95 flat up to 600/s, doubling each 100/s from there; a straight line has none, nor has what was seen five times."""
    curve = [Level(rate, rate, rate, 1, 0.01 * 2 ** (max(0, rate - 600) / 100), 1, 1, 0) for rate in range(100, 1100, 100)]
    assert bend(curve) == 600
    straight = [Level(rate, rate, rate, 1, 0.01 * 2 ** (rate / 300), 1, 1, 0) for rate in range(100, 1100, 100)]
    assert bend(straight) is None
    assert bend(curve[:5]) is None


def test_how_sure_a_level_is_shows_in_its_tries() -> None:
    """950 held once and broke once: surely up to 900, surely not from 1,000."""
    tries = [queue(800), queue(900), queue(950, word="broken"), queue(950), queue(1000), queue(960, word="unsure")]
    found = sureness(tries)
    assert found is not None
    assert (found.surely, found.surely_not, found.levels, found.tries) == (900, 1000, 4, 5)
    assert sureness([queue(100, word="unsure")]) is None


def test_littles_law_gives_what_is_under_way() -> None:
    """One clerk at half his rate has one customer."""
    assert queue(500).under_way == pytest.approx(1.0)
