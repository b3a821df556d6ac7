"""The nouns of telling: alerts, incidents, silences, and what is sent to a person of them.

`alert` makes alerts and incidents of figures and events, `notify` carries bulletins out, the journal keeps
all of them, the web shows them; they meet here alone. Values only: no clock, no file, no decision.
Times named `at` are whole milliseconds since the Unix epoch, 0 = never.
"""

from __future__ import annotations

import enum
from typing import Literal

import msgspec

from watchkeeper.model import Matcher, Severity


class AlertState(enum.StrEnum):
    """Where an alert stands. UNKNOWN: nobody can tell at present, which neither resolves nor fires it."""

    PENDING = "pending"
    FIRING = "firing"
    UNKNOWN = "unknown"
    RESOLVED = "resolved"


class Alert(msgspec.Struct, frozen=True):
    """One rule that holds for one set of labels, from its first instant to its end; `id` lasts as long.

    `labels` hold ``alertname`` and ``severity``; `reason` says why it is in this state. `suppressed` is empty, or why nobody
    is told at present (``inhibited by HostSilent``, ``silenced by …``). `incident` is the id of the one it belongs to;
    `rule` is the rule's key, its name first (``DiskLow/warning``).
    """

    id: str
    rule: str
    labels: dict[str, str]
    annotations: dict[str, str]
    state: AlertState
    severity: Severity
    value: float
    active_at: int
    fired_at: int = 0
    resolved_at: int = 0
    changed_at: int = 0
    reason: str = ""
    suppressed: str = ""
    incident: str = ""

    @property
    def name(self) -> str:
        """The rule's name, ``alertname``."""
        return self.labels.get("alertname", "")

    @property
    def fingerprint(self) -> str:
        """The same for the same labels, whenever and wherever it fires: FNV-1a over them, as Prometheus has it."""
        found = 0xCBF29CE484222325
        for name, value in sorted(self.labels.items()):
            for byte in b"\xff".join((name.encode(), value.encode(), b"")):
                found = ((found ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
        return f"{found:016x}"

    @property
    def is_told_firing(self) -> bool:
        """Whether it counts as firing for whoever is told: one that had fired and of which nobody can tell at present does."""
        return self.state is AlertState.FIRING or (self.state is AlertState.UNKNOWN and self.fired_at > 0)

    @property
    def is_drill(self) -> bool:
        """Whether a drill caused it."""
        return self.labels.get("drill", "") == "true"


class AlertChange(msgspec.Struct, frozen=True):
    """One step of an alert, as its history has it. `state` ``inactive``: it was pending and did not last."""

    alert: str
    at: int
    state: Literal["pending", "firing", "unknown", "resolved", "inactive", "recovering"]
    reason: str
    value: float = 0.0


IncidentState = Literal["open", "acknowledged", "resolved"]


class Incident(msgspec.Struct, frozen=True):
    """Alerts that belong together, from the first that fires to the end of the last. `key` is the group that they share.

    `alerts` are ids, the oldest first; `title` is one line for a person.
    """

    id: str
    key: str
    title: str
    severity: Severity
    state: IncidentState
    opened_at: int
    alerts: tuple[str, ...] = ()
    machine: str = ""
    server: str = ""
    acknowledged_by: str = ""
    acknowledged_at: int = 0
    assigned_to: str = ""
    resolved_at: int = 0
    drill: bool = False


class Silence(msgspec.Struct, frozen=True):
    """Nobody is told of alerts whose labels match all of `matchers`, between the two instants."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: int
    ends_at: int
    author: str
    comment: str
    created_at: int = 0


class Comment(msgspec.Struct, frozen=True):
    """What a person has to say about an incident."""

    at: int
    by: str
    text: str


BulletinKind = Literal["firing", "resolved", "reminder", "escalation", "test"]


class BulletinProcess(msgspec.Struct, frozen=True):
    """A program that weighed most at the instant of the alert. `cpu`: share of one core; `memory_bytes`: resident.

    `pid` is 0 where `name` stands for all processes of one name.
    """

    pid: int
    name: str
    cpu: float
    memory_bytes: int


class BulletinAlert(msgspec.Struct, frozen=True):
    """An alert as a message tells it. `threshold`, `slope` and `summary` are words, ready to be read; empty = not known."""

    alert: Alert
    summary: str
    description: str = ""
    threshold: str = ""
    slope: str = ""
    runbook: str = ""


class Bulletin(msgspec.Struct, frozen=True):
    """Everything that one message tells, before any channel gives it its form.

    `id` is the same when the same is to be told again after a crash: what was written down once is not written twice.
    `thread` is the same for all messages of one incident (e-mail and chat thread by it). `links` are absolute addresses by
    purpose (``page``, ``acknowledge``, ``silence``); `trend` is the last hour of the figure: pairs of ms and value.
    `more` alerts are left out of `alerts`.
    """

    kind: BulletinKind
    at: int
    title: str
    severity: Severity
    incident: str
    thread: str
    group: dict[str, str]
    alerts: tuple[BulletinAlert, ...]
    machine: str = ""
    server: str = ""
    drill: bool = False
    processes: tuple[BulletinProcess, ...] = ()
    log_lines: tuple[str, ...] = ()
    last_change: str = ""
    links: dict[str, str] = {}
    trend: tuple[tuple[int, float], ...] = ()
    id: str = ""
    more: int = 0


NotificationState = Literal["waiting", "claimed", "delivered", "failed", "superseded"]


class Notification(msgspec.Struct, frozen=True):
    """One bulletin for one channel: a row before it is a message. `id` is also the idempotency key that receivers see.

    waiting -> claimed -> delivered, or back to waiting until `due_at` after a failed attempt; failed: for good, and why.
    `after` is the notification that this one replaces because its channel could not deliver (fall-back). `unsure`: the last
    attempt failed, but the receiver may have taken it all the same (it broke off after the message was sent). `sent_at` is when
    the last attempt began to hand it over, once its claim was durable.
    """

    id: str
    at: int
    channel: str
    bulletin: Bulletin
    state: NotificationState = "waiting"
    due_at: int = 0
    attempts: int = 0
    claimed_at: int = 0
    ended_at: int = 0
    why: str = ""
    receipt: str = ""
    after: str = ""
    unsure: bool = False
    sent_at: int = 0


DrillState = Literal["preparing", "running", "passed", "failed", "interrupted"]


class DrillLeg(msgspec.Struct, frozen=True):
    """One leg of the way from a fault to a person, reached at `at` (ms). `text` says what was seen there.

    `name`: fault, detected, pending, firing, claimed, handed-over, delivered, acknowledged, reverted, resolved, told; those
    from claimed to delivered, and told, are each `channel`'s own.
    """

    name: str
    at: int
    text: str = ""
    channel: str = ""


class Drill(msgspec.Struct, frozen=True):
    """One drill: a real, harmless fault, and how far the word of it came. Times are ms, 0 = not (yet).

    `machine` and `server` are whom the fault is done to; `channels` over which it is told (none: as routes say). `fault` is
    what was done, in words, `rule` and `summary` of the alert that it led to. `wait_acknowledge`: how long, in ms, a person
    was waited for. `why` is empty, or why it has failed.
    """

    id: str
    at: int
    scenario: str
    by: str
    state: DrillState
    machine: str = ""
    server: str = ""
    channels: tuple[str, ...] = ()
    fault: str = ""
    rule: str = ""
    summary: str = ""
    incident: str = ""
    legs: tuple[DrillLeg, ...] = ()
    wait_acknowledge: int = 0
    ended_at: int = 0
    why: str = ""

    def leg(self, name: str) -> int:
        """When this leg was reached last, over all its channels; 0: not."""
        return max((one.at for one in self.legs if one.name == name), default=0)
