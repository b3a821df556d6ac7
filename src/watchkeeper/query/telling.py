"""An answer as Prometheus' API tells it: plain lists and dictionaries, ready for JSON.

Figures are strings, since JSON has no NaN and no infinity; times are seconds. Answers may be long, so they are
written series by series, and the figures of a series together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from watchkeeper.model import Series
from watchkeeper.query.evaluation import Value
from watchkeeper.query.table import Floats, Ints

SMALLEST, LARGEST = 1e-4, 1e15
"""Sizes between which everybody writes figures without exponents."""


def told(value: Value) -> Any:
    """The API's `data` as plain objects: ``resultType`` and ``result``."""
    return msgspec.json.decode(encoded(value))


def encoded(value: Value) -> bytes:
    """The same as JSON, made series by series: as plain objects a long answer would take ten times its size at once."""
    if value.kind == "matrix":
        return b'{"resultType":"matrix","result":[' + b",".join(_lines(value)) + b"]}"
    return msgspec.json.encode({"resultType": value.kind, "result": _result(value)})


def metric(series: Series) -> dict[str, str]:
    """A series' labels, its name among them."""
    return {"__name__": series.name, **dict(series.labels)} if series.name else dict(series.labels)


def figure(value: float) -> str:
    """As short as it can be without being another figure; exponents only where Prometheus has them."""
    text = repr(value)
    if "e" in text or "n" in text:
        return _odd(value, text)
    return text[:-2] if text[-2:] == ".0" else text


def texts(values: Floats) -> list[str]:
    """Many figures; those of usual sizes are written together by the encoder of JSON, which is as short and much quicker."""
    sizes = np.abs(values)
    odd = sizes < SMALLEST
    odd &= sizes != 0
    odd |= ~(sizes < LARGEST)
    if not odd.any():
        written = msgspec.json.encode(values.tolist()).decode()[1:-1].split(",") if len(values) else []
        return [text[:-2] if text[-2:] == ".0" else text for text in written]
    return [figure(value) for value in values.tolist()]


def _odd(value: float, text: str) -> str:
    """One that has an exponent in Python, or is none."""
    if math.isfinite(value):
        return np.format_float_positional(value, trim="-") if 1e-6 <= abs(value) < 1e21 else text
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _result(value: Value) -> list[Any]:
    if value.kind == "string":
        return [_second(value), value.text]
    if value.kind == "scalar":
        return [_second(value), figure(float(value.values[0, 0]))]
    if value.kind == "vector":
        at = _second(value)
        figures, there = value.values[:, 0].tolist(), value.present[:, 0].tolist()
        return [
            {"metric": metric(series), "value": (at, figure(one))}
            for series, one, here in zip(value.series, figures, there, strict=True)
            if here
        ]
    raise AssertionError(f"a {value.kind} is told otherwise")


def _lines(value: Value) -> Iterator[bytes]:
    """Each series of a range. The steps at which all of them are there are written once."""
    every: list[str] | None = None
    for series, times, values in value.lines():
        if len(times) == len(value.times) and not value.samples:
            every = when = _seconds(times) if every is None else every
        else:
            when = _seconds(times)
        points = ",".join([f'[{at},"{figure}"]' for at, figure in zip(when, texts(values), strict=True)])
        yield b'{"metric":' + msgspec.json.encode(metric(series)) + b',"values":[' + points.encode() + b"]}"


def _seconds(times: Ints) -> list[str]:
    """Instants as they are written; most questions are asked at whole seconds."""
    seconds, rest = np.divmod(times, 1000)
    return texts(times / 1000) if rest.any() else [str(second) for second in seconds.tolist()]


def _second(value: Value) -> float:
    return float(value.times[0]) / 1000
