"""A server's own figures, from the page where it shows them (``/metrics``)."""

from __future__ import annotations

import re

from watchkeeper.config import Asked
from watchkeeper.errors import Failed
from watchkeeper.fetch import fetch
from watchkeeper.quantities import Size

ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


class OpenMetrics(Asked, frozen=True, kw_only=True, tag_field="kind", tag="openmetrics"):
    """``kind = "openmetrics"``: figures in Prometheus' text format at `url`.

    At most `most_series` series and `most_bytes` bytes are taken; `headers` are sent along.
    """

    url: str
    headers: dict[str, str] = {}
    most_series: int = 2000
    most_bytes: Size = Size(2 << 20)

    def __post_init__(self) -> None:
        """Refuse what could never work while file and line are still known."""
        if not re.match(r"https?://[^/]", self.url):
            raise ValueError(f"expected an http:// or https:// address, got {self.url!r}")
        if not 1 <= self.most_series <= 20_000:
            raise ValueError("most_series: expected 1 to 20000")

    async def scrape(self) -> str:
        """The page's text; raises Failed when there is none."""
        answer = await fetch(self.url, headers={"accept": ACCEPT} | self.headers, limit=self.most_bytes)
        if answer.status != 200:
            raise Failed(f"the page of figures answered {answer.status}")
        return answer.body.decode("utf-8", "replace")
