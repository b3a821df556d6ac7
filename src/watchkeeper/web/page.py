"""The built page: files under `web/static`, read once into memory, and nothing else that a path could name.

What is not in that table is not served, so no path can climb out of it. Hashed assets are kept by browsers for
a year, the page itself never; every address that is no file gets the page, which finds its own way.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from pathlib import Path
from typing import Any, NamedTuple

from litestar import Request, Response, get
from litestar.enums import MediaType
from litestar.handlers import HTTPRouteHandler

from watchkeeper.errors import Refused

STATIC = Path(__file__).parent / "static"
LARGEST = 4 << 20

_UNBUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Watchkeeper</title></head><body><h1>Watchkeeper runs, without its page</h1>
<p>The dashboard was not built into this installation. The API, the command line and <code>/metrics</code> work.</p>
<p>To have the dashboard, install the ready wheel, or install again where the build can reach npm
(<code>python3 dev.py up</code> does so by itself). The API describes itself at
<a href="/api/openapi.json">/api/openapi.json</a>.</p></body></html>
"""


class Asset(NamedTuple):
    """One file as it is sent: plain, and packed where that is smaller."""

    kind: str
    plain: bytes
    packed: bytes
    tag: str
    forever: bool


def assets(root: Path = STATIC) -> dict[str, Asset]:
    """All files under `root` by their path in the URL; without a built page, one that says so. Hidden files stay hidden."""
    found = {}
    for file in sorted(root.rglob("*")) if root.is_dir() else ():
        inner = file.relative_to(root)
        if file.is_file() and file.stat().st_size <= LARGEST and not any(part.startswith(".") for part in inner.parts):
            found["/" + inner.as_posix()] = _asset(file.name, file.read_bytes(), forever=inner.parts[0] == "assets")
    found.setdefault("/index.html", _asset("index.html", _UNBUILT.encode(), forever=False))
    return found


def page_routes(files: dict[str, Asset]) -> list[HTTPRouteHandler]:
    """The route that serves them; it stands behind all others."""

    @get(["/", "/{path:path}"], opt={"open": True, "packed": True}, include_in_schema=False, sync_to_thread=False)
    def page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """A file, or the page itself."""
        path = request.scope["path"]
        asset = files.get(path)
        if asset is None:
            if path.startswith(("/api", "/assets/")) or "text/html" not in request.headers.get("accept", "*/*").replace(
                "*/*", "text/html"
            ):
                raise Refused("there is nothing at this address", code="no-such-route")
            asset = files["/index.html"]
        return _answer(request, asset)

    return [page]


def _asset(name: str, plain: bytes, *, forever: bool) -> Asset:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    kind = {".js": "text/javascript", ".webmanifest": "application/manifest+json"}.get(Path(name).suffix, kind)
    if kind.startswith("text/"):
        kind += "; charset=utf-8"
    packed = gzip.compress(plain, 9, mtime=0)
    tag = f'"{hashlib.sha256(plain).hexdigest()[:16]}"'
    return Asset(kind, plain, packed if len(packed) < len(plain) * 0.9 else b"", tag, forever)


def _answer(request: Request[Any, Any, Any], asset: Asset) -> Response[bytes]:
    keep = "public, max-age=31536000, immutable" if asset.forever else "no-store"
    headers = {"content-type": asset.kind, "cache-control": keep, "vary": "accept-encoding", "etag": asset.tag}
    if request.headers.get("if-none-match") == asset.tag:
        return Response(b"", status_code=304, headers=headers, media_type=MediaType.TEXT)
    if asset.packed and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.packed, headers=headers | {"content-encoding": "gzip"}, media_type=asset.kind)
    return Response(asset.plain, headers=headers, media_type=asset.kind)
