"""Where it ends: the sustained level, the knee by the curve, the most it ever did, and the level at which it breaks.

Four different things that one word is often used for. *Sustained* is the highest level that met the objectives (the search
found it; here is how sure that is). The *knee* is where time begins to rise faster than load. The *ceiling* is the most
that was done a second, whatever was due. The *breaking point* is the lowest level from which on work is left undone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from watchkeeper.stress.analysis.chance import Interval

KEPT_UP = 0.97
"""Of what was due, below which a level is left behind (as the search has it)."""
FAILED = 0.01
"""Failed of what was due, above which a level is broken, whatever its objectives say."""
FEWEST = 5
BETTER = 0.4
"""The broken line's error over the straight one's, below which there is a bend: it has two more parameters to do that with."""
STEEPER = 2.0
"""And its second slope over its first."""


class Level(NamedTuple):
    """What one level came to. Rates a second, times in seconds; `failed` a share of what was due.

    `mean` is from the intended start; `word` what the search made of it: ``held``, ``broken``, ``unsure``. `behind` is the
    share of what was due that had failed or was a growing queue at its end; None: what was not done by then counts.
    """

    level: float
    offered: float
    achieved: float
    p50: float
    p95: float
    p99: float
    mean: float
    failed: float
    word: str = "held"
    behind: float | None = None

    @property
    def under_way(self) -> float:
        """How many are in the system on average, by Little's law."""
        return self.achieved * self.mean

    @property
    def is_left_behind(self) -> bool:
        """Whether more was due than could be done."""
        if self.behind is not None:
            return self.behind > 1 - KEPT_UP
        return self.achieved < KEPT_UP * self.offered

    @property
    def keeps_up(self) -> bool:
        """Whether everything that was due was done."""
        return not self.is_left_behind and self.failed <= FAILED


class Breaking(msgspec.Struct, frozen=True):
    """The lowest level from which on work was left undone, the highest below it that kept up, and what was left."""

    level: float
    below: float
    why: str


class Sureness(msgspec.Struct, frozen=True):
    """How sure a sustained level is: every level up to `surely` held each time, at `surely_not` and above none did.

    Between the two it was sometimes so and sometimes so. `levels` and `tries`: what was run.
    """

    surely: float
    surely_not: float | None
    levels: int
    tries: int


def sureness(levels: Sequence[Level]) -> Sureness | None:
    """From all levels of a search, each try counted; None where none was sure."""
    told = [one for one in levels if one.word in {"held", "broken"}]
    if not told:
        return None
    broken = [one.level for one in told if one.word == "broken"]
    held = [one.level for one in told if one.word == "held"]
    surely = max((one for one in held if not broken or one < min(broken)), default=0.0)
    surely_not = min((one for one in broken if not held or one > max(held)), default=None)
    return Sureness(surely, surely_not, len({one.level for one in told}), len(told))


def ceiling(levels: Sequence[Level]) -> Interval | None:
    """What was done a second where more was due than could be: the middle, and the least and most of such levels."""
    full = sorted(one.achieved for one in levels if one.word != "unsure" and one.is_left_behind)
    if not full:
        return None
    return Interval(float(np.median(full)), full[0], full[-1])


def breaking(levels: Sequence[Level]) -> Breaking | None:
    """The breaking point; None where everything that was due was done at the highest level that was run."""
    told = [one for one in levels if one.offered > 0 and one.word != "unsure"]
    kept = max((one.offered for one in told if one.keeps_up), default=0.0)
    beyond = sorted((one for one in told if not one.keeps_up and one.offered > kept), key=lambda one: one.offered)
    if not beyond:
        return None
    first = beyond[0]
    if first.is_left_behind:
        why = f"{first.achieved:,.0f}/s were done of {first.offered:,.0f}/s that were due"
    else:
        why = f"{first.failed:.2%} failed"
    return Breaking(first.offered, kept, why)


def power(levels: Sequence[Level]) -> float | None:
    """The level with the most throughput per time (L. Kleinrock, 1979): the knee by the curve.

    None for too few levels, and where it is the lowest of them: then it lies below what was looked at.
    """
    found = [(one.achieved / one.p50, one.level) for one in levels if one.p50 > 0]
    if len(found) < FEWEST:
        return None
    best = max(found)[1]
    return best if best > min(level for _, level in found) else None


def bend(levels: Sequence[Level]) -> float | None:
    """The level at which the logarithm of p95 leaves its line for a steeper one; None where there is no such bend.

    Two lines that meet, at every place that leaves three levels to each, against one line.
    """
    seen = sorted({(one.level, one.p95) for one in levels if one.p95 > 0 and math.isfinite(one.p95)})
    if len(seen) < FEWEST + 1:
        return None
    x = np.array([level for level, _ in seen], np.float64)
    y = np.log(np.array([p95 for _, p95 in seen], np.float64))
    single = _off(np.stack((np.ones_like(x), x), axis=1), y)[0]
    best: tuple[float, float, float, float] | None = None
    for corner in x[2:-2]:
        error, (_, first, more) = _off(np.stack((np.ones_like(x), x, np.maximum(x - corner, 0)), axis=1), y)
        if best is None or error < best[0]:
            best = (error, float(corner), first, first + more)
    if best is None or single <= 0:
        return None
    error, corner, first, second = best
    if error > BETTER * single or second <= 0 or second < STEEPER * max(first, 0.0):
        return None
    return corner


def _off(design: np.ndarray, y: np.ndarray) -> tuple[float, tuple[float, ...]]:
    found, *_ = np.linalg.lstsq(design, y, rcond=None)
    return float(((y - design @ found) ** 2).sum()), tuple(map(float, found))
