"""How sure a figure is: bootstrap intervals over blocks of time, halves of a run, and whether two samples differ.

Seconds of a run are not independent, so what is drawn anew is whole blocks of consecutive ones (H. Künsch: "The jackknife
and the bootstrap for general stationary observations", Annals of Statistics 1989). Every function is a pure one of its
numbers: the chance it draws on has a fixed seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIDENCE = 0.95
ROUNDS = 500
"""Draws: enough for the 2.5th and 97.5th percentile of them to stand still to two digits."""
FEWEST = 6
"""Blocks below which there is no interval: so few say little of what else might have come."""
SEED = 20_260


class Interval(msgspec.Struct, frozen=True):
    """A figure, and where it may as well lie with 95 % confidence, as far as this run can say."""

    value: float
    low: float
    high: float

    @property
    def spread(self) -> float:
        """Half its width, as a share of the figure; inf for a figure of nothing."""
        return (self.high - self.low) / 2 / abs(self.value) if self.value else math.inf


class Halves(msgspec.Struct, frozen=True):
    """A figure in the two halves of a stage, and the relative difference of the second to the first."""

    first: float
    second: float

    @property
    def change(self) -> float:
        """How much more (or less) the second half has, as a share of the first; NaN for a first one of nothing."""
        return self.second / self.first - 1 if self.first else math.nan


class Ranks(NamedTuple):
    """A Mann-Whitney test: `p` two-sided, `greater` the chance that one of the second exceeds one of the first."""

    p: float
    greater: float


def quantile(counts: NDArray[np.float64], values: NDArray[np.float64], share: float) -> float:
    """The value that `share` of what is counted does not exceed. `counts`, `values`: float64[buckets], values rising."""
    running = np.cumsum(counts)
    if not running[-1]:
        return math.nan
    rank = max(1.0, math.ceil(share * running[-1] - 1e-9))
    return float(values[int(np.searchsorted(running, rank))])


def quantile_draws(
    blocks: NDArray[np.float64], values: NDArray[np.float64], shares: Sequence[float], seed: int = SEED
) -> NDArray[np.float64]:
    """Quantiles of draws of blocks. `blocks`: float64[blocks, buckets] counts; returns float64[shares, ROUNDS]."""
    many = len(blocks)
    draws = np.random.default_rng(seed).multinomial(many, np.full(many, 1 / many), size=ROUNDS).astype(np.float64)
    running = np.cumsum(draws @ blocks, axis=1)
    found = np.empty((len(shares), ROUNDS))
    for place, share in enumerate(shares):
        ranks = np.maximum(1.0, np.ceil(share * running[:, -1] - 1e-9))
        at = (running < ranks[:, None]).sum(axis=1)  # as searchsorted of each row
        found[place] = values[np.minimum(at, len(values) - 1)]
    return found


def quantile_intervals(
    blocks: NDArray[np.float64], values: NDArray[np.float64], shares: Sequence[float]
) -> list[Interval] | None:
    """Quantiles of all blocks together, each with its interval; None for fewer than `FEWEST` blocks."""
    if len(blocks) < FEWEST:
        return None
    together = blocks.sum(axis=0)
    found = []
    for share, drawn in zip(shares, quantile_draws(blocks, values, shares), strict=True):
        whole = quantile(together, values, share)
        low, high = _ends(drawn)
        found.append(Interval(whole, min(low, whole), max(high, whole)))
    return found


def quantile_interval(blocks: NDArray[np.float64], values: NDArray[np.float64], share: float) -> Interval | None:
    """One of them."""
    found = quantile_intervals(blocks, values, (share,))
    return found[0] if found else None


def interval(
    samples: Sequence[float] | NDArray[np.float64], statistic: Callable[..., NDArray[np.float64]] = np.mean
) -> Interval | None:
    """Of `statistic` (taking ``axis=``) over samples, each counted as independent; None for fewer than three of them."""
    seen = np.asarray(samples, np.float64)
    seen = seen[np.isfinite(seen)]
    if len(seen) < 3:
        return None
    draws = np.random.default_rng(SEED).integers(0, len(seen), (ROUNDS, len(seen)))
    low, high = _ends(np.asarray(statistic(seen[draws], axis=1), np.float64))
    return Interval(float(statistic(seen, axis=0)), low, high)


def ratio_interval(
    first: Sequence[NDArray[np.float64]], second: Sequence[NDArray[np.float64]], values: NDArray[np.float64], share: float
) -> Interval | None:
    """A quantile of the second over that of the first. Each is a sequence of runs, each float64[blocks, buckets].

    Of several runs some are drawn first, then blocks of each: what differs from run to run is in the interval as well. None
    where either has too few blocks.
    """
    drawn = [_draws_of_runs(side, values, share, seed) for side, seed in ((first, 1), (second, 2))]
    a, b = drawn
    if a is None or b is None:
        return None
    whole = [quantile(np.sum([run.sum(axis=0) for run in side], axis=0), values, share) for side in (first, second)]
    if not whole[0] > 0:
        return None
    low, high = _ends(b / a)
    value = whole[1] / whole[0]
    return Interval(value, min(low, value), max(high, value))


def halves(blocks: NDArray[np.float64], values: NDArray[np.float64], share: float) -> Halves | None:
    """A quantile in the first and in the second half of the blocks; None for fewer than two, or an empty one."""
    if len(blocks) < 2:
        return None
    middle = len(blocks) // 2
    first, second = (quantile(half.sum(axis=0), values, share) for half in (blocks[:middle], blocks[-middle:]))
    return Halves(first, second) if math.isfinite(first) and math.isfinite(second) else None


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> Ranks | None:
    """Whether one sample tends to be greater (normal approximation, ties corrected); None for fewer than five of either."""
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    n, m = len(a), len(b)
    if min(n, m) < 5:
        return None
    whole = np.concatenate((a, b))
    _, places, many = np.unique(whole, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(many) - (many - 1) / 2)[places]  # tied ones share the middle of their ranks
    above = float(ranks[n:].sum() - m * (m + 1) / 2)  # pairs in which the second's is the greater, ties as halves
    ties = float((many.astype(np.float64) ** 3 - many).sum())
    variance = n * m / 12 * ((n + m + 1) - ties / ((n + m) * (n + m - 1)))
    if variance <= 0:
        return Ranks(1.0, 0.5)
    z = max(0.0, abs(above - n * m / 2) - 0.5) / math.sqrt(variance)
    return Ranks(math.erfc(z / math.sqrt(2)), above / (n * m))


def _draws_of_runs(
    runs: Sequence[NDArray[np.float64]], values: NDArray[np.float64], share: float, seed: int
) -> NDArray[np.float64] | None:
    if not runs or min(map(len, runs)) < FEWEST:
        return None
    if len(runs) == 1:
        return np.asarray(quantile_draws(runs[0], values, (share,), seed)[0], np.float64)
    chance = np.random.default_rng(seed)
    found = np.empty(ROUNDS)
    for number in range(ROUNDS):
        counts = np.zeros(len(values))
        for place in chance.integers(0, len(runs), len(runs)):
            run = runs[place]
            draw = chance.multinomial(len(run), np.full(len(run), 1 / len(run)))
            counts += draw.astype(np.float64) @ run
        found[number] = quantile(counts, values, share)
    return found


def _ends(draws: NDArray[np.float64]) -> tuple[float, float]:
    beyond = (1 - CONFIDENCE) / 2
    low, high = np.quantile(draws, (beyond, 1 - beyond))
    return float(low), float(high)
