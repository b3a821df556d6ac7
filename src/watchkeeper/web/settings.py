"""``[web]``: where dashboard and API listen, and under which names; ``[status]``: the page that anybody may read."""

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


class ServiceSettings(Part, frozen=True, kw_only=True):
    """``[[status.services]]``: one line of the public page: what people know it as, and the `server` on `machine` behind it.

    `about` is a sentence below the title. Neither machine nor server is named on the page.
    """

    title: str
    machine: str
    server: str
    about: str = ""

    def __post_init__(self) -> None:
        """Refuse a line that would say nothing."""
        if not self.title.strip():
            raise ValueError("title: expected what people know the service as")


class StatusSettings(Part, frozen=True, kw_only=True):
    """``[status]``: a page at ``/status`` for everybody, without a sign-in: is it up, and was it.

    There is none without `services`. `title` stands above them, `about` below it; `days` is how far back the bars go. The
    page is made at most once a minute.
    """

    title: str = "Status"
    about: str = ""
    days: int = 90
    services: tuple[ServiceSettings, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what could not be drawn."""
        if not 1 <= self.days <= 365:
            raise ValueError("days: expected 1 to 365")
        if len(self.services) > 50:
            raise ValueError("services: expected at most 50")
