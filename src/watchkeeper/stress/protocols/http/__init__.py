"""HTTP/1.1 over connections that are kept: one request at a time on each, as browsers and most clients do.

Requests are made beforehand, answers parsed by httptools (llhttp, in C), all in plain callbacks: an answered request costs
about what it costs a load generator in C. An operation is one request or a sequence of them on one connection; what is
measured is the whole, each step beside it. Redirects are answers like any other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import msgspec

from watchkeeper.config import Part
from watchkeeper.quantities import Duration, Size
from watchkeeper.stress.lane import Ground, Maker, Operation

_METHOD = re.compile(r"[A-Z]{1,20}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PATH = re.compile(r"/[!-~]*")

ALONE = ("method", "path", "headers", "body", "size", "size_most", "expect", "contains")
"""What a request has that is alone; in a sequence each step has its own."""

Status = Annotated[int, msgspec.Meta(ge=100, le=599)]


class Step(Part, frozen=True, kw_only=True):
    """One request of a sequence, with `method`, `path`, `headers`, `body`, `size`, `size_most`, `expect`, `contains` as alone.

    `think` is the pause before the next one, in which no time passes for latencies; its name is that of its time in the
    results.
    """

    name: str = ""
    method: str = "GET"
    path: str = ""
    headers: dict[str, str] = {}
    body: str = ""
    size: Size = Size(0)
    size_most: Size = Size(0)
    expect: tuple[Status, ...] = ()
    contains: str = ""
    think: Duration = Duration(0)

    def __post_init__(self) -> None:
        """Refuse what is no request while the place in the file is known."""
        _check(self)


class Request(Operation, frozen=True, kw_only=True):
    """A request: `method`, `path` (left out, the target's), `headers`, and a `body` or one of `size` (to `size_most`) bytes.

    It ends well with a status in `expect` (left out: 200 to 299) and, where that is given, with a body that `contains` this
    text. With `steps` it is a sequence of requests on one connection instead, and all of these are theirs.
    """

    method: str = "GET"
    path: str = ""
    headers: dict[str, str] = {}
    body: str = ""
    size: Size = Size(0)
    size_most: Size = Size(0)
    expect: tuple[Status, ...] = ()
    contains: str = ""
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no request while the place in the file is known."""
        _check(self)
        blank = Step()
        if self.steps and (given := next((name for name in ALONE if getattr(self, name) != getattr(blank, name)), "")):
            raise ValueError(f"{self.name}: a sequence has its {given} in its steps")


class Http(Part, frozen=True, tag_field="kind", tag="http"):
    """``kind = "http"``: requests over HTTP/1.1, with TLS for ``https://``.

    `headers` go with every request. With `cookies` each connection keeps what the server sets and sends it back. Without
    `keep_alive` each request has a connection of its own. `operation` is the mix; left out, a GET of the target's own
    path and query.
    """

    headers: dict[str, str] = {}
    cookies: bool = False
    keep_alive: bool = True
    operation: tuple[Request, ...] = ()

    def __post_init__(self) -> None:
        """Refuse headers that are none."""
        _check_headers(self.headers)

    def mix(self, url: str) -> Sequence[Request]:  # noqa: ARG002  # as all protocols have it
        """See `LoadProtocol`."""
        return self.operation or (Request(name="get"),)

    def prepare(self, ground: Ground) -> Maker:
        """See `LoadProtocol`."""
        from watchkeeper.stress.protocols.http.requests import Requests  # noqa: PLC0415  # for workers alone

        return Requests(self, ground)


def _check(step: Step | Request) -> None:
    if not _METHOD.fullmatch(step.method):
        raise ValueError(f"expected a method such as GET or POST, got {step.method!r}")
    if step.path and not _PATH.fullmatch(step.path):
        raise ValueError(f"expected a path that begins with / and has no spaces, got {step.path!r}")
    if step.body and step.size:
        raise ValueError("one of body and size, not both")
    if step.size_most and step.size_most < step.size:
        raise ValueError(f"size_most ({step.size_most}) is less than size ({step.size})")
    if step.size_most and not step.size:
        raise ValueError("size_most is the most of a body that has size bytes at least: give size")
    if step.size > 64 << 20 or step.size_most > 64 << 20:
        raise ValueError("a body may have at most 64MiB")
    _check_headers(step.headers)


def _check_headers(headers: dict[str, str]) -> None:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or not value.isprintable() or not value.isascii():
            raise ValueError(f"{name[:40]!r} is not a header, or its value is not printable ASCII")
