"""What other programs write to us: Prometheus' remote write, 0.1.0 and 1.0."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, post
from litestar.di import NamedDependency

from watchkeeper.errors import Refused
from watchkeeper.web.gate import WRITING, WRITTEN_BYTES
from watchkeeper.web.hall import Hall


@post(
    WRITING,
    operation_id="write",
    status_code=204,
    opt={"open": True},
    request_max_body_size=WRITTEN_BYTES,
)
async def write(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> Response[None]:
    """Keep the samples of a write request (snappy, protocol buffers), for a token of kind `write` or `admin`.

    204 once they are durable; 400 with the reason when some cannot be kept (the rest is), 413 when it is too large,
    503 when it should be sent again.
    """
    kind, *parameters = (part.strip() for part in request.headers.get("content-type", "").lower().split(";"))
    if kind != "application/x-protobuf" or any(
        one.startswith("proto=") and "prometheus.writerequest" not in one for one in parameters
    ):
        raise Refused("a write request is application/x-protobuf, of remote write 0.1.0 or 1.0", code="wrong-type")
    if request.headers.get("content-encoding", "").lower() != "snappy":
        raise Refused("a write request has Content-Encoding: snappy", code="wrong-type")
    version = request.headers.get("x-prometheus-remote-write-version", "0.1.0")
    if not version.startswith(("0.1.", "1.")):
        raise Refused(f"remote write {version[:20]} is not spoken here, 0.1.0 and 1.0 are", code="wrong-type")
    await hall.desk.receive(await request.body())  # the gate has let in who may write
    return Response(None, status_code=204)


ROUTES = [write]
