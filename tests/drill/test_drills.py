"""All drills of a hub: what is refused before anything is done, what an earlier hub left, what the schedule and figures say."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from watchkeeper.clock import SystemClock
from watchkeeper.drill.drills import Ask, Drills, Ends
from watchkeeper.drill.scene import Outside
from watchkeeper.drill.settings import DrillSettings
from watchkeeper.errors import Refused
from watchkeeper.journal import Journal, open_journal
from watchkeeper.model import Event, ServerState, ServerStatus
from watchkeeper.telling import Drill, DrillLeg

AT = 1_760_000_000_000
PLAIN = DrillSettings()


class Rig:
    """Drills over a real journal, beside a hub that knows one machine with two servers."""

    def __init__(self, folder: Path, journal: Journal, settings: DrillSettings, channels: tuple[str, ...]) -> None:
        self.events: list[Event] = []
        self.forgotten: list[str] = []
        self.journal = journal
        servers = [
            ServerStatus("shop", "process", ServerState.RUNNING, "down", 1, pid=1, allowed=("stop", "drill")),
            ServerStatus("other", "process", ServerState.RUNNING, "up", 1, pid=2, allowed=("stop",)),
        ]
        outside = Outside(
            lambda: "http://127.0.0.1:1",
            folder / "t",
            lambda name: servers if name == "box" else [],
            lambda _: True,
            self.order,
        )
        ends = Ends(outside, lambda: channels, lambda _: 30.0, lambda: 0.0, self.events.append, self.forgotten.append)
        self.drills = Drills(settings, journal, SystemClock(), folder, ends)

    async def order(self, machine: str, server: str, verb: str, seconds: float) -> str:
        """Nobody is ordered here."""
        raise AssertionError(f"{verb} {server} on {machine} for {seconds}")

    def texts(self) -> list[str]:
        """What was told."""
        return [event.text for event in self.events]


@asynccontextmanager
async def rigged(folder: Path, settings: DrillSettings = PLAIN, channels: tuple[str, ...] = ("ops",)) -> AsyncIterator[Rig]:
    """At work for the length of an ``async with``."""
    async with open_journal(folder / "journal.db") as journal:
        rig = Rig(folder, journal, settings, channels)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(rig.drills.run())
            try:
                async with asyncio.timeout(20):
                    while not rig.drills._is_swept:  # what was left by an earlier one is undone first
                        await asyncio.sleep(0.01)
                yield rig
            finally:
                task.cancel()


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (Ask("kiled"), "unknown-scenario"),
        (Ask("killed", channels=("pager",)), "unknown-channel"),
        (Ask("killed", server="shop"), "bad-request"),
        (Ask("killed", acknowledge=1e9), "bad-request"),
        (Ask("server", server="shop", yes_really=True), "bad-request"),
        (Ask("server", machine="box", server="shop"), "not-really"),
        (Ask("server", machine="box", server="other", yes_really=True), "no-consent"),
        (Ask("server", machine="box", server="nobody", yes_really=True), "unknown-server"),
    ],
)
async def test_what_must_not_be_is_refused_before_anything_is_done(tmp_path: Path, ask: Ask, code: str) -> None:
    """With its own code each; nothing is written and nothing started."""
    async with rigged(tmp_path) as rig:
        with pytest.raises(Refused) as refused:
            await rig.drills.start(ask, "ann")
        assert refused.value.code == code
        assert await rig.journal.drills.page() == ()
        assert rig.drills.current is None


async def test_without_a_channel_nobody_would_hear(tmp_path: Path) -> None:
    """So nothing is done."""
    async with rigged(tmp_path, channels=()) as rig:
        with pytest.raises(Refused, match="nobody would be told"):
            await rig.drills.start(Ask("killed"), "ann")


async def test_a_server_that_is_not_well_is_left_alone(tmp_path: Path) -> None:
    """The drill fails before its fault, with a certificate that says so; then another may begin."""
    async with rigged(tmp_path) as rig:
        begun = await rig.drills.start(Ask("server", machine="box", server="shop", yes_really=True), "ann", "::1")
        assert rig.drills.is_part({"machine": "box", "server": "shop"})
        assert not rig.drills.is_part({"machine": "box", "server": "other"})
        with pytest.raises(Refused, match="one at a time"):
            await rig.drills.start(Ask("killed"), "bob")
        async with asyncio.timeout(20):
            while rig.drills.current is not None:
                await asyncio.sleep(0.01)
        found = await rig.drills.one(begun.id)
        assert (found.state, found.legs) == ("failed", ())
        assert "nothing is done to it" in found.why
        assert rig.forgotten == []
        async with asyncio.timeout(20):
            while not (tmp_path / "drills" / f"{begun.id}.html").exists():
                await asyncio.sleep(0.01)
        assert [entry.what for entry in await rig.journal.audit.newest()] == ["drill"]


async def test_what_an_earlier_hub_left_is_undone_and_written_down(tmp_path: Path) -> None:
    """The scene's folder goes, its machine is forgotten, the drill is interrupted and told as such."""
    async with open_journal(tmp_path / "journal.db") as journal:
        await journal.drills.keep(Drill("0-abcdefgh", AT, "hung", "ann", "running", "watchkeeper-drill-abcdefgh", "canary"))
    (tmp_path / "drill").mkdir()
    (tmp_path / "drill" / "mark").write_text("0-abcdefgh")
    async with rigged(tmp_path) as rig:
        async with asyncio.timeout(20):
            while not rig.events:
                await asyncio.sleep(0.01)
        assert not (tmp_path / "drill").exists()
        assert rig.forgotten == ["watchkeeper-drill-abcdefgh"]
        assert (await rig.drills.one("0-abcdefgh")).state == "interrupted"
        assert "interrupted" in rig.texts()[0]
        assert rig.drills.is_part({"machine": "watchkeeper-drill-abcdefgh"})


