"""To an Alertmanager as its client, as Prometheus is: its routes, groups and silences decide from there.

Alertmanager takes an alert to be over at its ``endsAt``, so one that fires gets an end ahead of the next reminder (`hold`); the
same alert told twice is one to it.
"""

from __future__ import annotations

import base64

import msgspec

from watchkeeper.message.version4 import evidence, instant, labels_of, notes_of
from watchkeeper.outward import Outward, check_address, clean_headers, look, post, time_zone
from watchkeeper.quantities import Duration, Secret
from watchkeeper.telling import AlertState, Bulletin


class Alertmanager(Outward, frozen=True, kw_only=True, tag_field="kind", tag="alertmanager"):
    """``kind = "alertmanager"``: an Alertmanager at `url` (``http://127.0.0.1:9093``), told through its API, version 2.

    `hold` is how long an alert fires there if nothing more is heard of it: longer than `repeat_interval`. It is sent `token`
    as bearer, or `username` and `password`, and `headers` (plain text or secrets). `ca` is a file of authorities to trust
    beside the system's.
    """

    url: str
    hold: Duration = Duration(86400)
    token: Secret | None = None
    username: str = ""
    password: Secret | None = None
    headers: dict[str, str | Secret] = {}
    ca: str = ""

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        super().__post_init__()
        check_address("url", self.url)
        if bool(self.username) != (self.password is not None):
            raise ValueError("username and password go together")
        if self.token is not None and self.username:
            raise ValueError("token: a bearer token and a username cannot both be sent")
        if self.hold < 300:
            raise ValueError("hold: expected at least 5m")

    async def send(self, bulletin: Bulletin, key: str) -> str:
        """Hand its alerts over; the receipt is the status."""
        body = msgspec.json.encode(self.alerts(bulletin))
        return await post(self._address("/api/v2/alerts"), body, self._headers(), key, self.ca)

    async def look(self) -> None:
        """Ask whether it is ready."""
        await look(self._address("/-/ready"), self._headers(), self.ca, "GET")

    def alerts(self, bulletin: Bulletin) -> list[dict[str, object]]:
        """A bulletin's alerts as the API takes them."""
        held = bulletin.at + round(self.hold * 1000)
        around = evidence(bulletin, time_zone(self.zone))
        return [
            {
                "labels": labels_of(one.alert, bulletin),
                "annotations": {name: text for name, text in (around | notes_of(one)).items() if name and text},
                "startsAt": instant(one.alert.active_at or bulletin.at),
                "endsAt": instant((one.alert.resolved_at or bulletin.at) if one.alert.state is AlertState.RESOLVED else held),
                "generatorURL": bulletin.links.get("page", ""),
            }
            for one in bulletin.alerts
        ]

    def _address(self, path: str) -> str:
        return self.url.rstrip("/") + path

    def _headers(self) -> dict[str, str]:
        told = {name: text if isinstance(text, str) else text.reveal() for name, text in self.headers.items()}
        if self.token is not None:
            told["authorization"] = f"Bearer {self.token.reveal()}"
        elif self.password is not None:
            pair = f"{self.username}:{self.password.reveal()}".encode()
            told["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return clean_headers(told)
