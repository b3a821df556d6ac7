"""Is it as before? Decided second by second against a baseline. Pure.

A server may stay broken after the load has gone: retries, queues of dead work, caches that were lost feed on themselves.
That is a metastable failure (Bronson, Aghayev, Charapko, Zhu: "Metastable Failures in Distributed Systems", HotOS 2021),
and is named here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from watchkeeper.stress.run import Recovery

WITHIN = 1.10
"""As good as the baseline: its p95 within a tenth."""
NO_DIFFERENCE = 0.001
"""Seconds: less is no difference to anybody, and a tenth of very little is the noise of any machine."""
KEPT_UP = 0.9
FULL = 0.8
"""Of a baseline's seconds that had any load, below which its load is sparse."""
LAST = 5
"""Seconds at the end of the limit that tell a failure that goes on from one that is merely slow to end."""


class Moment(NamedTuple):
    """One second of a stage: starts due, operations done, failed or dropped ones; latencies in seconds (NaN: none).

    `p95` is of moments in which the generator did not wait for a processor, where there are enough: it decides.
    """

    second: int
    scheduled: int
    done: int
    failed: int
    p95: float
    p50: float = math.nan
    p99: float = math.nan


class Baseline(NamedTuple):
    """What it was like before. `bound`: the p95 up to which a second counts as good; `errors`: the share of failed ones.

    `is_sparse`: there were seconds without any load, so such a one says nothing.
    """

    p95: float
    bound: float
    errors: float
    is_sparse: bool = False


def baseline(p95: float, p95s: Sequence[float], errors: float, seconds: int = 0) -> Baseline:
    """From a stage as a whole and its seconds: a second's p95 strays by itself, so nine in ten of its own are good.

    `seconds`: how many whole ones it had, those without any load included.
    """
    own = sorted(one for one in p95s if math.isfinite(one))
    usual = own[int((len(own) - 1) * 0.9)] if own else p95
    return Baseline(p95, max(WITHIN * p95, p95 + NO_DIFFERENCE, usual), errors, len(p95s) < FULL * seconds)


def is_good(moment: Moment, before: Baseline) -> bool:
    """Whether a second was as good as the baseline."""
    if not moment.scheduled:
        return False
    few_failed = moment.failed <= math.ceil(before.errors * moment.scheduled)
    return few_failed and moment.done >= KEPT_UP * moment.scheduled - 1 and moment.p95 <= before.bound


def recovered(moments: Sequence[Moment], before: Baseline, held: int, began: float) -> int | None:
    """How many seconds after `began` the first of `held` good ones in a row was; None: not yet.

    A second without a moment is not good: nothing was due, done or failed in it, as when users wait for who hangs.
    """
    run: list[int] = []
    for moment in moments:
        if not is_good(moment, before) or (run and not before.is_sparse and moment.second > run[-1] + 1):
            run.clear()
        if is_good(moment, before):
            run.append(moment.second)
        if len(run) == held:
            return max(0, round(run[0] - began))
    return None


def judge(moments: Sequence[Moment], before: Baseline, held: int, after: str, limit: float, began: float) -> Recovery:
    """What is to be said once it has recovered or the limit has passed; it `began` so many seconds into the run."""
    place = recovered(moments, before, held, began)
    if place is not None:
        text = f"as before {place} s after {after}" if place else f"as before at once after {after}"
        return Recovery(after, float(place), limit, before.p95, metastable=False, text=text)
    ends = int(began + limit)
    last = [one for one in moments if ends - LAST <= one.second <= ends]
    due, done = sum(one.scheduled for one in last), sum(one.done for one in last)
    failed = sum(one.failed for one in last)
    slow = sorted(one.p95 if math.isfinite(one.p95) else math.inf for one in last)
    still = [] if last else ["nothing was begun or done"]
    if due and done < KEPT_UP * due:
        still.append(f"{done} of {due} due operations were done")
    if due and failed > max(0.01, 2 * before.errors) * due:
        still.append(f"{failed} of {due} failed")
    if slow and slow[len(slow) // 2] > 2 * before.bound:
        middle = slow[len(slow) // 2]
        still.append(
            f"p95 was {middle * 1000:.4g} ms, not {before.p95 * 1000:.4g} ms"
            if math.isfinite(middle)
            else "more than 5 % were never answered"
        )
    if still:
        text = f"metastable: {limit:g} s after {after}, with no more load than before, {', '.join(still)}"
    else:
        text = f"not quite as before within {limit:g} s after {after}"
    return Recovery(after, None, limit, before.p95, bool(still), text)
