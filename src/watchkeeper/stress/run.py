"""The nouns of a run: what was run, in which stages, and what was seen in each second.

All of it is written down by `record` while it happens and read back by whoever judges it; docs/stress-record.md says what
each field means. Times are seconds or whole nanoseconds on the run's own clock, which is zero at its start; `Run.started_at`
says when that was. Nothing here measures, decides or judges.
"""

from __future__ import annotations

from typing import Literal

import msgspec

FORMAT = 1
"""Which form of the record this is. A reader refuses a later one."""

State = Literal["running", "done", "aborted", "broken"]
"""`aborted`: somebody or a guard ended it; `broken`: a worker was lost, or the coordinator was (it then still says running)."""
Verdict = Literal["", "pass", "fail", "invalid"]
"""Empty: not judged yet, or never, as the run did not come to its end."""
Model = Literal["open", "closed"]
Arrival = Literal["even", "poisson"]


class Segment(msgspec.Struct, frozen=True, array_like=True):
    """So many seconds during which the rate (starts a second, all workers together) goes evenly from one value to another."""

    seconds: float
    begin: float
    end: float


class Stage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One piece of a run under one load. A phase of the plan is one or more of these: a search for the knee is many.

    `kind` is the phase's kind, `name` tells it from others for a person (``steps 1200/s``), `level` is what `kind` varies: a
    rate (open model) or users (closed). `excluded`: not to be counted, as a warm-up.
    """

    index: int
    phase: int
    kind: str
    name: str
    seconds: float
    model: Model = "open"
    arrival: Arrival = "even"
    profile: tuple[Segment, ...] = ()
    users: int = 0
    level: float = 0.0
    connections: int = 0
    cut: bool = False
    """All connections are dropped at once at its beginning, and come back."""
    excluded: bool = False
    operations: tuple[str, ...] = ()
    """Only these of the plan's mix; empty: all that have a weight."""
    reading: float = 0.0
    """Share of clients that read; 0: as the plan's protocol says."""
    wanted: float = 0.0
    """The level that the plan asks for, where it was held down to what safety and generator allow; 0: it was not."""


class Held(msgspec.Struct, frozen=True):
    """An objective, and what was observed: `held` None when it could not be judged, with the reason in `why`."""

    objective: str
    observed: float | None
    held: bool | None
    why: str = ""


