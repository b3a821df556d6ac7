"""Who is put under load, and whether that one has agreed.

A target consents in one of two ways: it is a supervised server whose configuration says ``stress = true``, or it answers
with the plan's token at an address of its own host. Its name is looked up once and all workers connect to that address,
so what was agreed to is what is loaded. Outside loopback and private networks nothing is loaded unless the plan says so
as well.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import socket
import time
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from watchkeeper.errors import ConfigError, Failed, Refused
from watchkeeper.fetch import fetch
from watchkeeper.stress.plan import SECURE, Plan, TargetSettings, place

WELL_KNOWN = "/.well-known/watchkeeper-stress"
HEADER = "watchkeeper-stress"
ASKING_SECONDS = 5.0
ASKED = 3
"""Connections that are made to see how far it is."""
LEAST_TOKEN = 16
"""Characters: what can be guessed is no consent."""


class Supervised(NamedTuple):
    """A supervised server as its configuration has it: whether it may be put under load, its own addresses, its pages."""

    name: str
    stress: bool
    urls: tuple[str, ...]
    machine: str = ""
    pages: tuple[str, ...] = ()
    """Where it tells its own figures."""


class Target(NamedTuple):
    """A target that was looked up."""

    url: str
    address: tuple[str, int]
    server_name: str
    is_local: bool
    """On this machine: it shares processor and memory with the load."""


async def look_up(plan: Plan) -> Target:
    """Find the target's address; raises Refused when it has none, or a public one that the plan does not allow."""
    host, port = place(plan.target.url)
    try:
        async with asyncio.timeout(ASKING_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError) as fault:
        raise Refused(
            f"{host} has no address: {getattr(fault, 'strerror', None) or 'nobody knew in time'}", code="no-target"
        ) from None
    addresses = sorted({entry[4][0] for entry in found}, key=lambda one: ":" in str(one))
    for one in addresses:
        if not plan.safety.public and not is_near(str(one)):
            why = f"{host} is {one}, which is neither loopback nor private; a plan that means it says safety.public = true"
            raise Refused(why, code="public-target")
    address = str(addresses[0])
    return Target(plan.target.url, (address, port), host, is_own(address))


async def distance(target: Target) -> float:
    """Seconds to the target and back: the quickest of three connections; 0 where none could be made."""
    loop, seen = asyncio.get_running_loop(), []
    for _ in range(ASKED):
        with (
            socket.socket(socket.AF_INET6 if ":" in target.address[0] else socket.AF_INET) as plugged,
            suppress(OSError, TimeoutError),
        ):
            plugged.setblocking(False)
            began = time.monotonic()
            async with asyncio.timeout(1):
                await loop.sock_connect(plugged, target.address)
            seen.append(time.monotonic() - began)
    return min(seen, default=0.0)


def is_near(address: str) -> bool:
    """Loopback, private (RFC 1918, RFC 4193) or link-local."""
    found = ipaddress.ip_address(address.partition("%")[0])
    return found.is_loopback or found.is_private or found.is_link_local


def is_loopback(address: str) -> bool:
    """Whether an address is each machine's own."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def is_own(address: str) -> bool:
    """Whether an address is this machine's: then it can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address.partition("%")[0], 0))
    except OSError:
        return False
    return True


async def consent(plan: Plan, target: Target, supervised: Supervised | None) -> str:
    """Why this target may be put under load, in words; raises Refused with what its operator has to do."""
    if supervised is not None:
        return of_server(plan.target, supervised)
    if plan.target.token is None:
        why = (
            f"nobody has agreed that {plan.target.url} is put under load: name a supervised server with stress = true, "
            f"or let it answer {WELL_KNOWN} with a token and give that as target.token (docs/stress.md)"
        )
        raise Refused(why, code="no-consent")
    return await of_token(plan.target, target)


def of_server(settings: TargetSettings, supervised: Supervised) -> str:
    """A supervised server's own word; raises Refused."""
    if not supervised.stress:
        why = f"the server {supervised.name} has not agreed: its operator sets stress = true in [server.{supervised.name}]"
        raise Refused(why, code="no-consent")
    own = {place(url) for url in supervised.urls if _is_address(url)}
    if place(settings.url) not in own:
        known = ", ".join(supervised.urls) or "none"
        why = f"{settings.url} is no address of the server {supervised.name}; its probes and figures are at: {known}"
        raise Refused(why, code="no-consent")
    return f"server {supervised.name} has stress = true"


async def of_token(settings: TargetSettings, target: Target) -> str:
    """The token's word: asked for at the address that will be loaded; raises Refused."""
    assert settings.token is not None
    try:
        token = settings.token.reveal()
    except ConfigError as fault:
        raise Refused(str(fault), code="no-consent") from None
    if len(token) < LEAST_TOKEN:
        raise Refused(f"a token has at least {LEAST_TOKEN} characters", code="no-consent")
    url = consent_url(settings)
    try:
        async with asyncio.timeout(ASKING_SECONDS):
            answer = await fetch(url, limit=4096, verify=settings.verify, address=target.address[0])
    except (Failed, TimeoutError) as fault:
        why = f"{url} was asked for consent and did not answer: {getattr(fault, 'why', 'no answer in time')}"
        raise Refused(why, code="no-consent") from None
    said = answer.headers.get(HEADER, "") or answer.body.decode("utf-8", "replace").strip().partition("\n")[0].strip()
    if answer.status != 200 or not hmac.compare_digest(said.encode(), token.encode()):
        told = f"it answered {answer.status}" if answer.status != 200 else "it answered with something else than the token"
        raise Refused(f"{url} does not consent: {told}", code="no-consent")
    return f"{urlsplit(url).path} answered with the token"


def consent_url(settings: TargetSettings) -> str:
    """Where consent is asked: on the target's own host, by its name; raises Refused for another one."""
    if settings.consent_url:
        if urlsplit(settings.consent_url).hostname != urlsplit(settings.url).hostname:
            raise Refused("consent_url is on another host than the target, which cannot speak for it", code="no-consent")
        return settings.consent_url
    scheme = urlsplit(settings.url).scheme
    if scheme in {"tcp", "tls"}:
        raise Refused(f"a {scheme}:// target has no {WELL_KNOWN}: give consent_url, on the same host", code="no-consent")
    return f"http{'s' if scheme in SECURE else ''}://{urlsplit(settings.url).netloc}{WELL_KNOWN}"


def _is_address(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.port is not None or parts.scheme in {"http", "https", "ws", "wss"})
