"""What the workers tell, put together: rows for the record, totals for the decider, moments for whoever watches.

Rows of a second are written once all workers have told of it, or two seconds later; what comes then is a further row.
Held are the totals of stages that are not over and two seconds of rows, however long the run.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from operator import attrgetter

from watchkeeper.stress import talk
from watchkeeper.stress.health import Gate
from watchkeeper.stress.histogram import Histogram, poured
from watchkeeper.stress.objective import NEEDED, Totals, tally
from watchkeeper.stress.record import Recording
from watchkeeper.stress.recovery import Moment
from watchkeeper.stress.run import Happening, Window
from watchkeeper.stress.talk import Drained, Row

PATIENCE = 2
"""Seconds that a row waits for those of other workers."""

SPAN = "span "
"""Tells a span from the histograms that every row has."""

Key = tuple[int, int, str]


class _Pending:
    """Rows of one key, to be added up."""

    def __init__(self) -> None:
        self.window = Window(0, 0, "")
        self.parts: dict[str, list[Drained]] = {}

    def add(self, row: Row) -> None:
        window = self.window
        window.second, window.stage, window.operation = row.second, row.stage, row.operation
        for name in ("scheduled", "started", "done", "late", "dropped"):
            setattr(window, name, getattr(window, name) + getattr(row, name))
        window.sent_bytes += row.sent
        window.received_bytes += row.received
        tally(window.errors, row.errors)
        tally(window.counts, row.counts)
        spans = ((SPAN + name, drained) for name, drained in row.spans.items())
        own = (("latency", row.latency), ("service", row.service), ("starved", row.starved), ("failed", row.failed))
        for name, drained in (*own, *spans):
            if drained is not None:
                self.parts.setdefault(name, []).append(drained)


class StageTotals:
    """One stage: its operations' totals, its generator, and its seconds."""

    def __init__(self, operations: tuple[str, ...]) -> None:
        """Nothing yet."""
        self.by_operation = {name: Totals() for name in (*operations, "")}
        self.gate = Gate()
        self.over: set[int] = set()
        """Workers that schedule no more."""
        self.settled: set[int] = set()
        self.missing: dict[str, int] = {}
        """Connections that should have been there at its end, by why they were not."""
        self.moments: list[Moment] = []
        self.middle = 0
        """The second before which about half of its time is over."""

    @property
    def whole(self) -> Totals:
        """All operations together."""
        found = Totals()
        for totals in self.by_operation.values():
            found.merge(totals)
        return found


MOMENTS = 4000
"""Seconds of a stage that are kept for comparison; a soak of many hours keeps its newest."""


