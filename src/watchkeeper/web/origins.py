"""Which names may be asked for, and which pages may ask: the checks against DNS rebinding and foreign sites.

Pure: headers in, the reason of a refusal out (empty: fine). A name that an attacker can point at us must never
pass as ours, so only loopback names, addresses, our own name and configured ones do; the port is not looked at,
because tunnels change it.
"""

from __future__ import annotations

import ipaddress
import re
import socket

_HOST = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(\d{1,5}))?")
_SCHEME = re.compile(r"(https?|wss?)://")
_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


def own_names(listen_host: str, configured: tuple[str, ...]) -> frozenset[str]:
    """The names that are ours, in lower case; a listener beyond loopback also answers to the machine's own name."""
    names = {"localhost", listen_host.strip("[]").lower(), *(name.lower() for name in configured)}
    if not is_loopback(listen_host):
        names.add(socket.gethostname().lower())
    return frozenset(names)


def is_loopback(host: str) -> bool:
    """Whether a listening host is reachable from this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def host_fault(host: str, names: frozenset[str], *, loopback_only: bool) -> str:
    """Why a Host header is none of ours. An address cannot be rebound, so any passes unless we serve loopback alone."""
    found = _HOST.fullmatch(host)
    if not found:
        return "the Host header is missing or malformed"
    name = found[1].strip("[]").lower()
    if name in names:
        return ""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return f"this hub is not known as {name!r}"
    return f"this hub is not known as {name!r}" if loopback_only and not address.is_loopback else ""


def origin_fault(origin: str | None, host: str, *, cookie: bool) -> str:
    """Why a changing request or a WebSocket may not come from this page: its origin must be the host that it asks.

    Browsers always say the origin of such requests, so none at all is fine for a program with a token, and
    not for a cookie.
    """
    if origin is None:
        return "a request with a cookie must say its origin" if cookie else ""
    mine = _HOST.fullmatch(host)
    scheme = _SCHEME.match(origin)
    theirs = _HOST.fullmatch(origin, scheme.end()) if scheme else None
    if not mine or not scheme or not theirs:
        return "the page's origin is not this hub"
    default = _PORTS[scheme[1]]
    if mine[1].lower() != theirs[1].lower() or (mine[2] or default) != (theirs[2] or default):
        return "the page's origin is not this hub"
    return ""
