"""Two runs side by side (or two groups of runs): the same figures of both, and whether their difference is one. Pure.

Stages are compared where both have one of the same name (of several the first with the first, the second with the second);
search levels are not, as they follow from what was found. What one of the two sides cannot vouch for is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from watchkeeper.stress.analysis.chance import FEWEST, Interval, interval, quantile, ratio_interval
from watchkeeper.stress.analysis.comparing import THRESHOLD, Comparison, Difference, compared, difference
from watchkeeper.stress.histogram import BUCKETS
from watchkeeper.stress.objective import NEEDED, QUANTILES
from watchkeeper.stress.report.digest import Digest, Spell, calls
from watchkeeper.stress.report.stages import COARSE, UPPERS, blocks_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEADY = {"plateau", "constant", "soak", "hold", "recovery"}
SHOWN = ("p50", "p95", "p99")
ALIKE = (
    "processor",
    "cores",
    "cores_usable",
    "memory_bytes",
    "system",
    "python",
    "watchkeeper",
    "governor",
    "container_cpu_max",
)
"""What of the environment makes two runs unlike."""


def contrast(first: Sequence[Digest], second: Sequence[Digest], threshold: float = THRESHOLD) -> Comparison:
    """Compare; `threshold` is the relative difference that matters. Several runs of a side are one sample."""
    differences: list[Difference] = []
    if found := _capacity(first, second, threshold):
        differences.append(found)
    for name in _shared(first, second):
        a, b = ([_spell(digest, name) for digest in side] for side in (first, second))
        differences += _stage(name, a, b, threshold)
    whole = compared(differences, threshold, _unlike(first, second))
    unsound = [why for side, runs in (("first", first), ("second", second)) for why in _unsound(side, runs)]
    if not unsound:
        return whole
    why = "; ".join(unsound)
    unknown = tuple(msgspec.structs.replace(one, word="unknown", why=why) for one in whole.differences)
    return msgspec.structs.replace(whole, word="unknown", text=f"not known: {why}", differences=unknown)


def _unsound(side: str, runs: Sequence[Digest]) -> list[str]:
    """Why the figures of a side are not those of its target, or not all of them."""
    found = []
    for one in runs:
        if one.run.verdict == "invalid":
            found.append(f"the {side} run ({one.run.id}) is invalid")
        elif one.died or one.run.state != "done":
            state = "died" if one.died else one.run.state
            found.append(f"the {side} run ({one.run.id}) did not come to its end ({state})")
    return found


def _capacity(first: Sequence[Digest], second: Sequence[Digest], threshold: float) -> Difference | None:
    """The sustained level: its interval is the bracket that each search ended with, or the spread of several."""
    knees = [[digest.run.knees[-1] for digest in side if digest.run.knees] for side in (first, second)]
    if not all(knees) or not all(knee.sustained for side in knees for knee in side):
        return None
    if first[0].spells and {spell.stage.model for digest in (*first, *second) for spell in digest.spells} == {"closed"}:
        return None
    ranges = []
    for side in knees:
        values = [knee.sustained for knee in side]
        tops = [knee.broken or knee.sustained for knee in side]
        spread = interval(values)
        low, high = (spread.low, spread.high) if spread else (min(values), max(values))
        ranges.append((float(np.median(values)), low, max(high, float(np.median(tops)))))
    (a, a_low, a_high), (b, b_low, b_high) = ranges
    # Each search says: at least the one, less than the other. The ratio lies between the extremes of both.
    ratio = Interval(b / a, min(b_low / a_high, b / a), max(b_high / a_low, b / a))
    return difference("sustained", "1/s", (a, b), ratio, "more", threshold)


def _stage(name: str, first: Sequence[Spell], second: Sequence[Spell], threshold: float) -> list[Difference]:
    found = []
    levels = [{round(spell.stage.level, 6) for spell in side} for side in (first, second)]
    same_load = max(levels[0] | levels[1]) <= 1.02 * min(levels[0] | levels[1])
    sides = [[_counts(spell) for spell in side] for side in (first, second)]
    if same_load:
        for shown in SHOWN:
            if min(float(sum(run.sum() for run in side)) for side in sides) < NEEDED[shown]:
                continue
            values = [quantile(np.sum([run.sum(axis=0) for run in side], axis=0), EDGES, QUANTILES[shown]) for side in sides]
            ratio = ratio_interval(sides[0], sides[1], EDGES, QUANTILES[shown])
            found.append(difference(f"{shown} in {name}", "s", (values[0], values[1]), ratio, "less", threshold))
    done = [[spell.ended.achieved for spell in side if spell.ended is not None] for side in (first, second)]
    failed = [_failed(side) for side in (first, second)]
    if same_load and all(done) and min(map(min, done)) > 0:
        found.append(_rates(f"done a second in {name}", done, sides, threshold))
    if max(failed) > 0:
        found.append(_shares(f"failed in {name}", failed, (first, second), threshold))
    return found


def _rates(
    what: str, done: Sequence[Sequence[float]], blocks: Sequence[Sequence[NDArray[np.float64]]], threshold: float
) -> Difference:
    """Rates over the runs of each side. `blocks`: of each run, float64[blocks, buckets]."""
    a, b = (float(np.mean(side)) for side in done)
    spreads = [_spread(*side) for side in zip(done, blocks, strict=True)]
    ratio = None
    if spreads[0] is not None and spreads[1] is not None:
        ratio = Interval(b / a, spreads[1].low / spreads[0].high, spreads[1].high / spreads[0].low)
    return difference(what, "1/s", (a, b), ratio, "more", threshold)


def _spread(rates: Sequence[float], blocks: Sequence[NDArray[np.float64]]) -> Interval | None:
    """Where the mean of some runs' rates may lie: by how these differ, or, of one or two, by how the blocks of each do."""
    if found := interval(rates):
        return found
    ends = []
    for rate, run in zip(rates, blocks, strict=True):
        within = interval(run.sum(axis=1)) if len(run) >= FEWEST else None
        if within is None or not within.value:
            return None
        ends += [rate * within.low / within.value, rate * within.high / within.value]
    return Interval(float(np.mean(rates)), min(ends), max(ends))


