"""``[web]``: where the dashboard and the API listen, and under which names they may be asked for."""

from __future__ import annotations

from watchkeeper.config import Part


class WebSettings(Part, frozen=True, kw_only=True):
    """``[web]``: everything here has a safe default; loopback alone is listened on."""

    listen: str = "127.0.0.1:8600"
    """HOST:PORT; an IPv6 host in brackets."""
    hosts: tuple[str, ...] = ()
    """Further names under which browsers may ask (``watch.example.org``), as behind a reverse proxy."""
    open_metrics: bool = False
    """Let anyone who reaches the port read ``/metrics`` without a token."""
