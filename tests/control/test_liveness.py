"""One server's pulse: what it said and showed, with the clock in the test's hand."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from watchkeeper.config import decode_hook
from watchkeeper.control.activity import Look, Thread
from watchkeeper.control.heartbeat import HeartbeatFileSettings, stamp
from watchkeeper.control.liveness import LivenessSettings, Pulse
from watchkeeper.control.notifysocket import Said
from watchkeeper.quantities import Duration

NOW = 1000.0


def asleep(at: float) -> Look:
    """A look at a thread that does nothing."""
    return Look(at, {1: Thread(1.0, -1, "S")})


def pulse(**settings: object) -> Pulse:
    """A pulse that counts the probe ``http``."""
    return Pulse(LivenessSettings(**settings), frozenset({"http"}), NOW)  # type: ignore[arg-type]  # any of its fields


def test_misses_of_the_probes_that_count_make_a_hang() -> None:
    """One that has answered, then misses three, and does nothing; others' misses count for nothing."""
    one = pulse()
    one.probed("http", ok=True, why="", now=NOW + 1)
    for number in range(5):
        one.probed("other", ok=False, why="refused", now=NOW + 2 + number)
    assert one.verdict(NOW + 8).reason == "answers"
    for number in range(3):
        assert one.verdict(NOW + 10 + number).state == "fine"
        one.probed("http", ok=False, why="no answer", now=NOW + 10 + number)
        one.looked(asleep(NOW + 10 + number))
    verdict = one.verdict(NOW + 12)
    assert (verdict.state, verdict.reason) == ("hung", "blocked")
    assert "for 11s (http: no answer, 3 of the last 3 missed)" in verdict.text
    one.probed("http", ok=True, why="", now=NOW + 13)
    assert one.verdict(NOW + 13).reason == "answers"
    assert one.needs_look


def test_a_start_may_take_its_time_and_more_if_it_asks() -> None:
    """Silence counts from `start` on, or from where EXTEND_TIMEOUT_USEC puts it."""
    one = pulse(start=Duration(10))
    for number in range(3):
        one.probed("http", ok=False, why="refused", now=NOW + number)
        one.looked(asleep(NOW + number))
    assert one.verdict(NOW + 9).reason == "starting"
    assert one.verdict(NOW + 11).state == "hung"
    one.said(Said(extend_seconds=30), NOW + 9)
    assert one.verdict(NOW + 38).reason == "starting"
    assert one.verdict(NOW + 40).state == "hung"


def test_one_that_says_when_it_is_ready_is_not_alive_before() -> None:
    """An answering probe alone is no sign of life of one that promises READY=1."""
    one = pulse(notify=True, start=Duration(10))
    one.probed("http", ok=True, why="", now=NOW + 1)
    assert one.verdict(NOW + 5).reason == "starting"
    one.looked(asleep(NOW + 9))
    one.looked(asleep(NOW + 10))
    assert "no READY=1" in one.verdict(NOW + 11).text
    one.said(Said(ready=True, status="warm"), NOW + 12)
    assert (one.ready, one.status, one.verdict(NOW + 12).reason) == (True, "warm", "answers")


def test_a_watchdog_that_is_not_fed() -> None:
    """Its interval is the settings' or its own word's; it begins with the start, or with READY=1 where that is promised."""
    one = pulse(watchdog=Duration(2))
    one.said(Said(watchdog=True), NOW + 1)
    assert one.due(NOW + 1) == NOW + 3
    one.looked(asleep(NOW + 3))
    one.looked(asleep(NOW + 4))
    assert one.verdict(NOW + 2.9).reason == "answers"
    one.looked(asleep(NOW + 3))
    one.looked(asleep(NOW + 4))
    assert "no WATCHDOG=1 within 2s" in one.verdict(NOW + 4).text
    one.said(Said(watchdog_seconds=20), NOW + 4)
    assert one.verdict(NOW + 23).reason == "answers"
    late = pulse(watchdog=Duration(2), notify=True)
    assert [sign.name for sign in late.signs(NOW + 10)] == ["http", "notify"]


