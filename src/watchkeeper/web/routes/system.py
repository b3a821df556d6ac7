"""For machines that watch us: alive, ready, figures, version."""

from __future__ import annotations

import math
import platform
from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency

from watchkeeper import __version__
from watchkeeper.model import Matcher
from watchkeeper.web import access, metrics
from watchkeeper.web.hall import Hall
from watchkeeper.web.shapes import VersionView


@get("/healthz", operation_id="alive", media_type=MediaType.TEXT, opt={"open": True}, sync_to_thread=False)
def alive() -> str:
    """The hub answers."""
    return "ok\n"


@get("/readyz", operation_id="ready", media_type=MediaType.TEXT, opt={"open": True}, sync_to_thread=False)
def ready(hall: NamedDependency[Hall]) -> Response[str]:
    """The hub can do its work: 200, or 503 with the reason."""
    why = hall.desk.ready()
    return Response(f"{why or 'ready'}\n", status_code=503 if why else 200, media_type=MediaType.TEXT)


@get("/metrics", operation_id="metrics", media_type=MediaType.TEXT, opt={"open": True}, sync_to_thread=False)
def exposition(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> Response[str]:
    """The newest figures of everything, and the hub's own; with a token or a session unless `open_metrics` is set."""
    if not hall.settings.open_metrics:
        access.permit(request.scope.get("bearer"), acts=False)  # type: ignore[arg-type]  # put there by the gate
    oldest = hall.now() - metrics.STALE
    families = dict(hall.desk.families())
    own = hall.desk.figures()
    told = {figure.family.name for figure in own}  # the store has these too, a few seconds older
    told.add("up")  # whoever reads this page says so of it himself
    samples = [
        metrics.Sample(series.name, series.labels, value, at)
        for series, at, value in hall.desk.store.latest([Matcher("__name__", "!=", "")])
        if at >= oldest and not math.isnan(value) and series.name not in told
    ]
    for figure in own:
        families[figure.family.name] = figure.family
        samples += [metrics.Sample(figure.family.name, labels, value) for labels, value in figure.values]
    is_open = metrics.wants_open_metrics(request.headers.get("accept", ""))
    text = metrics.exposition(samples, families, open_metrics=is_open)
    return Response(text, media_type=metrics.OPEN_METRICS if is_open else metrics.TEXT)


@get("/api/version", operation_id="version", sync_to_thread=False)
def version() -> VersionView:
    """What runs here."""
    return VersionView(__version__, platform.python_version())


ROUTES = [alive, ready, exposition, version]
