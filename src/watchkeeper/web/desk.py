"""The desk: all that the web may ask of the hub, and nothing more.

The web stands below the hub, so the hub hands an object of this shape to `web.app.build`; tests hand
one of their own. Every method is called on the hub's event loop. Nothing here does work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from watchkeeper.clock import Clock
from watchkeeper.drill.drills import Drills
from watchkeeper.journal import Journal
from watchkeeper.model import Action, Event, Family, Labels, LogLines, Machine, Outcome, ServerStatus
from watchkeeper.office import Office
from watchkeeper.seams import Store
from watchkeeper.stress.hubside.lab import Lab
from watchkeeper.telling import Alert, Comment, Incident, Silence
from watchkeeper.web.alert_shapes import AlertDetail, BackTest, RuleAsk, RuleFinding, RuleView, TimelineEntry
from watchkeeper.web.changes import Changes


class Presence(NamedTuple):
    """A machine and how it stands with the hub. `seen_at`: ms of its last packet; `period`: its agent's round, in seconds."""

    machine: Machine
    connected: bool
    seen_at: int
    period: float


class Figure(NamedTuple):
    """One of the hub's own metrics (``watchkeeper_…``): its family and a value for each label set."""

    family: Family
    values: Sequence[tuple[Labels, float]]


class LinkSocket(Protocol):
    """An agent's connection as the link sees it: binary messages in order, already let in by its token.

    `peer` is ``address:port`` for the log; `token` is the name of the link token that it showed.
    """

    peer: str
    token: str

    async def receive(self) -> bytes | None:
        """The next message; None once the other side has gone. A text message closes the socket (1003)."""
        ...

    async def send(self, message: bytes) -> None:
        """Send one message, waiting while the other side is slow; after the end it does nothing."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close with a WebSocket code and a reason of at most 120 bytes; closing twice is harmless."""
        ...


class AlertDesk(Protocol):
    """What the web may ask of the judge, and what people may do to it. Raises `Refused` for what is not there or cannot be.

    `by` and `peer` are who asks and from where, for the audit.
    """

    @property
    def started_at(self) -> int:
        """Since when it judges, ms."""
        ...

    def channels(self) -> list[str]:
        """The channels that routes name."""
        ...

    def alerts(self) -> list[Alert]:
        """All that go on, the gravest first."""
        ...

    async def alert(self, identity: str) -> AlertDetail:
        """One alert, going on or over, with its steps."""
        ...

    def rules(self) -> list[RuleView]:
        """All rules and how they stand."""
        ...

    async def incident(self, identity: str) -> Incident:
        """One incident as it is now."""
        ...

    async def timeline(self, incident: Incident) -> tuple[TimelineEntry, ...]:
        """All that had to do with it, in one order."""
        ...

    async def acknowledge(self, identity: str, by: str, peer: str, *, taken_back: bool = False) -> Incident:
        """Somebody looks after it, or does not any more."""
        ...

    async def assign(self, identity: str, to: str, by: str, peer: str) -> Incident:
        """It is for somebody to look after."""
        ...

    async def comment(self, identity: str, text: str, by: str) -> Comment:
        """Somebody has something to say about it."""
        ...

    def silences(self) -> tuple[Silence, ...]:
        """All that are kept, those that hold first."""
        ...

    def silence(self, identity: str) -> Silence:
        """One of them."""
        ...

    def silenced_by(self, alert: Alert) -> list[str]:
        """The ids of the silences that hold for an alert."""
        ...

    def channels_of(self, alert: Alert) -> list[str]:
        """Which channels are told of an alert."""
        ...

    async def put_silence(self, silence: Silence, by: str, peer: str) -> Silence:
        """Keep a new one (empty id), or one in the place of an old one."""
        ...

    async def expire_silence(self, identity: str, by: str, peer: str) -> Silence:
        """End one now."""
        ...

    def take_posted(self, posted: Sequence[tuple[dict[str, str], dict[str, str], int, int]]) -> None:
        """Alerts that others have judged: labels, annotations, start and end of each (ms, 0: none given)."""
        ...

    async def mark(self, text: str, machine: str, server: str, by: str, peer: str) -> Event:
        """Something was changed."""
        ...

    def test(self, ask: RuleAsk, seconds: float) -> BackTest:
        """Replay a rule over stored history; called in a thread that has so many seconds."""
        ...

    def check(self, asks: Sequence[RuleAsk], seconds: float) -> list[RuleFinding]:
        """What looks wrong with these rules; called in a thread."""
        ...


