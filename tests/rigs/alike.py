"""Whether two answers to one question are the same: ours and Prometheus'."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from rigs.prometheus import Answer, Prometheus
from watchkeeper.errors import Refused
from watchkeeper.model import Series
from watchkeeper.query import Limits, Value, evaluate
from watchkeeper.seams import Store

NEAR = 1e-9
NOISE = 1e-12
"""Deviations of equal figures are nought or a rounding error, depending on the order of adding."""
AHEAD = 20
"""Questions that Prometheus is ahead of us: what it answers is held meanwhile."""
Asked = tuple[str, int, int, int]
"""A question, from when to when and in which steps (ms)."""
Points = dict[tuple[tuple[str, str], ...], list[tuple[float, float]]]


def ask(store: Store, question: str, start: int, end: int, step: int) -> Value | Refused:
    """Our answer or our refusal."""
    try:
        return evaluate(question, store, start, end, step, Limits())
    except Refused as fault:
        return fault


def difference(prometheus: Prometheus, store: Store, question: str, start: int, end: int, step: int) -> str:
    """What is not the same, in words; empty when all is."""
    return next((told for _, told in differences(prometheus, store, [(question, start, end, step)])), "")


def differences(prometheus: Prometheus, store: Store, asked: Iterable[Asked]) -> list[tuple[Asked, str]]:
    """All of many questions that are answered differently. While ours works on one, theirs has the next ones."""
    wrong: list[tuple[Asked, str]] = []
    waiting: deque[tuple[Asked, Future[Answer]]] = deque()

    def judge() -> None:
        one, theirs = waiting.popleft()
        question, _, _, step = one
        ordered = not step and question.startswith(("sort", "topk", "bottomk"))
        ours = ask(store, *one)
        if told := unlike(ours, theirs.result(), ordered=ordered, noise=NOISE if "std" in question else 0.0):
            wrong.append((one, told))

    with ThreadPoolExecutor(1) as others:  # its connection is used by one at a time
        for one in asked:
            question, start, end, step = one
            their = (prometheus.range, question, start, end, step) if step else (prometheus.instant, question, start)
            waiting.append((one, others.submit(*their)))
            if len(waiting) > AHEAD:
                judge()
        while waiting:
            judge()
    return wrong


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