def test_a_heartbeat_file_that_rests() -> None:
    """What counts is the time since it last changed."""
    one = pulse(heartbeat=HeartbeatFileSettings(file=Path("beat"), within=Duration(5)))
    one.beat(NOW + 1)
    one.looked(asleep(NOW + 7))
    one.looked(asleep(NOW + 8))
    assert "beat has not changed for 5s" in one.verdict(NOW + 8).text
    one.beat(NOW + 9)
    assert one.verdict(NOW + 9).reason == "answers"
    assert one.due(NOW + 9) == NOW + 14


def test_a_heartbeat_file_that_cannot_be_looked_at_is_no_silence() -> None:
    """While a look does not end, no more is held against the server than before; after a long one it has all its time again."""
    one = pulse(heartbeat=HeartbeatFileSettings(file=Path("beat"), within=Duration(5)))
    one.beat(NOW + 1)
    one.peers(NOW + 2)
    assert not any(sign.silent for sign in one.signs(NOW + 100))
    one.peered(NOW + 2, NOW + 100)
    one.peers(NOW + 104)
    one.peered(NOW + 104, NOW + 104)
    assert not any(sign.silent for sign in one.signs(NOW + 104))
    one.peers(NOW + 106)
    assert not any(sign.silent for sign in one.signs(NOW + 106))
    one.peered(NOW + 106, NOW + 106.01)
    assert any(sign.silent for sign in one.signs(NOW + 106.01))
    one.peers(NOW + 107)
    assert any(sign.silent for sign in one.signs(NOW + 200)), "what was known before a look that does not end is still known"
    one.begin(NOW + 201)
    assert not any(sign.silent for sign in one.signs(NOW + 300)), "also of the next process"


def test_a_trigger_and_a_farewell_are_taken_at_their_word() -> None:
    """WATCHDOG=trigger is a hang at once; after STOPPING=1 nothing is held against it for a while."""
    one = pulse(watchdog=Duration(1), start=Duration(10))
    one.said(Said(stopping=True), NOW + 1)
    assert one.verdict(NOW + 10).reason == "stopping"
    one.looked(asleep(NOW + 11))
    one.looked(asleep(NOW + 12))
    assert one.verdict(NOW + 12).state == "hung"
    one.said(Said(trigger=True), NOW + 12)
    assert one.verdict(NOW + 12).reason == "asked"


def test_another_process_begins_anew_and_an_adopted_one_is_alive() -> None:
    """Nothing of the old one is held against the new one."""
    one = pulse(notify=True)
    one.said(Said(ready=True, status="old", trigger=True), NOW)
    one.begin(NOW + 1)
    assert (one.ready, one.alive, one.status, one.verdict(NOW + 2).reason) == (False, False, "", "starting")
    one.adopt()
    assert (one.ready, one.verdict(NOW + 2).reason) == (True, "answers")


def test_only_what_time_may_silence_needs_a_timer() -> None:
    """Probes tell of themselves."""
    assert not pulse().timed
    assert pulse(watchdog=Duration(1)).timed
    assert pulse(notify=True).timed


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ({"misses": 3, "of": 2}, "of: expected"),
        ({"watchdog": "10ms"}, "watchdog: expected"),
        ({"grace": "0s"}, "grace: expected"),
        ({"heartbeat": {"file": "x", "within": "1ms"}}, "within: expected"),
        ({"then": "explode"}, "Invalid enum value"),
    ],
)
def test_settings_that_could_never_come_true_are_refused(written: dict[str, object], wrong: str) -> None:
    """While file and line are known."""
    with pytest.raises(msgspec.ValidationError, match=wrong):
        msgspec.convert(written, LivenessSettings, dec_hook=decode_hook)


def test_a_stamp_changes_with_the_file(tmp_path: Path) -> None:
    """Touching is enough; no file has none."""
    path = tmp_path / "beat"
    assert stamp(path) is None
    path.touch()
    first = stamp(path)
    path.write_text("x")
    assert first != stamp(path) is not None
