"""Restarts by the clock: cron's own times, in a zone, over nights when clocks are set."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.control.schedule import LATE, ScheduleSettings, due, next_after

BERLIN = ZoneInfo("Europe/Berlin")
NIGHTLY = ScheduleSettings(restart="30 2 * * *", zone="Europe/Berlin")


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> float:
    """An instant of Berlin's."""
    return datetime(year, month, day, hour, minute, tzinfo=BERLIN).timestamp()


def test_an_instant_is_due_once() -> None:
    """Between the look before it and the one after it, and not at the next look."""
    before, instant = at(2026, 6, 1, 2, 29), at(2026, 6, 1, 2, 30)
    assert due(NIGHTLY, before, instant - 1) == ""
    assert due(NIGHTLY, instant - 1, instant) == "due"
    assert due(NIGHTLY, instant, instant + 1) == ""


def test_what_was_slept_through_is_missed() -> None:
    """A look that comes too late restarts nothing; a clock that was set back neither."""
    instant = at(2026, 6, 1, 2, 30)
    assert due(NIGHTLY, instant - 60, instant + LATE + 1) == "missed"
    assert due(NIGHTLY, instant + 60, instant - 60) == ""


@pytest.mark.parametrize(("day", "month"), [(29, 3), (25, 10)])
def test_a_night_when_clocks_are_set_has_one_restart(day: int, month: int) -> None:
    """Where 2:30 is not, and where it is twice."""
    start, end = at(2026, month, day), at(2026, month, day, 12)
    count, here = 0, start
    while (here := next_after(NIGHTLY, here)) <= end:
        count += 1
    assert count == 1


@pytest.mark.parametrize("expression", ["30 2 * * *", "59 2 * * sun", "15 2,4 * * *", "*/20 2 * * *", "5 * * * *"])
def test_the_hour_that_comes_twice_brings_nothing_back(expression: str) -> None:
    """Asked at any minute of that night, the next instant is to come; looked at each second, none is due twice or missed."""
    plan = ScheduleSettings(restart=expression, zone="Europe/Berlin")
    start = at(2026, 10, 25, 1)
    wanted = [start]
    while wanted[-1] < start + 5 * 3600:
        wanted.append(next_after(plan, wanted[-1]))
    for now in range(int(start), int(start) + 5 * 3600, 60):
        assert next_after(plan, now) == next(one for one in wanted[1:] if one > now)
    looks = [due(plan, start + second, start + second + 1) for second in range(4 * 3600)]
    assert "missed" not in looks
    assert looks.count("due") == sum(one <= start + 4 * 3600 for one in wanted[1:])


@settings(deadline=None, max_examples=50)
@given(st.integers(1_700_000_000, 1_900_000_000), st.sampled_from(["*/5 * * * *", "0 4 * * sun", "0 0 1 * *"]))
def test_the_next_is_after_now_and_every_look_in_between_says_nothing(now: int, expression: str) -> None:
    """Whatever the instant."""
    plan = ScheduleSettings(restart=expression, zone="UTC")
    found = next_after(plan, now)
    assert found > now
    assert due(plan, now, found - 0.001) == ""
    assert due(plan, found - 0.001, found) == "due"


def test_without_a_zone_the_machines_own_counts() -> None:
    """It is one of the hours of a day."""
    assert datetime.fromtimestamp(next_after(ScheduleSettings(restart="0 4 * * *"), at(2026, 6, 1))).astimezone().hour == 4


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ({"restart": "nonsense"}, "restart: expected five fields"),
        ({"restart": "61 * * * *"}, "restart: expected five fields"),
        ({"restart": "0 0 30 2 *"}, "restart: "),
        ({"restart": "0 4 * * *", "zone": "Mars/Olympus"}, "zone: there is no time zone"),
        ({"restart": "0 4 * * *", "zone": "../../etc/passwd"}, "zone: there is no time zone"),
    ],
)
def test_times_that_never_come_are_refused(written: dict[str, str], wrong: str) -> None:
    """And zones that there are not."""
    with pytest.raises(ValueError, match=wrong):
        ScheduleSettings(**written)


def test_utc_is_a_zone() -> None:
    """For those who want no surprises."""
    found = next_after(ScheduleSettings(restart="0 4 * * *", zone="UTC"), at(2026, 6, 1))
    assert datetime.fromtimestamp(found, UTC).hour == 4
