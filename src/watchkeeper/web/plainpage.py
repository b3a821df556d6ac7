"""Pages without a script that the hub writes itself: for who is not signed in, on any device, however old.

Their style stands in the page, and the policy lets in this style alone.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape

from litestar import MediaType, Response


def page(
    title: str, body: str, style: str, *, status: int = 200, headers: Mapping[str, str] | None = None, forms: bool = False
) -> Response[str]:
    """A page of `body`, which is HTML already; `title` is text. `forms`: it may send one, to us."""
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta name="robots" content="noindex"><title>{escape(title)}</title><style>{style}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>\n"
    )
    policy = {"content-security-policy": _policy(style, forms=forms)} | dict(headers or {})
    return Response(text, media_type=MediaType.HTML, status_code=status, headers=policy)


def _policy(style: str, *, forms: bool) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    target = "'self'" if forms else "'none'"
    return f"default-src 'none'; style-src 'sha256-{digest}'; form-action {target}; base-uri 'none'; frame-ancestors 'none'"
