"""Once through a record, from its first line to its last: the digest of it. Memory stays as it is, however long the run.

Two stages at most are held open; one that is over is packed, and opened again for a straggler's row. What is seen of each
second goes to `moments`.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np

from watchkeeper.stress.histogram import Histogram, unpacked
from watchkeeper.stress.objective import QUANTILES, parse, tally
from watchkeeper.stress.record import Begun, Record
from watchkeeper.stress.report.beside import events, lines, marks
from watchkeeper.stress.report.digest import Cell, Digest, Fault, File, Spell
from watchkeeper.stress.report.moments import Generator, Moments
from watchkeeper.stress.run import Ended, Window
from watchkeeper.stress.serverside.joined import found as concluded

BLOCKS = 30
"""Of a stage at most: enough for an interval, few enough to keep."""
POINTS = 900
"""Instants of a chart at most."""
LOOKS = 600
CONNECTION = "connection"
"""What connections that could not be made stand under among operations."""
OPEN = 2
"""Stages that are held unpacked: one drains while the next one runs."""

_HISTOGRAMS = ("latency", "service", "starved", "failed")


def read(record: Record) -> Digest:
    """Condense a record; raises Refused for a damaged one."""
    stages = record.stages()
    step = _step(stages)
    moments, generator = Moments(step, bound_of(record)), Generator(step)
    spells = _Spells(stages)
    faults: dict[str, Fault] = {}
    names = {begun.stage.index: begun.stage.name for begun, _ in stages}
    for window in record.windows():
        found = {name: unpacked(getattr(window, name)) for name in ("latency", "service", "starved")}
        spells.add(window, found)
        moments.add(window, found["latency"], found["service"])
        for code, many in window.errors.items():
            _blamed(faults, code, many, window, names)
    for ended in (one for _, one in stages if one is not None):
        for code, many in ended.missing.items():
            _blamed(faults, code, many, Window(int(ended.ended), ended.stage, CONNECTION), names)
    for row in record.health():
        generator.add(row)
        spells.look(row.second, row.worker, row.in_flight)
    for happening in record.events():
        fault = faults.get(happening.facts.get("code", ""))
        if happening.kind == "error" and fault is not None and not fault.sample:
            fault.sample = happening.text[:400]
    run = record.run
    return Digest(
        run=run,
        plan=record.plan,
        died=record.has_died,
        step=step,
        spells=spells.whole(),
        moments=moments.columns(),
        generator=generator.columns(),
        lag=generator.lag.packed(),
        lag_starved=generator.lag_starved.packed(),
        workers=generator.workers,
        faults=faults,
        events=events(record),
        lines=lines(record.folder, run.started_at),
        marks=marks(record.folder, run.started_at),
        joined=concluded(record.folder),
        files=_files(record.folder),
    )


def bound_of(record: Record) -> float:
    """The tightest bound (s) that the run's objectives set to a latency: what is done within it is *good*; inf for none."""
    bounds = [math.inf]
    for held in record.run.objectives:
        goal = parse(held.objective)
        if goal.metric in QUANTILES and goal.op in {"<", "<="} and not goal.operation:
            bounds.append(goal.value)
    return min(bounds)


class _Spells:
    """Stages as they fill."""

    def __init__(self, stages: list[tuple[Begun, Ended | None]]) -> None:
        self._spells = {}
        for begun, ended in stages:
            seconds = ended.ended - ended.began if ended else begun.stage.seconds
            width = float(max(1, math.ceil(seconds / BLOCKS)))
            self._spells[begun.stage.index] = Spell(begun.stage, begun.at, ended, block_seconds=width)
        self._open: dict[int, _Open] = {}
        self._looks: dict[int, dict[int, int]] = {}

    def add(self, window: Window, found: dict[str, Histogram]) -> None:
        """A row, with its histograms unpacked."""
        spell = self._spells.get(window.stage)
        if spell is None:
            return
        opened = self._open.get(window.stage)
        if opened is None:
            while len(self._open) >= OPEN:
                oldest = min(self._open)
                self._open.pop(oldest).close()
            opened = self._open[window.stage] = _Open(spell)
        opened.add(window, found)

    def look(self, second: int, worker: int, in_flight: int) -> None:
        """How many a worker had under way in a second: its last word counts."""
        self._looks.setdefault(second, {})[worker] = in_flight
        if len(self._looks) > 8:
            self._looked(min(self._looks))

    def whole(self) -> list[Spell]:
        """Everything, packed."""
        for opened in self._open.values():
            opened.close()
        self._open.clear()
        for second in sorted(self._looks):
            self._looked(second)
        for spell in self._spells.values():
            stride = math.ceil(len(spell.looks) / LOOKS) or 1
            spell.looks = spell.looks[::stride]
        return list(self._spells.values())

    def _looked(self, second: int) -> None:
        total = sum(self._looks.pop(second).values())
        for spell in self._spells.values():
            if spell.ended and spell.began + 1 <= second and second + 1 <= spell.ended.ended:
                spell.looks.append(float(total))
                if len(spell.looks) >= 64 * LOOKS:  # a soak of days
                    del spell.looks[1::2]


