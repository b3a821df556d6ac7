"""Something to see on the pages: figures of the last two minutes, an alert by a rule, evidence that was saved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np

from rigs.desk import Web
from watchkeeper.model import Frame, Series, dictionary

SECONDS = 120
RULES = """
[[rule]]
alert = "Busy"
expr = "load > 1"
severity = "critical"
first = "Send half of it elsewhere."
why = "People wait."
annotations = { summary = "{{ $labels.machine }} is busy" }
[route]
group_wait = "0s"
"""
EVIDENCE = (
    b'{"id":"e1","at":1795000000000,"server":"web","pid":42,"why":"it hung","seconds":1.5,'
    b'"sections":[{"title":"Stacks","text":"Thread 1: waiting for a lock"}],"missing":["Open files"]}'
)
PROGRAMS = (
    ("postgres", 0.05, 900),
    ("python3 backup.py", 0.2, 80),
    *((f"daemon{number:02}", 0.0, number) for number in range(1, 15)),
)
"""Name, cores, MiB."""
LAYOUT = dictionary((Series("load", (("instance", "alpha"), ("machine", "alpha"))),))


def tell(web: Web, at: int, second: float) -> None:
    """One round of the machine and its server, so many seconds after the first; `at` in ms."""
    for mode, share in (("user", 0.2), ("system", 0.1), ("idle", 0.7)):
        web.desk.store.put(web.series("node_cpu_seconds_total", cpu="0", mode=mode), at, second * share)
    web.desk.store.put(web.series("node_memory_MemTotal_bytes"), at, 8.0 * 2**30)
    web.desk.store.put(web.series("node_memory_MemAvailable_bytes"), at, 6.0 * 2**30)
    web.desk.store.put(web.series("node_filesystem_size_bytes", mountpoint="/", fstype="ext4"), at, 100e9)
    web.desk.store.put(web.series("node_filesystem_avail_bytes", mountpoint="/", fstype="ext4"), at, 31e9)
    web.desk.store.put(web.series("process_cpu_seconds_total", server="web"), at, second * 0.5)
    web.desk.store.put(web.series("process_resident_memory_bytes", server="web"), at, 64.0 * 2**20)
    web.desk.store.put(web.series("watchkeeper_server_up", server="web"), at, 1)
    for name, cores, mebibytes in PROGRAMS:
        figures = {"cpu_seconds_total": second * cores, "resident_memory_bytes": mebibytes * 2.0**20, "processes": 2}
        moved = {"read_bytes_total": second * 4096, "written_bytes_total": second * 8192}
        for metric, value in (figures | moved).items():
            web.desk.store.put(web.series(f"watchkeeper_program_{metric}", program=name), at, value)


def fill(web: Web) -> None:
    """Two minutes of figures of the machine and its server, with half a minute missing."""
    now = web.desk.now()
    for second in range(SECONDS):
        if not 40 < second < 70:
            tell(web, now - (SECONDS - second) * 1000, second)


@asynccontextmanager
async def alive(web: Web) -> AsyncIterator[None]:
    """The same, and on it goes, round by round, for the length of an ``async with``: a rate is that of what is fresh."""
    fill(web)
    begun = web.desk.now()

    async def go_on() -> None:
        while True:
            now = web.desk.now()
            tell(web, now, SECONDS + (now - begun) / 1000)
            web.desk.changes.frame("alpha")
            await asyncio.sleep(0.5)

    going = asyncio.create_task(go_on(), name="alpha's agent")
    try:
        yield
    finally:
        going.cancel()


async def load(web: Web, value: float) -> None:
    """A figure of the machine comes in and is judged."""
    desk = web.desk
    figures, now = np.array([value]), desk.now()
    desk.store.define("alpha", "5s", LAYOUT)
    desk.store.take("alpha", Frame("5s", LAYOUT.id, now, figures.tobytes()))
    desk.bench._found(desk.bench.court.frame("alpha", "5s", LAYOUT, now, figures))
    await desk.bench.turn()
