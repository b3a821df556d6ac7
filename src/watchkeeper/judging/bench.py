"""The judge's bench: the parts joined, and the one loop that writes, groups and tells. Read from `run` down.

What comes in (`hearing`), what the engine answers (`asking`) and what time brings (`court.tick`) are changes; `_turn` writes
them down, lets incidents and groups hear of them, and hands messages that are due to `tell`, which must have made them
durable when it returns. One loop, so nothing overtakes anything; a journal that cannot be written holds all of it up and
loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from watchkeeper.alert.court import OTHERS, Court
from watchkeeper.alert.docket import Change, Words
from watchkeeper.alert.grouping import Plan, Teller
from watchkeeper.alert.incidents import Book
from watchkeeper.alert.reading import Alerting
from watchkeeper.alert.suppressing import Suppression, is_pause
from watchkeeper.clock import Clock, milliseconds
from watchkeeper.errors import Failed, Refused
from watchkeeper.fleet import Fleet
from watchkeeper.journal import Journal
from watchkeeper.journal.events import Sought
from watchkeeper.judging import own
from watchkeeper.judging.asking import Asking, answered
from watchkeeper.judging.blindness import Witnesses
from watchkeeper.judging.foreign import Foreign, Posted
from watchkeeper.judging.hearing import Hearing
from watchkeeper.judging.keeping import Keeping
from watchkeeper.judging.messages import Messages, Sources
from watchkeeper.model import Dictionary, Event, Frame
from watchkeeper.query import Limits, parse
from watchkeeper.seams import Store
from watchkeeper.telling import Alert, AlertState, Bulletin
from watchkeeper.web.changes import Changes
from watchkeeper.web.desk import Figure

logger = logging.getLogger(__name__)

Tell = Callable[[Bulletin, tuple[str, ...]], Awaitable[None]]
"""Put a bulletin into the outbox for these channels (none: all there are); durable on return. Raises Failed."""

TOGETHER = 16
"""So many messages are made side by side: each may wait for what a machine does not answer, and they must not add up."""
PAUSE = 5.0
"""Seconds after which it is looked at what time alone has changed, at the latest."""
AGAIN = 1.0
SILENT_SECONDS = 90.0
WATCHDOG = "Watchdog"
"""The rule that always fires, and so carries the heartbeat to the outside,"""
JUDGED_SECONDS = 15.0
"""as long as it was found to hold, by this hub, within its interval and so much."""


class Bench:
    """The judge of one hub."""

    def __init__(  # a composition root
        self,
        alerting: Alerting,
        sources: Sources,
        fleet: Fleet,
        changes: Changes,
        clock: Clock,
        tell: Tell,
        *,
        url: str,
        data: Path,
        limits: Limits | None = None,
        own_source: str = "_hub",
    ) -> None:
        """Put the parts together; nothing runs before `restore` and `run`."""
        self._clock = clock
        self._fleet = fleet
        self.changes = changes
        self.store: Store = sources.store
        self.journal: Journal = sources.journal
        self._tell = tell
        self.beat: Callable[[], None] = lambda: None
        """Called after each turn that found the Watchdog judged lately, and firing: all of the way up to here works."""
        self.settle: Callable[[str, str], Awaitable[object]] = settled_nowhere
        """Called with an incident and who has acknowledged it: what waits to remind of it is not told any more."""
        self.drill_channels: Callable[[str, str], tuple[str, ...]] = lambda _machine, _server: ()
        """Over which channels a drill is told that is done to this machine's server; none: as routes say."""
        self._data = data
        self.started_at = milliseconds(clock.wall())
        self.limits = limits or Limits()
        self.alerting = alerting
        self.court = Court(alerting.rules, Words(alerting.settings.external_labels, url, self._answer), own_source)
        self.book = Book(alerting.topology)
        self.teller = Teller(alerting.routing)
        self.suppression = Suppression(alerting.inhibitions, alerting.maintenance)
        self.foreign = Foreign()
        self.keeping = Keeping(self.court, self.foreign, self.book, self.teller, self.journal, fleet.note)
        self.hearing = Hearing(self.court, clock, milliseconds(alerting.settings.late), self._found)
        self.hearing.told = fleet.note
        self.asking = Asking(self.court, self.store, clock, self.limits, self._found)
        self.hearing.heard = self.asking.frame
        self.witnesses = Witnesses(alerting.witness, self.ring)
        self.messages = Messages(self.court, sources, clock, url)
        self._own = own_source
        self._pending: list[Change] = []
        self._paused_before: dict[str, str] = {}
        self._rung = asyncio.Event()
        self._looked = 0
        self._warned = False
        fleet.hearer = self.hearing

    # -- the loop -----------------------------------------------------------------------------------

    async def restore(self) -> None:
        """Take up what an earlier hub had left; before anything comes in. Raises Failed."""
        now = self.now()
        self.suppression.silences = {one.id: one for one in await self.journal.silences.all()}
        for event in await self.journal.events.page(Sought(kinds=tuple(own.TOLD)), 1000):
            self.hearing.happened.take(event)
        self._pending += await self.keeping.restore(now)
        self._paused_before = {alert.id: alert.suppressed for alert in self.keeping.live.values() if is_pause(alert.suppressed)}
        self.court.since = now
        self.ring()

    async def run(self) -> None:
        """Judge until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._turn_forever(), name="judge")
            group.create_task(self.asking.run(), name="rules that look back")
            group.create_task(self.witnesses.run(), name="witnesses")

    def frame(self, layout: Dictionary, frame: Frame) -> None:
        """One of the hub's own frames."""
        figures = np.frombuffer(frame.values, "<f8")
        self._found(self.court.frame(self._own, frame.stream, layout, frame.at, figures))
        self.asking.frame(self._own, frame.stream, layout, frame.at, figures)

    def take_posted(self, posted: Sequence[Posted]) -> None:
        """Alerts that others have judged; raises Refused."""
        self._found(self.foreign.take(posted, self.now()))

    def learn(self, names: Iterable[str]) -> None:
        """Metrics that others have written to us: rules about them are answered over all of the store."""
        self.court.learn(names, OTHERS)

    def forget(self, machine: str) -> None:
        """A machine is no more: what is known of it goes, and its alerts end."""
        self.hearing.forget(machine)
        self.asking.forget(machine)
        self._found(self.court.forget(machine, self.now()))

    def ring(self) -> None:
        """Something has come up: take a turn now."""
        self._rung.set()

    def note(self, event: Event) -> None:
        """Something has happened that is not the judge's doing."""
        self._fleet.note(event)

    def now(self) -> int:
        """The hub's wall clock, ms."""
        return milliseconds(self._clock.wall())

    def figures(self) -> list[Figure]:
        """The judge's own figures."""
        states = Counter(alert.state.value for alert in self.keeping.live.values())
        return [
            *own.machine_figures(self._fleet, self.started_at, self.now(), self.hearing.lateness, self.hearing.skews),
            self.hearing.happened.figure(),
            *own.court_figures(
                {state: states.get(state, 0) for state in ("pending", "firing", "unknown")},
                len(self.court.rules),
                self.asking.failures,
                blind=self.witnesses.blind,
            ),
            *own.disk_figures(self._data),
        ]

    async def _turn_forever(self) -> None:
        told = ""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._rung.wait()
            self._rung.clear()
            try:
                await self.turn()
            except Failed as fault:
                if fault.why != told:
                    logger.error("alerts cannot be written down: %s; they are tried again, and told once they are", fault.why)  # noqa: TRY400  # a fault of the disk needs no traceback
                told = fault.why
                await asyncio.sleep(AGAIN)
                self.ring()
            else:
                told = ""

    async def turn(self) -> None:
        """Write what has changed, group it, tell what is due. Raises Failed, and then nothing is lost."""
        now = self.now()
        self._look(now)
        self._found([*self.court.tick(now), *self.foreign.tick(now)])
        self.keeping.note_missed(self.court.take_missed(), now)
        while batch := self._batch():
            try:
                written = await self.keeping.write(batch, now)
            except Failed:
                self._pending[:0] = batch
                raise
            for alert in written:
                self.changes.alert(alert)
            await self._deliver()
        await self._deliver()
        if self._is_watched(now):
            self.beat()

    def _is_watched(self, now: int) -> bool:
        """Whether the Watchdog was judged lately and fires. That it once did proves nothing: the judging may stand still."""
        for entry in self.court.docket.entries():
            if entry.rule.name == WATCHDOG and entry.case is not None and entry.case.state is AlertState.FIRING:
                oldest = max(self.started_at, now - entry.rule.interval - round(JUDGED_SECONDS * 1000))
                if entry.seen_at >= oldest:
                    return True
        return False

    def _batch(self) -> list[Change]:
        """What is written next: of each alert one change, so that one which begins and ends at once is told all the same."""
        batch: list[Change] = []
        seen: set[str] = set()
        while self._pending and self._pending[0].alert.id not in seen:
            seen.add(self._pending[0].alert.id)
            batch.append(self._pending.pop(0))
        return batch

    async def _deliver(self) -> None:
        """Look who may be told, and tell what is due."""
        now = self.now()
        due = self.teller.due
        is_due = bool(due) and due <= now
        members = self._members()
        if not members and not is_due:
            return
        self.suppression.paused = self._paused(members)
        reasons = self.suppression.reasons(members, now)
        for alert in await self.keeping.suppress(reasons):
            self.changes.alert(alert)
        if not is_due:
            return
        acknowledged = frozenset(one.id for one in self.book.incidents.values() if one.state == "acknowledged")
        routes = (self.alerting.routing.root, *self.alerting.routing.branches)
        muted = {one.name: window for one in routes if (window := self.suppression.is_muted(one.mute, now))}
        plans = self.teller.flush(now, reasons, acknowledged, muted)
        for first in range(0, len(plans), TOGETHER):
            some = plans[first : first + TOGETHER]
            bulletins = await asyncio.gather(*(self._bulletin(plan) for plan in some))
            for plan, bulletin in zip(some, bulletins, strict=True):
                await self._carry_out(plan, bulletin)
        self.book.forget_old(now)
        await self.keeping.keep_tellings(now)

    async def _bulletin(self, plan: Plan) -> Bulletin:
        return await self.messages.bulletin(plan, self.book.incidents.get(plan.group.incident))

    async def _carry_out(self, plan: Plan, bulletin: Bulletin) -> None:
        try:
            await self._tell(
                bulletin, (bulletin.drill and self.drill_channels(bulletin.machine, bulletin.server)) or plan.channels
            )
        except Failed as fault:
            logger.warning("a message could not be put into the outbox: %s; it is tried again", fault.why)
            self.teller.put_off(plan, self.now())
            return
        self.teller.told(plan, self.now())
        await self.keeping.keep_tellings(self.now())

    def _members(self) -> list[Alert]:
        """The alerts that go on, and those that have ended and not been told yet."""
        found = {alert.id: alert for alert in self.keeping.live.values() if alert.fired_at}
        for alert in self.teller.members():
            found.setdefault(alert.id, alert)
        return list(found.values())

    def _paused(self, members: Iterable[Alert]) -> dict[tuple[str, str], str]:
        """The servers among these alerts' that are paused, and why.

        Only agents know. Until one has told this hub, for a while after its start, what an earlier hub has noted holds: else
        each restart would wake people for what they have paused.
        """
        members = [alert for alert in members if alert.labels.get("server")]
        statuses = {machine: self._fleet.statuses(machine) for machine in {one.labels.get("machine", "") for one in members}}
        found = {
            (machine, status.name): status.paused_why or f"{status.name} is paused"
            for machine, some in statuses.items()
            for status in some
            if status.paused_until
        }
        if self.now() - self.started_at < 1000 * SILENT_SECONDS:
            for alert in members:
                machine, server = alert.labels.get("machine", ""), alert.labels["server"]
                is_told = any(status.name == server for status in statuses[machine])
                if not is_told and (why := self._paused_before.get(alert.id, "")):
                    found.setdefault((machine, server), why)
        return found

    def _pause(self) -> float:
        now = self.now()
        due = [at for at in (self.court.docket.due, self.foreign.due, self.teller.due) if at]
        return min(PAUSE, max(0.001, (min(due) - now) / 1000)) if due else PAUSE

    def _warn(self) -> None:
        """Say once that alerts are left out, so that whoever wrote the rule hears of it."""
        refused = self.court.docket.refused
        if refused and not self._warned:
            logger.error("too many alerts go on at once: no more begin; which rule holds everywhere? `watchkeeper alert rules`")
        self._warned = bool(refused)
        self.court.docket.refused = 0

    def _look(self, now: int) -> None:
        """Which machines are silent, and of which nothing can be known because the hub is cut off."""
        if now - self._looked < 1000 and not self.witnesses.blind:
            return
        self._looked = now
        self._warn()
        silent: dict[str, str] = {}
        blind: dict[str, str] = {}
        for known in self._fleet.known():
            name = known.machine.name
            quiet = now - max(known.seen_at, self.started_at)
            if quiet > 1000 * max(SILENT_SECONDS, 3 * known.period):
                silent[name] = f"{name} is silent"
            if self.witnesses.blind and name not in self.hearing.near:
                blind[name] = "the hub is cut off from its network"
                if self._fleet.link(name) is None:
                    silent[name] = blind[name]
        self.court.silent, self.court.blind = silent, blind

    def _found(self, changes: Sequence[Change]) -> None:
        if changes:
            self._pending += changes
            self.ring()

    def _answer(self, question: str) -> Sequence[tuple[dict[str, str], float]]:
        """What a template asks; raises Refused."""
        try:
            rows = answered(
                parse(question), self.store, self.now(), Limits(samples=200_000, figures=20_000, series=1_000, seconds=0.5)
            )
        except Failed as fault:
            raise Refused(fault.why) from None
        return [(dict(labels), value) for labels, value in rows]


async def settled_nowhere(_incident: str, _by: str) -> None:
    """Where no outbox is joined, nothing waits to remind of anything."""
