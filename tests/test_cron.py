"""Cron expressions: what comes next is to come, also in the nights when clocks are set."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSimError

from watchkeeper.cron import next_after

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> float:
    """An instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("expression", "now", "then"),
    [
        ("30 4 * * sun", "2026-11-28T12:00", "2026-11-29T03:30"),
        ("30 2 * * *", "2026-10-24T23:00", "2026-10-25T00:30"),  # the first half past two of the night that has two
        ("30 2 * * *", "2026-10-25T01:10", "2026-10-26T01:30"),  # in the second two o'clock: the next night
        ("30 2 * * *", "2026-03-29T00:00", "2026-03-29T01:00"),  # a night without one: as soon as it would have been
    ],
)
def test_what_comes_next_is_to_come(expression: str, now: str, then: str) -> None:
    """By the clock of a zone, after the instant that is asked for."""
    assert next_after(expression, BERLIN, at(now)) == at(then)


def test_no_minute_of_the_night_that_repeats_an_hour_is_answered_with_the_past() -> None:
    """Asked at each of them."""
    begin = at("2026-10-24T23:00")
    for minute in range(240):
        assert next_after("*/20 * * * *", BERLIN, begin + 60 * minute) > begin + 60 * minute


def test_what_is_none() -> None:
    """One that cannot be read, and a day that no month has."""
    for expression in ("at noon", "0 0 31 2 *"):
        with pytest.raises(CronSimError):
            next_after(expression, BERLIN, at("2026-01-01"))