class Validity(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether the generator was good enough for what was measured; `reasons` in words. `starved`: share of the time."""

    ok: bool
    reasons: tuple[str, ...] = ()
    starved: float = 0.0
    lag_p99: float = 0.0
    """Seconds that starts came after their time, in moments that were not starved."""


class Ended(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a stage ended, with its totals. Latencies in seconds; quantiles are None where there were too few values.

    `decision` is what the decider said of it (``holds``, ``broken: p99 < 50ms``, ``recovered``), `drained` whether everything
    that was started had an end before the next stage.
    """

    stage: int
    began: float
    ended: float
    scheduled: int = 0
    started: int = 0
    done: int = 0
    late: int = 0
    dropped: int = 0
    errors: dict[str, int] = {}
    counts: dict[str, int] = {}
    offered: float = 0.0
    achieved: float = 0.0
    quantiles: dict[str, float] = {}
    """Of the latency from the intended start, all operations together: ``p50`` … ``p99.99``, ``max``."""
    service: dict[str, float] = {}
    """The same from the actual start."""
    clean: dict[str, float] = {}
    """As `quantiles`, without those that ended while the generator waited for a processor."""
    objectives: tuple[Held, ...] = ()
    validity: Validity = Validity(ok=True)
    decision: str = ""
    drained: bool = True
    cut_short: str = ""
    """Why it did not run for all its seconds; empty when it did."""
    missing: dict[str, int] = {}
    """Connections that should be there all the time and were not at its end, by the code of their last try."""
    behind: float | None = None
    """Share of what was due that had failed or was a growing queue when its time was over; None where it is not known."""


class Window(msgspec.Struct, omit_defaults=True):
    """What one operation of one stage did in one second, all workers together. Rows of one (second, stage, operation) add up.

    `scheduled` counts in the second of the intended start, `started` in that of the actual one, everything else in that of
    the end. `latency`, `service`, `failed` and `spans` are packed histograms of ns (`histogram.unpacked`).
    """

    second: int
    stage: int
    operation: str
    scheduled: int = 0
    started: int = 0
    done: int = 0
    late: int = 0
    """Started more than `LATE` after the intended time."""
    dropped: int = 0
    """Never started: no connection became free before the time-out."""
    errors: dict[str, int] = {}
    counts: dict[str, int] = {}
    """What a protocol counts beside: ``lost``, ``duplicated``, ``reordered``, ``corrupt``, ``unexpected``, ``pushed`` …"""
    sent_bytes: int = 0
    received_bytes: int = 0
    latency: bytes = b""
    """Done ones, from the intended start to the end."""
    service: bytes = b""
    """Done ones, from the actual start."""
    starved: bytes = b""
    """Of `latency`, those that ended while the generator waited for a processor: they tell of this machine."""
    failed: bytes = b""
    """Failed and dropped ones, from the intended start to when they were given up: at least so long would they have taken."""
    spans: dict[str, bytes] = {}
    """Parts of an operation, or times that a protocol takes beside: ``connect``, ``login``, ``one-way``, ``skew`` …"""


LATE = 1_000_000
"""ns after its intended time from which a start counts as late."""


class Health(msgspec.Struct, omit_defaults=True):
    """How one worker was in one second. Seconds unless said otherwise."""

    second: int
    worker: int
    cpu: float = 0.0
    """Processor time that it used."""
    waited: float = 0.0
    """Ready to run, and waiting for a processor (the kernel's schedstat)."""
    worst_wait: float = 0.0
    """The most of that within one look (some ms)."""
    starved: float = 0.0
    """Of the time, in looks within which it waited so much that latencies tell of this machine, not of the target."""
    loop_worst: float = 0.0
    """The longest turn of its event loop."""
    gc: float = 0.0
    """Time in garbage collections."""
    gc_worst: float = 0.0
    rss: int = 0
    descriptors: int = 0
    connections: int = 0
    in_flight: int = 0
    waiting: int = 0
    """Due and not started: no connection was free."""
    lag: bytes = b""
    """Packed histogram (ns): how late each start came that had a free connection, but for starved moments."""
    lag_starved: bytes = b""
    """The same of starved moments."""


class Happening(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that happened once, `at` seconds into the run. `kind` is a short stable word, `text` a sentence."""

    at: float
    kind: str
    text: str
    facts: dict[str, str] = {}


class Figures(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the target's own machine said at one instant, `at` seconds into the run: figures by series as people write them.

    Only what has changed since the row before of the same source; None for what is not there any more
    (`serverside.figures.unfolded`).
    """

    at: float
    source: str
    values: dict[str, float | None]


class Knee(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the search found. Rates are starts a second (open model), or users (closed).

    `sustained` is the highest level that met the objectives, `broken` the lowest that did not (0: none was reached, and why).
    `power` is the level with the most throughput per time (J. Kleinrock, 1979): the knee by the curve.
    """

    sustained: float
    broken: float = 0.0
    power: float = 0.0
    achieved: float = 0.0
    """Operations done a second at `sustained`."""
    why: str = ""


class Recovery(msgspec.Struct, frozen=True, omit_defaults=True):
    """How it came back after an overload. `seconds` None: not within `limit`.

    `metastable`: the load was gone, and the failure went on by itself.
    """

    after: str
    seconds: float | None
    limit: float
    baseline_p95: float = 0.0
    metastable: bool = False
    text: str = ""


class Calibration(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one worker can do here: processor seconds for an operation against a target that answers at once."""

    cpu_per_operation: float
    ceiling: float
    """Operations a second that all workers together may be asked for."""
    against: str = ""


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """Another machine that made a part of the load: its `workers` by number, and how its clock stood to the run's.

    `ahead_ns`: how far its monotonic clock was ahead; `bound_ns`: by how much that may be wrong at the most; `drift_ns`: how
    far the two had moved against each other at the end. All instants of the record were brought to the run's clock.
    """

    machine: str
    workers: tuple[int, ...]
    ahead_ns: int = 0
    bound_ns: int = 0
    drift_ns: int = 0


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run as a whole: ``run.json``."""

    id: str
    plan: str
    protocol: str
    target: str
    """Its address, without anything secret."""
    started_at: int
    """ms since the epoch at the zero of the run's clock."""
    format: int = FORMAT
    state: State = "running"
    why: str = ""
    verdict: Verdict = ""
    reasons: tuple[str, ...] = ()
    ended_at: int = 0
    pid: int = 0
    """Of the coordinator. A run that says ``running`` whose process is gone ended there."""
    server: str = ""
    """The supervised server's name, where the target is one,"""
    machine: str = ""
    """and its machine's."""
    consent: str = ""
    """Why this target may be put under load."""
    address: str = ""
    """The address that its name led to: all workers connect to this one."""
    command: tuple[str, ...] = ()
    seed: int = 0
    version: str = ""
    workers: int = 0
    operations: tuple[str, ...] = ()
    plan_hash: str = ""
    """SHA-256 of plan.toml."""
    environment: dict[str, str] = {}
    calibration: Calibration | None = None
    objectives: tuple[Held, ...] = ()
    knees: tuple[Knee, ...] = ()
    recoveries: tuple[Recovery, ...] = ()
    origins: tuple[Origin, ...] = ()
    """The other machines that the load came from; empty: it came from the coordinator's alone."""
    notes: tuple[str, ...] = ()
    """What a reader must know: the load and its target shared a machine, a rate was held down, a phase was left out."""
