"""Restarts by the clock: a cron expression in a time zone, and whether one of its instants has come.

What was missed because the agent was not there, or the clock jumped, is not made up for: a restart at an hour that
nobody chose would be worse than none.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Literal

from watchkeeper import cron
from watchkeeper.config import Part

LATE = 90.0
"""An instant that was passed by more than so many seconds is missed."""


class ScheduleSettings(Part, frozen=True, kw_only=True):
    """``[server.NAME.schedule]``: `restart` it at these times, written as for cron (``30 4 * * sun``).

    They are times of a `zone` such as ``Europe/Berlin``; left out, of the machine's own.
    """

    restart: str
    zone: str = ""

    def __post_init__(self) -> None:
        """Refuse what cron would, and zones that there are not."""
        from cronsim import CronSimError  # noqa: PLC0415  # only who has a schedule pays for it

        try:
            next_after(self, datetime(2026, 1, 1, tzinfo=UTC).timestamp())
        except CronSimError as fault:
            raise ValueError(f'restart: expected five fields such as "30 4 * * sun": {str(fault).lower()}') from None
        except StopIteration:
            raise ValueError(f"restart: {self.restart!r} never comes") from None


def next_after(settings: ScheduleSettings, at: float) -> float:
    """The first instant of the schedule after `at` (Unix seconds). In a night when clocks are set, once and not twice."""
    return cron.next_after(settings.restart, _zone(settings.zone), at)


def due(settings: ScheduleSettings, last: float, now: float) -> Literal["", "due", "missed"]:
    """Whether an instant of the schedule lies after `last` and not after `now` (Unix seconds): the last look and this one."""
    if now <= last or (first := next_after(settings, last)) > now:
        return ""
    return "due" if now - first <= LATE else "missed"


def _zone(name: str) -> tzinfo:
    import zoneinfo  # noqa: PLC0415  # as above

    if name:
        try:
            return zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f'zone: there is no time zone {name!r}; expected one such as "Europe/Berlin"') from None
    try:
        with Path("/etc/localtime").open("rb") as file:
            return zoneinfo.ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return datetime.now(UTC).astimezone().tzinfo or UTC
