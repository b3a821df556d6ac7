"""The agent's own word that its hub is lost: nobody judges and nobody tells while the hub is away, but for this.

When the hub has not been reached for `after` and one of the witnesses answers (so that it is not our own link that is down), a
webhook of Alertmanager's form goes to an address of the operator's choice, and another when the hub is back. Set it on one
machine, or on a few. `decide` is pure; whatever happens, nothing here holds up the agent.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal

from watchkeeper.clock import Clock, until_together
from watchkeeper.config import Part
from watchkeeper.errors import ConfigError, Failed
from watchkeeper.fetch import fetch
from watchkeeper.quantities import Duration, Secret

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often it is looked whether the hub is there while it is not, and"""
CALM_SECONDS = 5.0
"""at least how often while it is; sooner where it is to be told soon."""
AGAIN_SECONDS = 30.0
ANSWER_BYTES = 4096


class LostSettings(Part, frozen=True, kw_only=True):
    """``[agent.lost]``: tell by a way of this agent's own that its hub cannot be reached: a webhook to `url`.

    `url` is plain or a secret; without it there is a figure alone. It is told once the hub was away for `after`, and again
    when it is back; the body is that of an Alertmanager. With `witness` (``HOST:PORT``) only while one of these answers: else
    it is this machine's own link that is down. `timeout` is how long the address may take.
    """

    url: str | Secret = ""
    after: Duration = Duration(300)
    witness: tuple[str, ...] = ()
    timeout: Duration = Duration(10)

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        if isinstance(self.url, str) and self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url: expected an http:// or https:// address, got {self.url!r}")
        if not 1 <= self.after <= 86400:
            raise ValueError("after: expected 1s to 1d")
        for target in self.witness:
            host, colon, port = target.rpartition(":")
            if not (host and colon and port.isdecimal() and 0 < int(port) < 65536):
                raise ValueError(f"witness: expected HOST:PORT, got {target!r}")


def decide(away: float, told: bool, settings: LostSettings, witnessed: bool) -> Literal["", "firing", "resolved"]:  # noqa: FBT001  # a table of three
    """What is to be told now. `away`: seconds since the hub was there (0: it is)."""
    if told:
        return "" if away else "resolved"
    return "firing" if away >= settings.after and witnessed else ""


class Lost:
    """Watches the link of one agent."""

    def __init__(self, machine: Callable[[], str], connected: Callable[[], bool], clock: Clock) -> None:
        """`machine` is its name; `connected` whether its hub is there."""
        self.settings = LostSettings()
        self.away = 0.0
        """Seconds since the hub was there; 0: it is."""
        self._machine = machine
        self._connected = connected
        self._clock = clock
        self._seen = clock.monotonic()
        self._since = clock.wall()
        self._told = False

    @property
    def unreachable(self) -> bool:
        """Whether it has been away for longer than is borne."""
        return self.away >= self.settings.after

    def look(self) -> None:
        """See whether the hub is there."""
        now = self._clock.monotonic()
        if self._connected():
            self._seen, self.away = now, 0.0
        else:
            if not self.away:  # since the last look at the most: what is told late by that much is not told too early
                self._seen, self._since = now, self._clock.wall()
            self.away = max(now - self._seen, 1e-9)

    async def run(self) -> None:
        """Look and tell until cancelled."""
        while True:
            self.look()
            pause = LOOK_SECONDS
            if not self.away and not self._told:
                pause = until_together(self._clock.wall(), max(LOOK_SECONDS, min(CALM_SECONDS, self.settings.after / 10)))
            is_due = self._told or self.unreachable
            if self.settings.url and is_due:
                status = decide(self.away, self._told, self.settings, await self._witnessed())
                if status and not await self._tell(status):
                    pause = AGAIN_SECONDS
            await asyncio.sleep(pause)

    async def _witnessed(self) -> bool:
        """Whether anybody outside answers; true where nobody is to be asked."""
        for target in self.settings.witness:
            host, _, port = target.rpartition(":")
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(3):
                    _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
                writer.close()
                return True
        return not self.settings.witness

    async def _tell(self, status: Literal["firing", "resolved"]) -> bool:
        url = self.settings.url
        try:
            address = url if isinstance(url, str) else url.reveal()
            async with asyncio.timeout(float(self.settings.timeout)):
                answer = await fetch(
                    address,
                    method="POST",
                    headers={"content-type": "application/json"},
                    body=body(self._machine(), status, self._since, self._clock.wall()),
                    limit=ANSWER_BYTES,
                    status_counts=True,
                )
        except (TimeoutError, Failed, ConfigError) as fault:
            logger.warning("that the hub is lost could not be told: %s", type(fault).__name__)  # its words may hold the address
            return False
        if not 200 <= answer.status < 300:
            logger.warning("that the hub is lost could not be told: HTTP %d", answer.status)
            return False
        self._told = status == "firing"
        return True


def body(machine: str, status: Literal["firing", "resolved"], since: float, now: float) -> bytes:
    """The webhook's body, version 4."""
    labels = {"alertname": "HubUnreachable", "severity": "critical", "machine": machine}
    summary = f"the hub cannot be reached from {machine}"
    notes = {"summary": summary, "description": "Nobody judges and nobody tells while it is away; figures are kept meanwhile."}
    alert = {
        "status": status,
        "labels": labels,
        "annotations": notes,
        "startsAt": _instant(since),
        "endsAt": _instant(now) if status == "resolved" else "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": "",
    }
    whole = {
        "version": "4",
        "groupKey": '{}:{alertname="HubUnreachable"}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "agent",
        "groupLabels": {"alertname": "HubUnreachable"},
        "commonLabels": labels,
        "commonAnnotations": notes | {"title": f"{'RESOLVED' if status == 'resolved' else 'CRITICAL'}: {summary}"},
        "externalURL": "",
        "alerts": [alert],
    }
    return json.dumps(whole).encode()


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
