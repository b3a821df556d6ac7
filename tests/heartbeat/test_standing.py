"""How an expected heartbeat stands, by the clock and by what was heard; cron times in time zones that change their clocks."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.config import parse
from watchkeeper.errors import ConfigError
from watchkeeper.heartbeat.settings import Expected
from watchkeeper.heartbeat.standing import Signal, heard, stand
from watchkeeper.journal.heartbeats import Kept
from watchkeeper.outward import time_zone
from watchkeeper.quantities import Duration

MINUTE = 60_000
AT = 1_795_000_000_000
HOURLY = Expected(period=Duration(3600), grace=Duration(300))
NEW = Kept("backup", "id", AT)
WELL = msgspec.structs.replace(NEW, last_at=AT)


@pytest.mark.parametrize(
    ("kept", "expected", "minutes", "state", "until"),
    [
        (NEW, HOURLY, 0, "new", 60),
        (NEW, HOURLY, 60, "late", 65),
        (NEW, HOURLY, 65, "down", 0),
        (WELL, HOURLY, 0, "up", 60),
        (WELL, HOURLY, 59, "up", 60),
        (WELL, HOURLY, 60, "late", 65),
        (WELL, HOURLY, 65, "down", 0),
        (msgspec.structs.replace(WELL, failed=True), HOURLY, 1, "down", 0),
        (msgspec.structs.replace(WELL, failed=True, started_at=AT), HOURLY, 1, "up", 65),
        (msgspec.structs.replace(WELL, started_at=AT + 10 * MINUTE), HOURLY, 74, "up", 75),
        (msgspec.structs.replace(WELL, started_at=AT + 10 * MINUTE), HOURLY, 75, "down", 0),
        (
            msgspec.structs.replace(WELL, started_at=AT + 10 * MINUTE),
            msgspec.structs.replace(HOURLY, longest=Duration(1200)),
            30,
            "down",
            0,
        ),
    ],
)
def test_states(kept: Kept, expected: Expected, minutes: int, state: str, until: int) -> None:
    """Each instant between the last signal and the end of grace has its state, and knows when that changes."""
    standing = stand(kept, expected, AT + minutes * MINUTE)
    assert standing.state == state
    assert standing.until == (AT + until * MINUTE if until else 0)
    assert standing.reason


def test_signals_are_kept() -> None:
    """A start begins a run, an end ends it with its length and how; a log changes the words alone."""
    begun = heard(NEW, "start", 0, "", AT + 1000)
    assert (begun.started_at, begun.pings) == (AT + 1000, 1)
    over = heard(begun, "success", 0, "all done", AT + 5000)
    assert (over.last_at, over.lasted, over.started_at, over.failed, over.body) == (AT + 5000, 4000, 0, False, "all done")
    failed = heard(over, "fail", 3, "tar: no space", AT + 6000)
    assert stand(failed, HOURLY, AT + 6000).reason == "exit status 3"
    assert stand(heard(failed, "fail", 0, "", AT + 7000), HOURLY, AT + 7000).reason == "it said that it failed"
    logged = heard(failed, "log", 0, "more words", AT + 8000)
    assert (logged.last_at, logged.failed, logged.body) == (failed.last_at, True, "more words")
    assert stand(heard(failed, "success", 0, "", AT + 9000), HOURLY, AT + 9000).state == "up"


def at(text: str, zone: str) -> int:
    """An instant as a wall clock there shows it."""
    return round(datetime.fromisoformat(text).replace(tzinfo=time_zone(zone)).timestamp() * 1000)


def test_cron_goes_by_its_own_clock() -> None:
    """Half past three in Berlin is another instant in summer than in winter, and comes once on the day between."""
    nightly = Expected(cron="30 3 * * *", zone="Europe/Berlin")
    summer = nightly.due_after(at("2026-07-01 12:00", "Europe/Berlin"))
    winter = nightly.due_after(at("2026-12-01 12:00", "Europe/Berlin"))
    assert summer == at("2026-07-02 01:30", "UTC")
    assert winter == at("2026-12-02 02:30", "UTC")
    night = nightly.due_after(at("2026-10-25 00:00", "Europe/Berlin"))
    assert night == at("2026-10-25 02:30", "UTC")
    assert nightly.due_after(night) == at("2026-10-26 02:30", "UTC")


def test_the_hour_that_comes_twice_makes_nobody_late() -> None:
    """A job of half past two that tells at ten past two, when that is for the second time, is due the next night."""
    nightly = Expected(cron="30 2 * * *", zone="Europe/Berlin")
    assert nightly.due_after(at("2026-10-25 01:10", "UTC")) == at("2026-10-26 01:30", "UTC")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('cron = "61 * * * *"', "no cron expression"),
        ('cron = "0 0 30 2 *"', "never|no cron expression"),
        ('cron = "0 0 * * *"\nperiod = "1d"', "cannot both"),
        ('zone = "Nowhere"', "time zone"),
        ('grace = "0s"', "grace"),
        ('period = "0s"', "period"),
        ('longest = "0s"', "longest"),
        ('gracee = "1h"', "did you mean 'grace'"),
    ],
)
def test_mistakes_are_told_where_they_stand(written: str, said: str) -> None:
    """With file and line."""
    with pytest.raises(ConfigError, match=said) as told:
        parse({"w.toml": f"[expected.backup]\n{written}\n"}).named("expected", Expected)
    assert told.value.where.startswith("w.toml:")


@settings(deadline=None)
@given(
    signals=st.lists(st.tuples(st.sampled_from(["success", "fail", "start", "log"]), st.integers(0, 9), st.integers(1, 10**7))),
    expected=st.sampled_from([HOURLY, Expected(cron="*/7 * * * *"), Expected(grace=Duration(1), longest=Duration(60))]),
    later=st.integers(0, 10**8),
)
def test_silence_always_ends_in_down(signals: list[tuple[Signal, int, int]], expected: Expected, later: int) -> None:
    """After whatever was heard, nothing more coming leads to down, and each change comes when it was said to."""
    kept, now = NEW, AT
    for signal, status, passed in signals:
        now += passed
        kept = heard(kept, signal, status, "", now)
    now += later
    standing = stand(kept, expected, now)
    seen = [standing.state]
    while standing.until:
        assert standing.until > now
        assert stand(kept, expected, standing.until - 1).state == standing.state
        now = standing.until
        standing = stand(kept, expected, now)
        seen.append(standing.state)
    assert seen[-1] == "down"
    assert len(seen) <= 3
