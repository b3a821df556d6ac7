"""To any program, in the body that Alertmanager's webhooks have (version 4), signed so that it can tell that it is from us.

Signatures are those of Standard Webhooks (https://www.standardwebhooks.com): ``webhook-id`` is the notification's id,
``webhook-timestamp`` Unix seconds, ``webhook-signature`` is ``v1,`` and the base64 of HMAC-SHA256 over ``id.timestamp.body``.
Libraries that check them exist for most languages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

import msgspec

from watchkeeper.clock import SystemClock
from watchkeeper.errors import ConfigError
from watchkeeper.message import version4
from watchkeeper.outward import Outward, check_address, clean_headers, look, opened, post, time_zone
from watchkeeper.quantities import Secret
from watchkeeper.telling import Bulletin

PREFIX = "whsec_"


class Webhook(Outward, frozen=True, kw_only=True, tag_field="kind", tag="webhook"):
    """``kind = "webhook"``: a POST to `url` in the form of Alertmanager's webhooks, with `headers` (plain text or secrets).

    With a `secret` each is signed. `receiver` is what the body calls the receiver. `ca` is a file of authorities to trust
    beside the system's.
    """

    url: str | Secret
    secret: Secret | None = None
    headers: dict[str, str | Secret] = {}
    receiver: str = "watchkeeper"
    ca: str = ""

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        super().__post_init__()
        if isinstance(self.url, str):
            check_address("url", self.url)

    async def send(self, bulletin: Bulletin, key: str) -> str:
        """Hand it over; the receipt is the status."""
        body = msgspec.json.encode(version4.body(bulletin, self.receiver, time_zone(self.zone)))
        headers = self._headers()
        if self.secret is not None:
            headers |= signed(self.secret.reveal(), key, int(SystemClock.wall()), body)
        return await post(opened("url", self.url), body, headers, key, self.ca)

    async def look(self) -> None:
        """Ask for the head of the address."""
        await look(opened("url", self.url), self._headers(), self.ca)

    def _headers(self) -> dict[str, str]:
        told = {name: text if isinstance(text, str) else text.reveal() for name, text in self.headers.items()}
        return clean_headers(told)


def signed(secret: str, key: str, at: int, body: bytes) -> dict[str, str]:
    """The three headers of a signed webhook; `at` in Unix seconds.

    A secret that begins with ``whsec_`` is base64 behind that, any other is taken as it is. Raises ConfigError where it is not.
    """
    try:
        raw = base64.b64decode(secret.removeprefix(PREFIX), validate=True) if secret.startswith(PREFIX) else secret.encode()
    except binascii.Error:
        raise ConfigError(f"what follows {PREFIX} in the webhook's secret is not base64", where="channel") from None
    mac = hmac.new(raw, f"{key}.{at}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(mac).decode()}"
    return {"webhook-id": key, "webhook-timestamp": str(at), "webhook-signature": signature}
