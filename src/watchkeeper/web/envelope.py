"""Answers in the envelope of Prometheus' API: ``{"status": "success", "data": …}``, or an error's type and sentence.

The types and status codes are those of Prometheus 2.42, so that whoever speaks to it understands us. Our own
refusals of size count as its ``execution`` (its own limit on samples does), a full queue as ``unavailable``.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any, NamedTuple

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
    "wrong-origin": ("forbidden", 403),
}
"""Error type and status code of each refusal; any other code is bad data, with the status that it has elsewhere."""
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


class Fault(NamedTuple):
    """What is answered to a question that is not."""

    status: int
    kind: str
    why: str

    @property
    def body(self) -> dict[str, str]:
        """Its envelope."""
        return {"status": "error", "errorType": self.kind, "error": self.why}


def fault_of(raised: Refused | Failed) -> Fault:
    """What is answered to this one."""
    if isinstance(raised, Failed):
        return Fault(503, "unavailable", raised.why)
    kind, status = KINDS.get(raised.code, ("bad_data", problems.STATUS.get(raised.code, 400)))
    return Fault(status, kind, raised.why)


def refused(_: Request[Any, Any, Any], fault: Refused) -> Response[dict[str, str]]:
    """The caller must act, or come back later."""
    return _answer(fault_of(fault))


def failed(request: Request[Any, Any, Any], fault: Failed) -> Response[dict[str, str]]:
    """Time must act, or the operator."""
    problems.failed(request, fault)  # which logs it
    return _answer(fault_of(fault))


def rejected(_: Request[Any, Any, Any], fault: HTTPException) -> Response[dict[str, str]]:
    """What the framework refuses."""
    why = "there is nothing at this address" if fault.status_code == 404 else fault.detail or str(fault)
    kinds = {401: "unauthorized", 403: "forbidden", 404: "not_found"}
    kind = kinds.get(fault.status_code, "bad_data" if fault.status_code < 500 else "internal")
    return _answer(Fault(fault.status_code, kind, why))


def broken(request: Request[Any, Any, Any], fault: Exception) -> Response[dict[str, str]]:
    """Our bug."""
    problems.broken(request, fault)  # which logs it
    return _answer(Fault(500, "internal", "the hub made a mistake; its log has the details"))


FAULTS = {Refused: refused, Failed: failed, HTTPException: rejected, Exception: broken}


def _answer(fault: Fault) -> Response[dict[str, str]]:
    return Response(fault.body, status_code=fault.status, media_type=MediaType.JSON)
