"""Whether two answers to one question are the same: ours and Prometheus'."""

from __future__ import annotations

import math

from rigs.prometheus import Answer, Prometheus
from watchkeeper.errors import Refused
from watchkeeper.model import Series
from watchkeeper.query import Limits, Value, evaluate
from watchkeeper.seams import Store

NEAR = 1e-9
NOISE = 1e-12
"""Deviations of equal figures are nought or a rounding error, depending on the order of adding."""
Points = dict[tuple[tuple[str, str], ...], list[tuple[float, float]]]


def ask(store: Store, question: str, start: int, end: int, step: int) -> Value | Refused:
    """Our answer or our refusal."""
    try:
        return evaluate(question, store, start, end, step, Limits())
    except Refused as fault:
        return fault


def difference(prometheus: Prometheus, store: Store, question: str, start: int, end: int, step: int) -> str:
    """What is not the same, in words; empty when all is."""
    theirs = prometheus.range(question, start, end, step) if step else prometheus.instant(question, start)
    ours = ask(store, question, start, end, step)
    ordered = not step and question.startswith(("sort", "topk", "bottomk"))
    return unlike(ours, theirs, ordered=ordered, noise=NOISE if "std" in question else 0.0)


def unlike(ours: Value | Refused, theirs: Answer, *, ordered: bool = False, noise: float = 0.0) -> str:
    """What differs between two answers."""
    if isinstance(ours, Refused) or theirs.error:
        mine = ours.code if isinstance(ours, Refused) else ""
        alike = mine == theirs.error
        return "" if alike else f"ours {getattr(ours, 'why', 'an answer')!r} ({mine}), theirs {theirs.why!r} ({theirs.error})"
    if ours.kind != theirs.kind:
        return f"ours is {ours.kind}, theirs {theirs.kind}"
    if ours.kind == "string":
        return "" if ours.text == theirs.data[1] else f"ours {ours.text!r}, theirs {theirs.data[1]!r}"
    mine, other = our_points(ours), their_points(theirs)
    if set(mine) != set(other):
        return f"only ours: {sorted(set(mine) - set(other))[:3]}, only theirs: {sorted(set(other) - set(mine))[:3]}"
    told = next((why for labels, points in mine.items() if (why := _apart(points, other[labels], noise))), "")
    if not told and ordered:
        first, second = ([points[0][1] for points in one.values()] for one in (mine, other))
        told = "" if all(map(same, first, second)) else f"order: ours {first[:5]}, theirs {second[:5]}"
    return told


def _apart(points: list[tuple[float, float]], wanted: list[tuple[float, float]], noise: float) -> str:
    if [at for at, _ in points] != [at for at, _ in wanted]:
        extra = sorted(set(dict(points)) ^ set(dict(wanted)))
        return f"{len(points)} points against {len(wanted)}, differing first at {extra[:3]}"
    pairs = zip(points, wanted, strict=True)
    return next((f"at {at}: ours {a!r}, theirs {b!r}" for (at, a), (_, b) in pairs if not same(a, b, noise)), "")


def same(a: float, b: float, noise: float = 0.0) -> bool:
    """Equal within 1e-9 of their size, or within `noise`."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= max(NEAR * max(abs(a), abs(b)), noise)


def our_points(value: Value) -> Points:
    """Ours by labels."""
    found: Points = {}
    for series, times, values in value.lines():
        assert named(series) not in found, f"{series} twice"
        found[named(series)] = list(zip((times / 1000).tolist(), values.tolist(), strict=True))
    return found


def their_points(answer: Answer) -> Points:
    """Theirs by labels."""
    if answer.kind == "scalar":
        return {(): [(answer.data[0], float(answer.data[1]))]}
    found: Points = {}
    for one in answer.data:
        points = one["values"] if "values" in one else [one["value"]]
        found[tuple(sorted(one["metric"].items()))] = [(float(at), float(text)) for at, text in points]
    return found


def named(series: Series) -> tuple[tuple[str, str], ...]:
    """Labels with the name among them."""
    return tuple(sorted((*((("__name__", series.name),) if series.name else ()), *series.labels)))