async def test_figures_tell_age_and_legs(tmp_path: Path) -> None:
    """Before the first: no success, and no age where nothing tells when the journal began; then from the newest that passed."""
    legs = (DrillLeg("fault", AT), DrillLeg("delivered", AT + 250, "", "a"), DrillLeg("delivered", AT + 900, "", "b"))
    passed = Drill("1", AT, "killed", "ann", "passed", legs=legs, ended_at=AT + 1000)
    async with open_journal(tmp_path / "journal.db") as journal:
        await journal.drills.keep(passed)
        await journal.drills.keep(Drill("2", AT, "hung", "ann", "failed", ended_at=AT))
    async with rigged(tmp_path) as rig:
        async with asyncio.timeout(20):
            while not dict(rig.drills.figures()[1][1]):
                await asyncio.sleep(0.01)
        told = {family.name: dict(values) for family, values in rig.drills.figures()}
        assert told["watchkeeper_drills"] == {(("state", "failed"),): 1.0, (("state", "passed"),): 1.0}
        assert told["watchkeeper_drill_success_timestamp_seconds"] == {(): (AT + 1000) / 1000}
        assert told["watchkeeper_drill_age_seconds"][()] > 0
        assert told["watchkeeper_drill_leg_seconds"] == {(("leg", "delivered"), ("scenario", "killed")): 0.25}
    (tmp_path / "fresh").mkdir()
    async with rigged(tmp_path / "fresh") as rig:
        told = {family.name: dict(values) for family, values in rig.drills.figures()}
        assert math.isnan(told["watchkeeper_drill_success_timestamp_seconds"][()])


async def test_the_schedule_says_when_and_what_cannot_be_done(tmp_path: Path) -> None:
    """The next instant is that of the expression; one that is due and refused is told."""
    settings = DrillSettings(schedule="0 10 1 * *", zone="Europe/Berlin")
    assert settings.due_after(AT) == 1_761_987_600_000  # 2025-11-01 10:00 in Berlin
    assert DrillSettings().due_after(AT) == 0
    nightly = DrillSettings(schedule="30 2 * * *", zone="Europe/Berlin")
    assert (
        nightly.due_after(1_792_890_600_000) == 1_792_978_200_000
    )  # at 2:10 for the second time: half past two of the next night
    async with rigged(tmp_path, settings, channels=()) as rig:
        await rig.drills._begin_by_schedule()
        assert "nobody would be told" in rig.texts()[0]


@pytest.mark.parametrize(
    "wrong", [{"schedule": "daily"}, {"schedule": "0 0 30 2 *"}, {"scenarios": ()}, {"longest": 1}, {"acknowledge": 90000}]
)
def test_settings_that_could_never_work_are_refused(wrong: dict[str, object]) -> None:
    """While file and line are known."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DrillSettings(**wrong)  # type: ignore[arg-type]  # that is the point


async def test_none_begins_before_what_was_left_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the guardian that undoes the old one would take down the new one's scene, and it would be told as interrupted."""
    undone = asyncio.Event()

    async def slow(_: Drills) -> None:
        await undone.wait()

    monkeypatch.setattr(Drills, "_sweep", slow)
    async with open_journal(tmp_path / "journal.db") as journal, asyncio.TaskGroup() as group:
        rig = Rig(tmp_path, journal, PLAIN, ("ops",))
        task = group.create_task(rig.drills.run())
        await asyncio.sleep(0.05)
        with pytest.raises(Refused, match="still being undone"):
            await rig.drills.start(Ask("killed"), "ann")
        undone.set()
        async with asyncio.timeout(20):
            while not rig.drills._is_swept:
                await asyncio.sleep(0.01)
        await rig.drills.start(Ask("server", machine="box", server="shop", yes_really=True), "ann")
        task.cancel()
