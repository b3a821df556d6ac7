"""Figures as they were told, made into lines: counters become rises a second, gaps stay gaps, long runs are thinned.

Pure. What is a counter follows from the name, by Prometheus' conventions and node_exporter's.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterable, Mapping, MutableSequence, Sequence
from typing import NamedTuple

from watchkeeper.stress.run import Figures
from watchkeeper.stress.serverside.joined import MOST_POINTS, Line

_SERIES = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?", re.DOTALL)
_LABEL = re.compile(r'([a-zA-Z_]\w*)="(.*?)"(?=,[a-zA-Z_]\w*="|$)', re.DOTALL)
_COUNTER = re.compile(r".*_(total|count|sum)|node_netstat_(?!Tcp_CurrEstab).*")
_UNITS = (("_seconds", "seconds"), ("_bytes", "bytes"), ("_ratio", "ratio"), ("_celsius", "celsius"))
LONGEST_GAP = 60.0
"""Seconds between two readings of a counter beyond which no rise is told: nobody knows how it was spread over them."""


class Sampled(NamedTuple):
    """One series as it was read: times in ms since the epoch, values as they were told (NaN: it is not there any more)."""

    name: str
    labels: dict[str, str]
    at: MutableSequence[int]
    values: MutableSequence[float]


def split(text: str) -> tuple[str, dict[str, str]]:
    """A series as people write it, taken apart: name and labels."""
    found = _SERIES.fullmatch(text)
    if not found:
        return text, {}
    return found[1], dict(_LABEL.findall(found[2] or ""))


def unfolded(rows: Iterable[Figures], started_at: int) -> dict[str, list[Sampled]]:
    """What was kept of a run's sides, by source. Rows hold what has changed; what has not is as it was before.

    All of it is in memory then, 16 bytes a reading: 6 MB for an hour of a hundred series.
    """
    known: dict[str, dict[str, Sampled]] = {}
    latest: dict[str, dict[str, float]] = {}
    for row in rows:
        series, values = known.setdefault(row.source, {}), latest.setdefault(row.source, {})
        at = started_at + round(row.at * 1000)
        for text, value in row.values.items():
            values[text] = math.nan if value is None else value
        for text, value in list(values.items()):
            one = series.get(text)
            if one is None:
                one = series[text] = Sampled(*split(text), array("q"), array("d"))
            one.at.append(at)
            one.values.append(value)
            if math.isnan(value):
                del values[text]
    return {source: list(series.values()) for source, series in known.items()}


def changed(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float | None]:
    """What a row has to hold so that `unfolded` finds `now` after `before`; None for what is gone."""
    gone: dict[str, float | None] = dict.fromkeys(before.keys() - now.keys())
    return gone | {text: value for text, value in now.items() if before.get(text) != value}


def is_counter(name: str) -> bool:
    """Whether a metric of this name only rises."""
    return bool(_COUNTER.fullmatch(name))


def unit_of(name: str) -> str:
    """In what a metric of this name is told; a counter's rise a second for counters."""
    stem = re.sub(r"_(total|count|sum)$", "", name)
    unit = next((unit for tail, unit in _UNITS if stem.endswith(tail)), "")
    if name.endswith("_count"):
        unit = ""
    if not is_counter(name):
        return unit
    return {"seconds": "cores" if "cpu_seconds" in name else "seconds/s", "": "1/s"}.get(unit, f"{unit}/s")


def line(sampled: Sampled) -> Line | None:
    """A line to draw, None where fewer than two readings tell anything."""
    at, values = rises(sampled) if is_counter(sampled.name) else (sampled.at, sampled.values)
    at, values = thinned(at, values)
    if sum(math.isfinite(value) for value in values) < 2:
        return None
    told = [value if math.isfinite(value) else None for value in values]
    return Line(sampled.name, sampled.labels, unit_of(sampled.name), list(at), told)


def rises(sampled: Sampled) -> tuple[Sequence[int], Sequence[float]]:
    """A counter's rise a second, at the later of each two readings; where it fell it began anew, and there is a gap."""
    at, found = [], []
    for place in range(1, len(sampled.at)):
        before, now = sampled.values[place - 1], sampled.values[place]
        seconds = (sampled.at[place] - sampled.at[place - 1]) / 1000
        if seconds <= 0:
            continue
        at.append(sampled.at[place])
        sound = now >= before and seconds <= LONGEST_GAP
        found.append((now - before) / seconds if sound else math.nan)
    return at, found


def thinned(at: Sequence[int], values: Sequence[float]) -> tuple[Sequence[int], Sequence[float]]:
    """At most `MOST_POINTS`, each the highest of those that it stands for: what was full for a moment stays seen."""
    if len(at) <= MOST_POINTS:
        return at, values
    size = math.ceil(len(at) / MOST_POINTS)
    starts = range(0, len(at), size)
    highest = [max((one for one in values[place : place + size] if not math.isnan(one)), default=math.nan) for place in starts]
    return [at[place] for place in starts], highest
