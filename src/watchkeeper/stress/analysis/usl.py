"""The universal scalability law: fitted with confidence, or refused with a reason.

X(N) = lambda N / (1 + sigma (N-1) + kappa N (N-1)): lambda is what one alone would do, sigma what must wait for its turn,
kappa what must be agreed upon between all (N. Gunther: "Guerrilla Capacity Planning", 2007). N is what is under way, X what
is done a second. Turned over it is a straight sum, N/X = (1 + sigma (N-1) + kappa N (N-1)) / lambda, so least squares have
one answer, and no start can lead astray.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from watchkeeper.stress.analysis.chance import CONFIDENCE, SEED, Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST = 6
"""Levels: three parameters and as many again that could say no."""
REACH = 4.0
"""The greatest N over the least: a narrower view shows no curve."""
GOOD = 0.95
"""Of the variance of X explained, below which the fit is refused."""
FAR = 0.20
"""The median level's relative error above which it is refused."""
ROUNDS = 200
BEYOND = 2.0
"""A peak further than this times the greatest N seen is not claimed."""


class Usl(msgspec.Struct, frozen=True):
    """A fit, or why there is none: then `refused` says so, and the figures are what would have been claimed.

    `peak_n` and `peak` are where throughput is greatest and what it is there; `ceiling` is where it tends to when kappa is
    nothing. None: not claimed.
    """

    scale: Interval | None
    contention: Interval | None
    coherency: Interval | None
    explained: float | None
    error: float | None
    """The median level's relative error."""
    points: int
    reached: float
    """The greatest N seen."""
    peak_n: float | None = None
    peak: float | None = None
    ceiling: float | None = None
    refused: str = ""


def curve(n: NDArray[np.float64], scale: float, contention: float, coherency: float) -> NDArray[np.float64]:
    """X(N). `n`: float64[…]."""
    return np.asarray(scale * n / _slowed(n, contention, coherency), np.float64)


def fit(n: Sequence[float], x: Sequence[float]) -> Usl:
    """Fit levels: `n` under way, `x` done a second. Never raises; too little, or too bad, is `refused`."""
    under_way, done = np.asarray(n, np.float64), np.asarray(x, np.float64)
    used = np.isfinite(under_way) & np.isfinite(done) & (under_way > 0) & (done > 0)
    under_way, done = under_way[used], done[used]
    many = len(under_way)
    if many < 3:
        return Usl(None, None, None, None, None, many, 0.0, refused=f"{many} levels of {FEWEST} that it takes")
    scale, contention, coherency = _best(under_way, done)
    expected = curve(under_way, scale, contention, coherency)
    ratios = done / expected
    chance = np.random.default_rng(SEED)
    free = max(1, many - 3)  # three parameters have flattered the residuals, and so few do not tell how much they vary
    spread = math.sqrt(float(((ratios - 1) ** 2).sum()) / free)
    drawn = []
    for _ in range(ROUNDS):
        noise = spread * math.sqrt(free / chance.chisquare(free)) * chance.standard_normal(many)
        drawn.append(_best(under_way, expected * np.maximum(1 + noise, 0.05)))
    parameters = np.asarray(drawn)
    explained = 1 - float(((done - expected) ** 2).sum() / max(float(((done - done.mean()) ** 2).sum()), 1e-300))
    error = float(np.median(np.abs(ratios - 1)))
    reached = float(under_way.max())
    peak_n, peak, ceiling = _top(scale, contention, coherency, reached)
    return Usl(
        _around(scale, parameters[:, 0]),
        _around(contention, parameters[:, 1]),
        _around(coherency, parameters[:, 2]),
        explained,
        error,
        many,
        reached,
        peak_n,
        peak,
        ceiling,
        _refusal(many, under_way, explained, error),
    )


def line(fitted: Usl, n: Sequence[float]) -> tuple[list[float], list[float], list[float]]:
    """X at each N, and the least and most that the parameters' intervals allow: a band somewhat wider than 95 %.

    Empty lists where there is no fit.
    """
    scale, contention, coherency = fitted.scale, fitted.contention, fitted.coherency
    if scale is None or contention is None or coherency is None:
        return [], [], []
    at = np.asarray(n, np.float64)
    middle = curve(at, scale.value, contention.value, coherency.value)
    low = curve(at, scale.low, contention.high, coherency.high)
    high = curve(at, scale.high, contention.low, coherency.low)
    return middle.tolist(), low.tolist(), high.tolist()


def _refusal(many: int, n: NDArray[np.float64], explained: float, error: float) -> str:
    if many < FEWEST:
        return f"{many} levels of {FEWEST} that it takes"
    reach = float(n.max() / n.min())
    if reach < REACH:
        return f"what was under way varied only {reach:.2g}-fold: no curve shows in that"
    if explained < GOOD or error > FAR:
        return f"the levels do not lie on such a curve (R² {explained:.2f}, the median level is {error:.0%} off)"
    return ""


def _top(scale: float, contention: float, coherency: float, reached: float) -> tuple[float | None, float | None, float | None]:
    ceiling = scale / contention if contention > 1e-9 and coherency < 1e-9 else None
    if coherency < 1e-9 or contention >= 1:
        return None, None, ceiling
    peak_n = math.sqrt((1 - contention) / coherency)
    if peak_n > BEYOND * reached:
        return None, None, ceiling
    return peak_n, float(curve(np.array([peak_n]), scale, contention, coherency)[0]), ceiling


def _best(n: NDArray[np.float64], x: NDArray[np.float64]) -> tuple[float, float, float]:
    """The parameters with the least relative errors of N/X squared; none below nothing."""
    time = n / x
    more = np.maximum(n - 1, 0.0)
    design = np.stack((np.ones_like(n), more, n * more), axis=1) / time[:, None]
    best = (math.inf, np.zeros(3))
    for used in ((0, 1, 2), (0, 1), (0, 2), (0,)):  # what comes out below nothing is nothing, and the others are asked again
        found, *_ = np.linalg.lstsq(design[:, used], np.ones_like(n), rcond=None)
        if found.min() < 0:
            continue
        whole = np.zeros(3)
        whole[list(used)] = found
        off = float(((design @ whole - 1) ** 2).sum())
        if off < best[0] * (1 - 1e-9):
            best = (off, whole)
    one, contention, coherency = best[1]
    return (float(1 / one), float(contention / one), float(coherency / one)) if one > 0 else (math.nan, 0.0, 0.0)


def _slowed(n: NDArray[np.float64], contention: float, coherency: float) -> NDArray[np.float64]:
    # Below one at a time nobody waits for anybody: the law is one of whole numbers, and its line is not drawn on below 1.
    more = np.maximum(n - 1, 0.0)
    return np.asarray(1 + contention * more + coherency * n * more, np.float64)


def _around(value: float, drawn: NDArray[np.float64]) -> Interval:
    beyond = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, (beyond, 1 - beyond))
    return Interval(value, min(float(low), value), max(float(high), value))
