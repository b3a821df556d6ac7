"""What VictoriaMetrics tells, as columns: lines of its export, and its answers to range questions.

A line of an export is one series: ``{"metric":{…},"values":[…],"timestamps":[…]}``, in which infinities stand as bare words
and a stale marker as null. Series that have the same instants become one block.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import numpy as np

from watchkeeper.errors import Failed
from watchkeeper.model import STALE, Block, Labels, Series
from watchkeeper.store.rolling import Floats, Times

_VALUES, _TIMES = b',"values":[', b'],"timestamps":['
_METRIC = len(b'{"metric":')
_WORDS = {b"+Inf": np.inf, b"Inf": np.inf, b"-Inf": -np.inf, b"NaN": STALE, b"null": STALE}
_decode = msgspec.json.Decoder(list[float | None]).decode


def named(metric: Mapping[str, str]) -> Series:
    """A series of its labels with the name among them."""
    return Series(
        metric.get("__name__", ""), tuple(sorted((name, text) for name, text in metric.items() if name != "__name__"))
    )


def blocks(lines: Iterable[bytes]) -> tuple[list[Block], int]:
    """The series of an export, and how many samples they have; raises Failed where a line is none."""
    axes: dict[bytes, Times] = {}
    columns: dict[bytes, list[tuple[Series, Floats]]] = {}
    for line in lines:
        head, found, rest = line.partition(_VALUES)
        figures, also, instants = rest.partition(_TIMES)
        if not found or not also:
            raise Failed(f"the store told what is no line of an export: {line[:100]!r}")
        series = named(msgspec.json.decode(head[_METRIC:], type=dict[str, str]))
        instants = instants.rstrip(b"]}\r\n")
        if instants not in axes:
            axes[instants] = np.array(msgspec.json.decode(b"[" + instants + b"]", type=list[int]), np.int64)
        columns.setdefault(instants, []).append((series, _figures(figures)))
    # It tells series in any order; sorted, an answer whose order follows theirs is the same each time.
    ordered = {key: sorted(some, key=lambda one: (one[0].name, one[0].labels)) for key, some in columns.items()}
    made = [_block(axes[key], ordered[key]) for key in sorted(ordered, key=lambda key: _first(ordered[key]))]
    return made, sum(one.values.size for one in made)


def _first(some: list[tuple[Series, Floats]]) -> tuple[str, Labels]:
    return some[0][0].name, some[0][0].labels


def _figures(text: bytes) -> Floats:
    if b"I" in text or b"N" in text:
        return np.array([_WORDS[word] if word in _WORDS else float(word) for word in text.split(b",")])
    values = _decode(b"[" + text + b"]")
    if b"n" in text:
        return np.array([STALE if value is None else value for value in values])
    return np.array(values, np.float64)


def _block(times: Times, some: list[tuple[Series, Floats]]) -> Block:
    values = np.array([column for _, column in some]).T
    rising = np.diff(times) > 0
    if not rising.all():  # what was sent twice is there twice
        order = np.argsort(times, kind="stable")
        last = np.append(np.diff(times[order]) > 0, True)
        times, values = times[order][last], values[order][last]
    return Block(tuple(series for series, _ in some), times, values)


class _Count(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str]


class _Counts(msgspec.Struct):
    result: list[_Count]


class _ToldCounts(msgspec.Struct):
    data: _Counts


def sizes(told: bytes) -> tuple[int, int]:
    """An answer that has, for each number of `samples`, how many series have so many: samples and series in all."""
    counts = msgspec.json.decode(told, type=_ToldCounts).data.result
    pairs = [(int(float(one.metric["samples"])), int(float(one.value[1]))) for one in counts]
    return sum(samples * series for samples, series in pairs), sum(series for _, series in pairs)


class _Line(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]]


class _Data(msgspec.Struct):
    result: list[_Line]


class _Told(msgspec.Struct):
    data: _Data


def matrix(told: bytes, starts: Times, shift: int) -> dict[Series, Floats]:
    """A range answer on the windows `starts`, each told `shift` ms after its start: float64[windows], NaN = nothing."""
    found: dict[Series, Floats] = {}
    for line in msgspec.json.decode(told, type=_Told).data.result:
        row = np.full(len(starts), np.nan)
        times = np.array([round(at * 1000) - shift for at, _ in line.values], np.int64)
        row[np.searchsorted(starts, times)] = [float(text) for _, text in line.values]
        found[named(line.metric)] = row
    return found