class Gathering:
    """Everything that comes from workers goes through here."""

    def __init__(
        self, recording: Recording, operations: tuple[str, ...], workers: int, seen: Callable[[Moment, int], None]
    ) -> None:
        """`seen(moment, stage)` is called for each whole second of a stage."""
        self._recording = recording
        self._operations = operations
        self._seen = seen
        self._pending: dict[Key, _Pending] = {}
        self._newest = dict.fromkeys(range(workers), -1)
        self._written = -1
        self._scratch = Histogram()
        self.stages: dict[int, StageTotals] = {}
        self.connections = 0
        self._connected: dict[int, int] = {}

    def stage(self, index: int) -> StageTotals:
        """A stage's totals."""
        found = self.stages.get(index)
        if found is None:
            found = self.stages[index] = StageTotals(self._operations)
        return found

    def take(self, worker: int, tick: talk.Tick, at: float) -> None:
        """What one worker has seen since its last word; `at` seconds into the run."""
        lag, lag_starved = Histogram(), Histogram()
        poured(lag, tick.lag)
        poured(lag_starved, tick.lag_starved)
        tick.health.lag, tick.health.lag_starved = lag.packed(), lag_starved.packed()
        self._recording.health(tick.health)
        self._connected[worker] = tick.health.connections
        self.connections = sum(self._connected.values())
        touched = set()
        for row in tick.rows:
            touched.add(row.stage)
            self._add(worker, row, at)
        running = max(touched, default=None)
        if running is not None and running in self.stages:
            self.stages[running].gate.see(tick.health, lag, lag_starved, tick.part)
        if tick.whole:
            self._newest[worker] = max(self._newest[worker], tick.health.second)

    def write(self, second: int, *, everything: bool = False) -> None:
        """Write what is complete: up to the second that all have told of, or that lies `PATIENCE` before `second`."""
        upto = second if everything else max(min(self._newest.values()), second - PATIENCE)
        ready = sorted(key for key in self._pending if key[0] <= upto)
        by_stage: dict[tuple[int, int], list[_Pending]] = {}
        for key in ready:
            pending = self._pending.pop(key)
            by_stage.setdefault(key[:2], []).append(pending)
        for (at, stage), rows in by_stage.items():
            self._moment(at, stage, rows)
            for pending in rows:
                self._recording.window(self._whole(pending))
        self._written = max(self._written, upto)
        self._recording.flush()

    def forget(self, stage: int) -> None:
        """A stage is over and was judged."""
        self.stages.pop(stage, None)

    def _add(self, worker: int, row: Row, at: float) -> None:
        self._pending.setdefault((row.second, row.stage, row.operation), _Pending()).add(row)
        stage = self.stage(row.stage)
        totals = stage.by_operation[row.operation]
        totals.scheduled += row.scheduled
        totals.started += row.started
        totals.done += row.done
        totals.late += row.late
        totals.dropped += row.dropped
        tally(totals.errors, row.errors)
        tally(totals.counts, row.counts)
        poured(totals.latency, row.latency)
        poured(totals.service, row.service)
        poured(totals.starved, row.starved)
        if worker not in stage.over:
            failed = row.dropped + sum(row.errors.values())
            totals.done_within += row.done
            totals.failed_within += failed
            if row.second < stage.middle:
                totals.midway += row.scheduled - row.done - failed
        for code, text in row.samples:
            facts = {"code": code, "operation": row.operation, "stage": str(row.stage)}
            self._recording.happen(Happening(round(at, 3), "error", text or code, facts))

    def _whole(self, pending: _Pending) -> Window:
        window = pending.window
        for name, parts in pending.parts.items():
            scratch = self._scratch
            for part in parts:
                poured(scratch, part)
            packed = scratch.packed()
            scratch.clear()
            if name.startswith(SPAN):
                window.spans[name.removeprefix(SPAN)] = packed
            else:
                setattr(window, name, packed)
        return window

    def _moment(self, second: int, stage: int, rows: list[_Pending]) -> None:
        """A second of a stage as those who watch see it."""
        scratch = self._scratch
        due = done = failed = unanswered = 0
        for pending in rows:
            window = pending.window
            due += window.scheduled
            done += window.done
            failed += window.dropped + sum(window.errors.values())
            for part in pending.parts.get("latency", ()):
                poured(scratch, part)
            one = Totals()
            one.errors, one.dropped = window.errors, window.dropped
            unanswered += one.unanswered
        p50, p95, p99 = (_with_unanswered(scratch, unanswered, share) for share in (0.5, 0.95, 0.99))
        for pending in rows:
            for part in pending.parts.get("starved", ()):
                poured(scratch, part, sign=-1)
        if scratch.total >= NEEDED["p95"]:
            p95 = _with_unanswered(scratch, unanswered, 0.95)
        scratch.clear()
        moment = Moment(second, due, done, failed, p95, p50, p99)
        if stage in self.stages and (due or done or failed):
            moments = self.stages[stage].moments
            place = bisect_left(moments, second, key=attrgetter("second"))
            if place < len(moments) and moments[place].second == second:  # a straggler's part: the first word stands
                return
            moments.insert(place, moment)
            del moments[:-MOMENTS]
        self._seen(moment, stage)


def _with_unanswered(seen: Histogram, unanswered: int, share: float) -> float:
    """A percentile in seconds, where some were never answered."""
    whole = seen.total + unanswered
    if not whole:
        return math.nan
    rank = max(1, math.ceil(share * whole))
    return seen.quantile(rank / seen.total) / 1e9 if rank <= seen.total else math.inf
