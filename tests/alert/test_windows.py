"""Maintenance windows, in their own time zones."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from watchkeeper.alert.settings import MaintenanceSettings
from watchkeeper.alert.windows import window


def at(written: str, zone: str = "UTC") -> int:
    """An instant in ms."""
    return round(datetime.fromisoformat(written).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def is_open(now: int, **settings: Any) -> bool:
    """Whether a window of these settings is open."""
    return window(MaintenanceSettings(name="w", **settings)).is_open(now)


@pytest.mark.parametrize(
    ("now", "settings", "expected"),
    [
        ("2026-03-01 22:30", {"start": "2026-03-01 22:00", "end": "2026-03-01 23:00"}, True),
        ("2026-03-01 23:00", {"start": "2026-03-01 22:00", "end": "2026-03-01 23:00"}, False),
        ("2026-03-01 21:59", {"start": "2026-03-01 22:00"}, False),
        ("2026-03-02 03:00", {"since": "02:00", "until": "04:00"}, True),
        ("2026-03-02 04:00", {"since": "02:00", "until": "04:00"}, False),
        ("2026-03-02 03:00", {"since": "02:00", "until": "04:00", "days": ("mon",)}, True),
        ("2026-03-03 03:00", {"since": "02:00", "until": "04:00", "days": ("mon",)}, False),
        ("2026-03-03 01:00", {"since": "22:00", "until": "02:00", "days": ("mon",)}, True),
        ("2026-03-02 01:00", {"since": "22:00", "until": "02:00", "days": ("mon",)}, False),
        ("2026-03-02 23:00", {"since": "22:00", "until": "02:00", "days": ("mon",)}, True),
        ("2026-03-07 12:00", {"days": ("sat", "sun")}, True),
        ("2026-03-06 12:00", {"days": ("sat", "sun")}, False),
    ],
)
def test_when_it_is_open(now: str, settings: dict[str, Any], expected: bool) -> None:
    """Once and again, past midnight, on days."""
    assert is_open(at(now), **settings) is expected


def test_a_window_is_in_its_own_zone_also_when_clocks_change() -> None:
    """Three in the morning in Berlin is another instant in summer; the night of the change has it too."""
    settings = {"since": "03:00", "until": "04:00", "zone": "Europe/Berlin"}
    assert is_open(at("2026-01-15 02:30"), **settings)
    assert not is_open(at("2026-07-15 02:30"), **settings)
    assert is_open(at("2026-07-15 01:30"), **settings)
    assert is_open(at("2026-03-29 03:30", "Europe/Berlin"), **settings)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"zone": "Mars/Base", "since": "01:00"}, "zone"),
        ({}, "expected start and end"),
        ({"start": "2026-03-01 22:00", "end": "2026-03-01 21:00"}, "later"),
        ({"start": "soon"}, "expected a time"),
        ({"since": "02:00", "until": "02:00"}, "another time"),
        ({"since": "25:00"}, "24:00"),
    ],
)
def test_what_is_never_or_no_time_is_refused(settings: dict[str, Any], why: str) -> None:
    """While file and line are still known."""
    with pytest.raises(ValueError, match=why):
        window(MaintenanceSettings(name="w", **settings))
