"""What people do: acknowledge, assign, comment, silence, mark; each with its trace in the audit."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rigs.bench import Rig, benched
from watchkeeper.errors import Refused
from watchkeeper.judging import people
from watchkeeper.model import Event, EventKind, Matcher, new_id
from watchkeeper.telling import Silence

pytestmark = pytest.mark.usefixtures("each_store")

RULE = '[[rule]]\nalert = "Busy"\nexpr = "load > 1"\nseverity = "critical"\n'
NOW = '[route]\ngroup_wait = "0s"\nescalate = ["boss"]\nescalate_after = "15m"\nrepeat_interval = "1h"\n'
BUSY = (Matcher("alertname", "=", "Busy"),)


async def opened(rig: Rig) -> str:
    """An incident."""
    rig.connect()
    rig.frame({"load": 2.5})
    await rig.turn()
    return rig.told[0][0].incident


async def test_acknowledging_ends_reminders_and_escalation(tmp_path: Path) -> None:
    """And taking it back begins them again."""
    async with benched(tmp_path, RULE + NOW) as rig:
        incident = await opened(rig)
        acknowledged = await rig.desk.acknowledge(incident, "kim", "10.0.0.9")
        assert (acknowledged.state, acknowledged.acknowledged_by) == ("acknowledged", "kim")
        await rig.turn(3 * 3600)
        assert [kind for kind, _ in rig.messages()] == ["firing"]
        assert (await rig.journal.incidents.one(incident)).state == "acknowledged"
        await rig.desk.acknowledge(incident, "kim", "", taken_back=True)
        await rig.turn(3600)
        assert {kind for kind, _ in rig.messages()[1:]} == {"reminder", "escalation"}
        assert ("boss",) in [channels for _, channels in rig.told]
        entries = await rig.journal.audit.newest()
        assert [(one.by, one.what) for one in entries] == [("kim", "unacknowledge"), ("kim", "acknowledge")]


async def test_an_acknowledgement_outlives_a_restart(tmp_path: Path) -> None:
    """It is a row."""
    async with benched(tmp_path, RULE + NOW) as rig:
        incident = await opened(rig)
        await rig.desk.acknowledge(incident, "kim", "")
        clock = rig.clock
    async with benched(tmp_path, RULE + NOW, clock=clock) as rig:
        assert (await rig.desk.incident(incident)).acknowledged_by == "kim"
        await rig.turn(3 * 3600)
        assert rig.told == []


async def test_silences_that_are_over_take_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit counts those that hold or will: whoever silences week after week is never refused for the past."""
    monkeypatch.setattr(people, "MOST_SILENCES", 1)
    async with benched(tmp_path, RULE + NOW) as rig:
        for _ in range(3):
            short = Silence("", BUSY, rig.now, rig.now + 60_000, "kim", "deploy")
            await rig.desk.put_silence(short, "kim", "")
            with pytest.raises(Refused, match="already"):
                await rig.desk.put_silence(short, "kim", "")
            await rig.turn(61)


async def test_assigning_commenting_marking(tmp_path: Path) -> None:
    """They are on the incident's timeline, with alerts and events, in one order."""
    async with benched(tmp_path, RULE + NOW) as rig:
        incident = await opened(rig)
        rig.clock.advance(10)
        await rig.desk.mark("deploy 7", "", "", "kim", "")
        rig.clock.advance(10)
        await rig.desk.comment(incident, "looking at it", "kim")
        assert (await rig.desk.assign(incident, "lee", "kim", "")).assigned_to == "lee"
        rig.clock.advance(10)
        await rig.desk.acknowledge(incident, "kim", "")
        rig.frame({"load": 0.0})
        await rig.turn()
        timeline = await rig.desk.timeline(await rig.desk.incident(incident))
        assert [entry.at for entry in timeline] == sorted(entry.at for entry in timeline)
        told = [(entry.kind, entry.text) for entry in timeline if entry.kind != "event" or "deploy" in entry.text]
        assert told == [
            ("alert", "Busy firing: it holds"),
            ("event", "deploy 7"),
            ("comment", "kim: looking at it"),
            ("alert", "Busy resolved: it is over"),
            ("people", "kim has acknowledged it"),
        ]


async def test_a_silence_keeps_quiet_and_tells_once_it_is_over(tmp_path: Path) -> None:
    """Who, why and until when; nothing is told meanwhile, and what goes on is told after it."""
    async with benched(tmp_path, RULE + NOW) as rig:
        silence = await rig.desk.put_silence(Silence("", BUSY, rig.now, rig.now + 3_600_000, "kim", "new disk"), "kim", "")
        rig.connect()
        rig.frame({"load": 2.5})
        await rig.turn(1800)
        assert rig.told == []
        (alert,) = rig.desk.alerts()
        assert alert.suppressed == "silenced by kim: new disk"
        assert rig.desk.silenced_by(alert) == [silence.id]
        await rig.turn(2400)
        assert [kind for kind, _ in rig.messages()][:1] == ["firing"]
        assert rig.desk.alerts()[0].suppressed == ""


