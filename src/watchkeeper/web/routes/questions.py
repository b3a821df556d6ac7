"""Prometheus' API, what is asked of the store: queries, series, labels. GET and posted forms alike.

Each route reads its parameters here on the loop and hands the work, the answer's bytes included, to the workshop.
Answers and errors are those of Prometheus 2.42; parameters that it does not know are ignored, as there.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.params import FromPath

from watchkeeper.errors import Refused
from watchkeeper.model import Matcher, Series
from watchkeeper.query import encoded, evaluate, parse, pretty
from watchkeeper.query.faults import timeout, too_much
from watchkeeper.query.lexing import LABEL
from watchkeeper.query.telling import metric
from watchkeeper.seams import Store
from watchkeeper.web.hall import Hall
from watchkeeper.web.parameters import FOREVER, Form, bad
from watchkeeper.web.routes.asked import Found, answer, form_of, routes

ALL = (Matcher("__name__", "!=", ""),)
QUERIES = 100
"""Selectors that one request may have."""


async def query(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> Response[bytes]:
    """An expression's value at an instant (PromQL): now, or at `time`."""
    form = await form_of(request)
    at = form.at("time", hall.now())
    return await _evaluated(request, hall, form, at, at, 0)


async def query_range(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> Response[bytes]:
    """An expression's values from `start` to `end`, every `step`."""
    form = await form_of(request)
    return await _evaluated(request, hall, form, *form.range())


async def series(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> Response[bytes]:
    """The series that any of the selectors in `match[]` finds."""
    form = await form_of(request)
    if not form.every("match[]"):
        raise bad("no match[] parameter provided")
    matches, start, end, limit = _sought(form)
    most = hall.workshop.settings.series

    def find(left: float) -> Found:
        found = sorted(_series(hall.desk.store, matches, start, end, left), key=_order)
        if len(found) > most and not 0 < limit <= most:
            raise too_much(f"{len(found):,} series", most)
        return _some([metric(one) for one in found], limit)

    return await answer(request, hall, find)


async def labels(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> Response[bytes]:
    """The names of all labels, or of those of the series in `match[]`."""
    form = await form_of(request)
    matches, start, end, limit = _sought(form)

    def find(left: float) -> Found:
        names = {name for one in _series(hall.desk.store, matches or [ALL], start, end, left) for name, _ in one.labels}
        return _some(sorted({*names, "__name__"} if names else names), limit)

    return await answer(request, hall, find)


async def label_values(request: Request[Any, Any, Any], hall: NamedDependency[Hall], name: FromPath[str]) -> Response[bytes]:
    """The values of a label, or those that it has in the series in `match[]`."""
    if not LABEL.fullmatch(name):
        raise bad(f'invalid label name: "{name}"')
    form = await form_of(request)
    matches, start, end, limit = _sought(form)

    def find(left: float) -> Found:
        every = _series(hall.desk.store, matches or [ALL], start, end, left)
        values = {one.name if name == "__name__" else one.label(name) for one in every}
        return _some(sorted(values - {""}), limit)

    return await answer(request, hall, find)


async def query_exemplars(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> Response[bytes]:
    """The exemplars of an expression's series: none, since none are kept. Grafana asks for them unbidden."""
    form = await form_of(request)
    start, end, text = form.at("start", -FOREVER), form.at("end", FOREVER), form.text("query")
    if end < start:
        raise bad("end timestamp must not be before start timestamp")

    def work(_: float) -> Found:
        try:
            parse(text)
        except Refused as fault:
            raise bad(fault.why) from None
        return Found(b"[]")

    return await answer(request, hall, work)


async def format_query(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> Response[bytes]:
    """The expression put in order."""
    text = (await form_of(request)).text("query")

    def work(_: float) -> Found:
        try:
            return Found(msgspec.json.encode(pretty(text)))
        except Refused as fault:
            raise bad(fault.why, "query") from None

    return await answer(request, hall, work)


async def _evaluated(
    request: Request[Any, Any, Any], hall: Hall, form: Form, start: int, end: int, step: int
) -> Response[bytes]:
    seconds = form.span("timeout", hall.workshop.settings.timeout)
    lookback = round(form.span("lookback_delta", hall.workshop.settings.lookback) * 1000)
    if lookback <= 0:
        raise bad("expected more than nothing", "lookback_delta")
    store, settings, text = hall.desk.store, hall.workshop.settings, form.text("query")

    def work(left: float) -> Found:
        try:
            tree = parse(text)
        except Refused as fault:
            raise bad(fault.why, "query") from None
        limits = settings.limits(left, lookback)
        value = evaluate(tree, store, start, end, step, limits)
        points = int(value.present.sum()) + sum(len(times) for _, times, _ in value.samples)
        if points > settings.points:
            why = f"the answer has {points:,} points, and {settings.points:,} are allowed"
            raise Refused(f"{why}; ask for fewer series or a longer step", code="too-much")
        return Found(encoded(value))

    return await answer(request, hall, work, seconds)


def _sought(form: Form) -> tuple[list[tuple[Matcher, ...]], int, int, int]:
    """Matchers, range (ms) and limit of a question for names."""
    if len(form.every("match[]")) > QUERIES:
        raise bad(f"at most {QUERIES} selectors at once", "match[]")
    return form.matches(), form.at("start", 0), form.at("end", FOREVER), form.limit()


def _series(store: Store, matches: Sequence[Sequence[Matcher]], start: int, end: int, left: float) -> Iterable[Series]:
    """Each series that any of the selectors finds, once."""
    until = time.monotonic() + left
    found: dict[Series, None] = {}
    if end < max(start, 0):
        return found
    for one in matches:
        if time.monotonic() > until:
            raise timeout(left)
        found |= dict.fromkeys(store.series(one, max(start, 0), end))
    return found


def _order(one: Series) -> tuple[tuple[str, str], ...]:
    return (("__name__", one.name), *one.labels)


def _some(entries: list[Any], limit: int) -> Found:
    """The first so many, with a word about the rest, as newer versions have it; 2.42 has no limit here."""
    if limit and len(entries) > limit:
        return Found(msgspec.json.encode(entries[:limit]), ("results truncated due to limit",))
    return Found(msgspec.json.encode(entries))


_NAMES = ("match[]", "start", "end", "limit")
_COST = ("timeout", "lookback_delta")
ROUTES = [
    *routes("/api/v1/query", "promQuery", query, "query", "time", *_COST, posted=True),
    *routes("/api/v1/query_range", "promQueryRange", query_range, "query", "start", "end", "step", *_COST, posted=True),
    *routes("/api/v1/series", "promSeries", series, *_NAMES, posted=True),
    *routes("/api/v1/labels", "promLabels", labels, *_NAMES, posted=True),
    *routes("/api/v1/label/{name:str}/values", "promLabelValues", label_values, *_NAMES),
    *routes("/api/v1/query_exemplars", "promExemplars", query_exemplars, "query", "start", "end", posted=True),
    *routes("/api/v1/format_query", "promFormatQuery", format_query, "query", posted=True),
]
