"""The hub: what stores, judges, tells and shows. One straight page, read from `serve` down.

Whoever starts the program calls `run`. SIGHUP reads the configuration again: a good one is begun with anew, in the same
process and on the same port; with a bad one everything stays as it is, and it is told; one that changes nothing of the
hub's own, a server's table for example, leaves it alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from watchkeeper.alert.reading import Alerting, read_alerting
from watchkeeper.clock import SystemClock, milliseconds
from watchkeeper.config import Document
from watchkeeper.desk import Hub
from watchkeeper.drill.seam import is_pretended
from watchkeeper.drilled import join
from watchkeeper.errors import ConfigError
from watchkeeper.fleet import Fleet
from watchkeeper.instructed import TABLES, HubSettings, read_settings
from watchkeeper.journal import Journal, open_journal
from watchkeeper.journal.machines import KnownMachine
from watchkeeper.judging.bench import Bench
from watchkeeper.judging.messages import Sources
from watchkeeper.memory import keep_freed
from watchkeeper.model import EventKind
from watchkeeper.office import open_office
from watchkeeper.remote.sender import Sender
from watchkeeper.store import FrameStore, VictoriaMetrics, open_store
from watchkeeper.web.access import local_token, sign_in_url
from watchkeeper.web.app import build
from watchkeeper.web.changes import Changes
from watchkeeper.web.hall import Told
from watchkeeper.web.listen import address, bind, split_address
from watchkeeper.web.serve import WebServer

__all__ = ["TABLES", "Hub", "HubSettings", "read_settings", "run", "serve"]

logger = logging.getLogger(__name__)

Instructed = tuple[HubSettings, Alerting]
"""What a hub has been told: its tables, and those of its rules and routes."""


async def serve(
    read_document: Callable[[], Document],
    data: Path,
    listen: str | None,
    *,
    next_free: bool,
    announce: Callable[[str, str], None],
    config: Path | None = None,
) -> str:
    """Run the hub until SIGTERM or SIGINT. `announce(url, sign_in_link)` is called once it is ready to be asked.

    `config` is the file that stress runs started here read as well.

    Returns empty, or the address on which to begin again because a changed configuration is to be taken up (SIGHUP).
    Raises ConfigError or Refused when it cannot start: data folder in use, port in use, damaged files.
    """
    document = read_document()
    settings, alerting = read_settings(document), read_alerting(document)
    clock, changes, stop, again = SystemClock(), Changes(), asyncio.Event(), asyncio.Event()
    _end_by_signals(stop)
    async with AsyncExitStack() as stack:
        remote = bool(settings.store.url)
        store = VictoriaMetrics(settings.store, clock) if remote else open_store(data / "store", settings.store, clock)
        stack.callback(store.close)
        journal = await stack.enter_async_context(open_journal(data / "journal.db"))
        fleet = Fleet(store, clock, await _known(journal), lambda machine: hub.ring(machine))  # noqa: PLW0108  # the hub needs the fleet first
        hub = Hub(store, journal, fleet, changes, clock, data, config)
        if isinstance(store, FrameStore):
            folder = data / "remote-write"
            hub.senders = tuple(Sender(target, store, folder, clock.monotonic) for target in settings.remote_write)
        now = milliseconds(clock.wall())
        await journal.actions.settle_open(now, "the hub was stopped before the outcome came")
        await _local_tokens(journal, data, now)
        host, port = split_address(listen or settings.web.listen)
        bound = stack.enter_context(bind(host, port, next_free=next_free))
        here = address(bound)
        url = f"http://{here}"
        hub.office = await open_office(settings, data, settings.web.url or url, journal, clock, hub.tell, hub.ready)
        sources = Sources(store, journal, hub.last_lines, fleet.statuses)
        outside, limits = settings.web.url or url, settings.query.limits()
        bench = Bench(alerting, sources, fleet, changes, clock, hub.tell_people, url=outside, data=data, limits=limits)
        hub.take_judge(bench)
        hub.drills = join(settings.drill, data, url, bench, fleet, hub.office, hub.order, hub.tell, clock)
        await bench.restore()
        server = WebServer(
            build(hub, settings.web, bound, query=settings.query, told=Told(settings.store, settings.journal, settings.status)),
            changes,
            bound,
        )
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
                group.create_task(hub.office.run(), name="office"),
                group.create_task(hub.drills.run(), name="drills"),
                *(group.create_task(sender.run(), name=f"remote write to {sender.target.called}") for sender in hub.senders),
            ]
            web = group.create_task(server.run_on_bound(), name="web")
            _write_signpost(data, url)
            secret = await journal.access.first_link(now)
            announce(url, sign_in_url(url, secret) if secret else "")
            asyncio.get_running_loop().add_signal_handler(
                signal.SIGHUP, _reload, read_document, (settings, alerting), fleet, stop, again
            )
            await stop.wait()
            fleet.happen(EventKind.HUB_STOPPED, "The hub is stopping" + (" and begins again" if again.is_set() else ""))
            fleet.leave("the hub is stopping")
            server.stop()
            await web
            for task in tasks:
                task.cancel()
        await hub.commit()
        await bench.turn()
        await hub.remember()
        _remove_signpost(data)
    return here if again.is_set() else ""


def _end_by_signals(stop: asyncio.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


async def _known(journal: Journal) -> list[KnownMachine]:
    """Who has ever been there, but for what drills of an earlier hub pretended."""
    return [one for one in await journal.machines.all() if not is_pretended(one.machine.name)]


async def _local_tokens(journal: Journal, data: Path, now: int) -> None:
    """Who may ask, link and write from this machine, each by a file of its own."""
    await local_token(journal, data / "token", "local", "admin", now)
    await local_token(journal, data / "link-token", "local-agent", "link", now)
    await local_token(journal, data / "write-token", "local-writer", "write", now)


def _reload(
    read_document: Callable[[], Document], in_effect: Instructed, fleet: Fleet, stop: asyncio.Event, again: asyncio.Event
) -> None:
    """Take a changed configuration, if it can be used and changes what is the hub's; the present one stays otherwise."""
    try:
        document = read_document()
        found = read_settings(document), read_alerting(document)
    except ConfigError as fault:
        logger.error("the configuration was not taken, the present one stays: %s", fault)  # noqa: TRY400  # the operator's to mend
        fleet.happen(EventKind.CONFIG_REJECTED, f"the changed configuration cannot be used: {fault}", severity="warning")
        return
    if found == in_effect:
        return  # links and pages stay open: nothing that is the hub's was changed
    fleet.happen(EventKind.CONFIG_RELOADED, "the hub reads its configuration again")
    again.set()
    stop.set()


def run(
    read_document: Callable[[], Document],
    data: Path,
    listen: str | None,
    *,
    next_free: bool,
    announce: Callable[[str, str], None],
    config: Path | None = None,
) -> None:
    """Run the hub in this process until it is told to stop; raises what `serve` raises."""
    keep_freed()
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        while again := runner.run(serve(read_document, data, listen, next_free=next_free, announce=announce, config=config)):
            listen, next_free = again, False


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
