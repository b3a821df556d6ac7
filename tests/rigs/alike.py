"""Whether two answers to one question are the same: ours and Prometheus'."""

from __future__ import annotations

import math

from rigs.prometheus import Answer, Prometheus
from watchkeeper.errors import Refused
from watchkeeper.model import Series
from watchkeeper.query import Limits, Value, evaluate
from watchkeeper.seams import Store

NEAR = 1e-9
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
    return unlike(ours, theirs, ordered=not step and question.startswith(("sort", "topk", "bottomk")))


def unlike(ours: Value | Refused, theirs: Answer, *, ordered: bool = False) -> str:
    """What differs between two answers."""
    if isinstance(ours, Refused) or theirs.error:
        mine = ours.code if isinstance(ours, Refused) else ""
        if mine == theirs.error:
            return ""
        return f"ours {getattr(ours, 'why', 'an answer')!r} ({mine}), theirs {theirs.why!r} ({theirs.error})"
    if ours.kind != theirs.kind:
        return f"ours is {ours.kind}, theirs {theirs.kind}"
    if ours.kind == "string":
        return "" if ours.text == theirs.data[1] else f"ours {ours.text!r}, theirs {theirs.data[1]!r}"
    mine, other = our_points(ours), their_points(theirs)
    if set(mine) != set(other):
        return f"only ours: {sorted(set(mine) - set(other))[:3]}, only theirs: {sorted(set(other) - set(mine))[:3]}"
    for labels, points in mine.items():
        wanted = other[labels]
        if [at for at, _ in points] != [at for at, _ in wanted]:
            extra = sorted(set(dict(points)) ^ set(dict(wanted)))
            return f"{labels}: {len(points)} points against {len(wanted)}, differing first at {extra[:3]}"
        for (at, a), (_, b) in zip(points, wanted, strict=True):
            if not same(a, b):
                return f"{labels} at {at}: ours {a!r}, theirs {b!r}"
    if ordered and not all(same(a[0][1], b[0][1]) for a, b in zip(mine.values(), other.values(), strict=True)):
        return f"order: ours {list(mine)[:5]}, theirs {list(other)[:5]}"
    return ""


def same(a: float, b: float) -> bool:
    """Equal within 1e-9 of their size."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= NEAR * max(abs(a), abs(b))


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
