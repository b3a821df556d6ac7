"""Maintenance windows: whether one is open at an instant, in its own time zone.

Pure; days are the zone's, also when clocks change.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from watchkeeper.alert.settings import MaintenanceSettings

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Window(NamedTuple):
    """When it is open. Once: between two instants. Again and again: on `days` from `since` to `until` (minutes of the day)."""

    name: str
    zone: ZoneInfo
    start: datetime | None
    end: datetime | None
    days: frozenset[int]
    since: int
    until: int

    def is_open(self, now: int) -> bool:
        """At `now` (ms)."""
        here = datetime.fromtimestamp(now / 1000, UTC).astimezone(self.zone)
        if (self.start and here < self.start) or (self.end and here >= self.end):
            return False
        minute = here.hour * 60 + here.minute
        if self.since < self.until:
            return here.weekday() in self.days and self.since <= minute < self.until
        # Past midnight: what is left of yesterday's window belongs to yesterday.
        yesterday = (here - timedelta(days=1)).weekday()
        return (here.weekday() in self.days and minute >= self.since) or (yesterday in self.days and minute < self.until)


def window(settings: MaintenanceSettings) -> Window:
    """Make one; raises ValueError with what was expected."""
    try:
        zone = ZoneInfo(settings.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"zone: expected a name such as Europe/Berlin, got {settings.zone!r}") from None
    start, end = _instant(settings.start, zone), _instant(settings.end, zone)
    if start and end and end <= start:
        raise ValueError("end: expected later than start")
    if not (settings.start or settings.end or settings.days or settings.since or settings.until):
        raise ValueError("expected start and end, or days, from and to")
    days = frozenset(DAYS.index(day) for day in settings.days) or frozenset(range(7))
    since, until = _minute(settings.since, 0), _minute(settings.until, 24 * 60)
    if since == until:
        raise ValueError("to: expected another time than from")
    return Window(settings.name, zone, start, end, days, since, until)


def _instant(written: str, zone: ZoneInfo) -> datetime | None:
    if not written:
        return None
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        raise ValueError(f"expected a time such as 2026-03-01 22:00, got {written!r}") from None
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _minute(written: str, default: int) -> int:
    if not written:
        return default
    hour, _, minute = written.partition(":")
    found = int(hour) * 60 + int(minute)
    if found > 24 * 60:
        raise ValueError(f"to: expected at most 24:00, got {written!r}")
    return found
