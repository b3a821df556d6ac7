"""``[web]``: where the dashboard and the API listen, and under which names they may be asked for."""

from __future__ import annotations

from watchkeeper.config import Part


class WebSettings(Part, frozen=True, kw_only=True):
    """``[web]``: where the dashboard answers, and to whom; loopback alone unless said otherwise.

    `listen` is HOST:PORT, an IPv6 host in brackets. `hosts` are further names under which browsers may ask
    (``watch.example.org``), as behind a reverse proxy. `open_metrics` lets anyone who reaches the port read
    ``/metrics`` without a token.
    """

    listen: str = "127.0.0.1:8600"
    hosts: tuple[str, ...] = ()
    open_metrics: bool = False
