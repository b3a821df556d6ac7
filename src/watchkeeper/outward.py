"""What all channels share: the settings that their frame obeys, and one message handed over by HTTP.

Leaves of `notify` come in. `post` turns every answer and every fault into what the frame must know: taken, certainly not
taken (`NotTaken`), perhaps taken (`Failed`), or not worth another try (`retry=False`). No redirect is followed: it would
carry a secret elsewhere. Only a status and the first words of an answer are ever read.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import msgspec

from watchkeeper.config import Part
from watchkeeper.errors import ConfigError, Failed
from watchkeeper.fetch import Answer, Unconnected, fetch
from watchkeeper.quantities import Duration, Secret

ANSWER_BYTES = 4096
LONGEST_PAUSE = 300.0
"""How long, in seconds, a receiver may ask us to wait."""

CONTENT = frozenset({400, 413, 414, 415, 422, 431})
"""Answers that speak of this message: the same again would be answered the same."""
OPERATOR = frozenset({401, 402, 403, 407})
"""Of these, an operator has to put something right: asking often would look like somebody who guesses passwords."""
OPERATOR_PAUSE = 30.0
NOT_TAKEN = frozenset({401, 402, 403, 404, 405, 407, 408, 410, 421, 425, 429, 503})
"""Answers that say that nothing was done, and that an operator or time can help. All others leave it open."""


_HOST = re.compile(r"\d{1,3}(\.\d{1,3}){3}|localhost|([a-z0-9-]{1,63}\.)+[a-z]{2,20}")
"""What is plainly a host in an address: it may be named, so that one knows who does not answer."""


class NotTaken(Failed):
    """The receiver certainly has not taken the message, so there will be no second copy however soon it is sent again.

    `pause`: seconds that it asked us to wait. `place`: host and port to look at, where the leaf itself cannot tell.
    """

    def __init__(self, why: str, *, retry: bool = True, pause: float = 0.0, place: tuple[str, int] | None = None) -> None:
        super().__init__(why, retry=retry)
        self.pause = pause
        self.place = place


class Outward(Part, frozen=True, kw_only=True):
    """A channel's settings that its frame obeys; each leaf adds its own."""

    timeout: Duration = Duration(10)
    per_minute: Annotated[int, msgspec.Meta(ge=1, le=6000)] = 30
    fallback: str = ""
    patience: Duration = Duration(120)
    keep_trying: Duration = Duration(86400)
    zone: str = "UTC"

    def __post_init__(self) -> None:
        """Refuse what could never work, while file and line are still known."""
        if not 0.1 <= self.timeout <= 300:
            raise ValueError("timeout: expected 100ms to 5m")
        if not 1 <= self.patience <= 86400:
            raise ValueError("patience: expected 1s to 1d")
        if not 60 <= self.keep_trying <= 30 * 86400:
            raise ValueError("keep_trying: expected 1m to 30d")
        time_zone(self.zone)


def time_zone(name: str) -> zoneinfo.ZoneInfo:
    """A time zone by its IANA name; raises ValueError, as settings do."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'zone: expected a time zone such as "UTC" or "Europe/Berlin", got {name!r}') from None


def check_address(name: str, url: str) -> None:
    """Refuse what is no address to post to; raises ValueError, as settings do, without quoting what may be a secret."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{name}: expected an http:// or https:// address")
    if parts.username is not None:
        raise ValueError(f"{name}: a password does not belong into an address; there are keys for it")


def opened(name: str, url: str | Secret) -> str:
    """An address that may be a secret, in the clear; raises ConfigError, which names the reference alone."""
    if isinstance(url, str):
        return url
    found = url.reveal()
    try:
        check_address(name, found)
    except ValueError as fault:
        raise ConfigError(str(fault), where=f"secret {url.env or url.file}") from None
    return found


