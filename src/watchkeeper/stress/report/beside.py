"""What lies beside the load in a run's folder: the server's own lines, marks on the clock, what was concluded, what happened.

All of it may be absent: a target that nobody supervises has none, and the report says so.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import msgspec

from watchkeeper.stress.record import Record
from watchkeeper.stress.report.digest import Line, Mark
from watchkeeper.stress.run import Happening
from watchkeeper.stress.serverside import joined

POINTS = 450
"""Of a line; each the mean of what falls together."""
MOST_LINES = 60
MOST_EVENTS = 400
KEPT = (
    r"process_(cpu|thread_cpu|thread_waiting|resident_memory|proportional_memory|(open|max)_fds|threads|sockets|listen_queue)",
    r"process_(in)?voluntary_context",
    r"(?!process|node).*(lag|delay|queue|under_way|connections|sessions|greetings|clogged|rejected|drops|requests)",
    r"(?!process|node).*(mailbox_messages|messages_(received|accepted|forwarded|kept)_total)",
    r"node_(cpu_seconds|pressure|load1$|memory_MemAvailable|netstat_Tcp(Ext_Listen|_Retrans)|sockstat_TCP|context)",
)
"""Which lines are kept for a report, in this order, as far as there is room."""


def lines(folder: Path, zero: int) -> list[Line]:
    """The lines of the target's side that a report shows, thinned; `zero` is the run's, in ms since the epoch."""
    places = [re.compile(one) for one in KEPT]
    wanted = []
    for line in _together(joined.lines(folder)):
        seen = {value for value in line.values if value is not None}
        # A line that stands still is drawn only where its level is of interest: the idle parts of long pages are many.
        if len(seen) < 2 and not line.name.startswith(("process_resident", "process_open", "process_max", "process_threads")):
            continue
        place = next((place for place, one in enumerate(places) if one.match(line.name)), None)
        if place is not None:
            wanted.append((place, line))
    wanted.sort(key=lambda pair: pair[0])
    return [_thinned(line, zero) for _, line in wanted[:MOST_LINES]]


def marks(folder: Path, zero: int) -> list[Mark]:
    """What was marked on the clock."""
    found = joined.marks(folder)[:MOST_EVENTS]
    return [Mark(round((one.at - zero) / 1000, 3), one.kind, one.text[:300]) for one in found]


def events(record: Record) -> list[Happening]:
    """What happened, the first of it where there is too much."""
    found = []
    for happening in record.events():
        found.append(msgspec.structs.replace(happening, text=happening.text[:400]))
        if len(found) == MOST_EVENTS:
            break
    return found


def _together(lines: list[joined.Line]) -> list[joined.Line]:
    """The same with a machine's processors added up by mode: of 64 of them nobody would see the whole."""
    modes: dict[str, joined.Line] = {}
    found = []
    for line in lines:
        if line.name != "node_cpu_seconds_total":
            found.append(line)
            continue
        mode = line.labels.get("mode", "")
        before = modes.get(mode)
        if before is None:
            modes[mode] = joined.Line(line.name, {"mode": mode}, line.unit, line.at, line.values)
        elif before.at == line.at:
            pairs = zip(before.values, line.values, strict=True)
            values = [None if a is None or b is None else a + b for a, b in pairs]
            modes[mode] = msgspec.structs.replace(before, values=values)
    return [*found, *(line for mode, line in modes.items() if mode != "idle")]


def _thinned(line: joined.Line, zero: int) -> Line:
    at = [round((one - zero) / 1000, 3) for one in line.at]
    stride = math.ceil(len(at) / POINTS) or 1
    values: list[float | None] = []
    for place in range(0, len(at), stride):
        seen = [one for one in line.values[place : place + stride] if one is not None]
        values.append(float(f"{sum(seen) / len(seen):.6g}") if seen else None)
    return Line(line.name, line.labels, line.unit, at[::stride], values)
