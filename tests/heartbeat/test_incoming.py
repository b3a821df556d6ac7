"""Heartbeats of others over a real journal: kept before they are answered, missed when they do not come, told once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rigs.desk import until
from watchkeeper.clock import SystemClock
from watchkeeper.errors import Failed, Refused
from watchkeeper.heartbeat.incoming import BODY_BYTES, Heartbeats
from watchkeeper.heartbeat.settings import Expected
from watchkeeper.journal import Journal, open_journal
from watchkeeper.journal.heartbeats import Kept
from watchkeeper.model import Event
from watchkeeper.quantities import Duration

SOON = Expected(period=Duration(1), grace=Duration(3))


class Bench(Heartbeats):
    """Heartbeats with the events that they tell."""

    def __init__(self, journal: Journal, expected: Mapping[str, Expected]) -> None:
        self.events: list[Event] = []
        self.journal = journal
        super().__init__(expected, journal, SystemClock(), self.events.append)

    def address(self, name: str) -> str:
        """The last part of its address."""
        return next(one.kept.id for one in self.seen() if one.kept.name == name)

    def state(self, name: str) -> str:
        """How it stands."""
        return next(one.standing.state for one in self.seen() if one.kept.name == name)


@asynccontextmanager
async def at_work(folder: Path, **expected: Expected) -> AsyncIterator[Bench]:
    """Heartbeats over the journal in `folder`."""
    async with open_journal(folder / "journal.db") as journal:
        bench = Bench(journal, expected)
        await bench.open()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(bench.run())
            try:
                yield bench
            finally:
                task.cancel()


async def test_one_that_does_not_come_is_late_then_down_then_up_again(tmp_path: Path) -> None:
    """Each change is an event, once, at its instant; figures follow."""
    async with at_work(tmp_path, backup=SOON) as bench:
        await bench.ping(bench.address("backup"), "success")
        assert bench.state("backup") == "up"
        await until(lambda: bench.state("backup") == "down" and len(bench.events) == 3)
        await bench.ping(bench.address("backup"), "success")
        await until(lambda: len(bench.events) == 4)
        kinds = [event.kind.value for event in bench.events]
        assert kinds == ["heartbeat_up", "heartbeat_late", "heartbeat_down", "heartbeat_up"]
        up, late, down, _ = bench.events
        assert (late.at - up.at, down.at - late.at) == (1000, 3000)
        assert re.fullmatch(r"The heartbeat backup is missing: nothing heard since [4-9] s", down.text)
        assert (down.severity, down.facts["heartbeat"]) == ("critical", "backup")
        figures = {family.name: values[0][1] for family, values in bench.figures()}
        assert figures["watchkeeper_heartbeat_up"] == 1
        assert figures["watchkeeper_heartbeat_pings_total"] == 2


async def test_what_comes_while_the_disk_is_slow_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was late, and went missing while that was being written: the second change is not slept over."""
    async with at_work(tmp_path, backup=SOON) as bench:
        await bench.ping(bench.address("backup"), "success")
        keep = bench.journal.heartbeats.keep

        async def slowly(kept: Kept) -> None:
            await asyncio.sleep(3.2 if kept.state == "late" else 0)
            await keep(kept)

        monkeypatch.setattr(bench.journal.heartbeats, "keep", slowly)
        await until(lambda: [event.kind.value for event in bench.events][1:] == ["heartbeat_late", "heartbeat_down"])


async def test_a_failure_is_down_at_once(tmp_path: Path) -> None:
    """With its exit status and the end of what it printed, without control signs."""
    async with at_work(tmp_path, backup=Expected()) as bench:
        body = b"x" * (2 * BODY_BYTES) + b"\x1b[31mtar: no space\n"
        await bench.ping(bench.address("backup"), "fail", 2, body)
        (seen,) = bench.seen()
        assert (seen.standing.state, seen.standing.reason) == ("down", "exit status 2")
        assert seen.kept.body.endswith("[31mtar: no space\n")
        assert "\x1b" not in seen.kept.body
        assert len(seen.kept.body) <= BODY_BYTES


async def test_all_is_known_after_a_restart_and_told_again_under_the_same_id(tmp_path: Path) -> None:
    """State, address and what was made by command outlive the hub; its events are known as told by their ids."""
    async with at_work(tmp_path, backup=Expected()) as bench:
        made = await bench.add("nightly", Expected(cron="30 3 * * *", zone="Europe/Berlin", longest=Duration(60)))
        await bench.ping(bench.address("backup"), "fail", 1)
        address, events = bench.address("backup"), list(bench.events)
        await bench.journal.events.add(events)
    async with at_work(tmp_path, backup=Expected()) as bench:
        assert bench.address("backup") == address
        assert [one.expected for one in bench.seen()][1] == made.expected
        assert bench.events == events
        assert await bench.journal.events.add(bench.events) == (), "the journal knows them"
    async with at_work(tmp_path) as bench:
        assert [one.kept.name for one in bench.seen()] == ["nightly"], "the configuration does not expect it any more"
        with pytest.raises(Refused):
            await bench.ping(address, "success")


async def test_what_is_missed_while_the_hub_is_away_is_noticed_at_its_start(tmp_path: Path) -> None:
    """Late by the clock, whoever slept."""
    async with at_work(tmp_path, backup=SOON) as bench:
        await bench.ping(bench.address("backup"), "success")
    await asyncio.sleep(4.1)
    async with at_work(tmp_path, backup=SOON) as bench:
        await until(lambda: bench.events and bench.events[-1].kind.value == "heartbeat_down")


async def test_nothing_is_answered_before_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk refuses the heartbeat, so that the job may say so, and changes nothing."""
    async with at_work(tmp_path, backup=Expected()) as bench:

        async def full(*_: object) -> None:
            raise Failed("the disk is full")

        monkeypatch.setattr(bench.journal.heartbeats, "keep", full)
        with pytest.raises(Failed, match="full"):
            await bench.ping(bench.address("backup"), "success")
        assert bench.state("backup") == "new"


async def test_who_may_be_expected(tmp_path: Path) -> None:
    """Names as elsewhere, each once; what the configuration expects is taken out there."""
    async with at_work(tmp_path, backup=Expected()) as bench:
        for name, code in (("backup", "taken"), ("../x", "bad-name")):
            with pytest.raises(Refused) as refused:
                await bench.add(name, Expected())
            assert refused.value.code == code
        with pytest.raises(Refused, match=r"\[expected.backup\]"):
            await bench.remove("backup")
        with pytest.raises(Refused, match="did you mean 'backup'"):
            await bench.remove("bakcup")
        made = await bench.add("job", Expected())
        await bench.remove("job")
        with pytest.raises(Refused, match="no heartbeat is expected"):
            await bench.ping(made.kept.id, "success")
