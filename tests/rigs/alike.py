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
WALKED = 120
"""Samples of the longest window that is asked."""
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
        if told := unlike(ours, theirs.result(), ordered=ordered, noise=_noise(question)):
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


def deviates(prometheus: Prometheus, store: Store, deviation: tuple[str, str], span: tuple[int, int, int]) -> str:
    """What is not the same of a deviation over a window, in words; empty when all is.

    2.42 walks a window with a running mean, we take figures relative to the first and add up in a tree. Its mean is off by
    half a unit in the last place of the largest figure at each of up to `WALKED` steps, so beside 1e-9 of the deviation that
    much is allowed: of figures of 1e9 some 1e-5.
    """
    function, window = deviation
    question = f"{function}({window})"
    ours, bounds = ask(store, question, *span), [ask(store, f"{edge}_over_time({window})", *span) for edge in ("min", "max")]
    start, end, step = span
    theirs = prometheus.range(question, start, end, step) if step else prometheus.instant(question, start)
    if theirs.error or isinstance(ours, Refused):
        return unlike(ours, theirs)
    least, most = (our_points(one) for one in bounds if not isinstance(one, Refused))
    mine, other = our_points(ours), their_points(theirs)
    if set(mine) != set(other):
        return f"{question}: {len(mine)} series against {len(other)}"
    for labels, points in mine.items():
        sizes = [max(abs(low), abs(high)) for (_, low), (_, high) in zip(least[labels], most[labels], strict=True)]
        for (at, a), (then, b), size in zip(points, other[labels], sizes, strict=True):
            lost = WALKED * 2**-53 * size
            if function == "stdvar_over_time":
                lost *= 2 * math.sqrt(max(a, b, 0.0)) + lost
            if at != then or not same(a, b, lost):
                return f"{question} at {at}: ours {a!r}, theirs {b!r} at {then}"
    return ""


def _noise(question: str) -> float:
    """How far apart two figures of an answer may be beside 1e-9 of their size: what a rounding error within can make of them.

    The sine and the cosine of what was worked out are as far apart as that is, however small they are themselves.
    """
    if question.startswith(("sin(clamp", "cos(clamp")):
        return NEAR
    return NOISE if "std" in question else 0.0


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
