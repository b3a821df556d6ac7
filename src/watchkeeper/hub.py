"""The hub: what stores, tells and shows. One straight page, read from `serve` down.

Agents' links end in the fleet, whose facts are made durable by `_commit` (store and journal
first, then the acknowledgement, then the news to open pages). The web asks through `Desk`, which
`Hub` is. Whoever starts the program calls `run`; nothing here draws, judges or keeps servers alive.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import msgspec

from watchkeeper import figures as own
from watchkeeper.alert.reading import Alerting, read_alerting
from watchkeeper.clock import Clock, SystemClock, milliseconds
from watchkeeper.config import Document
from watchkeeper.errors import Failed, Refused
from watchkeeper.fleet import Fleet
from watchkeeper.instructed import TABLES, HubSettings, read_settings
from watchkeeper.journal import Journal, JournalSettings, open_journal
from watchkeeper.judging.bench import Bench
from watchkeeper.judging.messages import Sources
from watchkeeper.judging.showing import AlertDesk
from watchkeeper.model import Action, EventKind, Family, LogLines, Outcome, ServerStatus
from watchkeeper.remote.receiver import Receiver
from watchkeeper.remote.sender import Sender
from watchkeeper.remote.writing import read_request
from watchkeeper.store import FrameStore, VictoriaMetrics, open_store
from watchkeeper.store.snappy import unpack
from watchkeeper.telling import Bulletin
from watchkeeper.web.access import local_token, sign_in_url
from watchkeeper.web.app import build
from watchkeeper.web.changes import Changes
from watchkeeper.web.desk import Figure, LinkSocket, Presence
from watchkeeper.web.listen import address, bind, split_address
from watchkeeper.web.serve import WebServer
from watchkeeper.wire.downlink import Downlink

__all__ = ["TABLES", "Hub", "HubSettings", "read_settings", "run", "serve"]

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
        self, store: FrameStore | VictoriaMetrics, journal: Journal, fleet: Fleet, changes: Changes, clock: Clock
    ) -> None:
        """Put the parts together; nothing runs yet."""
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
        self.bench: Bench | None = None
        self._stirred = asyncio.Event()

    # -- the desk: what the web asks ------------------------------------------------------------

    def machines(self) -> list[Presence]:
        """Every machine the hub knows."""
        return [
            Presence(known.machine, self.fleet.link(known.machine.name) is not None, known.seen_at, known.period)
            for known in self.fleet.known()
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
        return [*ours, *judged, *own.remote_figures(self.receiver, self.senders)]

    def ready(self) -> str:
        """Empty when frames and events can be made durable; else why not."""
        return self._trouble

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

    # -- the loops -------------------------------------------------------------------------------

    def ring(self, machine: str) -> None:
        """Something came in from a machine: the next commit should not sleep through it."""
        self._rung.set()
        self.changes.frame(machine)

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

    def take_judge(self, bench: Bench) -> None:
        """Let a judge hear of everything from now on."""
        self.bench = bench
        self.receiver.learnt = bench.learn
        bench.hearing.stirred = self._stirred.set

    async def look_after(self, settings: JournalSettings) -> None:
        """Forget old events, remember who is there: once a minute."""
        while True:
            with suppress(Failed):
                await self.journal.prune(settings, milliseconds(self.clock.wall()))
                await self.journal.machines.remember(self.fleet.known())
            await asyncio.sleep(60)

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


async def serve(
    settings: HubSettings,
    alerting: Alerting,
    data: Path,
    listen: str | None,
    *,
    next_free: bool,
    announce: Callable[[str, str], None],
) -> None:
    """Run the hub until SIGTERM or SIGINT. `announce(url, sign_in_link)` is called once it is ready to be asked.

    Raises ConfigError or Refused when it cannot start: data folder in use, port in use, damaged files.
    """
    clock, changes, stop = SystemClock(), Changes(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        remote = bool(settings.store.url)
        store = VictoriaMetrics(settings.store, clock) if remote else open_store(data / "store", settings.store, clock)
        stack.callback(store.close)
        journal = await stack.enter_async_context(open_journal(data / "journal.db"))
        fleet = Fleet(store, clock, await journal.machines.all(), lambda machine: hub.ring(machine))  # noqa: PLW0108  # the hub needs the fleet first
        hub = Hub(store, journal, fleet, changes, clock)
        if isinstance(store, FrameStore):
            hub.senders = tuple(Sender(target, store, data / "remote-write") for target in settings.remote_write)
        now = milliseconds(clock.wall())
        await journal.actions.settle_open(now, "the hub was stopped before the outcome came")
        await local_token(journal, data / "token", "local", "admin", now)
        await local_token(journal, data / "link-token", "local-agent", "link", now)
        await local_token(journal, data / "write-token", "local-writer", "write", now)
        host, port = split_address(listen or settings.web.listen)
        bound = stack.enter_context(bind(host, port, next_free=next_free))
        url = f"http://{address(bound)}"
        sources = Sources(store, journal, hub.last_lines, fleet.statuses)
        bench = Bench(alerting, sources, fleet, changes, clock, tell_nobody, url=url, data=data, limits=settings.query.limits())
        hub.take_judge(bench)
        await bench.restore()
        server = WebServer(build(hub, settings.web, bound, query=settings.query), changes, bound)
        fleet.happen(EventKind.HUB_STARTED, f"The hub has started at {url}")
        for repair in store.repairs:
            fleet.happen(EventKind.STORE_REPAIRED, repair, severity="warning")
        hub.ring("")
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(store.run(), name="store upkeep"),
                group.create_task(hub.commit_forever(), name="commits"),
                group.create_task(hub.observe_itself(), name="own figures"),
                group.create_task(bench.run(), name="bench"),
                group.create_task(hub.look_after(settings.journal), name="journal upkeep"),
                *(group.create_task(sender.run(), name=f"remote write to {sender.target.called}") for sender in hub.senders),
            ]
            web = group.create_task(server.run_on_bound(), name="web")
            _write_signpost(data, url)
            secret = await journal.access.first_link(now)
            announce(url, sign_in_url(url, secret) if secret else "")
            await stop.wait()
            fleet.happen(EventKind.HUB_STOPPED, "The hub is stopping")
            for link in fleet.links():
                link.leave("the hub is stopping")
            server.stop()
            await web
            for task in tasks:
                task.cancel()
        await hub.commit()
        await bench.turn()
        await journal.machines.remember(fleet.known())
        _remove_signpost(data)


async def tell_nobody(bulletin: Bulletin, _: tuple[str, ...]) -> None:
    """Where there are no channels, a message is a line in the log."""
    logger.warning("%s: %s", bulletin.kind, bulletin.title)


def _answer(receipts: Sequence[asyncio.Future[None]], fault: Failed | None) -> None:
    for receipt in receipts:
        if receipt.done():  # who waited has gone
            continue
        if fault is None:
            receipt.set_result(None)
        else:
            receipt.set_exception(fault)


def run(document: Document, data: Path, listen: str | None, *, next_free: bool, announce: Callable[[str, str], None]) -> None:
    """Run the hub in this process until it is told to stop; raises what `serve` raises."""
    settings = read_settings(document)
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(settings, read_alerting(document), data, listen, next_free=next_free, announce=announce))


def _write_signpost(data: Path, url: str) -> None:
    """``hub.json`` tells agents and verbs on this machine where the hub answers."""
    fresh = data / "hub.json.new"
    fresh.write_bytes(msgspec.json.encode({"url": url, "pid": os.getpid()}))
    fresh.replace(data / "hub.json")


def _remove_signpost(data: Path) -> None:
    (data / "hub.json").unlink(missing_ok=True)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  # not on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop
