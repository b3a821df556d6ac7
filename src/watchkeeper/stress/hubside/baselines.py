"""What was measured of each server, and whether it still is what was measured: figures of the hub for rules to ask about.

The newest run that has found a knee is a server's baseline. It is stale when the server's agent tells another build,
configuration or machine than the run had. Records are read again only when there is another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from watchkeeper.errors import Refused
from watchkeeper.model import Family, Labels, Series
from watchkeeper.stress.record import Record, runs
from watchkeeper.stress.serverside import joined

STALE = Family(
    "watchkeeper_server_capacity_stale",
    "gauge",
    "Whether the server's build, configuration or machine has changed since its capacity was measured.",
)
CAPACITY = Family(
    "watchkeeper_server_capacity_per_second", "gauge", "Operations a second that the server did at the knee of its newest run."
)
TOLD = ("build", "config", "host")


class Baseline(NamedTuple):
    """What a run has measured of a server, and of which: digests by name."""

    machine: str
    server: str
    run: str
    per_second: float
    subject: dict[str, str]


class Baselines:
    """The newest of each server."""

    def __init__(self, folder: Path) -> None:
        """`folder`: where runs are kept."""
        self._folder = folder
        self._seen = 0
        self._known: dict[tuple[str, str], Baseline] = {}

    def known(self) -> Iterable[Baseline]:
        """All of them."""
        try:
            changed = self._folder.stat().st_mtime_ns
        except OSError:
            return ()
        if changed != self._seen:
            self._known = {(one.machine, one.server): one for one in reversed(list(_read(self._folder)))}
            # A run that goes on changes no folder's time when it ends: look again until none does.
            going = any(run.state == "running" and _goes_on(self._folder / run.id) for run in runs(self._folder)[:3])
            self._seen = 0 if going else changed
        return self._known.values()

    def figures(self, now: Iterable[Series]) -> list[tuple[Family, list[tuple[Labels, float]]]]:
        """`now`: the newest ``watchkeeper_server_build_info`` of every server."""
        present = {(one.label("machine"), one.label("server")): one for one in now}
        stale: list[tuple[Labels, float]] = []
        capacity: list[tuple[Labels, float]] = []
        for one in self.known():
            labels: Labels = (("machine", one.machine), ("server", one.server))
            capacity.append((labels, one.per_second))
            told = present.get((one.machine, one.server))
            if told is not None and one.subject:
                differs = any(told.label(name) != one.subject.get(name, "") for name in TOLD)
                stale.append((labels, float(differs)))
        return [(STALE, stale), (CAPACITY, capacity)] if capacity else []


def _goes_on(folder: Path) -> bool:
    """Whether a run that says so still runs: one that was killed says it for ever."""
    try:
        return not Record(folder).has_died
    except Refused:
        return False


def _read(folder: Path) -> Iterator[Baseline]:
    for run in runs(folder):
        knees = [knee for knee in run.knees if knee.sustained > 0]
        if not knees or not run.server or run.state != "done" or run.verdict == "invalid":
            continue
        try:
            side = joined.found(folder / run.id)
        except Refused:
            continue
        yield Baseline(run.machine, run.server, run.id, knees[-1].achieved, side.subject if side else {})
