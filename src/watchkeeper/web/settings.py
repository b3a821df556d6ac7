"""``[web]``: where the dashboard and the API listen, and under which names they may be asked for."""

from __future__ import annotations

from urllib.parse import urlsplit

from watchkeeper.config import Part
from watchkeeper.outward import check_address


class WebSettings(Part, frozen=True, kw_only=True):
    """``[web]``: where the dashboard answers, and to whom; loopback alone unless said otherwise.

    `listen` is HOST:PORT, an IPv6 host in brackets. `hosts` are further names under which browsers may ask
    (``watch.example.org``), as behind a reverse proxy. `open_metrics` lets anyone who reaches the port read ``/metrics``
    without a token. `url` is how people reach the hub from elsewhere (``https://watch.example.org``): links in messages begin
    with it, and its name counts as one of `hosts`.
    """

    listen: str = "127.0.0.1:8600"
    hosts: tuple[str, ...] = ()
    open_metrics: bool = False
    url: str = ""

    def __post_init__(self) -> None:
        """Refuse what could never be opened."""
        if self.url:
            check_address("url", self.url)
            if urlsplit(self.url).query or urlsplit(self.url).fragment:
                raise ValueError("url: expected an address without ? or #")
