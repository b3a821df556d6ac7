"""The nouns of a report: every number that is in it, in base units. Its JSON is this; docs/reference has the schema.

Times are seconds, sizes bytes, shares ratios, rates a second. None: it was not seen, or too little for it to be said.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from watchkeeper.stress.analysis.beyond import Behaviour
from watchkeeper.stress.analysis.capacity import Breaking, Sureness
from watchkeeper.stress.analysis.chance import Halves, Interval
from watchkeeper.stress.analysis.little import Little
from watchkeeper.stress.analysis.slope import Slope
from watchkeeper.stress.analysis.usl import Usl
from watchkeeper.stress.faults import Blame
from watchkeeper.stress.report.digest import File, Line, Mark
from watchkeeper.stress.run import Arrival, Model, Recovery, Run
from watchkeeper.stress.serverside.joined import Cost, Fired, Saturated

FORMAT = 1

Tone = Literal["good", "bad", "doubt", "plain"]
Columns = dict[str, list[float | None]]


class Answer(msgspec.Struct, frozen=True):
    """One of the six questions of the first page: a short answer, what it stands on, and how to look at it."""

    question: str
    answer: str
    detail: str
    tone: Tone = "plain"


class Threshold(msgspec.Struct, frozen=True):
    """An objective with what was observed. `margin`: how far within it (positive) or beyond, as a share of what was asked."""

    objective: str
    op: str
    wanted: float
    unit: str
    observed: float | None
    margin: float | None
    held: bool | None
    why: str = ""


class Times(msgspec.Struct, frozen=True):
    """Percentiles of `n` values, only those for which that is enough (p99.9 from 10,000), and their mean."""

    n: int
    mean: float | None = None
    quantiles: dict[str, float] = {}


class OperationReport(msgspec.Struct, frozen=True):
    """One operation in one stage."""

    name: str
    scheduled: int
    started: int
    done: int
    failed: int
    dropped: int
    late: int
    errors: dict[str, int]
    counts: dict[str, int]
    sent_bytes: int
    received_bytes: int
    latency: Times
    service: Times
    spans: dict[str, Times]


class StageReport(msgspec.Struct, frozen=True):
    """One stage. `latency` is from the intended start, `service` from the actual one, `clean` without what ended while the
    generator waited for a processor, `censored` with failed ones counted as long as they were waited for (at least so long).
    """  # noqa: D205  # one sentence

    index: int
    phase: int
    kind: str
    name: str
    model: Model
    arrival: Arrival
    level: float
    users: int
    connections: int
    began: float
    seconds: float
    excluded: bool
    judged: bool
    scheduled: int
    started: int
    done: int
    late: int
    dropped: int
    failed: int
    offered: float
    achieved: float
    good: float
    sent_rate: float
    received_rate: float
    latency: Times
    service: Times
    clean: Times
    censored: Times
    p95: Interval | None
    p99: Interval | None
    halves: Halves | None
    little: Little
    valid: bool
    reasons: tuple[str, ...]
    starved: float
    lag_p99: float
    decision: str
    cut_short: str
    errors: dict[str, int]
    counts: dict[str, int]
    operations: tuple[OperationReport, ...]
    curve: dict[str, list[float]] = {}
    """``share`` and, in seconds, ``latency``, ``service`` and ``censored`` at each: the whole distribution, to draw."""
    behaviour: Behaviour | None = None
    """What it did, in an overload or a spike."""


class LevelReport(msgspec.Struct, frozen=True):
    """One level of the search, all its tries together: a point of the curve."""

    level: float
    offered: float
    achieved: float
    p50: float | None
    p95: float | None
    p99: float | None
    under_way: float | None
    failed: float
    word: str
    tries: int


class CapacityReport(msgspec.Struct, frozen=True):
    """What the search came to. Rates a second, or users (`model`)."""

    model: Model
    sustained: float
    broken: float | None
    achieved: float
    why: str
    sureness: Sureness | None
    power: float | None
    bend: float | None
    ceiling: Interval | None
    breaking: Breaking | None
    usl: Usl
    usl_line: dict[str, list[float]]
    """``n``, ``x``, ``low`` and ``high``: the fit to draw; empty where it was refused."""
    usl_points: tuple[tuple[float, float], ...]
    """What it was fitted to: under way, done a second."""
    levels: tuple[LevelReport, ...]


class FaultReport(msgspec.Struct, frozen=True):
    """An error code: whose word it is, how often, and when. `share` of all that was due."""

    code: str
    blame: Blame
    count: int
    share: float
    first: float
    last: float
    operations: dict[str, int]
    stages: dict[str, int]
    sample: str


class Trend(msgspec.Struct, frozen=True):
    """Whether a series grows while the load stays: in which stage, and its slope."""

    series: str
    unit: str
    stage: str
    slope: Slope


class GeneratorReport(msgspec.Struct, frozen=True):
    """How good the generator was: starts' lateness, processor, starvation, and what it had left."""

    ok: bool
    reasons: tuple[str, ...]
    workers: int
    lag: Times
    lag_starved: Times
    cpu_mean: float
    cpu_most: float
    """Cores used, all workers together."""
    starved: float
    """Share of the workers' time."""
    gc_worst: float
    loop_worst: float
    rss_most: float
    descriptors_most: float
    connections_most: float
    cost: float | None
    """Processor seconds an operation, measured beforehand."""
    ceiling: float | None


class ServerReport(msgspec.Struct, frozen=True):
    """What was seen of the target's side. `seen` False: nothing, and `why`."""

    seen: bool
    why: str
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    saturated: tuple[Saturated, ...] = ()
    """What was full, the first one first."""
    saturated_why: str = ""
    bytes_per_connection: Cost = Cost()
    seconds_per_message: Cost = Cost()
    alerts: tuple[Fired, ...] = ()
    restarts: int = 0
    hangs: int = 0
    subject: dict[str, str] = {}
    """What was measured, as its agent tells it apart: ``build``, ``config`` and ``host``, each a digest."""
    lines: tuple[Line, ...] = ()


class Spread(msgspec.Struct, frozen=True):
    """One figure over repeated runs: all values, and the interval of their mean."""

    what: str
    unit: str
    values: tuple[float, ...]
    median: float
    low: float
    high: float
    mean: Interval | None


class Repeats(msgspec.Struct, frozen=True):
    """What came of the same plan in several runs; `verdicts` in the runs' order."""

    runs: tuple[str, ...]
    verdicts: tuple[str, ...]
    figures: tuple[Spread, ...]


class Report(msgspec.Struct, frozen=True):
    """A report as a whole."""

    format: int
    made_by: str
    run: Run
    verdict: str
    """``pass``, ``fail``, ``invalid``, or what became of the run instead: ``aborted``, ``broken``, ``died``."""
    headline: str
    answers: tuple[Answer, ...]
    thresholds: tuple[Threshold, ...]
    workload: tuple[str, ...]
    capacity: CapacityReport | None
    stages: tuple[StageReport, ...]
    faults: tuple[FaultReport, ...]
    recoveries: tuple[Recovery, ...]
    trends: tuple[Trend, ...]
    generator: GeneratorReport
    server: ServerReport
    repeats: Repeats | None
    caveats: tuple[str, ...]
    untested: tuple[str, ...]
    plan: str
    files: tuple[File, ...]
    marks: tuple[Mark, ...]
    step: float
    bound: float | None
    moments: Columns
    generator_moments: Columns
