"""The stages of a report: totals, percentiles with their intervals, Little's law, and each operation. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from watchkeeper.stress import phases
from watchkeeper.stress.analysis import little
from watchkeeper.stress.analysis.beyond import Behaviour, Strain, behaviour
from watchkeeper.stress.analysis.chance import Halves, Interval, halves, quantile_intervals
from watchkeeper.stress.faults import Code, blame
from watchkeeper.stress.histogram import BUCKETS, Histogram, unpacked, upper
from watchkeeper.stress.objective import NEEDED, QUANTILES, tally
from watchkeeper.stress.report.digest import Cell, Digest, Spell
from watchkeeper.stress.report.document import OperationReport, StageReport, Times

if TYPE_CHECKING:
    from numpy.typing import NDArray

CURVED = {"smoke", "warm-up", "pause"}
"""Kinds whose distribution nobody asks for."""
SHARES = (*(0.01 * place for place in range(100)), *(1 - 10 ** (-2 - place / 12) for place in range(37)), 1.0)
"""Where a distribution is told: each hundredth, then ever nearer to one."""
COARSE = 4
"""Buckets that are put together for intervals: a quarter of the resolution, a fifth of the work."""
OVERLOADS = {"overload", "spike"}
ENDS = {"aborted", "worker-lost"}
"""Events that end a run before its time."""
LAST = 3.0
"""Seconds at the end of an overload, at most a third of it, that tell one who hangs from one who is slow."""


def times(histogram: Histogram) -> Times:
    """Its percentiles, in seconds."""
    if not histogram.total:
        return Times(0)
    names = [name for name in QUANTILES if histogram.total >= NEEDED[name]]
    found = histogram.quantiles([QUANTILES[name] for name in names])
    quantiles = {name: round(value / 1e9, 9) for name, value in zip(names, found, strict=True)}
    return Times(histogram.total, mean(histogram), quantiles)


def mean(histogram: Histogram) -> float | None:
    """In seconds, from the buckets' middles."""
    if not histogram.total:
        return None
    used = np.flatnonzero(histogram.counts)
    middles = (UPPERS[used] + LOWERS[used]) / 2
    return float((middles * histogram.counts[used]).sum() / histogram.total / 1e9)


