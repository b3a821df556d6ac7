"""The shapes of the API: what each route takes and gives, and the TypeScript types' source.

All times are milliseconds since the epoch, all figures in base units (bytes, seconds, ratios 0 to 1);
formatting is the browser's. A figure that is not known is null, never 0.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from watchkeeper.model import Event, Health, HeartbeatState, Machine, Outcome, ServerStatus, Severity, Verb
from watchkeeper.stress.hubside.lab import StressSecond
from watchkeeper.telling import Alert, NotificationState


class Person(msgspec.Struct, frozen=True):
    """Who is signed in. GET /api/session."""

    name: str
    role: str


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A one-time sign-in token, from the link printed at first start. POST /api/sign-in."""

    token: str


class MachineFigures(msgspec.Struct, frozen=True):
    """A machine's headline figures, newest values."""

    cpu_ratio: float | None = None
    memory_ratio: float | None = None
    memory_used_bytes: float | None = None
    memory_total_bytes: float | None = None
    disk_ratio: float | None = None
    disk_mountpoint: str | None = None
    disk_free_bytes: float | None = None
    load1: float | None = None
    network_receive_bytes_per_second: float | None = None
    network_transmit_bytes_per_second: float | None = None
    uptime_seconds: float | None = None


class MachineView(msgspec.Struct, frozen=True):
    """A machine as the page shows it. `health` is unknown while its agent is away; `seen_at` is its last word."""

    machine: Machine
    health: Health
    connected: bool
    seen_at: int
    period_seconds: float
    figures: MachineFigures


class ServerFigures(msgspec.Struct, frozen=True):
    """A server's headline figures, newest values, its children counted in. `cpu_ratio` 1.0 is one core."""

    cpu_ratio: float | None = None
    memory_bytes: float | None = None
    threads: float | None = None
    open_fds: float | None = None
    max_fds: float | None = None
    processes: float | None = None


class ServerView(msgspec.Struct, frozen=True):
    """A server as the page shows it: the agent's word, with `health` unknown where the agent is away."""

    machine: str
    status: ServerStatus
    health: Health
    figures: ServerFigures


class Overview(msgspec.Struct, frozen=True):
    """The first screen: the sentence that answers "is anything wrong", then everything, worst first. GET /api/overview."""

    at: int
    sentence: str
    wrong: int
    machines: tuple[MachineView, ...]
    servers: tuple[ServerView, ...]
    events: tuple[Event, ...]


class Line(msgspec.Struct, frozen=True):
    """One line of a chart: `average`, with the `least` and `most` of each step where a step holds several samples."""

    name: str
    average: list[float | None]
    least: list[float | None] | None = None
    most: list[float | None] | None = None


class Chart(msgspec.Struct, frozen=True):
    """A chart's data over a range. `unit` is one of ratio, bytes, bytes_per_second, seconds, count, per_second.

    GET /api/charts/{panel}?machine=&server=&start=&end=&points=.
    """

    panel: str
    title: str
    unit: str
    about: str
    start: int
    end: int
    step: int
    times: list[int]
    lines: list[Line]


class Sparks(msgspec.Struct, frozen=True):
    """The last hour of every machine: how busy its processors were (ratio), from `start` every `step` ms. GET /api/sparks."""

    start: int
    step: int
    machines: dict[str, list[float | None]]


class PanelView(msgspec.Struct, frozen=True):
    """A chart that can be asked for: `scope` is machine or server. GET /api/panels, with ?machine=&server= a server's own."""

    name: str
    title: str
    unit: str
    about: str
    scope: str


class ActionAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do with a server. POST /api/machines/{machine}/servers/{server}/actions.

    `reason` goes into the audit; `seconds` is how long to pause it (0: until it is resumed) or to expect heavy work of it; a
    `dry_run` is answered with what would happen.
    """

    verb: Verb
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""
    seconds: Annotated[float, msgspec.Meta(ge=0, le=366 * 86_400)] = 0.0
    dry_run: bool = False


class ActionView(msgspec.Struct, frozen=True):
    """An action and, once it has ended, its outcome. GET /api/actions/{id}."""

    id: str
    at: int
    machine: str
    server: str
    verb: Verb
    by: str
    state: str
    outcome: Outcome | None = None
    reason: str = ""
    seconds: float = 0.0
    dry_run: bool = False


class GroupAnswer(msgspec.Struct, frozen=True):
    """What became of an order to one server of a group: its action, or why there is none (`why`)."""

    server: str
    action: ActionView | None = None
    why: str = ""


class LogsView(msgspec.Struct, frozen=True):
    """The last lines of a server's output. GET /api/machines/{machine}/servers/{server}/logs?lines=."""

    lines: tuple[str, ...]


class Problem(msgspec.Struct, frozen=True):
    """Every answer that is not a success: a stable `code`, a sentence, and what to do where we know it."""

    code: str
    why: str
    hint: str = ""


class Subscribe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="subscribe"):
    """Browser to hub on /live: from now on send these panels' newest points (at most 32); replaces the last one.

    `changes`: ticks need hold only those machines and servers that have changed since the one before. `shown`: the machines
    (at most 300) whose figures are on the page; of all others only how they stand is told, and that only with `changes`.
    None: all are.
    """

    panels: tuple[str, ...] = ()
    machine: str = ""
    server: str = ""
    changes: bool = False
    shown: tuple[str, ...] | None = None