class Desk(Protocol):
    """What the hub lets the web see and do."""

    clock: Clock

    @property
    def store(self) -> Store:
        """Where figures are asked for."""
        ...

    journal: Journal
    changes: Changes
    lab: Lab
    """Stress runs that go on, and how one is started."""
    office: Office
    """What goes out to people, and the heartbeats that come in."""

    @property
    def alerting(self) -> AlertDesk:
        """The judge's part of the desk."""
        ...

    @property
    def drills(self) -> Drills:
        """Drills: begin one, and how those before went."""
        ...

    def machines(self) -> list[Presence]:
        """Every machine the hub knows, connected or not, in any order."""
        ...

    def statuses(self, machine: str) -> tuple[ServerStatus, ...]:
        """The last word of that machine's agent on its servers; empty for an unknown machine."""
        ...

    def families(self) -> Mapping[str, Family]:
        """HELP and TYPE of every metric that agents have defined, by metric name."""
        ...

    def figures(self) -> Sequence[Figure]:
        """The hub's own figures, for ``/metrics``."""
        ...

    def ready(self) -> str:
        """Empty when the hub can do its work; else why not, in a sentence."""
        ...

    async def acknowledge(self, incident: str, by: str, peer: str) -> None:
        """An incident is in `by`'s hands, and the audit has it; again is harmless. Raises `Refused` (``unknown-incident``)."""
        ...

    async def order(self, action: Action) -> Outcome:
        """Deliver an order to its agent and wait for the outcome.

        The web has written the row (`journal.actions.request`) before it calls. The hub writes the rest:
        ``sent`` before it sends, then ``done``, ``failed`` or ``unknown`` with the outcome, and tells
        `changes.action` after each. Cancelling stops the waiting alone: an order that was sent is not
        taken back, and its outcome is journalled whenever it comes. Raises `Refused` (``not-connected``)
        with nothing sent and nothing written; the web then marks the row as failed.
        """
        ...

    def logs(self, machine: str, server: str, lines: int, *, follow: bool) -> AsyncIterator[LogLines]:
        """The last `lines` lines of a server's output, then those to come when following, until `end`.

        Raises `Refused` on the first step when the machine is not connected or does not know the server.
        Closing the iterator (``aclose``) tells the agent to stop.
        """
        ...

    async def evidence(self, machine: str, identity: str) -> bytes:
        """What a machine's agent has saved of a server before it acted: a JSON document (`control.evidence.Evidence`).

        Raises `Refused` (``not-connected``, ``no-evidence``, ``too-large``).
        """
        ...

    async def workers(self, machine: str, count: int, socket: LinkSocket) -> None:
        """Carry between a stress run and workers on an agent's machine (`wire.packets.WorkerPart`) until either ends."""
        ...

    async def link(self, socket: LinkSocket) -> None:
        """Serve one agent's connection until it ends; returning closes the socket. Raises nothing."""
        ...

    async def receive(self, packed: bytes) -> None:
        """Keep what a program writes: one body of Prometheus' remote write. It is durable on return.

        Raises `Refused` for what cannot be kept (``bad-data``, ``bad-snappy``, ``too-large``, ``out-of-order``: then the
        rest of it is kept) and `Failed` when it should be sent again.
        """
        ...
