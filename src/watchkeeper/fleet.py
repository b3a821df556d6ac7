"""Who is there and what they say: the hub's intake of all agents' links.

`take` is synchronous and awaits nothing: a frame goes into the store's head, an event into the
batch that the hub writes next, a status into memory. What is durable is decided by the hub, which
then lets `acknowledge` tell the agents. Nothing here writes a row or decides about alerts.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.config import NAME, Duration
from watchkeeper.errors import Failed, Refused
from watchkeeper.journal.machines import KnownMachine
from watchkeeper.model import (
    Dictionary,
    Event,
    EventKind,
    Family,
    Frame,
    Machine,
    Outcome,
    Series,
    ServerStatus,
    Severity,
    dictionary,
    new_id,
)
from watchkeeper.seams import Store
from watchkeeper.wire.downlink import Downlink
from watchkeeper.wire.packets import Define, Done, Figures, Happened, Statuses

logger = logging.getLogger(__name__)

MOST_SERIES = 20_000
"""Columns that one layout may have: far above any machine, far below what would hurt the hub."""

FUTURE_SECONDS = 600
"""A frame further ahead than this is refused: taken, it would block its stream until that time has come."""

_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class _Member:
    """One machine's place in the fleet."""

    def __init__(self, known: KnownMachine) -> None:
        self.machine = known.machine
        self.seen_at = known.seen_at
        self.period = known.period
        self.link: Downlink | None = None
        self.statuses: dict[str, ServerStatus] = {}
        self.layouts: dict[int, Dictionary] = {}
        self.streams: dict[tuple[str, int], int] = {}


class Hearer(Protocol):
    """Who is told of what comes in, at once: the judge. Synchronous; an exception here would be a bug of its own."""

    def came(self, link: Downlink, machine: Machine, before: Machine | None) -> None:
        """A machine's agent has connected; `before`: how it had introduced itself last."""
        ...

    def went(self, machine: str) -> None:
        """Its connection has ended."""
        ...

    def frame(self, link: Downlink, layout: Dictionary, frame: Frame) -> None:
        """A fresh frame was taken; `layout` has all labels."""
        ...

    def event(self, event: Event) -> None:
        """Something has happened, there or here."""
        ...

    def statuses(self, link: Downlink, servers: Sequence[ServerStatus], *, whole: bool) -> None:
        """How servers stand."""
        ...


class Tally(msgspec.Struct):
    """What has come in since the hub's start."""

    frames: int = 0
    samples: int = 0
    resent: int = 0
    events: int = 0
    refused: int = 0


