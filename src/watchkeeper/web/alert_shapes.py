"""The shapes of the API that are about alerts: rules, alerts, incidents, silences. See `shapes`, whose other half this is."""

from __future__ import annotations

from typing import Literal

import msgspec

from watchkeeper.model import Matcher, Severity
from watchkeeper.telling import Alert, AlertChange, Comment, Drill, Incident


class AlertsView(msgspec.Struct, frozen=True):
    """Alerts; with `next`, the cursor of the page after, as events have it. GET /api/alerts, GET /api/alerts/history."""

    alerts: tuple[Alert, ...]
    next: str = ""


class RuleView(msgspec.Struct, frozen=True):
    """A rule and how it stands. GET /api/rules.

    `dormant` is empty, or says what it waits for: no series of what it reads has been seen. `judged` says how: ``on arrival``
    or ``every 15s``. `fault` is why its last evaluation failed, `at` when that was (ms, 0: none yet), `seconds` what it took.
    """

    key: str
    name: str
    kind: Literal["alert", "record"]
    expr: str
    group: str
    severity: Severity
    stock: bool
    where: str
    judged: str
    for_seconds: float = 0.0
    keep_firing_for_seconds: float = 0.0
    clear: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    parameters: dict[str, int | float | str] = {}
    why: str = ""
    first: str = ""
    runbook: str = ""
    dormant: str = ""
    fault: str = ""
    at: int = 0
    seconds: float = 0.0
    alerts: int = 0


class AlertDetail(msgspec.Struct, frozen=True):
    """One alert with its steps, its incident and its rule. GET /api/alerts/{id}."""

    alert: Alert
    history: tuple[AlertChange, ...]
    incident: Incident | None = None
    rule: RuleView | None = None


class TimelineEntry(msgspec.Struct, frozen=True):
    """Something on an incident's timeline. `kind`: alert, event, action, comment or people; `what` is more exact."""

    at: int
    kind: Literal["alert", "event", "action", "comment", "people"]
    what: str
    text: str
    machine: str = ""
    server: str = ""
    alert: str = ""


class IncidentsView(msgspec.Struct, frozen=True):
    """Incidents, newest first, paged as events are. GET /api/incidents."""

    incidents: tuple[Incident, ...]
    next: str = ""


class IncidentDetail(msgspec.Struct, frozen=True):
    """One incident: its alerts, what people said, and everything in one order. GET /api/incidents/{id}."""

    incident: Incident
    alerts: tuple[Alert, ...]
    comments: tuple[Comment, ...]
    timeline: tuple[TimelineEntry, ...]


class AssignAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is to look after an incident (empty: nobody). POST /api/incidents/{id}/assign."""

    to: str


class CommentAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What there is to say about an incident. POST /api/incidents/{id}/comments."""

    text: str


class SilenceView(msgspec.Struct, frozen=True):
    """A silence. `state` is pending, active or expired; `alerts` how many it keeps quiet now. GET /api/silences."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: int
    ends_at: int
    author: str
    comment: str
    state: str
    alerts: int = 0


class SilenceAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tell nobody of alerts whose labels match all `matchers` (``machine="db-1"``), for so many seconds. POST /api/silences.

    `starts_at` 0: from now on.
    """

    matchers: tuple[str, ...]
    seconds: float
    comment: str = ""
    starts_at: int = 0


class MarkAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something was changed: a deployment, a migration. POST /api/marks."""

    text: str
    machine: str = ""
    server: str = ""


class RuleAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule to be replayed over stored history: a known one by `rule` (its name or key), or one that is written here.

    `where` is file and line, for whoever is told of it; `expr`, `for_seconds`, `keep_firing_for_seconds` and `clear` are as
    in a rule; `since_seconds` is how far back. Of a known one `set` are other parameters and `for_seconds` another hold (0: its
    own), to see what a `[[tune]]` would do. POST /api/rules/test.
    """

    rule: str = ""
    expr: str = ""
    for_seconds: float = 0.0
    keep_firing_for_seconds: float = 0.0
    clear: str = ""
    severity: Severity = "warning"
    since_seconds: float = 86400.0
    where: str = ""
    set: dict[str, int | float | str] = {}


class Firing(msgspec.Struct, frozen=True):
    """When a rule would have fired: from `since` to `until` (ms; `ongoing`: it still did at the end)."""

    labels: dict[str, str]
    since: int
    until: int
    ongoing: bool
    value: float


class BackTest(msgspec.Struct, frozen=True):
    """What a rule would have done. `messages`: those that the root route would have sent.

    `step_seconds` is how finely it looked; `firings` are the first thousand, `fired` all of them.
    """

    rule: str
    expr: str
    start: int
    end: int
    step_seconds: float
    series: int
    fired: int
    firing_seconds: float
    messages: int
    firings: tuple[Firing, ...]


class RuleFinding(msgspec.Struct, frozen=True):
    """What is wrong with a rule, or looks wrong. POST /api/rules/check."""

    rule: str
    where: str
    problem: str


class ScenarioView(msgspec.Struct, frozen=True):
    """A kind of fault that a drill can do. `unavailable` is empty, or why it cannot be done here. GET /api/drills/scenarios."""

    name: str
    about: str
    rules: tuple[str, ...]
    unavailable: str = ""


class DrillAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A drill to begin. POST /api/drills. `machine` and `server` are for the scenario ``server`` alone, with `yes_really`.

    It is told over `channels` (none: as routes say); `acknowledge_seconds` is how long a person is waited for.
    """

    scenario: str = "killed"
    channels: tuple[str, ...] = ()
    machine: str = ""
    server: str = ""
    acknowledge_seconds: float = 0.0
    yes_really: bool = False


class DrillView(msgspec.Struct, frozen=True):
    """A drill, and how far the word came (`proof`, in words). GET /api/drills/{id}."""

    drill: Drill
    proof: str


class DrillsView(msgspec.Struct, frozen=True):
    """Drills, newest first; `next_at` is when the schedule begins another (ms; 0: never). GET /api/drills."""

    drills: tuple[DrillView, ...]
    running: str = ""
    next_at: int = 0
    next: str = ""
