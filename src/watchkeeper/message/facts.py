"""The facts of a bulletin in the order in which somebody who is woken wants them: what, where, since when, how bad, why.

All other forms are made of these. Bounded: however much a bulletin holds, its facts fit a screen or two.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Literal, NamedTuple

from watchkeeper.telling import AlertState, Bulletin, BulletinAlert

MOST_ALERTS = 10
MOST_LOG_LINES = 20
MOST_PROCESSES = 5
LINE = 300
PARAGRAPH = 1000

LINKS = {"acknowledge": "Acknowledge", "page": "Open", "evidence": "Evidence", "silence": "Silence", "runbook": "Runbook"}
"""Links in the order in which they are offered, and what they are called."""

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Terminal colours, control signs, and those that turn the direction of what is read."""


class Fact(NamedTuple):
    """One thing to know. `kind`: a line, preformatted lines as they stood in a log, or an address to open."""

    label: str
    lines: tuple[str, ...]
    kind: Literal["line", "log", "link"] = "line"


def clean(text: str, most: int = LINE) -> str:
    """Somebody's text on one line, without control signs, at most so long."""
    text = " ".join(_CONTROL.sub(" ", text).split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def is_resolved(bulletin: Bulletin) -> bool:
    """Whether it tells of an end: then it is good news."""
    if bulletin.kind == "resolved":
        return True
    return bool(bulletin.alerts) and all(one.alert.state is AlertState.RESOLVED for one in bulletin.alerts)


def subject(bulletin: Bulletin, most: int = 150) -> str:
    """One line that tells it all: ``CRITICAL: The disk of alpha fills``, with ``[DRILL]`` in front of a drill's."""
    word = bulletin.severity.upper()
    if is_resolved(bulletin):
        word = "RESOLVED"
    elif bulletin.kind == "reminder":
        word = f"STILL {word}"
    elif bulletin.kind == "escalation":
        word = f"ESCALATED, {word}"
    elif bulletin.kind == "test":
        word = "TEST"
    return clean(f"{'[DRILL] ' if bulletin.drill else ''}{word}: {bulletin.title}", most)


def facts(bulletin: Bulletin, zone: tzinfo) -> list[Fact]:
    """Everything, in order; what is not known is left out."""
    found: list[Fact] = []
    if bulletin.drill:
        found.append(Fact("Drill", ("This is a drill: the fault is real but harmless, and was caused on purpose.",)))
    if len(bulletin.alerts) == 1:
        found += _one(bulletin, bulletin.alerts[0], zone)
    else:
        found += _several(bulletin, zone)
    if bulletin.processes:
        told = tuple(
            f"{clean(one.name, 60)}{f' ({one.pid})' if one.pid else ''}: {one.cpu:.0%} of a core, {size(one.memory_bytes)}"
            for one in bulletin.processes[:MOST_PROCESSES]
        )
        found.append(Fact("Top processes", told))
    if bulletin.last_change:
        found.append(Fact("Last change", (clean(bulletin.last_change, PARAGRAPH),)))
    if bulletin.log_lines:
        found.append(Fact("Last log lines", tuple(clean(line) for line in bulletin.log_lines[-MOST_LOG_LINES:]), "log"))
    runbooks = {"runbook": next((one.runbook for one in bulletin.alerts if one.runbook), "")}
    for purpose, address in sorted((runbooks | bulletin.links).items(), key=lambda pair: _rank(pair[0])):
        if address and not _CONTROL.search(address):
            found.append(Fact(LINKS.get(purpose, clean(purpose, 40)), (address,), "link"))
    return found


def summaries(bulletin: Bulletin, most: int = MOST_ALERTS) -> list[str]:
    """What is wrong, an alert a line; those that resolved are marked where others still fire."""
    mixed = not is_resolved(bulletin)
    told = [
        ("(resolved) " if mixed and one.alert.state is AlertState.RESOLVED else "") + clean(one.summary or one.alert.rule)
        for one in bulletin.alerts[:most]
    ]
    more = len(bulletin.alerts) - len(told) + bulletin.more
    return told + ([f"and {more} more"] if more else [])


def where(bulletin: Bulletin) -> str:
    """The machine and the server that it is about; empty where it is about neither."""
    return clean(" / ".join(filter(None, (bulletin.machine, bulletin.server))))


def since(alerts: Sequence[BulletinAlert], at: int, zone: tzinfo, *, over: bool) -> str:
    """From when to when: ``2026-11-26 11:34:05 UTC, for 5 min``."""
    began = min((one.alert.active_at for one in alerts if one.alert.active_at), default=0)
    if not began:
        return ""
    ended = max((one.alert.resolved_at for one in alerts), default=0) if over else 0
    lasted = span(max(0, (ended or at) - began))
    return f"{moment(began, zone)}, {'lasted' if over else 'for'} {lasted}"


def moment(at: int, zone: tzinfo) -> str:
    """An instant (ms) as a clock shows it."""
    return f"{datetime.fromtimestamp(at / 1000, zone):%Y-%m-%d %H:%M:%S %Z}"


def span(milliseconds: int) -> str:
    """A length of time in its two largest units."""
    left = milliseconds // 1000
    told: list[str] = []
    for name, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        number, left = divmod(left, length)
        if number or (name == "s" and not told):
            told.append(f"{number} {name}")
    return " ".join(told[:2])


def size(count: int) -> str:
    """Bytes in the largest unit that fits."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def _one(bulletin: Bulletin, told: BulletinAlert, zone: tzinfo) -> list[Fact]:
    over = is_resolved(bulletin)
    pairs = [
        ("What", clean(told.summary or bulletin.title)),
        ("", clean(told.description, PARAGRAPH)),
        ("Where", where(bulletin)),
        ("Since", since((told,), bulletin.at, zone, over=over)),
        ("Value", _value(told)),
        ("Slope", clean(told.slope)),
        ("Why", clean(told.alert.reason)),
        ("Rule", told.alert.rule),
    ]
    return [Fact(label, (line,)) for label, line in pairs if line]


def _several(bulletin: Bulletin, zone: tzinfo) -> list[Fact]:
    lines = summaries(bulletin)
    for number, told in enumerate(bulletin.alerts[:MOST_ALERTS]):
        if value := _value(told):
            lines[number] += f" ({value})"
    pairs = [("Where", where(bulletin)), ("Since", since(bulletin.alerts, bulletin.at, zone, over=is_resolved(bulletin)))]
    what = Fact("What", tuple(lines) or (clean(bulletin.title),))
    return [what, *(Fact(label, (line,)) for label, line in pairs if line)]


def _value(told: BulletinAlert) -> str:
    if math.isnan(told.alert.value):
        return ""
    value = f"{told.alert.value:.6g}"
    return f"{value}, threshold {clean(told.threshold, 100)}" if told.threshold else value


def _rank(purpose: str) -> int:
    known = list(LINKS)
    return known.index(purpose) if purpose in known else len(known)
