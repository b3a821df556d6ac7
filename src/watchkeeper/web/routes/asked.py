"""How a question of Prometheus' API comes in: as GET and as posted form, described in the document, faults in its envelope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Operation, Parameter, Schema
from litestar.openapi.spec.enums import OpenAPIType

from watchkeeper.web import envelope
from watchkeeper.web.hall import Hall
from watchkeeper.web.parameters import Form


class Found(NamedTuple):
    """Data as JSON, and what the caller should know about it."""

    data: bytes
    warnings: tuple[str, ...] = ()


def routes(
    path: str, operation: str, work: Callable[..., Any], *parameters: str, posted: bool = False
) -> list[HTTPRouteHandler]:
    """The handlers of one path: GET, and POST for what may be too long for an address. Whoever may read may post."""
    same: dict[str, Any] = {
        "opt": {"reads": True, "packed": True},
        "exception_handlers": envelope.FAULTS,
        "operation_class": _described(parameters),
    }
    found = [get(path, operation_id=operation, **same)(work)]
    if posted:
        found.append(post(path, operation_id=f"{operation}Posted", status_code=200, **same)(work))
    return found


async def form_of(request: Request[Any, Any, Any]) -> Form:
    """What a request asks with."""
    body = (await request.body()).decode("utf-8", "replace") if request.method == "POST" else ""
    return Form(request.scope["query_string"].decode("latin-1"), body)


async def answer(
    request: Request[Any, Any, Any], hall: Hall, find: Callable[[float], Found], seconds: float | None = None
) -> Response[bytes]:
    """Have data found in the workshop and put into the envelope there; `find` is told how many seconds it has."""
    gzipped = envelope.takes_gzip(request)

    def work(left: float) -> envelope.Packed:
        found = find(left)
        return envelope.success(found.data, gzipped=gzipped, warnings=found.warnings)

    return envelope.response(await hall.workshop.work(work, seconds))


def _described(names: tuple[str, ...]) -> type[Operation]:
    """An operation of the document with these parameters, which the routes read themselves."""

    @dataclass
    class Described(Operation):
        """One route's."""

        def __post_init__(self) -> None:
            """Add what the framework cannot know."""
            schema = Schema(type=OpenAPIType.STRING)
            every = Schema(type=OpenAPIType.ARRAY, items=schema)
            told = [Parameter(name, "query", schema=every if name.endswith("[]") else schema) for name in names]
            self.parameters = [*(self.parameters or []), *told]

    return Described
