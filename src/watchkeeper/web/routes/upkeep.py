"""What the hub keeps, for how long, and what watching costs: hub and agents, from their own figures."""

from __future__ import annotations

import math
from urllib.parse import urlsplit

import numpy as np
from litestar import get
from litestar.di import NamedDependency

from watchkeeper import __version__
from watchkeeper.model import Matcher
from watchkeeper.query.ranges import aligned, rates
from watchkeeper.web.hall import Hall
from watchkeeper.web.origins import is_loopback
from watchkeeper.web.people_shapes import HubUpkeep, ProgramCost, Retention

REACH = 300_000
"""Milliseconds over which CPU is averaged, as far back as a store's newest rounds reach."""
LONGEST = 60.0
"""Seconds between two rounds of an agent that is there."""
STORE_BYTES = ("watchkeeper_store_log_bytes", "watchkeeper_store_raw_bytes", "watchkeeper_store_rollup_bytes")


@get("/api/upkeep", operation_id="upkeep", sync_to_thread=False)
def upkeep(hall: NamedDependency[Hall]) -> HubUpkeep:
    """Retention, the disk that figures take, and the CPU and memory of hub and agents."""
    own = {figure.family.name: figure.values[0][1] for figure in hall.desk.figures() if figure.values}
    sizes = [own[name] for name in STORE_BYTES if name in own]
    store, journal = hall.keeping.store, hall.keeping.journal
    return HubUpkeep(
        __version__,
        hall.address,
        is_loopback(urlsplit(hall.address).hostname or ""),
        len(hall.desk.machines()),
        own.get("watchkeeper_store_series"),
        sum(sizes) if sizes else None,
        Retention(store.raw, store.first, store.hourly, journal.keep, store.budget, store.keep_free, bool(store.url)),
        (*_costs(hall, "hub"), *_costs(hall, "agent")),
    )


def _costs(hall: Hall, program: str) -> list[ProgramCost]:
    """One for each machine on which the program tells of itself."""
    now, store = hall.now(), hall.desk.store
    seconds = [Matcher("__name__", "=", f"watchkeeper_{program}_cpu_seconds_total")]
    times, series, values = aligned(store.recent(seconds, now - REACH, now + 1000))
    machines = [dict(one.labels).get("machine", "") for one in series]
    spent = rates(times, values, LONGEST)
    ratios = {
        machine: float(np.nanmean(column)) if not np.isnan(column).all() else None
        for machine, column in zip(machines, spent.T, strict=True)
    }
    memory = {
        dict(one.labels).get("machine", ""): value
        for one, at, value in store.latest([Matcher("__name__", "=", f"watchkeeper_{program}_resident_memory_bytes")])
        if now - at <= REACH and not math.isnan(value)
    }
    return [ProgramCost(program, name, ratios.get(name), memory.get(name)) for name in sorted({*ratios, *memory})]


ROUTES = [upkeep]
