"""What comes in, brought before the court at once: the judge's side of `fleet.Hearer`. Synchronous; it must never wait.

Frames go as they are; statuses and probes are laid over the newest figures, so that a server's end is judged within the turn
of the loop in which it was heard of. Changes are handed to `found`, which is to write them down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from watchkeeper import failing
from watchkeeper.alert.court import Court
from watchkeeper.alert.docket import Change
from watchkeeper.alert.program import Floats
from watchkeeper.clock import Clock, milliseconds
from watchkeeper.fleet import placed
from watchkeeper.judging.lateness import Pace
from watchkeeper.judging.own import Happened
from watchkeeper.model import Dictionary, Event, EventKind, Frame, Machine, Series, ServerStatus, new_id
from watchkeeper.quantities import Duration
from watchkeeper.wire.downlink import Downlink

REBOOT_MS = 60_000
"""Boot times of one boot differ by less: they are reckoned from a clock that may be set."""
LOOPBACK = ("127.", "[::1]", "::1", "localhost", "unix")


class Hearing:
    """The judge's ear."""

    def __init__(self, court: Court, clock: Clock, late: int, found: Callable[[Sequence[Change]], None]) -> None:
        """`late`: how old a frame may be in ms; `found` is called with what has changed, whenever something has."""
        self._court = court
        self._clock = clock
        self._late = late
        self._found = found
        self._paces: dict[str, dict[str, Pace]] = {}
        self._known: dict[tuple[str, str], tuple[ServerStatus, bool]] = {}
        self._stopped: set[str] = set()
        self.happened = Happened()
        self.stirred: Callable[[], None] = lambda: None
        """Called when an event has become a figure, so that it is read soon."""
        self.heard: Callable[[str, str, Dictionary, int, Floats], None] = lambda *_: None
        """Called with each frame that is of now, after it was judged."""
        self.told: Callable[[Event], None] = lambda _: None
        """Called with events of the judge's own."""
        self.lateness: dict[str, int] = {}
        self.skews: dict[str, int] = {}
        self.near: set[str] = set()
        """Machines that are reached without leaving this one."""

    def came(self, link: Downlink, machine: Machine, before: Machine | None) -> None:
        """See `fleet.Hearer`."""
        name = machine.name
        self._paces[name] = {}
        self.skews[name] = link.skew
        if link.peer.startswith(LOOPBACK):
            self.near.add(name)
        else:
            self.near.discard(name)
        rebooted = before is not None and before.boot_at and machine.boot_at - before.boot_at > REBOOT_MS
        if rebooted and name not in self._stopped:
            at = milliseconds(self._clock.wall())
            text = f"{name} was rebooted, and nobody had stopped its agent"
            self.told(Event(new_id(at), at, EventKind.MACHINE_REBOOTED, text, name, severity="warning"))

    def went(self, machine: str) -> None:
        """See `fleet.Hearer`."""
        self._paces.pop(machine, None)

    def forget(self, machine: str) -> None:
        """A machine is no more."""
        for table in (self._paces, self.lateness, self.skews):
            table.pop(machine, None)
        for names in (self._stopped, self.near):
            names.discard(machine)
        for key in [key for key in self._known if key[0] == machine]:
            del self._known[key]
        self.happened.forget(machine)

    def frame(self, link: Downlink, layout: Dictionary, frame: Frame) -> None:
        """See `fleet.Hearer`."""
        now = milliseconds(self._clock.wall())
        paces = self._paces.setdefault(link.machine, {})
        pace = paces.get(frame.stream)
        if pace is None:
            pace = paces[frame.stream] = Pace(_period(frame.stream))
        seen = pace.take(frame.at, now, link.skew, self._late)
        self.lateness[link.machine] = now - seen.at
        figures = np.frombuffer(frame.values, "<f8")
        self._tell(self._court.frame(link.machine, frame.stream, layout, seen.at, figures, late=seen.late))
        if not seen.late:
            self.heard(link.machine, frame.stream, layout, frame.at, figures)

    def event(self, event: Event) -> None:
        """See `fleet.Hearer`."""
        if event.kind is EventKind.AGENT_STOPPED:
            self._stopped.add(event.machine)
        elif event.kind is EventKind.AGENT_STARTED:
            self._stopped.discard(event.machine)
        if self.happened.take(event):
            self.stirred()

    def statuses(self, link: Downlink, servers: Sequence[ServerStatus], *, whole: bool) -> None:
        """See `fleet.Hearer`."""
        machine = link.machine
        if whole:
            names = {status.name for status in servers}
            for key in [key for key in self._known if key[0] == machine and key[1] not in names]:
                del self._known[key]
        now = milliseconds(self._clock.wall())
        for status in servers:
            before, was_failing = self._known.get((machine, status.name), (None, False))
            if failing.has_ended(before, status) and failing.is_wanted(status):
                # It may be up again already; that it was gone is judged all the same.
                gone = msgspec.structs.replace(status, health="down", pid=0)
                self._lay(link, gone, True, now)
            fails = failing.is_failing(before, was_failing, status)
            self._known[machine, status.name] = (status, fails)
            self._lay(link, status, fails, now)

    def _lay(self, link: Downlink, status: ServerStatus, fails: bool, now: int) -> None:  # noqa: FBT001  # of two calls, just above
        machine = link.machine
        told = zip(failing.FAMILIES, failing.figures(status, failing=fails), strict=True)
        figures = {placed(Series(family.name, (("server", status.name),)), machine): value for family, value in told}
        processes = placed(Series("watchkeeper_server_processes", (("server", status.name),)), machine)
        figures[processes] = 1.0 if status.pid else math.nan
        for probe in status.probes:
            if probe.at:
                labels = (("probe", probe.name), ("server", status.name))
                figures[placed(Series("probe_success", labels), machine)] = float(probe.ok)
                figures[placed(Series("probe_duration_seconds", labels), machine)] = probe.duration
        at = max([status.since, *(probe.at for probe in status.probes)]) - link.skew
        self._tell(self._court.overlay(machine, figures, at, now))

    def _tell(self, changes: Sequence[Change]) -> None:
        if changes:
            self._found(changes)


def _period(stream: str) -> int:
    try:
        return milliseconds(Duration.parse(stream))
    except ValueError:
        return 5_000