class _Open:
    """A stage with its histograms unpacked."""

    def __init__(self, spell: Spell) -> None:
        self._spell = spell
        self._held: dict[tuple[str, str], Histogram] = {}
        self._blocks: dict[int, Histogram] = {}

    def add(self, window: Window, found: dict[str, Histogram]) -> None:
        self._spell.seen_until = max(self._spell.seen_until, window.second + 1.0)
        cell = self._spell.cells.setdefault(window.operation, Cell())
        for name in ("scheduled", "started", "done", "late", "dropped", "sent_bytes", "received_bytes"):
            setattr(cell, name, getattr(cell, name) + getattr(window, name))
        tally(cell.errors, window.errors)
        tally(cell.counts, window.counts)
        for name in _HISTOGRAMS:
            if written := getattr(window, name):
                self._of(window.operation, name, getattr(cell, name)).merge(found.get(name) or unpacked(written))
        for name, written in window.spans.items():
            self._of(window.operation, f"span {name}", cell.spans.get(name, b"")).merge(unpacked(written))
        if found["latency"].total:
            self._block(window.second, found)

    def close(self) -> None:
        """Pack it."""
        spell = self._spell
        for (operation, name), histogram in self._held.items():
            cell = spell.cells[operation]
            if name.startswith("span "):
                cell.spans[name.removeprefix("span ")] = histogram.packed()
            else:
                setattr(cell, name, histogram.packed())
        last = max(self._blocks, default=-1)
        spell.blocks += [b""] * (last + 1 - len(spell.blocks))
        for place, histogram in self._blocks.items():
            spell.blocks[place] = histogram.packed()

    def _of(self, operation: str, name: str, before: bytes) -> Histogram:
        found = self._held.get((operation, name))
        if found is None:
            found = self._held[operation, name] = unpacked(before)
        return found

    def _block(self, second: int, found: dict[str, Histogram]) -> None:
        spell = self._spell
        place = int((second - spell.began) / spell.block_seconds)
        place = min(max(place, 0), BLOCKS - 1)
        block = self._blocks.get(place)
        if block is None:
            before = spell.blocks[place] if place < len(spell.blocks) else b""
            block = self._blocks[place] = unpacked(before)
        block.merge(found["latency"])
        if found["starved"].total:
            np.subtract(block.counts, found["starved"].counts, out=block.counts)
            block.total -= found["starved"].total


def _blamed(faults: dict[str, Fault], code: str, many: int, window: Window, names: dict[int, str]) -> None:
    at = float(window.second)
    fault = faults.setdefault(code, Fault(first=at, last=at))
    fault.count += many
    fault.first, fault.last = min(fault.first, at), max(fault.last, at)
    tally(fault.operations, {window.operation: many})
    tally(fault.stages, {names.get(window.stage, str(window.stage)): many})


def _step(stages: list[tuple[Begun, Ended | None]]) -> float:
    longest = max((ended.ended if ended else begun.at + begun.stage.seconds for begun, ended in stages), default=1.0)
    return float(max(1, math.ceil(longest / POINTS)))


def _files(folder: Path) -> list[File]:
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.endswith(".new"):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found.append(File(path.name, path.stat().st_size, digest))
    return found