async def test_silences_are_kept_changed_and_ended(tmp_path: Path) -> None:
    """As Alertmanager does it: other matchers make another one, an end now is the end."""
    async with benched(tmp_path, RULE) as rig:
        now = rig.now
        first = await rig.desk.put_silence(Silence("", BUSY, now, now + 60_000, "kim", "a"), "kim", "")
        longer = await rig.desk.put_silence(Silence(first.id, BUSY, now, now + 120_000, "kim", "b"), "kim", "")
        assert (longer.id, longer.ends_at) == (first.id, now + 120_000)
        other = (Matcher("machine", "=", "box"),)
        changed = await rig.desk.put_silence(Silence(first.id, other, now, now + 60_000, "kim", "c"), "kim", "")
        assert changed.id != first.id
        assert rig.desk.silence(first.id).ends_at == now
        await rig.desk.expire_silence(changed.id, "kim", "")
        with pytest.raises(Refused, match="expired already"):
            await rig.desk.expire_silence(changed.id, "kim", "")
        clock = rig.clock
    async with benched(tmp_path, RULE, clock=clock) as rig:
        assert {one.id for one in rig.desk.silences()} == {first.id, changed.id}


@pytest.mark.parametrize(
    ("silence", "why"),
    [
        (Silence("", (), 0, 10**15, "kim", ""), "1 to 64 matchers"),
        (Silence("", (Matcher("a", "=~", ".*"),), 0, 10**15, "kim", ""), "everything would be silenced"),
        (Silence("", (Matcher("a", "=~", "("),), 0, 10**15, "kim", ""), "regular expression"),
        (Silence("", BUSY, 0, 1, "kim", ""), "later than now"),
        (Silence("", BUSY, 0, 10**15, "kim", ""), "five years"),
        (Silence("", BUSY, 0, 1_760_000_100_000, "", ""), "has an author"),
        (Silence("nope", BUSY, 0, 1_760_000_100_000, "kim", ""), "no silence 'nope'"),
    ],
)
async def test_silences_that_make_no_sense(tmp_path: Path, silence: Silence, why: str) -> None:
    """Each is refused with the reason, and nothing is kept."""
    async with benched(tmp_path, RULE) as rig:
        with pytest.raises(Refused, match=why):
            await rig.desk.put_silence(silence, "kim", "")
        assert rig.desk.silences() == ()


async def test_what_is_not_there_or_over(tmp_path: Path) -> None:
    """Refused with words."""
    async with benched(tmp_path, RULE + NOW) as rig:
        incident = await opened(rig)
        rig.frame({"load": 0.0})
        await rig.turn()
        with pytest.raises(Refused, match="over already"):
            await rig.desk.acknowledge(incident, "kim", "")
        with pytest.raises(Refused, match="no incident"):
            await rig.desk.comment("nope", "x", "kim")
        with pytest.raises(Refused, match="1 to 4000"):
            await rig.desk.comment(incident, " ", "kim")
        with pytest.raises(Refused, match="no alert"):
            await rig.desk.alert("nope")
        with pytest.raises(Refused, match="no silence"):
            rig.desk.silence("nope")
        with pytest.raises(Refused, match="1 to 500"):
            await rig.desk.mark("", "", "", "kim", "")
        detail = await rig.desk.alert((await rig.journal.alerts.page())[0].id)
        assert [step.state for step in detail.history] == ["firing", "resolved"]
        assert detail.rule is not None


async def test_tests_of_its_time_stand_on_a_timeline(tmp_path: Path) -> None:
    """A drill and a stress run elsewhere, so that neither is taken for an incident's cause unseen."""
    async with benched(tmp_path, RULE + NOW) as rig:
        await opened(rig)
        for kind in (EventKind.DRILL_STARTED, EventKind.STRESS_ENDED, EventKind.HUB_STARTED):
            rig.bench.note(Event(new_id(rig.now), rig.now, kind, kind.value, "other"))
        await rig.turn(1)
        incident = next(iter(rig.bench.book.incidents.values()))
        told = {entry.what for entry in await rig.desk.timeline(incident)}
        assert {"drill_started", "stress_ended", "firing"} <= told
        assert "hub_started" not in told


async def test_what_the_judge_finds_meanwhile_is_not_taken_back(tmp_path: Path) -> None:
    """Somebody acknowledges while the alert ends, and the disk is slow: it is over, in the journal and on the page."""
    async with benched(tmp_path, RULE + NOW) as rig:
        incident, note, written = await opened(rig), rig.journal.incidents.note, asyncio.Event()

        async def slow(*words: Any) -> None:
            await note(*words)
            written.set()
            await asyncio.sleep(0.2)

        rig.journal.incidents.note = slow  # type: ignore[method-assign]  # as on a slow disk
        act = asyncio.create_task(rig.desk.acknowledge(incident, "ann", ""))
        await written.wait()
        rig.frame({"load": 0.0})
        await rig.turn()
        await act
        await rig.turn(400)
        for found in (await rig.desk.incident(incident), await rig.journal.incidents.one(incident)):
            assert (found.state, found.acknowledged_by) == ("resolved", "ann")
