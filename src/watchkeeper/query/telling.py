"""An answer as Prometheus' API tells it: plain lists and dictionaries, ready for JSON.

Figures are strings, since JSON has no NaN and no infinity; times are seconds. Answers may be long, so arrays
become lists whole and only what is not there is picked out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from watchkeeper.model import Series
from watchkeeper.query.evaluation import Value


def told(value: Value) -> dict[str, Any]:
    """The API's `data`: ``resultType`` and ``result``."""
    return {"resultType": value.kind, "result": _result(value)}


def encoded(value: Value) -> bytes:
    """The same as JSON, made series by series: as plain objects a long answer would take ten times its size at once."""
    if value.kind != "matrix":
        return msgspec.json.encode(told(value))
    return b'{"resultType":"matrix","result":[' + b",".join(map(msgspec.json.encode, _lines(value))) + b"]}"


def metric(series: Series) -> dict[str, str]:
    """A series' labels, its name among them."""
    return {"__name__": series.name, **dict(series.labels)} if series.name else dict(series.labels)


def figure(value: float) -> str:
    """As short as it can be without being another figure; exponents only where Prometheus has them."""
    if value == value and math.isfinite(value):  # noqa: PLR0124  # the quickest way to ask for NaN
        size = abs(value)
        if size < 1e15 and value == int(value):
            return "-0" if value == 0 and math.copysign(1, value) < 0 else str(int(value))
        text = repr(value)
        return np.format_float_positional(value, trim="-") if "e" in text and 1e-6 <= size < 1e21 else text
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
    return list(_lines(value))


def _lines(value: Value) -> Iterator[dict[str, Any]]:
    for series, times, values in value.lines():
        yield {
            "metric": metric(series),
            "values": list(zip((times / 1000).tolist(), map(figure, values.tolist()), strict=True)),
        }


def _second(value: Value) -> float:
    return float(value.times[0]) / 1000
