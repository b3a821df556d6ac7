"""The web's composition: routes, guards, faults and the document that describes them, behind the gate.

The hub calls `build` with its desk and serves the result; it is plain ASGI. Nothing is started here.
"""

from __future__ import annotations

import socket
from typing import Any

from litestar import Litestar, Request, Response, Router
from litestar.config.compression import CompressionConfig
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from watchkeeper import __version__
from watchkeeper.errors import Failed, Refused
from watchkeeper.quantities import Duration
from watchkeeper.query import QuerySettings
from watchkeeper.web import access, envelope, problems
from watchkeeper.web.board import Board
from watchkeeper.web.desk import Desk
from watchkeeper.web.gate import BODY_BYTES, SAFE, Gate, speaks_prometheus
from watchkeeper.web.hall import Connection, Hall, Told
from watchkeeper.web.link import link, workers
from watchkeeper.web.listen import address
from watchkeeper.web.live import live
from watchkeeper.web.page import Asset, assets, page_routes
from watchkeeper.web.routes import (
    account,
    acknowledging,
    alertmanager,
    alerts,
    drills,
    evidence,
    heartbeats,
    history,
    machines,
    messages,
    people,
    proving,
    questions,
    scraped,
    session,
    status,
    stress,
    system,
    tokens,
    upkeep,
    writing,
)
from watchkeeper.web.settings import WebSettings
from watchkeeper.web.workshop import Workshop

DRAWING = QuerySettings(timeout=Duration(20), at_once=2, waiting=256)
"""Charts that may be drawn at once and wait: a page asks for a dozen, and many pages may be open."""


def build(
    desk: Desk,
    settings: WebSettings,
    bound: socket.socket,
    *,
    query: QuerySettings | None = None,
    files: dict[str, Asset] | None = None,
    told: Told = Told(),  # noqa: B008  # frozen
) -> Gate:
    """The whole web as one ASGI app, for the socket that it will be served on; `files` default to the built page."""
    workshops = Workshop(query or QuerySettings()), Workshop(DRAWING, "chart")
    hall = Hall(desk, Board(desk), settings, f"http://{address(bound)}", *workshops, keeping=told)
    return Gate(application(hall, assets() if files is None else files), desk, settings, bound.getsockname()[0])


def rejected(request: Request[Any, Any, Any], fault: HTTPException) -> Response[Any]:
    """What the framework refuses, in the shape that who asks there expects."""
    if speaks_prometheus(request.url.path):
        return envelope.rejected(request, fault)
    return problems.rejected(request, fault)


def application(hall: Hall, files: dict[str, Asset]) -> Litestar:
    """The app without its gate."""
    return Litestar(
        route_handlers=[
            *session.ROUTES,
            *account.ROUTES,
            *proving.ROUTES,
            *people.ROUTES,
            *tokens.ROUTES,
            *upkeep.ROUTES,
            *status.ROUTES,
            *machines.ROUTES,
            *history.ROUTES,
            *evidence.ROUTES,
            *system.ROUTES,
            *questions.ROUTES,
            *scraped.ROUTES,
            *writing.ROUTES,
            *messages.ROUTES,
            *heartbeats.ROUTES,
            *acknowledging.ROUTES,
            *alerts.ROUTES,
            *alertmanager.ROUTES,
            *stress.ROUTES,
            *drills.ROUTES,
            live,
            link,
            workers,
            *page_routes(files),
        ],
        dependencies={"hall": Provide(lambda: hall, sync_to_thread=False)},
        guards=[signed_in],
        exception_handlers={
            Refused: problems.refused,
            Failed: problems.failed,
            HTTPException: rejected,
            Exception: problems.broken,
        },
        compression_config=CompressionConfig(
            backend="gzip", minimum_size=1000, gzip_compress_level=5, exclude_opt_key="packed"
        ),
        openapi_config=OpenAPIConfig(
            title="Watchkeeper",
            version=__version__,
            description="Sees, acts, tells and proves. Times are milliseconds since the epoch, but those of "
            "Prometheus' API below /api/v1, which has its own ways; all figures are in base units.",
            # The framework answers all below this path with a page of its own, so it may own no more than the document.
            path="/api/openapi.json",
            render_plugins=[JsonRenderPlugin(path="/")],
            openapi_router=Router("/api/openapi.json", route_handlers=[], opt={"open": True}, include_in_schema=False),
            use_handler_docstrings=True,
            components=Components(
                security_schemes={
                    "token": SecurityScheme(type="http", scheme="bearer", description="A token, as in DATA/token."),
                    "session": SecurityScheme(type="apiKey", name=access.COOKIE, security_scheme_in="cookie"),
                }
            ),
            security=[{"token": []}, {"session": []}],
        ),
        request_max_body_size=BODY_BYTES,
        debug=False,
        logging_config=None,
    )


def signed_in(connection: Connection, route: BaseRouteHandler) -> None:
    """The guard of every route that is not open: who asks, and may this one? WebSockets were judged by the gate."""
    scope: dict[str, Any] = dict(connection.scope)
    if scope["type"] != "http" or route.opt.get("open"):
        return
    if route.opt.get("own"):
        access.permit_person(scope.get("bearer"))
    else:
        acts = scope["method"] not in SAFE and not route.opt.get("reads")
        access.permit(scope.get("bearer"), acts=acts, admin=bool(route.opt.get("admin")))