def clean_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers that can be sent; raises ConfigError, which names one that cannot, without its text."""
    for name, text in headers.items():
        if not (text.isascii() and text.isprintable()):
            raise ConfigError(f"the header {name} has characters that no header can have", where="channel")
    return {name.lower(): text for name, text in headers.items()}


async def post(url: str, body: bytes, headers: Mapping[str, str], key: str, authorities: str = "") -> str:
    """Hand a message over; its receipt is the status. `key` goes along as ``Idempotency-Key``.

    Raises `NotTaken` or `Failed`, see the map.
    """
    sent = {"content-type": "application/json", "idempotency-key": key} | dict(headers)
    try:
        answer = await fetch(
            url,
            method="POST",
            headers=sent,
            body=body,
            limit=ANSWER_BYTES,
            authorities=authorities,
            status_counts=True,
        )
    except Unconnected as fault:
        raise NotTaken(fault.why) from None
    return judge(answer)


def judge(answer: Answer) -> str:
    """The receipt of an answer that says that the message was taken; raises what any other answer means."""
    status = answer.status
    said = f"HTTP {status}{_words(answer.body)}"
    if 200 <= status < 300:
        return f"HTTP {status}"
    if 300 <= status < 400:
        raise NotTaken(f"HTTP {status}: it redirects, which is not followed; set the address to where it leads")
    if status in CONTENT:
        raise Failed(said, retry=False)
    if status in NOT_TAKEN:
        raise NotTaken(said, pause=OPERATOR_PAUSE if status in OPERATOR else _asked_pause(answer))
    raise Failed(said)


async def look(url: str, headers: Mapping[str, str], authorities: str = "", method: str = "HEAD") -> None:
    """See whether an address answers as one that would take a message; raises `Failed` where it does not."""
    answer = await fetch(
        url, method=method, headers=dict(headers), limit=ANSWER_BYTES, authorities=authorities, status_counts=True
    )
    if answer.status >= 500 or answer.status in NOT_TAKEN - {405} or 300 <= answer.status < 400:
        raise Failed(f"HTTP {answer.status}")


def secrets_in(part: Any) -> Iterator[str]:
    """The text of every secret that a channel holds, and what of it could stand in somebody's answer; for `hidden`.

    Of an address that is secret, its parts too: a receiver may quote the path alone.
    """
    if isinstance(part, Secret):
        try:
            text = part.reveal()
        except ConfigError:
            return
        yield text
        if "://" in text:
            pieces = re.split(r"[/?&=@:#]", text.partition("://")[2])
            yield from (piece for piece in pieces if len(piece) >= 4 and not _HOST.fullmatch(piece))
    elif isinstance(part, msgspec.Struct):
        for name in part.__struct_fields__:
            yield from secrets_in(getattr(part, name))
    elif isinstance(part, (tuple, list)):
        for one in part:
            yield from secrets_in(one)
    elif isinstance(part, Mapping):
        for one in part.values():
            yield from secrets_in(one)


def hidden(text: str, part: Any, longest: int = 300) -> str:
    """A text without the secrets of `part`, on one line and short: what may be logged, kept and shown."""
    text = re.sub(r"\b(Basic|Bearer)\s+[\w+/=.~-]+", r"\1 •••", " ".join(text.split()), flags=re.IGNORECASE)
    for secret in sorted({" ".join(one.split()) for one in secrets_in(part)} - {""}, key=len, reverse=True):
        for form in (secret, unquote(secret)):
            text = text.replace(form, "•••")
    text = "".join(sign if sign.isprintable() else "�" for sign in text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _words(body: bytes) -> str:
    """What an answer says, if a person can read it; not cut here, since half a secret could not be hidden any more."""
    text = " ".join(body.decode(errors="replace").split())
    readable = sum(sign.isprintable() and sign != "�" for sign in text)
    return f": {text}" if text and readable > 0.9 * len(text) and not text.startswith("<") else ""


def _asked_pause(answer: Answer) -> float:
    asked = answer.headers.get("retry-after", "")
    return min(float(asked), LONGEST_PAUSE) if asked.isascii() and asked.isdigit() and len(asked) < 10 else 0.0
