"""When each hit is due: a pure function of its number, whatever the target does and however many workers share the load.

A stage's rate is a chain of straight lines (constant, ramp, steps, spike are all that); hit n is due where the rate's
integral reaches n, or, for Poisson arrivals, the n-th point of a unit-rate process drawn from the seed. Worker w of W
takes the hits w, w + W, w + 2W …, so the union is the schedule itself, hit by hit. No clock and no task here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from watchkeeper.stress.run import Arrival, Segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 1024
"""Gaps of a Poisson process that are drawn at once, from a seed of their own."""
GOLDEN = 0.6180339887498949
"""Its multiples fill the unit interval evenly from any start on (H. Weyl, 1916), and so do every W-th of them."""


class Schedule:
    """The hits of one stage."""

    def __init__(self, profile: Sequence[Segment], arrival: Arrival = "even", seed: int = 0) -> None:
        """`profile`: the rate over time, all workers together."""
        self._arrival = arrival
        self._seed = seed
        self._lengths = np.array([part.seconds for part in profile], float)
        self._begin = np.array([part.begin for part in profile], float)
        self._slope = np.array([(part.end - part.begin) / part.seconds for part in profile], float)
        areas = np.array([(part.begin + part.end) / 2 * part.seconds for part in profile], float)
        self._before = np.concatenate(([0.0], np.cumsum(areas)))
        self._starts = np.concatenate(([0.0], np.cumsum(self._lengths)))
        self._block, self._block_start = 0, 0.0

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return float(self._starts[-1])

    @property
    def mass(self) -> float:
        """The rate's integral: how many hits are to be expected."""
        return float(self._before[-1])

    def times(self, first: int, stride: int, many: int) -> NDArray[np.float64]:
        """Seconds from the stage's beginning at which the hits `first`, `first + stride`, … are due, rising.

        Fewer than `many` when the stage has no more.
        """
        numbers = first + stride * np.arange(many, dtype=np.int64)
        points = numbers.astype(float) if self._arrival == "even" else self._poisson(numbers)
        return self._when(points[points < self.mass * (1 - 1e-12)])

    def walk(self, first: int, stride: int, many: int = 512) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """All of a worker's hits in order, `many` at a time, each with the number of the first."""
        while True:
            times = self.times(first, stride, many)
            if len(times):
                yield first, times
            if len(times) < many:
                return
            first += stride * many

    def _when(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """The inverse of the rate's integral."""
        if not len(points):
            return points
        part = np.clip(np.searchsorted(self._before, points, side="right") - 1, 0, len(self._lengths) - 1)
        inside = points - self._before[part]
        begin, slope = self._begin[part], self._slope[part]
        # 2y / (b + √(b² + 2ay)) rather than (√(b² + 2ay) - b) / a: exact for a = 0, and nothing cancels.
        root = begin + np.sqrt(np.maximum(begin * begin + 2 * slope * inside, 0.0))
        offset = np.divide(2 * inside, root, out=np.zeros_like(inside), where=root > 0)
        found: NDArray[np.float64] = self._starts[part] + np.minimum(offset, self._lengths[part])
        return found

    def _poisson(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """The points of a unit-rate Poisson process with these (rising) numbers; cheapest when asked for in order."""
        if not len(numbers):
            return np.zeros(0)
        if numbers[0] // BLOCK < self._block:
            self._block, self._block_start = 0, 0.0
        found = np.empty(len(numbers))
        blocks = numbers // BLOCK
        for block in range(self._block, int(blocks[-1]) + 1):
            gaps = np.random.default_rng((self._seed, block)).standard_exponential(BLOCK)
            points = self._block_start + np.cumsum(gaps)
            here = blocks == block
            found[here] = points[numbers[here] % BLOCK]
            if block < blocks[-1]:
                self._block, self._block_start = block + 1, float(points[-1])
        return found


class Mix:
    """Which operation each hit is: a pure function of its number too, in the shares that were asked for."""

    def __init__(self, weights: Sequence[float], seed: int = 0) -> None:
        """`weights` of the operations, in their order; at least one above nothing."""
        self._edges = np.cumsum(np.asarray(weights, float)) / sum(weights)
        self._shift = float(np.random.default_rng((seed, 7)).random())

    def choose(self, first: int, stride: int, many: int) -> NDArray[np.intp]:
        """The operations of the hits `first`, `first + stride`, …"""
        numbers = (first + stride * np.arange(many, dtype=np.int64)).astype(float)
        where = (numbers * GOLDEN + self._shift) % 1.0
        return np.minimum(np.searchsorted(self._edges, where, side="right"), len(self._edges) - 1)


def hits(
    schedule: Schedule, mix: Mix, worker: int, workers: int, at: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.intp]]]:
    """A worker's hits in order, some hundred at a time: when they are due (ns; the stage begins `at`), and what they are."""
    for first, times in schedule.walk(worker, workers):
        yield (times * 1e9).astype(np.int64) + at, mix.choose(first, workers, len(times))


def constant(rate: float, seconds: float) -> tuple[Segment, ...]:
    """One rate all the time."""
    return (Segment(seconds, rate, rate),)


def spike(rate: float, peak: float, before: float, rise: float, at_peak: float, after: float) -> tuple[Segment, ...]:
    """From a rate up to a peak and back, rising and falling in `rise` seconds."""
    parts = (
        Segment(before, rate, rate),
        Segment(rise, rate, peak),
        Segment(at_peak, peak, peak),
        Segment(rise, peak, rate),
        Segment(after, rate, rate),
    )
    return tuple(part for part in parts if part.seconds > 0)
