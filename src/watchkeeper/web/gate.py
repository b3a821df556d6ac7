"""The gate in front of everything: who asks whom, from where, and how much; and the headers of every answer.

An ASGI layer around the app, so that static files, errors and WebSockets pass it as well. It refuses foreign Host and
Origin headers, other bodies than JSON (forms below ``/api/v1/``) and large ones, finds out who asks
(``scope["bearer"]``) and lets each route judge what that one may do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from watchkeeper.clock import milliseconds
from watchkeeper.errors import Failed, Refused
from watchkeeper.web import access, envelope, origins
from watchkeeper.web.desk import Desk
from watchkeeper.web.problems import STATUS, problem
from watchkeeper.web.settings import WebSettings
from watchkeeper.web.shapes import Problem

BODY_BYTES = 64 * 1024
WRITING = "/api/v1/write"
"""The one address with large bodies that are no JSON: who may not write is refused before a byte is read."""
WRITTEN_BYTES = 16 << 20
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
ASKING = ("/api", "/metrics", "/federate", "/live", "/link", "/ack/")
"""Where it matters who asks; the page itself is the same for all."""

FORMS = ("/api/v1/", "/ack/")
"""Below these, Prometheus' clients post their questions as forms, and browsers the button that acknowledges."""
PINGS = "/ping/"
"""Below this, jobs send what they have to say, of any kind and length; only its end is kept."""
PING_BYTES = 10_000
MOST_PINGED = 16 << 20

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self';"
    " manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


App = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI 3 application: scope, receive, send."""
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Gate:
    """An app behind its gate."""

    def __init__(self, app: App, desk: Desk, settings: WebSettings, host: str) -> None:
        """`host` is where we listen: it decides which names are ours."""
        self._app = app
        self._desk = desk
        outside = urlsplit(settings.url).hostname
        self._names = origins.own_names(host, (*settings.hosts, outside) if outside else settings.hosts)
        self._loopback = origins.is_loopback(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, WebSocket or the app's life."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        send = _dressed(send, private=scope["path"].startswith(ASKING))
        try:
            await self._judge(scope, _gather(scope["headers"]))
            if scope["type"] == "http" and scope["method"] not in SAFE:
                kept = PING_BYTES if scope["path"].startswith(PINGS) else None
                receive = await _read_whole(receive, _allowed(scope["path"]), kept)
        except (Refused, Failed) as fault:
            await _refuse(scope, receive, send, fault)
        else:
            await self._app(scope, receive, send)

    async def _judge(self, scope: Scope, headers: dict[str, str]) -> None:
        """Find out who asks; raises `Refused` when this one, from there, may not even ask."""
        host = headers.get("host", "")
        if fault := origins.host_fault(host, self._names, loopback_only=self._loopback):
            raise Refused(fault, code="wrong-host")
        scope["bearer"], by_cookie = None, False
        if scope["path"].startswith(ASKING):
            now = milliseconds(self._desk.clock.wall())
            authorization, cookies = headers.get("authorization", ""), headers.get("cookie", "")
            scope["bearer"], by_cookie = await access.identify(self._desk.journal, authorization, cookies, now)
        socket = scope["type"] == "websocket"
        if socket or scope["method"] not in SAFE:
            if fault := origins.origin_fault(headers.get("origin"), host, cookie=by_cookie):
                raise Refused(fault, code="wrong-origin")
            if socket:
                access.permit_socket(scope["bearer"], scope["path"])
            else:
                if scope["path"] == WRITING:
                    access.permit_writing(scope["bearer"])
                _judge_body(headers, scope["path"])


def _allowed(path: str) -> int:
    if path.startswith(PINGS):
        return MOST_PINGED
    return WRITTEN_BYTES if path == WRITING else BODY_BYTES


def _judge_body(headers: dict[str, str], path: str) -> None:
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        raise Refused("the Content-Length header is malformed", code="bad-request")
    if int(length) > _allowed(path):
        raise Refused(f"a body may have at most {_allowed(path)} bytes", code="too-large")
    has_body = int(length) > 0 or "transfer-encoding" in headers
    taken = "application/x-www-form-urlencoded" if path.startswith(FORMS) else "application/json"
    is_free = path == WRITING or path.startswith(PINGS)
    if has_body and not is_free and headers.get("content-type", "").split(";")[0].strip().lower() != taken:
        raise Refused(f"a body must be {taken}", code="wrong-type")


async def _read_whole(receive: Receive, most: int, kept: int | None) -> Receive:
    """Take a body in before anyone acts on it; the same again for the app, or the last `kept` bytes of it.

    Raises `Refused` where it gets too large.
    """
    body = bytearray()
    length = 0
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
        if kept is not None:
            del body[:-kept]
        if length > most:
            raise Refused(f"a body may have at most {most} bytes", code="too-large")
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return again


def _dressed(send: Send, *, private: bool) -> Send:
    """Add our headers to the start of every answer."""
    extra = [*HEADERS, (b"cache-control", b"no-store")] if private else HEADERS

    async def dressed(message: Message) -> None:
        if message["type"].endswith(".response.start"):
            headers = list(message.get("headers", ()))
            given = {name.lower() for name, _ in headers}
            message["headers"] = headers + [(name, value) for name, value in extra if name not in given]
        await send(message)

    return dressed


async def _refuse(scope: Scope, receive: Receive, send: Send, fault: Refused | Failed) -> None:
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()  # the handshake must be read before it can be answered
        kind = "websocket.http.response"
    told: Problem | dict[str, str]
    if speaks_prometheus(scope["path"]):
        status, told = envelope.fault_of(fault).status, envelope.fault_of(fault).body
    elif isinstance(fault, Failed):
        status, told = 503, problem("failed", fault.why)
    else:
        status, told = STATUS.get(fault.code, 400), problem(fault.code, fault.why)
    body = msgspec.json.encode(told)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body, "more_body": False})


def speaks_prometheus(path: str) -> bool:
    """Whether who asks there expects Prometheus' envelope: all of its API but the writing, which answers in plain words."""
    return path.startswith(FORMS) and path != WRITING


def _gather(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; one that comes twice is joined, so that neither copy hides the other."""
    found: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found
