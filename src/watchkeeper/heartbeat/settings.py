"""``[heartbeat]``: whom the hub tells that it is alive; ``[expected.NAME]``: who has to tell the hub."""

from __future__ import annotations

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from watchkeeper.config import Part
from watchkeeper.cron import next_after
from watchkeeper.outward import check_address, time_zone
from watchkeeper.quantities import Duration, Secret


class HeartbeatSettings(Part, frozen=True, kw_only=True):
    """``[heartbeat]``: a dead man's switch outside, as Healthchecks has it: who does not hear of the hub raises the alarm.

    Each `period` the address `url` (plain or a secret) is asked, as long as all that leads from a rule to a channel is alive;
    with ``/fail`` and the reason where it is not, with ``/start`` when the hub starts. `ca` is a file of authorities to trust
    beside the system's.
    """

    url: str | Secret = ""
    period: Duration = Duration(60)
    timeout: Duration = Duration(10)
    ca: str = ""

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        if isinstance(self.url, str) and self.url:
            check_address("url", self.url)
        if not 1 <= self.period <= 86400:
            raise ValueError("period: expected 1s to 1d")
        if not 0.1 <= self.timeout <= 60:
            raise ValueError("timeout: expected 100ms to 1m")


class Expected(Part, frozen=True, kw_only=True):
    """``[expected.NAME]``: a cron job or another program that has to send a heartbeat.

    It is due a `period` after the last one, or when the expression `cron` says so in the time `zone`; it is late from then
    on, and down after `grace`. `longest` is how long a run may take that told of its start; left out, until the next one is
    down.
    """

    period: Duration | None = None
    cron: str = ""
    zone: str = "UTC"
    grace: Duration = Duration(300)
    longest: Duration | None = None

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        if self.cron and self.period is not None:
            raise ValueError("period and cron cannot both say when it is due")
        if self.period is not None and not 1 <= self.period <= 366 * 86400:
            raise ValueError("period: expected 1s to 366d")
        if not 1 <= self.grace <= 366 * 86400:
            raise ValueError("grace: expected 1s to 366d")
        if self.longest is not None and not 1 <= self.longest <= 366 * 86400:
            raise ValueError("longest: expected 1s to 366d")
        zone = time_zone(self.zone)
        if self.cron:
            try:
                next(CronSim(self.cron, datetime.now(UTC).astimezone(zone)))
            except CronSimError as fault:
                raise ValueError(f"cron: {self.cron!r} is no cron expression ({fault}), such as 30 3 * * mon-fri") from None
            except StopIteration:
                raise ValueError(f"cron: {self.cron!r} never comes true") from None

    def due_after(self, at: int) -> int:
        """When the next one is due after one at `at` (ms)."""
        if not self.cron:
            return at + round((self.period or Duration(86400)) * 1000)
        return round(next_after(self.cron, time_zone(self.zone), at / 1000) * 1000)

    def told(self) -> str:
        """How it is expected, in words."""
        when = f"at “{self.cron}” ({self.zone})" if self.cron else f"every {self.period or Duration(86400)}"
        return f"{when}, grace {self.grace}"
