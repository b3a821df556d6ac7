"""Known servers to put under load, plans for them, and whole runs in a folder of their own."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from rigs import known
from watchkeeper.cli.config import as_toml, without_none
from watchkeeper.stress.conduct import conduct
from watchkeeper.stress.desk import Request
from watchkeeper.stress.floor import Floor
from watchkeeper.stress.lane import Ground
from watchkeeper.stress.plan import Plan, place, read, settled, written
from watchkeeper.stress.record import Record
from watchkeeper.stress.recovery import Moment
from watchkeeper.stress.run import Run, Segment, Stage
from watchkeeper.stress.target import Supervised


@contextmanager
def known_server(kind: str, **given: float) -> Iterator[str]:
    """A server of known behaviour in a process of its own; its address."""
    words = [f"{name}={value}" for name, value in given.items()]
    process = subprocess.Popen(
        [sys.executable, known.__file__, kind, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    try:
        port = int(process.stdout.readline())
        scheme = "http" if hasattr(known.Behaviour, f"_{kind}") else "ws"
        yield f"{scheme}://127.0.0.1:{port}/"
    finally:
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()
        process.stdout.close()


class Witness:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self.moments: list[tuple[str, Moment]] = []
        self.words: list[str] = []
        self.runs: list[Run] = []

    async def began(self, run: Run) -> None:
        """See `desk.Watcher`."""
        self.runs.append(run)

    def staged(self, stage: Stage) -> None:
        """See `desk.Watcher`."""
        self.stages.append(stage)

    def saw(self, moment: Moment, stage: Stage, connections: int) -> None:
        """See `desk.Watcher`."""
        self.moments.append((stage.name, moment))

    def said(self, text: str) -> None:
        """See `desk.Watcher`."""
        self.words.append(text)

    async def ended(self, run: Run) -> None:
        """See `desk.Watcher`."""
        self.runs.append(run)


EXACT = """
[safety]
cool_down = "0s"

[generator]
workers = 1
ceiling = 20000
"""
"""What runs have whose figures must be right: a level that the generator was too late for is run again."""
QUICK = EXACT + 'limits = { lag = "60s", of_median = 0, starved = 1.0, full = 1.0 }\n'
"""What short runs on a shared machine have: nothing measured before, no generator found wanting."""


def plan_of(text: str, url: str, name: str = "test", rest: str = QUICK) -> Plan:
    """A plan from its phases and whatever else it has, settled."""
    whole = f'name = "{name}"\n' + text + rest
    plan, document = read({"plan.toml": whole}, {"target.url": url})
    return settled(plan, document)


def agreed(url: str) -> Supervised:
    """A supervised server that may be put under load, at this address."""
    return Supervised("known", True, (url,))


def request(plan: Plan, folder: Path) -> Request:
    """What `conduct` takes."""
    return Request(plan, as_toml(without_none(written(plan))), folder, ("test",), agreed(plan.target.url))


async def whole_run(text: str, url: str, folder: Path, witness: Witness | None = None, rest: str = QUICK) -> Record:
    """Run a plan to its end; its record."""
    plan = plan_of(text, url, rest=rest)
    run = await conduct(request(plan, folder), witness or Witness(), asyncio.Event())
    return Record(folder / run.id)


class Totals(msgspec.Struct):
    """A record's windows, added up."""

    scheduled: int = 0
    started: int = 0
    done: int = 0
    dropped: int = 0
    late: int = 0
    errors: dict[str, int] = {}
    counts: dict[str, int] = {}


def totals(record: Record, stage: int | None = None, operation: str | None = None) -> Totals:
    """Of a stage, an operation, or all."""
    found = Totals()
    for window in record.windows():
        if (stage is None or window.stage == stage) and (operation is None or window.operation == operation):
            for name in ("scheduled", "started", "done", "dropped", "late"):
                setattr(found, name, getattr(found, name) + getattr(window, name))
            for into, more in ((found.errors, window.errors), (found.counts, window.counts)):
                for name, many in more.items():
                    into[name] = into.get(name, 0) + many
    return found


@asynccontextmanager
async def floor(text: str, url: str, lanes: int, *, patience: float = 5.0, visits: int = 1000) -> AsyncIterator[Floor]:
    """A worker's floor in this process, with so many lanes to the target at `url`, and room for so many `visits` beside."""
    plan = plan_of(text + '\n[[phase]]\nkind = "pause"\n', url)
    assert plan.protocol is not None
    found = Floor(plan.protocol.mix(url), patience, 0, 1)
    found.make(plan.protocol.prepare(Ground(url, place(url), None, "", patience, 0, 1, 1, visits=visits)))
    found.keeper.rate = 10_000
    found.grow(lanes)
    try:
        async with asyncio.timeout(20):
            while sum(found.keeper.first_tries.values()) < lanes:
                await asyncio.sleep(0.005)
        yield found
    finally:
        await found.close()


async def run_stage(found: Floor, seconds: float, rate: float = 0.0, users: int = 0, index: int = 0, **more: Any) -> Any:
    """Run one stage on a floor until it has drained; its tallies by operation."""
    over = asyncio.Event()
    model = "closed" if users else "open"
    profile = (Segment(seconds, rate, rate),)
    stage = Stage(index, 0, "constant", "stage", seconds, model=model, profile=profile, users=users, **more)
    found.begin(stage, found.clock() + 20_000_000, over.set)
    async with asyncio.timeout(seconds + 30):
        while not (over.is_set() and found.has_drained(index)):
            await asyncio.sleep(0.005)
            found.tallies.mark(starved=False)
            found.beat()
    found.settle(index)
    tallies = {tally.name: tally for tally in found.tallies.all if tally.stage == index}
    for tally in tallies.values():
        tally.fold()
    return tallies
