"""How the generator itself is doing: a worker looks at its own processor time, waiting, collections, files and loop.

On a shared machine this decides whether a percentile means anything: a worker that waited for a processor has measured the
wait. `Watch` looks every few ms; `judge` is the gate: pure, over what was seen, whether a stage's generator was good enough.
"""

from __future__ import annotations

import gc
import math
import os
import resource
import sys
import time
from typing import Annotated

import msgspec

from watchkeeper.config import Part
from watchkeeper.errors import Failed
from watchkeeper.kept import KeptFile
from watchkeeper.quantities import Duration
from watchkeeper.stress.histogram import Histogram
from watchkeeper.stress.run import Health, Validity

LOOK = 0.005
"""Seconds between two looks."""
STARVED = 0.1
"""Of the time between two looks, waiting for a processor: from here on what is measured tells of this machine."""
FULL = 0.95
"""Of a second, used: a worker that has no more to give."""


class Limits(Part, frozen=True):
    """What a generator must hold for its figures to count: `lag`: starts' lateness, p99 (or `of_median`, a share of the
    median answer, if that is less, but never under a millisecond; 0: whatever the median is); `starved`: share of seconds
    that may be left out; `full`: of seconds without processor to spare.
    """  # noqa: D205  # one sentence

    lag: Duration = Duration(0.005)
    of_median: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.1
    starved: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    full: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.2


LEAST_LAG = 0.001
"""Seconds: below this, lateness is what any shared system has."""


class Watch:
    """One worker's eye on itself. `look` often, `told` once a second."""

    def __init__(self, worker: int) -> None:
        """Start looking."""
        self._worker = worker
        self._file = _schedstat()
        self._cpu = time.process_time()
        self._waited = self._ran_and_waited()
        self._at_last_look = self._waited
        self._worst = self._starved = 0.0
        self._was_starved = False
        self._looked = time.monotonic()
        self._loop_worst = 0.0
        self._gc = self._gc_worst = self._gc_began = 0.0
        gc.callbacks.append(self._collected)

    def look(self) -> bool:
        """Every `LOOK` seconds: whether the time since the last look was starved, by how long we had to wait in it.

        What follows a wait is starved too: what has begun in it ends there.
        """
        now = time.monotonic()
        passed = now - self._looked
        waited = self._ran_and_waited()
        here = waited - self._at_last_look
        self._worst = max(self._worst, here)
        self._loop_worst = max(self._loop_worst, passed - LOOK)
        is_starved = here > STARVED * max(passed, LOOK)
        starved = is_starved or self._was_starved
        self._was_starved = is_starved
        self._starved += starved * passed
        self._at_last_look, self._looked = waited, now
        return starved

    def told(self, second: int) -> Health:
        """What was seen since the last time, as of one second; the floor's own figures are for the caller to fill in."""
        cpu, waited = time.process_time(), self._ran_and_waited()
        health = Health(
            second,
            self._worker,
            cpu=cpu - self._cpu,
            waited=waited - self._waited,
            worst_wait=self._worst,
            starved=self._starved,
            loop_worst=self._loop_worst,
            gc=self._gc,
            gc_worst=self._gc_worst,
            rss=_resident(),
            descriptors=_descriptors(),
        )
        self._cpu, self._waited = cpu, waited
        self._worst = self._starved = self._loop_worst = self._gc = self._gc_worst = 0.0
        return health

    def close(self) -> None:
        """Stop looking."""
        gc.callbacks.remove(self._collected)
        if self._file is not None:
            self._file.close()

    def _ran_and_waited(self) -> float:
        """Seconds that this thread was ready to run and waited for a processor; 0 where the system does not tell."""
        return int(self._file.read().split()[1]) / 1e9 if self._file is not None else 0.0

    def _collected(self, phase: str, _: object) -> None:
        if phase == "start":
            self._gc_began = time.perf_counter()
        else:
            took = time.perf_counter() - self._gc_began
            self._gc += took
            self._gc_worst = max(self._gc_worst, took)


class Gate:
    """Collects what the workers say of themselves in one stage. Flat, however long it is."""

    def __init__(self) -> None:
        """Nothing seen."""
        self.seconds = self.starved = 0.0
        self.ticks = self.full = 0
        self.lag = Histogram()
        self.lag_starved = Histogram()
        self.ours = 0
        """Operations that failed by the generator's own limits."""

    def see(self, health: Health, lag: Histogram, lag_starved: Histogram, seconds: float) -> None:
        """One worker's second, or less of one."""
        self.seconds += seconds
        self.starved += health.starved
        self.ticks += 1
        self.full += health.cpu > FULL * seconds
        self.lag.merge(lag)
        self.lag_starved.merge(lag_starved)


def judge(gate: Gate, median: float, limits: Limits) -> Validity:
    """Whether this generator was good enough. `median`: of the target's service time, in seconds (NaN: unknown)."""
    reasons = []
    starved = gate.starved / gate.seconds if gate.seconds else 0.0
    seen = gate.lag if gate.lag.total else gate.lag_starved
    lag = seen.quantile(0.99) / 1e9 if seen.total else 0.0
    bound = float(limits.lag)
    if limits.of_median and not math.isnan(median):
        bound = max(LEAST_LAG, min(bound, median * limits.of_median))
    if starved > limits.starved:
        reasons.append(f"the generator waited for a processor in {starved:.0%} of the time")
    if lag > bound:
        reasons.append(f"starts were {lag * 1000:.1f} ms late (p99), more than {bound * 1000:.1f} ms")
    if gate.ticks and gate.full / gate.ticks > limits.full:
        reasons.append(f"a worker had no processor time to spare in {gate.full / gate.ticks:.0%} of seconds")
    if gate.ours:
        reasons.append(f"{gate.ours} operations failed by limits of this machine")
    return Validity(not reasons, tuple(reasons), round(starved, 4), lag)


def descriptors_allowed() -> int:
    """How many files this process may have open, once it has asked for as many as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with_hard = hard if hard != resource.RLIM_INFINITY else 1 << 20
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (with_hard, hard))
    except (ValueError, OSError):
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return with_hard


def _schedstat() -> KeptFile | None:
    from pathlib import Path  # noqa: PLC0415  # only needed here

    try:
        return KeptFile(Path("/proc/thread-self/schedstat"), 128)
    except Failed:
        return None


def _resident() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  # once a second, and quick
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _descriptors() -> int:
    try:
        return os.stat("/proc/self/fd").st_size or len(os.listdir("/proc/self/fd"))  # noqa: PTH116, PTH208  # Linux 6.2 counts them so
    except OSError:
        return 0