def blocks_of(spell: Spell) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A stage's blocks for intervals: counts float64[blocks, buckets in use], and what each bucket stands for, in seconds."""
    whole = np.zeros((len(spell.blocks), BUCKETS // COARSE))
    for place, written in enumerate(spell.blocks):
        if written:
            whole[place] = unpacked(written).counts.reshape(-1, COARSE).sum(axis=1)
    used = np.flatnonzero(whole.any(axis=0))
    return whole[:, used][whole.any(axis=1)], UPPERS[used * COARSE + COARSE - 1] / 1e9


def reports(digest: Digest, bound: float) -> tuple[StageReport, ...]:
    """All stages. `bound`: seconds within which an operation is good."""
    found: list[StageReport] = []
    best, usual = 0.0, 0.0
    stopped = min((one.at for one in digest.events if one.kind in ENDS), default=math.inf)
    for spell in digest.spells:
        stage = _report(spell, bound, stopped)
        if spell.stage.kind in OVERLOADS:
            word = _behaviour(digest, spell, stage, best, usual)
            stage = StageReport(**{name: getattr(stage, name) for name in stage.__struct_fields__} | {"behaviour": word})
        elif not stage.excluded:
            best = max(best, stage.achieved)
        if spell.stage.kind in phases.BASELINES:
            usual = stage.clean.quantiles.get("p95", stage.latency.quantiles.get("p95", 0.0))
        found.append(stage)
    return tuple(found)


def _lasted(spell: Spell, stopped: float) -> float:
    """Seconds that a stage ran for; of one without an end, as long as anything was seen of it, and nothing had `stopped` it."""
    if spell.ended:
        return spell.ended.ended - spell.ended.began
    until = min(spell.seen_until or math.inf, stopped)
    return min(spell.stage.seconds, max(0.0, until - spell.began))


def _report(spell: Spell, bound: float, stopped: float) -> StageReport:
    stage, ended = spell.stage, spell.ended
    held = {name: unpacked(b"") for name in ("latency", "service", "starved", "failed")}
    whole = Cell()
    for cell in spell.cells.values():
        for name in ("scheduled", "started", "done", "late", "dropped", "sent_bytes", "received_bytes"):
            setattr(whole, name, getattr(whole, name) + getattr(cell, name))
        tally(whole.errors, cell.errors)
        tally(whole.counts, cell.counts)
        for name, into in held.items():
            into.merge(unpacked(getattr(cell, name)))
    seconds = _lasted(spell, stopped)
    clean = unpacked(b"").merge(held["latency"])
    clean.counts -= held["starved"].counts
    clean.total -= held["starved"].total
    censored = unpacked(b"").merge(held["latency"]).merge(held["failed"])
    intervals, split = _sure(spell)
    has_curve = stage.kind not in CURVED and held["latency"].total >= NEEDED["p99"]
    achieved = ended.achieved if ended else whole.done / seconds if seconds else 0.0
    failed = sum(whole.errors.values())
    return StageReport(
        index=stage.index,
        phase=stage.phase,
        kind=stage.kind,
        name=stage.name,
        model=stage.model,
        arrival=stage.arrival,
        level=stage.level,
        users=stage.users,
        connections=stage.connections,
        began=spell.began,
        seconds=round(seconds, 6),
        excluded=stage.excluded,
        judged=stage.kind in phases.JUDGED,
        scheduled=whole.scheduled,
        started=whole.started,
        done=whole.done,
        late=whole.late,
        dropped=whole.dropped,
        failed=failed,
        offered=ended.offered if ended else whole.scheduled / seconds if seconds else 0.0,
        achieved=achieved,
        good=achieved * _good(held["latency"], bound),
        sent_rate=whole.sent_bytes / seconds if seconds else 0.0,
        received_rate=whole.received_bytes / seconds if seconds else 0.0,
        latency=times(held["latency"]),
        service=times(held["service"]),
        clean=times(clean),
        censored=times(censored),
        p95=intervals.get("p95"),
        p99=intervals.get("p99"),
        halves=split,
        little=_little(spell, achieved, mean(held["service"]), failed, whole.started),
        valid=ended.validity.ok if ended else False,
        reasons=ended.validity.reasons if ended else ("it did not come to its end",),
        starved=ended.validity.starved if ended else 0.0,
        lag_p99=ended.validity.lag_p99 if ended else 0.0,
        decision=ended.decision if ended else "",
        cut_short=ended.cut_short if ended else "",
        errors=whole.errors,
        counts=whole.counts,
        operations=tuple(_operation(name, cell) for name, cell in spell.cells.items()),
        curve=_curve(held, censored) if has_curve else {},
    )


def _good(latency: Histogram, bound: float) -> float:
    """The share of what was done that was done within `bound` (s)."""
    if not math.isfinite(bound) or not latency.total:
        return 1.0
    return latency.at_most(bound * 1e9) / latency.total


def _operation(name: str, cell: Cell) -> OperationReport:
    return OperationReport(
        name=name,
        scheduled=cell.scheduled,
        started=cell.started,
        done=cell.done,
        failed=sum(cell.errors.values()),
        dropped=cell.dropped,
        late=cell.late,
        errors=cell.errors,
        counts=cell.counts,
        sent_bytes=cell.sent_bytes,
        received_bytes=cell.received_bytes,
        latency=times(unpacked(cell.latency)),
        service=times(unpacked(cell.service)),
        spans={span: times(unpacked(written)) for span, written in cell.spans.items()},
    )


def _sure(spell: Spell) -> tuple[dict[str, Interval], Halves | None]:
    """The intervals of p95 and p99, and p95 in both halves."""
    blocks, values = blocks_of(spell)
    if not len(blocks):
        return {}, None
    many = float(blocks.sum())
    names = [name for name in ("p95", "p99") if many >= NEEDED[name]]
    found = quantile_intervals(blocks, values, [QUANTILES[name] for name in names])
    intervals = dict(zip(names, found, strict=True)) if found else {}
    return intervals, halves(blocks, values, 0.95) if many >= 2 * NEEDED["p95"] else None


def _little(spell: Spell, achieved: float, time: float | None, failed: int, started: int) -> little.Little:
    """N = X · R with the time from the actual start, as that is when an operation is under way."""
    if failed > 0.01 * started:
        return little.Little(None, None, None, None, "more than 1 % failed: what these held for how long is not counted in R")
    return little.check(achieved, math.nan if time is None else time, spell.looks)


def _curve(held: Mapping[str, Histogram], censored: Histogram) -> dict[str, list[float]]:
    shares = [share for share in SHARES if share == 1.0 or (1 - share) * held["latency"].total >= 1]
    found = {"share": [round(share, 8) for share in shares]}
    for name, histogram in (("latency", held["latency"]), ("service", held["service"]), ("censored", censored)):
        found[name] = [round(value / 1e9, 9) for value in histogram.quantiles(shares)]
    return found


def _behaviour(digest: Digest, spell: Spell, stage: StageReport, best: float, usual: float) -> Behaviour:
    by_blame = {"said-no": 0, "nobody": 0}
    for code, many in stage.errors.items():
        if blame(code) in by_blame:
            by_blame[blame(code)] += many
    ends = stage.began + stage.seconds
    begins = ends - max(digest.step, min(LAST, stage.seconds / 3))
    columns = digest.moments
    due, done = (columns.get(name, []) for name in ("due", "done"))
    last = [
        place
        for place, at in enumerate(columns.get("at", []))
        if at is not None and begins - digest.step <= at and at + digest.step <= ends and (due[place] or 0) > 0
    ]
    within = [mark for mark in digest.marks if spell.began <= mark.at <= ends + 5]
    return behaviour(
        Strain(
            offered=stage.offered,
            achieved=stage.achieved,
            best=best,
            due=stage.scheduled or stage.started,
            said_no=by_blame["said-no"],
            nobody=by_blame["nobody"],
            refused=stage.errors.get(Code.REFUSED, 0),
            dropped=stage.dropped,
            p95=stage.latency.quantiles.get("p95", math.inf),
            usual=usual,
            last_due=round(sum(due[place] or 0 for place in last)),
            last_done=round(sum(done[place] or 0 for place in last)),
            restarts=sum(mark.kind == "restart" for mark in within),
            hangs=sum(mark.kind == "hang" for mark in within),
            behind=spell.ended.behind if spell.ended else None,
            wanted=spell.stage.wanted,
        )
    )


UPPERS = np.array([upper(index) for index in range(BUCKETS)], np.float64)
LOWERS = np.concatenate(([0.0], UPPERS[:-1] + 1))
