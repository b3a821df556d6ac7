"""Hung, busy or fine, by tables and by chance: silence alone is no hang, and what works is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.control.activity import Motion
from watchkeeper.control.hang import Rules, Sign, Tally, judge

NOW = 1000.0
RULES = Rules(misses=3, of=3, busy=300, start=60)
ANSWERS = Sign("http", silent=False, since=NOW)
SILENT = Sign("http", silent=True, since=NOW - 10, why="no answer for 2s")
ASLEEP = Motion(1.0, 0.0, 0.0, 0.0, {"S": 4})
STOPPED = Motion(1.0, 0.0, 0.0, 0.0, {"T": 4})
TRACED = Motion(1.0, 0.0, 0.0, 0.0, {"t": 1, "S": 3})
IN_KERNEL = Motion(1.0, 0.01, 0.01, 0.0, {"D": 1, "S": 3})
WORKS = Motion(1.0, 1.02, 0.98, 0.0, {"R": 1, "S": 3})
STARVES = Motion(1.0, 0.1, 0.1, 0.9, {"R": 1, "S": 3})
TICKS = Motion(1.0, 0.2, 0.02, 0.0, {"S": 40})


@pytest.mark.parametrize(
    ("sign", "motion", "more", "state", "reason"),
    [
        (ANSWERS, None, {}, "fine", "answers"),
        (ANSWERS, WORKS, {}, "fine", "answers"),
        (SILENT, None, {}, "fine", "looking"),
        (SILENT, None, {"seen": False}, "hung", "unseen"),
        (SILENT, ASLEEP, {}, "hung", "blocked"),
        (SILENT, TICKS, {}, "hung", "blocked"),
        (SILENT, STOPPED, {}, "hung", "stopped"),
        (SILENT, IN_KERNEL, {}, "hung", "blocked-in-kernel"),
        (SILENT, TRACED, {}, "busy", "traced"),
        (SILENT, WORKS, {}, "busy", "working"),
        (SILENT, STARVES, {}, "busy", "starved"),
        (SILENT._replace(since=NOW - 301), WORKS, {}, "hung", "spinning"),
        (SILENT._replace(since=NOW - 301), STARVES, {}, "busy", "starved"),
        (SILENT, ASLEEP, {"announced": "a stress run"}, "busy", "announced"),
        (SILENT._replace(since=NOW - 301), WORKS, {"announced": "a stress run"}, "busy", "announced"),
        (SILENT, ASLEEP, {"alive": False, "running_for": 5}, "fine", "starting"),
        (SILENT, ASLEEP, {"alive": False, "running_for": 61}, "hung", "blocked"),
    ],
)
def test_verdicts(sign: Sign, motion: Motion | None, more: dict[str, object], state: str, reason: str) -> None:
    """What it shows and what its threads do decide; each verdict has its reason by name and in words."""
    known = {"running_for": 1000.0, "alive": True} | more
    found = judge(RULES, (sign,), motion, NOW, **known)  # type: ignore[arg-type]  # a table of them
    assert (found.state, found.reason) == (state, reason)
    assert found.text


def test_the_words_say_who_misses_it_and_what_it_does_instead() -> None:
    """The text of a verdict is enough to understand it."""
    text = judge(RULES, (SILENT,), WORKS, NOW, running_for=100, alive=True).text
    assert text == (
        "has given no sign of life for 10s (http: no answer for 2s), but is at work: "
        "its busiest thread uses 98% of a core, all of them 1.0 cores; that may go on for 5m"
    )


def test_no_time_for_busy_work_is_the_strict_way() -> None:
    """With ``busy = "0s"`` what spins is hung as soon as it is silent."""
    assert judge(Rules(busy=0), (SILENT,), WORKS, NOW, running_for=100, alive=True).state == "hung"


@settings(deadline=None)
@given(
    st.booleans(),
    st.floats(0, 1000),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(["S", "R", "D", "T", "t"]),
    st.booleans(),
)
def test_what_works_within_its_bound_is_never_hung(
    silent: bool, since: float, busiest: float, starved: float, state: str, alive: bool
) -> None:
    """No hang without silence, and none of one that uses a core and is not stopped, until its time is over."""
    motion = Motion(1.0, busiest, busiest, starved, {state: 2})
    found = judge(RULES, (Sign("x", silent, NOW - since, "?"),), motion, NOW, running_for=1000, alive=alive)
    if not silent:
        assert found.state == "fine"
    elif busiest >= 0.25 and since <= RULES.busy and state != "T":
        assert found.state == "busy"
    if found.state == "hung":
        assert silent


def test_n_of_m() -> None:
    """The last `of` answers count, and the time of the last that came is kept through misses."""
    tally = Tally(NOW)
    for number, missed in enumerate([True, False, True, True, False, True]):
        tally = tally.add(missed=missed, now=NOW + number, of=4)
    assert (tally.misses, tally.since) == (3, NOW + 4)
    assert len(tally.missed) == 4
