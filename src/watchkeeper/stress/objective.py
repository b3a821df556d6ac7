"""What is asked of the target, as people write it: ``p99 < 50ms``, ``errors < 0.1%``, ``loss = 0``; and whether it was held.

Pure: text in, `Objective` out; totals in, `Held` out. A percentile that too few values speak for is not judged. An operation
that nobody answered (a time-out, a reset, never started) counts as slower than any that was: 99 % answered in time means of
all.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from watchkeeper.stress.faults import Code, blame
from watchkeeper.stress.histogram import Histogram
from watchkeeper.stress.run import Held

QUANTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999, "max": 1.0}
NEEDED = {"p50": 1, "p75": 4, "p90": 10, "p95": 20, "p99": 100, "p99.9": 10_000, "p99.99": 100_000, "max": 1}
"""How many values a percentile needs before anybody should believe it."""
SHARES = ("errors", "dropped", "late")
COUNTS = {"loss": "lost", "duplicates": "duplicated", "reordered": "reordered", "corrupt": "corrupt"}
OF_RUN = {"capacity": "rate", "recovery": "duration"}
"""Judged once, over the whole run: the sustained level of the search, and the time to be as before."""

_OPS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}
_FORM = re.compile(
    r"(?P<metric>[a-z0-9.]+)(?:\s+of\s+(?P<operation>\S+))?(?:\s+in\s+(?P<phase>\S+))?\s*(?P<op><=|>=|<|>|=)\s*"
    r"(?P<value>\d+(?:\.\d+)?)\s*(?P<unit>µs|us|ms|s|m|%|/s)?"
)
_SECONDS = {"µs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


class Objective(NamedTuple):
    """One of them. `value` in base units: seconds, a ratio, a count, a rate; `blind`: why nobody can see what it asks for."""

    text: str
    metric: str
    op: str
    value: float
    operation: str = ""
    phase: str = ""
    blind: str = ""

    @property
    def is_of_numbers(self) -> bool:
        """Whether it asks what has become of messages that are numbered."""
        return self.metric.rstrip("%") in COUNTS

    @property
    def is_of_run(self) -> bool:
        """Whether it is judged once, over the whole run."""
        return self.metric in OF_RUN

    def holds(self, observed: float) -> bool:
        """Whether this is as asked."""
        return _OPS[self.op](observed, self.value)


class Totals:
    """What all workers have told of one operation of one stage, or of all operations together. `seconds` that it ran for."""

    def __init__(self) -> None:
        """Nothing."""
        self.seconds = 0.0
        self.scheduled = 0
        self.started = 0
        self.done = 0
        self.done_within = 0
        """Of these, before the stage's time was over."""
        self.failed_within = 0
        """Failed or dropped, before the stage's time was over."""
        self.midway = 0
        """Under way when about half of the stage's time was over,"""
        self.midway_at = 0.0
        """so many seconds into it; 0: never looked."""
        self.late = 0
        self.dropped = 0
        self.errors: dict[str, int] = {}
        self.counts: dict[str, int] = {}
        self.latency = Histogram()
        self.service = Histogram()
        self.starved = Histogram()
        """Of `latency`, those that ended while the generator waited for a processor."""

    def merge(self, other: Totals) -> Totals:
        """Add another one's; returns itself."""
        self.seconds = max(self.seconds, other.seconds)
        self.midway_at = max(self.midway_at, other.midway_at)
        for name in ("scheduled", "started", "done", "done_within", "failed_within", "midway", "late", "dropped"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        tally(self.errors, other.errors)
        tally(self.counts, other.counts)
        self.latency.merge(other.latency)
        self.service.merge(other.service)
        self.starved.merge(other.starved)
        return self

    @property
    def clean(self) -> Totals:
        """The same without latencies of starved moments."""
        found = Totals().merge(self)
        found.latency.counts -= self.starved.counts
        found.latency.total -= self.starved.total
        return found

    @property
    def failed(self) -> int:
        """Begun, and ended otherwise than well."""
        return sum(self.errors.values())

    @property
    def unanswered(self) -> int:
        """Of the failed and dropped ones, those that nobody has answered."""
        return self.dropped + sum(count for code, count in self.errors.items() if blame(code) == "nobody")

    @property
    def offered(self) -> float:
        """Starts due a second."""
        return self.scheduled / self.seconds if self.seconds else 0.0

    @property
    def achieved(self) -> float:
        """Operations done a second, while it ran."""
        return self.done_within / self.seconds if self.seconds else 0.0

    def quantile(self, name: str) -> float:
        """A percentile of the latency in seconds, those that nobody answered counted as inf; NaN when there is nothing."""
        whole = self.latency.total + self.unanswered
        if not whole:
            return math.nan
        rank = max(1, math.ceil(QUANTILES[name] * whole - 1e-9))
        return self.latency.quantile(rank / self.latency.total) / 1e9 if rank <= self.latency.total else math.inf


def tally(into: dict[str, int], more: Mapping[str, int]) -> None:
    """Add counts by name."""
    for name, count in more.items():
        into[name] = into.get(name, 0) + count


def parse(text: str) -> Objective:
    """Read one; raises ValueError with what was expected."""
    found = _FORM.fullmatch(text.strip())
    if not found:
        raise ValueError(f'expected an objective such as "p99 < 50ms", "errors < 0.1%" or "loss = 0", got {text!r}')
    metric, unit, value = found["metric"], found["unit"], float(found["value"])
    kind = _kind(metric)
    if not kind:
        known = ", ".join((*QUANTILES, *SHARES, *COUNTS, "rate", *OF_RUN))
        raise ValueError(f"{metric!r} is not measured; known: {known}")
    if kind == "duration":
        if unit not in _SECONDS:
            raise ValueError(f"{metric} is a duration: write {found['value']} with ms, s or µs, in {text!r}")
        value *= _SECONDS[unit]
    elif kind in {"share", "count"}:
        if unit not in {None, "%"}:
            raise ValueError(
                f"{metric} is a {'share' if kind == 'share' else 'count, or a share'}: write it bare or with %, in {text!r}"
            )
        if unit == "%":
            value /= 100
    elif unit not in {None, "/s"}:
        raise ValueError(f"{metric} is a rate: write {found['value']}/s, in {text!r}")
    if metric in OF_RUN and (found["operation"] or found["phase"]):
        raise ValueError(f"{metric} is of the whole run, not of an operation or a phase")
    name = f"{metric}%" if kind == "count" and unit == "%" else metric
    return Objective(text.strip(), name, found["op"], value, found["operation"] or "", found["phase"] or "")


def judge(objective: Objective, totals: Totals) -> Held:
    """Whether a stage's totals (of the objective's operation, or all) held it."""
    observed, why = _observed(objective, totals)
    if observed is None:
        return Held(objective.text, None, None, why)
    if math.isinf(observed):
        share = 1 - QUANTILES[objective.metric]
        return Held(objective.text, None, held=False, why=f"more than {share:.2%} were never answered")
    return Held(objective.text, observed, objective.holds(observed), why)


def _observed(objective: Objective, totals: Totals) -> tuple[float | None, str]:  # noqa: PLR0911  # one for each kind of metric
    metric = objective.metric
    if metric in QUANTILES:
        seen = totals.latency.total + totals.unanswered
        if seen < NEEDED[metric]:
            return None, f"{seen} of {NEEDED[metric]} values that {metric} needs"
        return totals.quantile(metric), ""
    if metric == "rate":
        return totals.achieved, ""
    counted = totals.counts.get(COUNTS.get(metric.rstrip("%"), ""), 0)
    if objective.blind:
        return None, objective.blind
    if metric in COUNTS and counted:
        return float(counted), ""
    if not totals.scheduled:
        return None, "nothing was due"
    if metric in COUNTS:
        return 0.0, ""
    if metric.endswith("%"):
        return counted / totals.scheduled, ""
    failed = totals.failed - totals.errors.get(Code.CUT, 0)  # dropped by ourselves, on purpose
    part = {"errors": failed + totals.dropped, "dropped": totals.dropped, "late": totals.late}[metric]
    return part / totals.scheduled, ""


def _kind(metric: str) -> str:
    if metric in QUANTILES:
        return "duration"
    if metric in SHARES:
        return "share"
    if metric in COUNTS:
        return "count"
    return "rate" if metric == "rate" else OF_RUN.get(metric, "")