def _shares(what: str, failed: Sequence[float], sides: Sequence[Sequence[Spell]], threshold: float) -> Difference:
    """Shares of failures: their difference in standard errors of counts; a hundredth of a per cent is none to anybody."""
    due = [max(1, sum(cell.scheduled or cell.started for spell in side for cell in spell.cells.values())) for side in sides]
    a, b = failed
    error = 1.96 * float(np.sqrt(sum(share * (1 - share) / many for share, many in zip(failed, due, strict=True))))
    if abs(b - a) <= max(error, 0.0001):
        return difference(what, "ratio", (a, b), Interval(1.0, 1.0, 1.0), "less", threshold)
    before = max(a, 0.0001)
    ratio = Interval(b / before, max(0.0, (b - error) / before), (b + error) / before)
    return difference(what, "ratio", (a, b), ratio, "less", threshold)


def _failed(side: Sequence[Spell]) -> float:
    due = failed = 0
    for spell in side:
        for cell in spell.cells.values():
            due += cell.scheduled or cell.started
            failed += sum(cell.errors.values()) + cell.dropped
    return failed / due if due else 0.0


def _shared(first: Sequence[Digest], second: Sequence[Digest]) -> list[str]:
    names = [name for name, spell in calls(first[0]) if spell.stage.kind in STEADY and spell.ended is not None]
    everybody = [*first, *second]
    return [name for name in names if all(_has(digest, name) for digest in everybody)]


def _has(digest: Digest, name: str) -> bool:
    return any(called == name and spell.ended is not None for called, spell in calls(digest))


def _spell(digest: Digest, name: str) -> Spell:
    return next(spell for called, spell in calls(digest) if called == name and spell.ended is not None)


def _counts(spell: Spell) -> NDArray[np.float64]:
    """A stage's blocks over all coarse buckets, so that runs add up."""
    counts, values = blocks_of(spell)
    whole = np.zeros((len(counts), BUCKETS // COARSE))
    if len(counts):
        whole[:, np.searchsorted(EDGES, values - 1e-12)] = counts
    return whole


EDGES = UPPERS[COARSE - 1 :: COARSE] / 1e9


def _unlike(first: Sequence[Digest], second: Sequence[Digest]) -> tuple[str, ...]:
    a, b = first[0].run, second[0].run
    found = [
        f"{name}: {a.environment.get(name, 'not told')} and {b.environment.get(name, 'not told')}"
        for name in ALIKE
        if a.environment.get(name) != b.environment.get(name)
    ]
    if a.plan_hash != b.plan_hash:
        found.append(f"the plans are not the same ({a.plan} {a.plan_hash[:8]}, {b.plan} {b.plan_hash[:8]})")
    for name, one, other in (("verdict", a.verdict, b.verdict), ("state", a.state, b.state)):
        if one != other:
            found.append(f"{name}: {one or 'none'} and {other or 'none'}")
    if a.protocol != b.protocol:
        found.append(f"protocol: {a.protocol} and {b.protocol}")
    if len(first) == len(second) == 1:
        found.append("one run of each: what differs from run to run by itself is not known, so a difference may be that alone")
    return tuple(found)
