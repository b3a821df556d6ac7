"""The newest figures in the exposition formats: Prometheus text 0.0.4 and OpenMetrics 1.0.

Pure: families and samples in, text out. Series that the same metric shares stand together under one HELP and TYPE,
as both formats demand. The time of a sample is told, so that a scrape shows when it was read and not when it was asked for;
a silent machine's figures are left out, and so end.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from watchkeeper.model import Family, Labels

TEXT = "text/plain; version=0.0.4"
"""The framework adds the charset to all that is text."""
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
STALE = 300_000
"""Samples older than this (ms) are not shown: Prometheus' own look-back."""


class Sample(NamedTuple):
    """One value of a metric; `at` in ms, 0 = as of now."""

    name: str
    labels: Labels
    value: float
    at: int = 0


def wants_open_metrics(accept: str) -> bool:
    """Whether an Accept header prefers OpenMetrics 1.0 to plain text."""
    weights = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for part in accept.lower().split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        if kind in weights and not any(piece.startswith("version=") and piece not in _VERSIONS for piece in parameters):
            quality = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
            weights[kind] = max(weights[kind], _quality(quality))
    return weights["application/openmetrics-text"] > 0 and weights["application/openmetrics-text"] >= weights["text/plain"]


def exposition(samples: Iterable[Sample], families: Mapping[str, Family], *, open_metrics: bool) -> str:
    """The whole text of an answer."""
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        by_name.setdefault(sample.name, []).append(sample)
    lines: list[str] = []
    for name in sorted(by_name):
        family = families.get(name) or Family(name, "untyped", "")
        lines += _head(family, open_metrics=open_metrics)
        lines += [_line(sample, open_metrics=open_metrics) for sample in by_name[name]]
    if open_metrics:
        lines.append("# EOF")
    return "\n".join(lines) + "\n"


_VERSIONS = {"version=1.0.0", "version=0.0.1", "version=0.0.4"}


def _quality(written: str) -> float:
    try:
        return float(written)
    except ValueError:
        return 0.0


def _head(family: Family, *, open_metrics: bool) -> list[str]:
    name = family.name
    kind: str = family.kind
    if open_metrics:
        # A counter's family is named without its suffix, and only what has it is a counter there (OpenMetrics 1.0, 5.1).
        if kind == "counter" and name.endswith("_total"):
            name = name.removesuffix("_total")
        elif kind == "info" and name.endswith("_info"):
            name = name.removesuffix("_info")
        elif kind in {"counter", "info", "untyped"}:
            kind = "untyped"
        told = "unknown" if kind == "untyped" else kind
    else:
        told = "gauge" if kind == "info" else kind
    sentence = family.help.replace("\\", r"\\").replace("\n", r"\n")
    if open_metrics:
        sentence = sentence.replace('"', r"\"")
    return ([f"# HELP {name} {sentence}"] if sentence else []) + [f"# TYPE {name} {told}"]


def _line(sample: Sample, *, open_metrics: bool) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels)
    at = "" if not sample.at else f" {sample.at / 1000:.3f}" if open_metrics else f" {sample.at}"
    return f"{sample.name}{{{inside}}} {_number(sample.value)}{at}" if inside else f"{sample.name} {_number(sample.value)}{at}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