class Fleet:
    """All machines, as the hub sees them; the `Intake` of every link."""

    def __init__(self, store: Store, clock: Clock, known: Iterable[KnownMachine], changed: Callable[[str], None]) -> None:
        """`known` are the machines of earlier runs; `changed(machine)` is called at each frame, status, coming and going."""
        self._store = store
        self._clock = clock
        self._changed = changed
        self._members = {one.machine.name: _Member(one) for one in known}
        self._families: dict[str, Family] = {}
        self._events: list[Event] = []
        self._outcomes: list[Outcome] = []
        self._bytes = 0
        self.tally = Tally()
        self.hearer: Hearer | None = None

    # -- the Intake ---------------------------------------------------------------------------

    def greet(self, link: Downlink, machine: Machine) -> None:
        """Take an agent in; the newer of two that claim one name wins, since the older is most often dead."""
        if not NAME.fullmatch(machine.name):
            raise Refused(f"{machine.name[:80]!r} is not a name for a machine", code="bad-name")
        member = self._members.get(machine.name)
        if member is None:
            member = self._members[machine.name] = _Member(KnownMachine(machine, 0, 5.0))
        if member.link is not None:
            logger.warning("%s connected again from %s; its older link from %s ends", machine.name, link.peer, member.link.peer)
            member.link.leave("another agent with this machine's name has connected")
        else:
            self.happen(EventKind.MACHINE_CONNECTED, f"{machine.name}'s agent is connected", machine.name)
        if self.hearer is not None:
            self.hearer.came(link, machine, member.machine if member.seen_at else None)
        member.machine = machine
        member.link = link
        member.layouts.clear()
        member.streams.clear()
        self._seen(member)

    def take(self, link: Downlink, packet: Define | Figures | Happened | Statuses | Done) -> None:
        """One fact. Raises Refused when it is malformed or there is no room for it: the link ends, the agent keeps it."""
        member = self._member(link)
        try:
            match packet:
                case Figures(frame=frame):
                    self._take_frame(member, frame, link)
                case Define(layout=layout):
                    self._define(member, layout)
                case Happened(event=event):
                    self.note(msgspec.structs.replace(event, machine=member.machine.name))
                    self.tally.events += 1
                case Statuses(servers=servers, whole=whole):
                    if whole:
                        member.statuses.clear()
                    member.statuses |= {status.name: status for status in servers}
                    if self.hearer is not None:
                        self.hearer.statuses(link, servers, whole=whole)
                case Done(outcome=outcome):
                    self._outcomes.append(outcome)
        except Refused:
            self.tally.refused += 1
            raise
        except Failed as fault:
            raise Refused(fault.why, code="no-room") from None
        self._seen(member)

    def part(self, link: Downlink) -> None:
        """A connection has ended."""
        member = self._members.get(link.machine)
        if member is not None and member.link is link:
            member.link = None
            if self.hearer is not None:
                self.hearer.went(link.machine)
            self.happen(
                EventKind.MACHINE_LOST, f"{link.machine}'s agent is gone: its servers are unknown", link.machine, "warning"
            )
            self._changed(link.machine)

    def leave(self, why: str) -> None:
        """End all connections."""
        for link in self.links():
            link.leave(why)

    def forget(self, machine: str) -> None:
        """A machine is no more, and neither is its connection."""
        member = self._members.pop(machine, None)
        if member is not None and member.link is not None:
            member.link.leave("this machine is forgotten")
        self._changed(machine)

    # -- what the hub and its web ask -----------------------------------------------------------

    def known(self) -> list[KnownMachine]:
        """What to remember of each machine."""
        return [KnownMachine(member.machine, member.seen_at, member.period) for member in self._members.values()]

    def link(self, machine: str) -> Downlink | None:
        """The machine's connection, if there is one."""
        member = self._members.get(machine)
        return member.link if member else None

    def links(self) -> list[Downlink]:
        """All connections."""
        return [member.link for member in self._members.values() if member.link is not None]

    def statuses(self, machine: str) -> tuple[ServerStatus, ...]:
        """The agent's last word on its servers."""
        member = self._members.get(machine)
        return tuple(member.statuses.values()) if member else ()

    @property
    def families(self) -> dict[str, Family]:
        """HELP and TYPE by metric name, of all that was defined since the start."""
        return self._families

    def describe(self, families: Iterable[Family]) -> None:
        """What others say of the metrics that they write to us; an agent's word counts for more."""
        for family in families:
            if len(self._families) < MOST_SERIES:
                self._families.setdefault(family.name, family)

    def happen(self, kind: EventKind, text: str, machine: str = "", severity: Severity = "info") -> None:
        """Add an event of the hub's own to the next batch."""
        at = milliseconds(self._clock.wall())
        self.note(Event(new_id(at), at, kind, text, machine, severity=severity))

    def note(self, event: Event) -> None:
        """Add an event that is made already to the next batch."""
        self._events.append(event)
        if self.hearer is not None:
            self.hearer.event(event)

    # -- for the hub's next commit ----------------------------------------------------------------

    @property
    def waiting_bytes(self) -> int:
        """Bytes of frames taken since the last commit."""
        return self._bytes

    @property
    def news_waits(self) -> bool:
        """Whether events or outcomes wait, which should not wait for long."""
        return bool(self._events or self._outcomes)

    def collect(self) -> tuple[list[Event], list[Outcome], list[tuple[Downlink, int]]]:
        """What to make durable next, and what may be acknowledged once it is: each link with its last number."""
        events, self._events = self._events, []
        outcomes, self._outcomes = self._outcomes, []
        self._bytes = 0
        return events, outcomes, [(link, link.taken) for link in self.links()]

    def give_back(self, events: list[Event], outcomes: list[Outcome]) -> None:
        """These could not be made durable: they lead the next batch."""
        self._events[:0] = events
        self._outcomes[:0] = outcomes

    # -- leaves of take ---------------------------------------------------------------------------

    def _member(self, link: Downlink) -> _Member:
        member = self._members.get(link.machine)
        if member is None:
            raise Refused(f"{link.machine} was forgotten", code="unknown-machine")
        return member

    def _take_frame(self, member: _Member, frame: Frame, link: Downlink) -> None:
        key = (frame.stream, frame.dictionary)
        if key not in member.streams:
            layout = member.layouts.get(frame.dictionary)
            if layout is None:
                raise Refused(f"a frame refers to the unknown dictionary {frame.dictionary}", code="malformed-packet")
            self._store.define(member.machine.name, frame.stream, layout)
            member.streams[key] = layout.id
            member.period = min((float(Duration.parse(stream)) for stream, _ in member.streams), default=member.period)
        if frame.at > milliseconds(self._clock.wall() + FUTURE_SECONDS):
            ahead = Duration(frame.at // 1000 - round(self._clock.wall()))
            logger.warning("%s sent a frame of %s ahead of the hub's clock; dropped", member.machine.name, ahead)
            self.tally.refused += 1
            return
        fresh = self._store.take(member.machine.name, Frame(frame.stream, member.streams[key], frame.at, frame.values))
        self.tally.frames += 1
        self.tally.resent += not fresh
        self.tally.samples += len(frame.values) // 8
        self._bytes += len(frame.values)
        if fresh and self.hearer is not None and (layout := member.layouts.get(frame.dictionary)):
            self.hearer.frame(link, layout, frame)

    def _define(self, member: _Member, layout: Dictionary) -> None:
        if len(layout.series) > MOST_SERIES:
            raise Refused(
                f"a layout of {len(layout.series)} series is over the limit of {MOST_SERIES}", code="malformed-packet"
            )
        for series in layout.series:
            if not _METRIC.fullmatch(series.name):
                raise Refused(f"{series.name[:80]!r} is not a metric's name", code="malformed-packet")
        whole = tuple(placed(series, member.machine.name) for series in layout.series)
        member.layouts[layout.id] = dictionary(whole, layout.families)
        self._families |= {family.name: family for family in layout.families}

    def _seen(self, member: _Member) -> None:
        member.seen_at = milliseconds(self._clock.wall())
        self._changed(member.machine.name)


def placed(series: Series, machine: str) -> Series:
    """A series with the labels that say where it is from.

    `instance` and `job` are what Prometheus would have added, so that its users' dashboards and rules work.
    """
    server = series.label("server")
    job = server or ("node" if series.name.startswith("node_") else "watchkeeper")
    return series.labelled({"machine": machine, "instance": machine, "job": job})
