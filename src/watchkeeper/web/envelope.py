"""Answers in the envelope of Prometheus' API: ``{"status": "success", "data": …}``, or an error's type and sentence.

The types and status codes are those of Prometheus 2.42, so that whoever speaks to it understands us. Our own
refusals of size count as its ``execution`` (its own limit on samples does), a full queue as ``unavailable``.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException

from watchkeeper.errors import Failed, Refused
from watchkeeper.web import problems

KINDS = {
    "bad_data": ("bad_data", 400),
    "execution": ("execution", 422),
    "too-much": ("execution", 422),
    "timeout": ("timeout", 503),
    "busy": ("unavailable", 503),
    "not-signed-in": ("unauthorized", 401),
    "not-allowed": ("forbidden", 403),
}
"""Error type and status code of each refusal; any other code is bad data."""
PACKED_FROM = 1000
"""Bytes from which an answer is worth packing."""


class Packed(msgspec.Struct, frozen=True):
    """An answer's bytes, ready for the wire."""

    body: bytes
    is_gzip: bool


def success(data: bytes, *, gzipped: bool, warnings: Sequence[str] = ()) -> Packed:
    """The envelope around `data` (JSON); packed where the caller takes that. Long ones take a while: not for the hub's loop."""
    told = b',"warnings":' + msgspec.json.encode(warnings) if warnings else b""
    return packed(b'{"status":"success","data":' + data + told + b"}", gzipped=gzipped)


def packed(body: bytes, *, gzipped: bool) -> Packed:
    """Any body, packed if the caller takes that and it is long."""
    worth = gzipped and len(body) >= PACKED_FROM
    return Packed(gzip.compress(body, 4, mtime=0) if worth else body, worth)


def takes_gzip(request: Request[Any, Any, Any]) -> bool:
    """Whether the caller reads gzip."""
    return any(
        part.split(";")[0].strip() == "gzip" and part.partition(";")[2].strip() != "q=0"
        for part in request.headers.get("accept-encoding", "").lower().split(",")
    )


def response(answer: Packed, media_type: str = MediaType.JSON) -> Response[bytes]:
    """The answer of a route."""
    headers = {"vary": "accept-encoding"} | ({"content-encoding": "gzip"} if answer.is_gzip else {})
    return Response(answer.body, headers=headers, media_type=media_type)


def refused(_: Request[Any, Any, Any], fault: Refused) -> Response[dict[str, str]]:
    """The caller must act, or come back later."""
    kind, status = KINDS.get(fault.code, KINDS["bad_data"])
    return _error(status, kind, fault.why)


def failed(request: Request[Any, Any, Any], fault: Failed) -> Response[dict[str, str]]:
    """Time must act, or the operator."""
    problems.failed(request, fault)  # which logs it
    return _error(503, "unavailable", fault.why)


def rejected(_: Request[Any, Any, Any], fault: HTTPException) -> Response[dict[str, str]]:
    """What the framework refuses."""
    return _error(fault.status_code, "bad_data" if fault.status_code < 500 else "internal", fault.detail or str(fault))


def broken(request: Request[Any, Any, Any], fault: Exception) -> Response[dict[str, str]]:
    """Our bug."""
    problems.broken(request, fault)  # which logs it
    return _error(500, "internal", "the hub made a mistake; its log has the details")


FAULTS = {Refused: refused, Failed: failed, HTTPException: rejected, Exception: broken}


def _error(status: int, kind: str, why: str) -> Response[dict[str, str]]:
    told = {"status": "error", "errorType": kind, "error": why}
    return Response(told, status_code=status, media_type=MediaType.JSON)
