"""Prometheus' API, what is known beside the figures: metadata, targets, rules, alerts, the build; and federation."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency

from watchkeeper import __version__
from watchkeeper.errors import Refused
from watchkeeper.model import STALE_BITS, Matcher
from watchkeeper.seams import Store
from watchkeeper.web import envelope, metrics, ruling, targets
from watchkeeper.web.hall import Hall
from watchkeeper.web.parameters import bad
from watchkeeper.web.routes.asked import Found, answer, form_of, routes

VERSION = "2.42.0"
"""What of Prometheus we speak: Grafana and others choose their questions by it."""


async def metadata(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> Response[bytes]:
    """Kind and sentence of every metric, or of `metric` alone."""
    form = await form_of(request)
    limit, wanted = form.limit(), form.text("metric")
    families = dict(hall.desk.families()) | {one.family.name: one.family for one in hall.desk.figures()}
    names = [name for name in ([wanted] if wanted else sorted(families)) if name in families]
    if form.text("limit"):
        names = names[:limit]
    told = {name: [{"type": _kind(families[name].kind), "help": families[name].help, "unit": ""}] for name in names}
    return await answer(request, hall, lambda _: Found(msgspec.json.encode(told)))


async def active_targets(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> Response[bytes]:
    """Agents and pages of figures, with their health; `state` chooses ``active`` or ``dropped`` ones."""
    form = await form_of(request)
    machines, now, store = hall.desk.machines(), hall.now(), hall.desk.store
    state = form.text("state").lower()

    def find(_: float) -> Found:
        active = targets.active(machines, store.latest(targets.SCRAPES), now) if state != "dropped" else []
        return Found(msgspec.json.encode({"activeTargets": active, "droppedTargets": []}))

    return await answer(request, hall, find)


async def rules(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> Response[bytes]:
    """Rules by group, with their alerts; `type` chooses ``alert`` or ``record``, names narrow it."""
    form = await form_of(request)
    kind = form.text("type").lower()
    if kind not in {"", "alert", "record"}:
        raise bad(f'not supported value "{kind}"', "type")
    wanted = ruling.Wanted(kind, *(frozenset(form.every(name)) for name in ("rule_name[]", "rule_group[]", "file[]")))
    desk = hall.desk.alerting
    return _told({"groups": ruling.groups(desk.rules(), desk.alerts(), wanted)})


async def alerts(hall: NamedDependency[Hall]) -> Response[bytes]:
    """Alerts that are pending or firing."""
    return _told({"alerts": [ruling.alert(one) for one in hall.desk.alerting.alerts()]})


async def build_info() -> Response[bytes]:
    """Which version of Prometheus' API this is, and what answers."""
    about = {"version": VERSION, "revision": f"watchkeeper-{__version__}", "branch": "watchkeeper"}
    return _told(about | {"buildUser": "", "buildDate": "", "goVersion": ""})


@get("/federate", operation_id="federate", opt={"packed": True})
async def federate(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> Response[bytes]:
    """The newest samples of the series in `match[]`, with their times, as text for another Prometheus."""
    form = await form_of(request)
    try:
        matches = form.matches()
    except Refused as fault:
        return Response(f"{fault.why}\n".encode(), status_code=400, media_type=metrics.TEXT)
    store, now, gzipped = hall.desk.store, hall.now(), envelope.takes_gzip(request)
    families = dict(hall.desk.families()) | {one.family.name: one.family for one in hall.desk.figures()}

    def find(_: float) -> envelope.Packed:
        samples = _newest(store, matches, now - hall.workshop.settings.limits().lookback)
        text = metrics.exposition(samples, families, open_metrics=False) if samples else ""
        return envelope.packed(text.encode(), gzipped=gzipped)

    return envelope.response(await hall.workshop.work(find), metrics.TEXT)


def _newest(store: Store, matches: Sequence[Sequence[Matcher]], oldest: int) -> list[metrics.Sample]:
    """Newest samples that are not older than `oldest` (ms). An empty `instance` keeps whoever reads from adding its own."""
    stale = struct.pack("<Q", STALE_BITS)
    found: dict[Any, metrics.Sample] = {}
    for one in matches:
        for series, at, value in store.latest(one):
            if at >= oldest and struct.pack("<d", value) != stale:
                labels = series.labels if series.label("instance") else (*series.labels, ("instance", ""))
                found[series] = metrics.Sample(series.name, tuple(sorted(labels)), value, at)
    return [found[series] for series in sorted(found, key=lambda one: (one.name, one.labels))]


def _kind(kind: str) -> str:
    return "unknown" if kind == "untyped" else kind


def _told(data: Any) -> Response[bytes]:
    return envelope.response(envelope.success(msgspec.json.encode(data), gzipped=False))


ROUTES = [
    *routes("/api/v1/metadata", "promMetadata", metadata, "metric", "limit"),
    *routes("/api/v1/targets", "promTargets", active_targets, "state"),
    *routes("/api/v1/rules", "promRules", rules, "type", "rule_name[]", "rule_group[]", "file[]"),
    *routes("/api/v1/alerts", "promAlerts", alerts),
    *routes("/api/v1/status/buildinfo", "promBuildInfo", build_info),
    federate,
]
