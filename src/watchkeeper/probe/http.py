"""Ask a server over HTTP: is the status right, and is the text there that should be?"""

from __future__ import annotations

import re
from typing import ClassVar

from watchkeeper.config import Asked
from watchkeeper.errors import Failed
from watchkeeper.fetch import Unconnected, certificate_end, fetch
from watchkeeper.model import Family, Notes


class Http(Asked, frozen=True, tag_field="kind", tag="http"):
    """``kind = "http"``: one request; up when the status is expected and, if asked for, the body matches.

    `url` is asked with `method` and `headers`; `status` lists codes or ranges (``"200-399"``); `contains` is a regular
    expression searched in the body; without `verify` any certificate is taken.
    """

    url: str
    method: str = "GET"
    headers: dict[str, str] = {}
    status: tuple[int | str, ...] = ("200-399",)
    contains: str = ""
    verify: bool = True

    def __post_init__(self) -> None:
        """Refuse what could never work while file and line are still known."""
        if not re.match(r"https?://[^/]", self.url):
            raise ValueError(f"expected an http:// or https:// address, got {self.url!r}")
        try:
            re.compile(self.contains)
        except re.error as fault:
            raise ValueError(f"`contains` is not a regular expression: {fault}") from None
        for item in self.status:
            _bounds(item)

    FAMILIES: ClassVar = (
        Family("probe_http_status_code", "gauge", "Status code of the last HTTP answer."),
        Family("probe_http_content_length", "gauge", "Length of the last HTTP answer's body in bytes."),
        Family("probe_ssl_earliest_cert_expiry", "gauge", "When the server's certificate ends, in Unix time."),
    )

    async def attempt(self, notes: Notes) -> None:
        """Ask once; figures: status code, body length, and when the certificate ends (TLS), of one that is refused too."""
        try:
            answer = await fetch(self.url, method=self.method, headers=self.headers, verify=self.verify)
        except Unconnected:
            # A certificate that has ended is refused; that it has is what there is to tell.
            if self.url.startswith("https://") and self.verify and (end := await certificate_end(self.url)):
                notes.figures["probe_ssl_earliest_cert_expiry"] = end
            raise
        notes.figures["probe_http_status_code"] = float(answer.status)
        notes.figures["probe_http_content_length"] = float(len(answer.body))
        if answer.cert_expires_at:
            notes.figures["probe_ssl_earliest_cert_expiry"] = answer.cert_expires_at
        if not any(low <= answer.status <= high for low, high in map(_bounds, self.status)):
            raise Failed(f"HTTP status {answer.status}, expected {', '.join(map(str, self.status))}")
        if self.contains and not re.search(self.contains, answer.body.decode("utf-8", "replace")):
            raise Failed(f"the answer does not contain {self.contains!r}")


def _bounds(item: int | str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{3})(?:-(\d{3}))?", str(item))
    if not found:
        raise ValueError(f'expected a status such as 200 or "200-399", got {item!r}')
    return int(found[1]), int(found[2] or found[1])
