"""The addresses that a message carries: to the page, and the one that acknowledges an incident without signing in.

An acknowledge link names one incident, the channel that it was sent over and its end, signed with a key of this hub
(`DATA/link-key`): it can be neither made up nor bent to another incident. Whoever has the message may acknowledge, and nothing
else. Pure: takes `now`; the outbox makes links, the web reads them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

import msgspec

from watchkeeper.errors import Refused

LIFE = 7 * 24 * 3_600_000
"""How long an acknowledge link works, in ms: longer than any incident should stay open, shorter than mailboxes live."""

LONGEST = 1000
_MAC_BYTES = 24


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """What a link says: which incident, over which channel it went out, and until when it works (ms)."""

    incident: str
    channel: str
    expires_at: int


class Links:
    """Makes and reads the links of one hub."""

    def __init__(self, address: str, key: str) -> None:
        """`address` is where people open the hub (``https://watch.example.org``); `key` never leaves this machine."""
        self.address = address.rstrip("/")
        self._key = key.encode()

    def page(self, incident: str) -> str:
        """Where the page shows this incident; for none, the page itself."""
        return f"{self.address}/incidents/{incident}" if incident else f"{self.address}/"

    def acknowledge(self, incident: str, channel: str, now: int) -> str:
        """The link that acknowledges this incident, for a message over `channel`."""
        told = msgspec.json.encode(Claim(incident, channel, now + LIFE))
        return f"{self.address}/ack/{_text(told)}.{_text(self._mac(told))}"

    def read(self, token: str, now: int) -> Claim:
        """What the last part of an acknowledge link says; raises `Refused` (``bad-link``, ``link-expired``)."""
        told, _, mac = token.partition(".")
        try:
            raw, shown = _bytes(told), _bytes(mac)
        except ValueError:
            raise Refused("this is no acknowledge link of this hub", code="bad-link") from None
        if len(token) > LONGEST or not hmac.compare_digest(shown, self._mac(raw)):
            raise Refused("this is no acknowledge link of this hub", code="bad-link")
        claim = msgspec.json.decode(raw, type=Claim)
        if now >= claim.expires_at:
            raise Refused("this link is too old; acknowledge on the page instead", code="link-expired")
        return claim

    def _mac(self, told: bytes) -> bytes:
        return hmac.new(self._key, b"acknowledge\0" + told, hashlib.sha256).digest()[:_MAC_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """Raises ValueError for what is not exactly what `_text` writes: a link has one spelling."""
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _text(raw) != text:
        raise ValueError(text)
    return raw
