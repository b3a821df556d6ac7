"""Does anything grow under a load that stays? Slopes of latency and of the server's own figures, over each long even stage."""

from __future__ import annotations

import re

from watchkeeper.stress.analysis.slope import slope
from watchkeeper.stress.report.digest import Digest, Line, Spell
from watchkeeper.stress.report.document import Trend

KINDS = {"soak", "plateau", "constant", "hold"}
LEAST_SECONDS = 20.0
SETTLING = 2.0
"""Seconds at the beginning of a stage that are left out: the level has just changed."""
WATCHED = re.compile(
    r"process_(resident_memory_bytes|proportional_memory_bytes|open_fds|threads)$|.*(mailbox_messages|sessions|under_way)$"
)
LEAST = {"bytes": 1 << 20, "s": 0.001}
"""A growth over the stage that is never worth a word, by unit; for what is counted, three."""
CENSUS = 3.0


def trends(digest: Digest) -> tuple[Trend, ...]:
    """All of them, in the stages' order; what was seen too little of is left out."""
    found = []
    for spell in digest.spells:
        if spell.ended is None or spell.stage.kind not in KINDS or spell.ended.ended - spell.began < LEAST_SECONDS:
            continue
        for name in ("p50", "p95"):
            found += _trend(f"latency {name}", "s", digest.moments["at"], digest.moments[name], spell)
        for line in digest.lines:
            if WATCHED.fullmatch(line.name):
                found += _trend(titled(line), line.unit, list(line.at), line.values, spell)
    return tuple(found)


def titled(line: Line) -> str:
    """A line's name with its labels, as people write it."""
    labels = ",".join(f"{name}={value}" for name, value in line.labels.items() if name != "tid")
    return f"{line.name}{{{labels}}}" if labels else line.name


def _trend(name: str, unit: str, at: list[float] | list[float | None], values: list[float | None], spell: Spell) -> list[Trend]:
    assert spell.ended is not None
    ends = spell.ended.ended
    seen = [
        (when, value)
        for when, value in zip(at, values, strict=True)
        if when is not None and value is not None and spell.began + SETTLING <= when <= ends - 1
    ]
    line = slope([when for when, _ in seen], [value for _, value in seen], least=LEAST.get(unit, CENSUS))
    return [Trend(name, unit, spell.stage.name, line)] if line is not None else []