class LogsFollow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="logs"):
    """Browser to hub on /live: follow one server's output (an empty server: stop)."""

    machine: str = ""
    server: str = ""
    lines: int = 200


class Point(msgspec.Struct, frozen=True):
    """The newest point of one panel: one value per line, by the line's name."""

    panel: str
    at: int
    values: dict[str, float | None]


class Tick(msgspec.Struct, frozen=True, tag_field="type", tag="tick"):
    """Hub to browser on /live, when frames come in and at least every 2 s: everything small that may have changed.

    `partial`: machines and servers that are not there are as they were. `spoke_at`: when any machine was last heard, ms, 0 for
    never; `spoke_every`: how often that one speaks, in seconds.
    """

    at: int
    sentence: str
    wrong: int
    machines: tuple[MachineView, ...]
    servers: tuple[ServerView, ...]
    points: tuple[Point, ...]
    partial: bool = False
    spoke_at: int = 0
    spoke_every: float = 0.0


class News(msgspec.Struct, frozen=True, tag_field="type", tag="event"):
    """Hub to browser on /live, at once: an event came in."""

    event: Event


class ActionNews(msgspec.Struct, frozen=True, tag_field="type", tag="action"):
    """Hub to browser on /live, at once: an action was asked for or has ended."""

    action: ActionView


class AlertNews(msgspec.Struct, frozen=True, tag_field="type", tag="alert"):
    """Hub to browser on /live, at once: an alert has changed."""

    alert: Alert


class LogNews(msgspec.Struct, frozen=True, tag_field="type", tag="logs"):
    """Hub to browser on /live: more lines of the followed server."""

    machine: str
    server: str
    lines: tuple[str, ...]
    why: str = ""


class Farewell(msgspec.Struct, frozen=True, tag_field="type", tag="bye"):
    """Hub to browser on /live: the last message before the hub closes on purpose."""

    reason: str


class StressNews(msgspec.Struct, frozen=True, tag_field="type", tag="stress"):
    """Hub to browser on /live: a stress run has gone on (`seconds`, the new ones), or is over; `ended_by` wants it ended."""

    run: str
    machine: str
    server: str
    plan: str
    phase: str
    seconds: tuple[StressSecond, ...]
    over: bool = False
    outcome: str = ""
    ended_by: str = ""


FromBrowser = Subscribe | LogsFollow
ToBrowser = Tick | News | ActionNews | AlertNews | LogNews | StressNews | Farewell


class EventsView(msgspec.Struct, frozen=True):
    """Events, newest first. `next` is the cursor of the page after (``before=``), empty on the last. GET /api/events."""

    events: tuple[Event, ...]
    next: str = ""


class ActionsView(msgspec.Struct, frozen=True):
    """Actions, newest first, paged as events are. GET /api/actions."""

    actions: tuple[ActionView, ...]
    next: str = ""


class SeriesView(msgspec.Struct, frozen=True):
    """One series and its newest value, if it has one. GET /api/series?match=."""

    name: str
    labels: dict[str, str]
    at: int
    value: float | None


class VersionView(msgspec.Struct, frozen=True):
    """What runs here. GET /api/version."""

    version: str
    python: str


class SignInLink(msgspec.Struct, frozen=True):
    """A fresh one-time sign-in link: open it in a browser within the hour. POST /api/sign-in-links."""

    url: str
    expires_at: int


class ChannelView(msgspec.Struct, frozen=True):
    """A way to tell people, and how it stands. `failures` in a row; `why` the last of them. GET /api/channels."""

    name: str
    kind: str
    fallback: str
    queue: int
    oldest_at: int
    last_success_at: int
    failures: int
    why: str


class NotificationView(msgspec.Struct, frozen=True):
    """A message for one channel and how far it has come. `after` is what it replaces (fall-back). GET /api/notifications."""

    id: str
    at: int
    channel: str
    state: NotificationState
    subject: str
    severity: Severity
    incident: str
    attempts: int
    ended_at: int
    why: str
    receipt: str
    after: str


class NotificationsView(msgspec.Struct, frozen=True):
    """Notifications, newest first, paged as events are. GET /api/notifications."""

    notifications: tuple[NotificationView, ...]
    next: str = ""


class HeartbeatView(msgspec.Struct, frozen=True):
    """A heartbeat that is expected, and how it stands. GET /api/heartbeats.

    `url` is where it is sent, empty for those who may only look. `until` is when its state changes if nothing comes (0: never);
    `lasted` how long its last run took (ms). `configured`: it stands in the configuration.
    """

    name: str
    expected: str
    state: HeartbeatState
    since: int
    reason: str
    until: int
    last_at: int
    lasted: int
    exit_status: int
    body: str
    configured: bool
    url: str = ""


class HeartbeatAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A heartbeat to expect: every `period` (``1d``) or by `cron` in `zone`, with `grace`. POST /api/heartbeats."""

    name: str
    period: str = ""
    cron: str = ""
    zone: str = "UTC"
    grace: str = "5m"
    longest: str = ""
