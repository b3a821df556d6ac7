"""Does it grow? A straight line through what was seen, with confidence, and a word: a leak is told from noise and settling.

The slope is Theil and Sen's: the median of the slopes of all pairs, which no few outliers move; its interval comes from
Kendall's variance (P. Sen: "Estimates of the regression coefficient based on Kendall's tau", JASA 1968). Neighbours in time
resemble each other, so the variance is widened by what the residuals have of that (S. Yue, C. Wang, 2004).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Word = Literal["grows", "shrinks", "steady", "settles", "unclear"]
"""`settles`: it grew, and its second half no longer does. `unclear`: the interval holds both much and nothing."""

MOST = 240
"""Points that are looked at, each the median of its share of what was seen: pairs are as many squared."""
FEWEST = 8
NORMAL = 1.959964
MATTERS = 0.02
"""Of the level over the time that was watched: less is no growth that anybody would act on."""


class Slope(msgspec.Struct, frozen=True):
    """Units of the series a second, with 95 % confidence; `level` is the median, `seconds` how long it was watched."""

    slope: float
    low: float
    high: float
    level: float
    seconds: float
    word: Word
    points: int

    @property
    def growth(self) -> float:
        """Over the time that was watched, in the series' unit."""
        return self.slope * self.seconds

    @property
    def per_hour(self) -> float:
        """The slope for an hour, if it went on."""
        return self.slope * 3600


def slope(at: Sequence[float], values: Sequence[float], *, least: float = 0.0) -> Slope | None:
    """The line through `values` seen at `at` (seconds). `least`: a growth (units) that is never worth a word.

    None where fewer than eight points are finite, or all were seen at one instant.
    """
    x, y = np.asarray(at, np.float64), np.asarray(values, np.float64)
    there = np.isfinite(x) & np.isfinite(y)
    x, y = x[there], y[there]
    if len(x) < FEWEST or x[-1] <= x[0]:
        return None
    x, y = _thinned(x, y)
    found, low, high = _line(x, y)
    seconds, level = float(x[-1] - x[0]), float(np.median(y))
    matters = max(MATTERS * abs(level), least)
    half = len(x) // 2
    later = _line(x[half:], y[half:]) if len(x) >= 2 * FEWEST else (found, low, high)
    word = _word(found, low, high, seconds, matters, later)
    third = len(y) // 3
    rise = float(np.median(y[-third:]) - np.median(y[:third]))
    if word in {"steady", "unclear"} and rise >= matters and later[0] * seconds < matters:
        word = "settles"
    return Slope(found, low, high, level, seconds, word, len(x))


def _word(found: float, low: float, high: float, seconds: float, matters: float, later: tuple[float, float, float]) -> Word:
    if low > 0 and found * seconds >= matters:
        # A cache that fills rises too, and then no more: a leak goes on at something like its pace.
        return "grows" if later[0] > found / 4 and later[2] > 0 and later[1] > -found else "settles"
    if high < 0 and -found * seconds >= matters:
        return "shrinks"
    if max(abs(low), abs(high)) * seconds < matters or (low <= 0 <= high and max(-low, high) * seconds < 2 * matters):
        return "steady"
    return "steady" if abs(found) * seconds < matters / 2 and (high - low) * seconds < 2 * matters else "unclear"


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if len(x) <= MOST:
        return x, y
    edges = np.linspace(0, len(x), MOST + 1).astype(int)
    pieces = [(x[a:b].mean(), np.median(y[a:b])) for a, b in itertools.pairwise(edges)]
    together = np.asarray(pieces, np.float64)
    return together[:, 0], together[:, 1]


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, float]:
    """Slope and the ends of its interval."""
    first, second = np.triu_indices(len(x), 1)
    apart = x[second] - x[first]
    used = apart > 0
    slopes = np.sort((y[second] - y[first])[used] / apart[used])
    if not len(slopes):
        return 0.0, -math.inf, math.inf
    found = float(np.median(slopes))
    n = len(x)
    _, ties = np.unique(y, return_counts=True)
    variance = (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    residuals = y - found * x
    residuals = residuals - residuals.mean()
    power = float((residuals**2).sum())
    alike = float((residuals[1:] * residuals[:-1]).sum()) / power if power > 0 else 0.0
    alike = min(max(alike, 0.0), 0.95)
    reach = NORMAL * math.sqrt(max(variance, 0.0) * (1 + alike) / (1 - alike))
    low = int((len(slopes) - reach) / 2)
    high = math.ceil((len(slopes) + reach) / 2)
    return found, float(slopes[max(low, 0)]), float(slopes[min(high, len(slopes) - 1)])
