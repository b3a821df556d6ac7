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
    """Many figures, written together by the encoder of JSON: as short and much quicker; one by one where any is odd."""
    figures = values.tolist()
    written = msgspec.json.encode(figures).decode()
    if "e" in written or "n" in written:  # an exponent, or null: no finite number
        return [figure(value) for value in figures]
    return [text[:-2] if text[-2:] == ".0" else text for text in written[1:-1].split(",")] if figures else []


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
    """Each series of a range. The steps at which all of them are there are told once."""
    every: list[float] | None = None
    for series, times, values in value.lines():
        if times is value.times:
            every = when = _seconds(times) if every is None else every
        else:
            when = _seconds(times)
        points = msgspec.json.encode(list(zip(when, texts(values), strict=True)))
        yield b'{"metric":' + msgspec.json.encode(metric(series)) + b',"values":' + points + b"}"


def _seconds(times: Ints) -> list[float]:
    """Instants as numbers that JSON writes as Prometheus does: whole ones, which most are, without a point."""
    seconds, rest = np.divmod(times, 1000)
    if not rest.any():
        whole: list[float] = seconds.tolist()
        return whole
    exact: list[float] = (times / 1000).tolist()
    return exact if rest.all() else [int(at) if at.is_integer() else at for at in exact]


def _second(value: Value) -> float:
    return float(value.times[0]) / 1000
