"""What a stress run asks of a hub: the server's side of its time, and whether the target's machine is in need.

A `Teller` and a `Guard` over the hub's HTTP API. There need not be a hub; then nothing is asked again, and the run goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from urllib.parse import quote, urlencode

from watchkeeper.cli.client import Hub, connect
from watchkeeper.cli.options import config_file, reach
from watchkeeper.cli.settings import read_document
from watchkeeper.config import nearest
from watchkeeper.errors import Failed, Refused
from watchkeeper.model import Event
from watchkeeper.stress.distant import Distant
from watchkeeper.stress.overnats import Socket, over_nats
from watchkeeper.stress.plan import Plan
from watchkeeper.stress.protocols import Own
from watchkeeper.stress.serverside import told
from watchkeeper.stress.serverside.figures import Sampled
from watchkeeper.stress.serverside.told import Offset
from watchkeeper.telling import Alert
from watchkeeper.watched import nats_of, read_settings
from watchkeeper.web.alert_shapes import AlertsView
from watchkeeper.web.shapes import EventsView, MachineView
from watchkeeper.wire.bus import Address
from watchkeeper.wire.socket import dial

PIECE = 600
"""Seconds of figures that are asked for at once: a long run is read in pieces, whatever one answer may hold."""
TRIES = 5
"""Times that a clock is looked at; the quickest answer bounds the error best."""
MOST_EVENTS = 5000
PAGE = 500

HOST = (
    "node_cpu_seconds_total|node_load1|node_memory_(MemAvailable|MemTotal)_bytes|node_pressure_.*|node_sockstat_TCP_.*"
    "|node_netstat_Tcp(Ext)?_.*|node_network_(receive|transmit)_(bytes|drop|errs)_total|node_disk_io_time_seconds_total"
)


class HubTeller:
    """See `told.Teller`."""

    def __init__(self, hub: Hub) -> None:
        """Nothing is asked yet."""
        self._hub = hub
        self._offset: Offset | None = None

    async def offset(self) -> Offset:
        """See `told.Teller`: half of the quickest answer's time is what it may be wrong by."""
        if self._offset is None:
            self._offset = await asyncio.to_thread(self._measured)
        return self._offset

    async def series(self, machine: str, server: str, start: int, end: int) -> list[Sampled]:
        """See `told.Teller`."""
        return await asyncio.to_thread(self._series, machine, server, start / 1000, end / 1000)

    async def events(self, machine: str, start: int, end: int) -> Sequence[Event]:
        """See `told.Teller`."""
        return await asyncio.to_thread(self._events, machine, start, end)

    async def alerts(self, machine: str, start: int, end: int) -> Sequence[Alert]:
        """See `told.Teller`."""
        return await asyncio.to_thread(self._alerts, machine, start, end)

    async def look(self, machine: str) -> str:
        """See `desk.Guard`."""
        view = await asyncio.to_thread(self._hub.ask, "GET", f"/api/alerts?{urlencode({'machine': machine})}", AlertsView)
        return told.in_need(view.alerts, machine)

    def _measured(self) -> Offset:
        best = Offset(0.0, math.inf)
        for _ in range(TRIES):
            before = time.time()
            now = self._hub.now()
            after = time.time()
            if (bound := (after - before) * 500) < best.bound:
                best = Offset((now - (before + after) / 2) * 1000, bound)
        return best

    def _series(self, machine: str, server: str, start: float, end: float) -> list[Sampled]:
        which = (
            f"machine={_quoted(machine)},server={_quoted(server)}"
            if server
            else f'machine={_quoted(machine)},__name__=~"{HOST}"'
        )
        found: dict[tuple[tuple[str, str], ...], Sampled] = {}
        while start < end:
            until = min(start + PIECE, end)
            answer = self._hub.query(f"{{{which}}}[{max(1, round((until - start) * 1000))}ms]", until)
            for row in answer.result:
                labels = dict(row["metric"])
                name = labels.pop("__name__", "")
                one = found.setdefault(tuple(sorted((labels | {"__name__": name}).items())), Sampled(name, labels, [], []))
                for at, value in row["values"]:
                    moment = round(float(at) * 1000)
                    if not one.at or moment > one.at[-1]:
                        one.at.append(moment)
                        one.values.append(float(value))
            start = until
        return [one for one in found.values() if not one.name.endswith("_bucket")]

    def _events(self, machine: str, start: int, end: int) -> list[Event]:
        found: list[Event] = []
        before = ""
        while len(found) < MOST_EVENTS:
            view: EventsView = self._hub.events(machine=machine, since=start, until=end, limit=PAGE, before=before)
            found += view.events
            before = view.next
            if not before:
                break
        return sorted(found, key=lambda one: (one.at, one.id))

    def _alerts(self, machine: str, start: int, end: int) -> list[Alert]:
        asked = urlencode({"machine": machine, "limit": PAGE})
        view = self._hub.ask("GET", f"/api/alerts/history?{asked}", AlertsView)
        return [
            one
            for one in view.alerts
            if one.fired_at and one.fired_at < end and (not one.resolved_at or one.resolved_at > start)
        ]


def origins(args: argparse.Namespace, plan: Plan) -> list[Distant]:
    """The machines of ``--from``, each with a worker for each of its processors (or as many as the plan says).

    Raises Refused for one that the hub does not know or that is not connected.
    """
    names = [name for name in args.origins.split(",") if name]
    if not names:
        return []
    if isinstance(plan.protocol, Own):
        raise Refused("a Python file of one's own runs on this machine alone: leave --from out", code="own-elsewhere")
    nats = None
    if args.over == "nats" and (nats := nats_of(read_settings(read_document(config_file(args.config))).agent)) is None:
        raise Refused("this machine is told of no NATS server: its file says so with nats under [agent]", code="no-nats")
    hub = connect(reach(args))
    known = {one.machine.name: one for one in hub.ask("GET", "/api/machines", list[MachineView])}
    found = []
    for name in dict.fromkeys(names):
        if name not in known:
            raise Refused(f"the hub knows no machine {name!r}{nearest(name, sorted(known))}", code="unknown-machine")
        if not known[name].connected:
            raise Refused(f"{name}'s agent is not connected", code="not-connected")
        count = plan.generator.workers or max(1, known[name].machine.cpus)
        line = f"ws{hub.found.url.removeprefix('http')}/api/stress/workers/{quote(name, safe='')}/{count}"
        found.append(Distant(name, count, _way(name, partial(dial, line, hub.found.token), nats)))
    return found


def _way(machine: str, through: Callable[[], Awaitable[Socket]], nats: Address | None) -> Callable[[], Awaitable[Socket]]:
    return through if nats is None else partial(over_nats, machine, nats, through)


def teller(args: argparse.Namespace) -> HubTeller | None:
    """The hub that `args` lead to; None where none is known or it may not be asked."""
    try:
        return HubTeller(connect(reach(args)))
    except (Failed, Refused):
        return None


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text).replace("\n", "\\n") + '"'
