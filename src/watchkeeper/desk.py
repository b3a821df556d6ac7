"""The hub at work: what the web may ask of it (`web.desk.Desk`), and the loops that keep it true.

`hub` makes one and runs its loops as tasks of the program; agents' links end in the fleet, whose facts are made durable by
`commit` (store and journal first, then the acknowledgement, then the news to open pages). Nothing here draws, judges or keeps
servers alive.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from watchkeeper import figures as own
from watchkeeper.clock import Clock, milliseconds
from watchkeeper.drill.drills import Drills
from watchkeeper.drill.seam import is_pretended
from watchkeeper.errors import Failed, Refused
from watchkeeper.fleet import Fleet
from watchkeeper.journal import Journal, JournalSettings
from watchkeeper.judging.bench import Bench
from watchkeeper.judging.showing import AlertDesk
from watchkeeper.model import Action, Dictionary, Event, Family, Frame, LogLines, Matcher, Outcome, Series, ServerStatus
from watchkeeper.office import Office, empty_office
from watchkeeper.remote.receiver import Receiver
from watchkeeper.remote.sender import Sender
from watchkeeper.remote.writing import read_request
from watchkeeper.store import FrameStore, VictoriaMetrics
from watchkeeper.store.snappy import unpack
from watchkeeper.stress.hubside.baselines import Baselines
from watchkeeper.stress.hubside.lab import Going, Lab, StressSecond
from watchkeeper.stress.hubside.launching import Launcher
from watchkeeper.stress.serverside.joining import BUILD
from watchkeeper.telling import Bulletin
from watchkeeper.web.changes import Changes
from watchkeeper.web.desk import Figure, LinkSocket, Presence
from watchkeeper.web.shapes import StressNews
from watchkeeper.wire.carriage import between
from watchkeeper.wire.downlink import Downlink
from watchkeeper.wire.packets import WorkerPart, encode

logger = logging.getLogger(__name__)

COMMIT_SECONDS = 1.0
"""Frames wait at most so long for their acknowledgement: one fdatasync a second, however many agents."""

COMMIT_BYTES = 1 << 20
NEWS_SECONDS = 0.02
"""Events wait only so long: enough to gather what one fault brings, too short to notice."""

ORDER_SECONDS = 90.0
"""An order without an outcome for so long is written down as unknown; a later outcome changes nothing."""

OWN_SECONDS = 5.0
"""How often the hub reads its own figures; sooner when something has happened that rules may ask about,"""
OWN_LEAST_SECONDS = 0.2
"""but no sooner than this."""

UNPACKED_BYTES = 32 << 20
"""What a body of remote write may unpack to: four times what senders put together."""


class Hub:
    """What the web may ask of the hub (`web.desk.Desk`), and the loops that keep it true."""

    def __init__(
        self,
        store: FrameStore | VictoriaMetrics,
        journal: Journal,
        fleet: Fleet,
        changes: Changes,
        clock: Clock,
        data: Path = Path(),
        config: Path | None = None,
    ) -> None:
        """Put the parts together; nothing runs yet. Stress runs are kept below `data` and read `config`."""
        self.clock = clock
        self.store = store
        self.journal = journal
        self.changes = changes
        self.fleet = fleet
        self._waiting: dict[str, asyncio.Future[Outcome]] = {}
        self._sent: dict[str, float] = {}
        self._rung = asyncio.Event()
        self._trouble = ""
        self.receiver = Receiver(store, lambda: milliseconds(clock.wall()))
        self._reading = asyncio.Lock()
        self._receipts: list[asyncio.Future[None]] = []
        self.senders: tuple[Sender, ...] = ()
        self.office: Office = empty_office(journal, clock, self.tell)
        self._baselines = Baselines(data / "stress")
        self.lab = Lab(data / "stress", Launcher(data, config), self._keep_stress, self._stressed)
        self.bench: Bench | None = None
        self._drills: Drills | None = None
        self._stirred = asyncio.Event()

    # -- the desk: what the web asks ------------------------------------------------------------

    def machines(self) -> list[Presence]:
        """Every machine the hub knows."""
        return [
            Presence(known.machine, self.fleet.link(known.machine.name) is not None, known.seen_at, known.period)
            for known in self.fleet.known()
            if not is_pretended(known.machine.name)  # it is nobody's, and gone again soon
        ]

    def statuses(self, machine: str) -> tuple[ServerStatus, ...]:
        """The last word of that machine's agent on its servers."""
        return self.fleet.statuses(machine)

    def families(self) -> Mapping[str, Family]:
        """HELP and TYPE of every metric that agents have defined."""
        return self.fleet.families

    def figures(self) -> Sequence[Figure]:
        """The hub's own figures."""
        ours = own.hub_figures(self.fleet, self.store.statistics(), self.changes.listeners)
        judged = self.bench.figures() if self.bench else ()
        office = [Figure(*one) for one in self.office.figures()]
        drills = [Figure(*one) for one in self._drills.figures()] if self._drills else ()
        measured = [Figure(*one) for one in self._baselines.figures(self._builds())]
        return [*ours, *judged, *own.remote_figures(self.receiver, self.senders), *office, *drills, *measured]

    def _builds(self) -> Iterable[Series]:
        """The newest word of each server's agent on what it is."""
        newest: dict[tuple[str, str], tuple[int, Series]] = {}
        for series, at, _ in self.store.latest([Matcher("__name__", "=", BUILD)]):
            key = series.label("machine"), series.label("server")
            if key not in newest or at > newest[key][0]:
                newest[key] = at, series
        return [series for _, series in newest.values()]

    def ready(self) -> str:
        """Empty when frames and events can be made durable; else why not."""
        return self._trouble

    async def acknowledge(self, incident: str, by: str, peer: str) -> None:
        """An incident is in somebody's hands; who says it again changes nothing."""
        if (await self.alerting.incident(incident)).state == "open":
            await self.alerting.acknowledge(incident, by, peer)

    async def tell_people(self, bulletin: Bulletin, channels: tuple[str, ...]) -> None:
        """Put a message into the outbox; a route that names no channel means all of them."""
        await self.office.tell(bulletin, channels)
        if not self.office.channels:
            logger.warning("%s: %s (there is no [channel.NAME], so nobody is told)", bulletin.kind, bulletin.title)

    async def order(self, action: Action) -> Outcome:
        """Deliver an order and wait for its outcome; see `Desk.order`."""
        link = self.fleet.link(action.machine)
        if link is None:
            why = f"{action.machine}'s agent is not connected, so nothing was sent; it is worth trying again once it is back"
            raise Refused(why, code="not-connected")
        self.changes.action(await self.journal.actions.sent(action.id, milliseconds(self.clock.wall())))
        waiting = self._waiting[action.id] = asyncio.get_running_loop().create_future()
        self._sent[action.id] = self.clock.monotonic() + ORDER_SECONDS
        await link.order(action)
        return await asyncio.shield(waiting)

    async def logs(self, machine: str, server: str, lines: int, *, follow: bool) -> AsyncGenerator[LogLines, None]:
        """A server's output, from its agent."""
        link = self.fleet.link(machine)
        if link is None:
            raise Refused(f"{machine}'s agent is not connected", code="not-connected")
        parts = link.logs(server, lines, follow=follow)
        try:
            async for part in parts:
                if part.end and part.why and not follow:
                    raise Refused(part.why, code="no-logs")
                yield part
        finally:
            await parts.aclose()

    def last_lines(self, machine: str, server: str, lines: int) -> AsyncGenerator[LogLines, None]:
        """The end of a server's output, for a message about it."""
        return self.logs(machine, server, lines, follow=False)

    async def evidence(self, machine: str, identity: str) -> bytes:
        """What an agent has saved of a server, as a JSON document."""
        link = self.fleet.link(machine)
        if link is None:
            raise Refused(f"{machine}'s agent is not connected, and evidence is on its disk", code="not-connected")
        return await link.evidence(identity)

    async def workers(self, machine: str, count: int, socket: LinkSocket) -> None:
        """Carry between somebody's stress run and workers on an agent's machine, until either ends."""
        link = self.fleet.link(machine)
        if link is None:
            why = f"{machine}'s agent is not connected"
            await socket.send(encode(WorkerPart("", -1, end=True, why=why)))
            return
        await between(link, machine, count, socket)

    async def link(self, socket: LinkSocket) -> None:
        """Serve one agent's connection until it ends."""
        await Downlink(socket, self.fleet, self.clock).serve()

    async def receive(self, packed: bytes) -> None:
        """Keep what a program writes; see `Desk.receive`. One body is read at a time, so that memory is bounded."""
        async with self._reading:
            try:
                request = await asyncio.to_thread(lambda: read_request(unpack(packed, UNPACKED_BYTES)))
            except Refused:
                self.receiver.tally.refused += 1
                raise
            self.fleet.describe(request.families)
            if fresh := self.receiver.fresh(request):
                await asyncio.to_thread(self.receiver.learn, fresh)
            fault: Refused | None = None
            try:
                self.receiver.take(request)
            except Refused as refused:
                fault = refused
        receipt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._receipts.append(receipt)
        self.ring("")
        await receipt
        if fault is not None:
            raise fault

    def _keep_stress(self, stream: str, layout: Dictionary, frame: Frame) -> None:
        with suppress(Failed):  # a full disk costs charts their figures, not the run its end
            self.store.define(own.MACHINE, stream, layout)
            self.store.take(own.MACHINE, frame)
            self._rung.set()
        if self.bench:
            self.bench.frame(layout, frame)

    def _stressed(self, going: Going, seconds: Sequence[StressSecond]) -> None:
        self.changes.stress(
            StressNews(
                going.run,
                going.machine,
                going.server,
                going.plan,
                going.phase,
                tuple(seconds),
                going.is_over,
                going.outcome,
                going.ended_by,
            )
        )

    # -- the loops -------------------------------------------------------------------------------

    def ring(self, machine: str) -> None:
        """Something came in from a machine: the next commit should not sleep through it."""
        self._rung.set()
        self.changes.frame(machine)

    def tell(self, event: Event) -> None:
        """Keep an event of the hub's own, and soon."""
        self.fleet.note(event)
        self.ring("")

    async def commit_forever(self) -> None:
        """Make durable what comes in, once a second or sooner when it is much or news."""
        while True:
            await self._rung.wait()
            self._rung.clear()
            began = self.clock.monotonic()
            while (waited := self.clock.monotonic() - began) < COMMIT_SECONDS:
                hurry = self.fleet.news_waits or bool(self._receipts)
                if self.fleet.waiting_bytes >= COMMIT_BYTES or (hurry and waited >= NEWS_SECONDS):
                    break
                pause = NEWS_SECONDS if hurry else COMMIT_SECONDS - waited
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._rung.wait()
                        self._rung.clear()
            await self.commit()

    async def commit(self) -> None:
        """Write, then acknowledge, then tell; on failure nothing is acknowledged and all is tried again."""
        events, outcomes, links = self.fleet.collect()
        receipts, self._receipts = self._receipts, []
        try:
            await self.store.commit()
            fresh = await self.journal.events.add(events)
            deeds = await self.journal.actions.record(events)
            for outcome in outcomes:
                await self._settle(outcome)
        except Failed as fault:
            self.fleet.give_back(events, outcomes)
            _answer(receipts, Failed(fault.why))
            if not self._trouble:
                logger.error("nothing can be kept at the moment: %s; agents hold their figures meanwhile", fault.why)  # noqa: TRY400  # a fault of the disk needs no traceback
            self._trouble = fault.why
            self._rung.set()
            await asyncio.sleep(COMMIT_SECONDS)
            return
        if self._trouble:
            logger.warning("keeping figures and events again")
            self._trouble = ""
        _answer(receipts, None)
        for link, upto in links:
            await link.acknowledge(upto)
        for event in fresh:
            self.changes.event(event)
        for row in deeds:
            self.changes.action(row)
        await self._expire()

    async def observe_itself(self) -> None:
        """Keep the hub's own figures in its own store, so that absence has a history."""
        while True:
            layout, frame = own.hub_frame(self.figures(), milliseconds(self.clock.wall()))
            with suppress(Failed):
                self.store.define(own.MACHINE, own.STREAM, layout)
                self.store.take(own.MACHINE, frame)
                self._rung.set()
            if self.bench:
                self.bench.frame(layout, frame)
            await asyncio.sleep(OWN_LEAST_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(OWN_SECONDS):
                    await self._stirred.wait()
            self._stirred.clear()

    @property
    def alerting(self) -> AlertDesk:
        """The judge's part of the desk."""
        assert self.bench is not None, "the web is opened after the judge was taken"
        return AlertDesk(self.bench)

    @property
    def drills(self) -> Drills:
        """The drills, joined before the web is opened."""
        assert self._drills is not None, "the web is opened after drills were joined"
        return self._drills

    @drills.setter
    def drills(self, drills: Drills) -> None:
        self._drills = drills

    def take_judge(self, bench: Bench) -> None:
        """Let a judge hear of everything from now on."""
        self.bench = bench
        self.receiver.learnt = bench.learn
        bench.hearing.stirred = self._stirred.set
        bench.beat, bench.settle = self.office.dead_man.beat, self.office.outbox.acknowledged

    async def look_after(self, settings: JournalSettings) -> None:
        """Forget old events, remember who is there: once a minute."""
        while True:
            with suppress(Failed):
                await self.journal.prune(settings, milliseconds(self.clock.wall()))
                await self.remember()
            await asyncio.sleep(60)

    async def remember(self) -> None:
        """Keep who is there, but for what a drill pretends. Raises Failed."""
        known = [one for one in self.fleet.known() if not is_pretended(one.machine.name)]
        await self.journal.machines.remember(known)

    async def _settle(self, outcome: Outcome) -> None:
        self._sent.pop(outcome.action, None)
        with suppress(Refused):  # an agent may tell the outcome of an action that a pruned journal has forgotten
            self.changes.action(await self.journal.actions.end(outcome))
        waiting = self._waiting.pop(outcome.action, None)
        if waiting and not waiting.done():
            waiting.set_result(outcome)

    async def _expire(self) -> None:
        now = self.clock.monotonic()
        for action in [action for action, due in self._sent.items() if due <= now]:
            del self._sent[action]
            text = f"the agent has not said within {ORDER_SECONDS:.0f} s how it ended"
            outcome = Outcome(action, milliseconds(self.clock.wall()), ok=False, text=text)
            self.changes.action(await self.journal.actions.end(outcome, "unknown"))
            waiting = self._waiting.pop(action, None)
            if waiting and not waiting.done():
                waiting.set_result(outcome)


def _answer(receipts: Sequence[asyncio.Future[None]], fault: Failed | None) -> None:
    for receipt in receipts:
        if receipt.done():  # who waited has gone
            continue
        if fault is None:
            receipt.set_result(None)
        else:
            receipt.set_exception(fault)
