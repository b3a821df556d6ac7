"""Every answer that is not a success, in one shape: `Problem`.

Our own faults map to status codes here and nowhere else; a bug is logged with its traceback and told
without a word of its inside.
"""

from __future__ import annotations

import logging
from typing import Any

from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException

from watchkeeper.errors import Failed, Refused
from watchkeeper.web.shapes import Problem

log = logging.getLogger(__name__)

STATUS = {
    "bad-sign-in": 401,
    "code-wanted": 401,
    "confirm": 403,
    "unknown-person": 404,
    "unknown-passkey": 404,
    "unknown-session": 404,
    "unknown-token": 404,
    "last-admin": 409,
    "too-many": 409,
    "not-signed-in": 401,
    "not-allowed": 403,
    "wrong-host": 421,
    "wrong-origin": 403,
    "unknown-machine": 404,
    "unknown-server": 404,
    "unknown-action": 404,
    "unknown-group": 404,
    "no-evidence": 404,
    "unknown-panel": 404,
    "unknown-channel": 404,
    "unknown-incident": 404,
    "unknown-heartbeat": 404,
    "bad-link": 404,
    "link-expired": 410,
    "unknown-run": 404,
    "unknown-plan": 404,
    "no-file": 404,
    "run-over": 409,
    "stress-refused": 409,
    "taken": 409,
    "configured": 409,
    "unknown-alert": 404,
    "unknown-silence": 404,
    "unknown-rule": 404,
    "incident-over": 409,
    "silence-over": 409,
    "unknown-drill": 404,
    "unknown-scenario": 404,
    "drill-running": 409,
    "drill-over": 409,
    "drill-unavailable": 409,
    "no-channel": 409,
    "no-consent": 403,
    "no-such-route": 404,
    "not-connected": 409,
    "too-large": 413,
    "wrong-type": 415,
    "too-many-failures": 429,
    "busy": 503,
    "timeout": 503,
}
"""Status codes of refusals; any other code is 400."""

CODES = {400: "bad-request", 401: "not-signed-in", 403: "not-allowed", 404: "no-such-route", 405: "wrong-method"}
CODES |= {413: "too-large", 415: "wrong-type", 429: "too-many-failures"}

HINTS = {
    "not-signed-in": "open the sign-in link that the hub printed, or send `Authorization: Bearer` with a token",
    "bad-sign-in": "`watchkeeper sign-in` prints a fresh link",
    "wrong-host": "add the name to `hosts` under [web] if it is yours",
    "wrong-origin": "the request came from another site's page, or through a proxy that changes the Host header",
    "not-connected": "look whether its agent runs: `watchkeeper status`",
}


def problem(code: str, why: str, hint: str = "") -> Problem:
    """A problem with the hint that goes with its code."""
    return Problem(code, why, hint or HINTS.get(code, ""))


def refused(_: Request[Any, Any, Any], fault: Refused) -> Response[Problem]:
    """The caller must act."""
    return _answer(STATUS.get(fault.code, 400), problem(fault.code, fault.why))


def failed(_: Request[Any, Any, Any], fault: Failed) -> Response[Problem]:
    """Time must act, or the operator."""
    log.error("a request failed: %s", fault.why)
    return _answer(503, problem("failed", fault.why))


def rejected(_: Request[Any, Any, Any], fault: HTTPException) -> Response[Problem]:
    """What the framework itself refuses: no such route, a body that does not fit its shape."""
    status = fault.status_code
    why = fault.detail or str(fault)
    if status == 404:
        why = "there is nothing at this address"
    elif isinstance(fault.extra, list) and fault.extra:
        told = [entry for entry in fault.extra if isinstance(entry, dict)]
        why = "; ".join(f"{entry.get('key', 'body')}: {entry.get('message', '')}" for entry in told)
    return _answer(status, problem(CODES.get(status, "failed" if status >= 500 else "bad-request"), why))


def broken(request: Request[Any, Any, Any], fault: Exception) -> Response[Problem]:
    """Our bug."""
    log.error("a bug answered %s %s", request.method, request.url.path, exc_info=fault)
    return _answer(500, problem("bug", "the hub made a mistake; its log has the details"))


def _answer(status: int, told: Problem) -> Response[Problem]:
    return Response(told, status_code=status, media_type=MediaType.JSON)  # whatever the route itself would have sent
