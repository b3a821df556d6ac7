"""``[drill]``: when drills run by themselves, and what they may use. Nothing here runs."""

from __future__ import annotations

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from watchkeeper.config import Part
from watchkeeper.cron import next_after
from watchkeeper.outward import time_zone
from watchkeeper.quantities import Duration


class DrillSettings(Part, frozen=True, kw_only=True):
    """``[drill]``: drills that run by themselves: `schedule` is a cron expression (``0 10 1 * *``) in the time `zone`.

    Each time the next of `scenarios` is done. It is told over `channels` (none: as routes say). `acknowledge` is how long a
    person is waited for who follows the link in the message. Whatever happens, all of it is undone after `longest`. Drills
    are told at once; with `waits` they wait as long as routes say (`group_wait`, `group_interval`). `scratch` is a folder on
    a small volume that the scenario ``disk`` may fill; left out, it makes one of its own where it can (Linux, root).
    """

    schedule: str = ""
    zone: str = "UTC"
    scenarios: tuple[str, ...] = ("killed",)
    channels: tuple[str, ...] = ()
    acknowledge: Duration = Duration(0)
    longest: Duration = Duration(1800)
    waits: bool = False
    scratch: str = ""

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        time_zone(self.zone)
        if self.schedule:
            try:
                next(CronSim(self.schedule, datetime.now(UTC)))
            except CronSimError as fault:
                raise ValueError(f"schedule: {self.schedule!r} is no cron expression ({fault}), such as 0 10 1 * *") from None
            except StopIteration:
                raise ValueError(f"schedule: {self.schedule!r} never comes true") from None
        if not self.scenarios:
            raise ValueError("scenarios: expected one at least")
        if not 60 <= self.longest <= 86400:
            raise ValueError("longest: expected 1m to 1d")
        if not 0 <= self.acknowledge <= 86400:
            raise ValueError("acknowledge: expected at most 1d")

    def due_after(self, at: int) -> int:
        """When the next one is due after `at` (both in ms); 0: never."""
        if not self.schedule:
            return 0
        return round(next_after(self.schedule, time_zone(self.zone), at / 1000) * 1000)
