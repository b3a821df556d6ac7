"""Requests as bytes, made before the first is sent: heads, bodies of changing size, and what each must be answered with."""

from __future__ import annotations

import random
from urllib.parse import urlsplit

from watchkeeper.stress.lane import Floor, Ground, Lane
from watchkeeper.stress.protocols.http import Http, Request, Step

VARIANTS = 64
"""Bodies of changing size that are made beforehand and taken in turn."""
_OK = frozenset(range(200, 300))


class Script:
    """One step made ready: `requests` to take in turn, each parted where cookies go, and what is expected."""

    __slots__ = ("contains", "is_head", "mask", "name", "ok", "requests", "think")

    def __init__(self, step: Step | Request, requests: list[bytes]) -> None:
        """`requests`: a power of two of them."""
        self.requests = requests
        self.mask = len(requests) - 1
        self.ok = frozenset(step.expect) or _OK
        self.contains = step.contains.encode()
        self.is_head = step.method == "HEAD"
        self.name = step.name
        self.think = float(step.think)


class Requests:
    """All operations made ready in one worker."""

    def __init__(self, http: Http, ground: Ground) -> None:
        """Make every request that will be sent."""
        self.ground = ground
        self.closes = not http.keep_alive
        self.keeps_cookies = http.cookies
        self._http = http
        mix = http.mix(ground.url)
        self.scripts = [[self._script(step) for step in operation.steps or (operation,)] for operation in mix]
        self.looks_inside = http.cookies or any(one.contains or one.is_head for script in self.scripts for one in script)

    def lane(self, number: int, floor: Floor) -> Lane:
        """See `Maker`."""
        from watchkeeper.stress.protocols.http.lanes import AttentiveLane, HttpLane  # noqa: PLC0415  # they know us

        return (AttentiveLane if self.looks_inside else HttpLane)(self, floor, number)

    def settle(self, stage: int) -> None:
        """Nothing is known only later."""

    def _script(self, step: Step | Request) -> Script:
        parts = urlsplit(self.ground.url)
        path = step.path or parts.path or "/"
        if "?" not in path and not step.path and parts.query:
            path += f"?{parts.query}"
        headers = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "watchkeeper-stress", "Accept": "*/*"}
        if self.closes:
            headers["Connection"] = "close"
        for name, value in (*self._http.headers.items(), *step.headers.items()):
            headers = {key: kept for key, kept in headers.items() if key.lower() != name.lower()}
            headers[name] = value
        made = [_request(step.method, path, headers, body) for body in _bodies(step, self.ground.seed)]
        return Script(step, made)


def _bodies(step: Step | Request, seed: int) -> list[bytes]:
    if step.body or not step.size:
        return [step.body.encode()]
    chance = random.Random(seed)  # noqa: S311  # a load, not a secret
    most = max(step.size, step.size_most)
    if most == step.size:
        return [chance.randbytes(step.size)]
    return [chance.randbytes(chance.randint(step.size, most)) for _ in range(VARIANTS)]


def _request(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    if body or method in {"POST", "PUT", "PATCH"}:
        headers = {**headers, "Content-Length": str(len(body))}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
