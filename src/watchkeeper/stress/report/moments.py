"""What was seen instant by instant, all operations together: the columns that charts over time are drawn from.

An instant is one second, or several put together in a long run; its percentiles are those of all values in it. Rows come by
second but for stragglers: what comes when its instant is closed still counts, and no longer moves a percentile.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from watchkeeper.stress.faults import blame
from watchkeeper.stress.histogram import Histogram, unpacked
from watchkeeper.stress.run import Health, Window

LAG = 4
"""Instants that stay open for stragglers."""
BLAMES = ("said-no", "nobody", "wrong", "ours")
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}

Columns = dict[str, list[float | None]]


class Moments:
    """The target's side of an operation: due, done, good, failed, and how long it took."""

    def __init__(self, step: float, bound: float) -> None:
        """`step`: seconds of an instant; `bound`: seconds within which an operation is good (inf: any)."""
        self._step = int(step)
        self._bound = bound * 1e9 if math.isfinite(bound) else math.inf
        self._sums: dict[int, dict[str, float]] = {}
        self._times: dict[int, dict[str, float]] = {}
        self._open: dict[int, tuple[Histogram, Histogram]] = {}

    def add(self, window: Window, latency: Histogram, service: Histogram) -> None:
        """A row, with its histograms unpacked."""
        at = window.second // self._step
        sums = self._sums.setdefault(at, {})
        good = latency.at_most(self._bound) if math.isfinite(self._bound) and latency.total else window.done
        for name, many in (
            ("due", window.scheduled),
            ("done", window.done),
            ("good", good),
            ("dropped", window.dropped),
            ("late", window.late),
            ("sent", window.sent_bytes),
            ("received", window.received_bytes),
        ):
            sums[name] = sums.get(name, 0.0) + many
        for code, many in window.errors.items():
            sums[blame(code)] = sums.get(blame(code), 0.0) + many
        if (latency.total or service.total) and at not in self._times:
            held = self._open.get(at)
            if held is None:
                held = self._open[at] = (Histogram(), Histogram())
                _close_old(self._open, self._close)
            held[0].merge(latency)
            held[1].merge(service)

    def columns(self) -> Columns:
        """`at` (s, an instant's beginning), rates a second, times in seconds (None: nothing was done)."""
        for at in list(self._open):
            self._close(at)
        found: Columns = {"at": []}
        rates = ("due", "done", "good", "dropped", "late", "sent", "received", *BLAMES)
        for name in (*rates, *SHARES, "service_p50", "service_p99"):
            found[name] = []
        for at in range(min(self._sums, default=0), max(self._sums, default=-1) + 1):
            sums, times = self._sums.get(at, {}), self._times.get(at, {})
            found["at"].append(float(at * self._step))
            for name in rates:
                found[name].append(sums.get(name, 0.0) / self._step)
            for name in (*SHARES, "service_p50", "service_p99"):
                found[name].append(times.get(name))
        return found

    def _close(self, at: int) -> None:
        latency, service = self._open.pop(at)
        found = latency.quantiles(list(SHARES.values()))
        times = {name: value / 1e9 for name, value in zip(SHARES, found, strict=True)}
        times["service_p50"], times["service_p99"] = (value / 1e9 for value in service.quantiles([0.5, 0.99]))
        self._times[at] = {name: round(value, 9) for name, value in times.items() if math.isfinite(value)}


class Generator:
    """The generator's side: sums over its workers, and the worst of each."""

    SUMS = ("cpu", "waited", "starved", "gc", "rss", "descriptors", "connections", "in_flight", "waiting")
    WORST = ("worst_wait", "loop_worst", "gc_worst")
    LASTING = ("rss", "descriptors", "connections", "in_flight", "waiting")
    """States, of which a second's last word counts; the others are parts, which add up."""

    def __init__(self, step: float) -> None:
        """`step`: seconds of an instant."""
        self._step = int(step)
        self._sums: dict[int, dict[str, float]] = {}
        self._states: dict[tuple[int, int], dict[str, float]] = {}
        self._lags: dict[int, float] = {}
        self._open: dict[int, tuple[Histogram, ...]] = {}
        self.lag = Histogram()
        self.lag_starved = Histogram()
        self.workers: dict[str, dict[str, float]] = {}

    def add(self, row: Health) -> None:
        """A row."""
        at = row.second // self._step
        sums = self._sums.setdefault(at, {})
        worker = self.workers.setdefault(str(row.worker), {})
        states = self._states.setdefault((at, row.worker), {})
        for name in self.SUMS:
            value = float(getattr(row, name))
            if name in self.LASTING:
                states[name] = value
                worker[f"{name}_most"] = max(worker.get(f"{name}_most", 0.0), value)
            else:
                sums[name] = sums.get(name, 0.0) + value
                worker[name] = round(worker.get(name, 0.0) + value, 9)
        for name in self.WORST:
            value = float(getattr(row, name))
            sums[name] = max(sums.get(name, 0.0), value)
            worker[name] = max(worker.get(name, 0.0), value)
        for name, into in (("lag", self.lag), ("lag_starved", self.lag_starved)):
            if written := getattr(row, name):
                seen = unpacked(written)
                into.merge(seen)
                if name == "lag" and at not in self._lags:
                    if at not in self._open:
                        self._open[at] = (Histogram(),)
                        _close_old(self._open, self._close)
                    self._open[at][0].merge(seen)

    def columns(self) -> Columns:
        """`at` (s), cores used, seconds a second waited and starved, worst times, and states over all workers."""
        for at in list(self._open):
            self._close(at)
        parts = tuple(name for name in self.SUMS if name not in self.LASTING)
        found: Columns = {name: [] for name in ("at", *self.SUMS, *self.WORST, "lag_p99")}
        for at in range(min(self._sums, default=0), max(self._sums, default=-1) + 1):
            sums = self._sums.get(at, {})
            found["at"].append(float(at * self._step))
            for name in parts:
                found[name].append(round(sums.get(name, 0.0) / self._step, 6))
            for name in self.WORST:
                found[name].append(round(sums.get(name, 0.0), 6))
            for name in self.LASTING:
                states = [self._states.get((at, int(worker)), {}).get(name, 0.0) for worker in self.workers]
                found[name].append(sum(states))
            found["lag_p99"].append(self._lags.get(at))
        return found

    def _close(self, at: int) -> None:
        self._lags[at] = round(self._open.pop(at)[0].quantile(0.99) / 1e9, 9)


def _close_old(
    held: dict[int, tuple[Histogram, ...]] | dict[int, tuple[Histogram, Histogram]], close: Callable[[int], None]
) -> None:
    while len(held) > LAG:
        close(min(held))
