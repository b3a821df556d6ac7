"""The outbox over a real journal and real receivers: all arrives, once or with the same key, whatever the receiver does."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection

from rigs.bulletins import full, numbered
from rigs.desk import until
from rigs.outgoing import at_work, kept
from rigs.receivers import Fault, Hook
from watchkeeper.errors import Failed, Refused
from watchkeeper.journal.notifications import Notifications
from watchkeeper.notify import Webhook
from watchkeeper.notify import lane as lane_room
from watchkeeper.quantities import Duration, Secret


def hook(receiver: Hook, **settings: object) -> Webhook:
    """A channel to it."""
    return Webhook(url=receiver.url, **settings)  # type: ignore[arg-type]  # any of its fields


async def test_what_is_told_arrives_once_and_is_written_down(tmp_path: Path) -> None:
    """The row is delivered, its id is the key that the receiver sees, and the figures count it."""
    receiver = Hook()
    async with receiver.running(), at_work(tmp_path, {"ops": hook(receiver)}) as office:
        (row,) = await office.outbox.tell(full(), ["ops"])
        (kept_row,) = await office.settled()
        assert receiver.keys == [row.id]
        assert (kept_row.state, kept_row.attempts, kept_row.receipt) == ("delivered", 1, "HTTP 200")
        assert receiver.taken[0].headers["idempotency-key"] == row.id
        figures = {family.name: values for family, values in office.outbox.figures()}
        assert figures["watchkeeper_channel_sent_total"] == [((("channel", "ops"),), 1)]
        await until(lambda: office.outbox.lanes["ops"].tally.queue == 0)
        assert office.events == []


async def test_links_are_added_and_the_judges_own_stand(tmp_path: Path) -> None:
    """Who tells without links gets those to the page and to acknowledge; an end needs no acknowledging."""
    receiver = Hook()
    async with receiver.running(), at_work(tmp_path, {"ops": hook(receiver)}) as office:
        (row,) = await office.outbox.tell(numbered(1), ["ops"])
        assert row.bulletin.links["page"] == "https://watch.example.org/incidents/incident-1"
        claim = office.links.read(row.bulletin.links["acknowledge"].rpartition("/")[2], row.at)
        assert (claim.incident, claim.channel) == ("incident-1", "ops")
        (over,) = await office.outbox.tell(numbered(1, "resolved"), ["ops"])
        assert "acknowledge" not in over.bulletin.links
        (own,) = await office.outbox.tell(full(), ["ops"])
        assert own.bulletin.links == full().links


async def test_it_is_one_fact_with_whatever_the_caller_writes(tmp_path: Path) -> None:
    """A transaction that fails tells nothing; one that succeeds tells after its commit."""
    receiver = Hook()
    async with receiver.running(), at_work(tmp_path, {"ops": hook(receiver)}) as office:

        def breaks(connection: Connection) -> None:
            office.outbox.write(connection, numbered(1), ["ops"])
            raise Refused("the judge changed its mind")

        with pytest.raises(Refused):
            await office.journal.notifications.together(breaks)
        assert await office.rows() == []
        rows = await office.journal.notifications.together(
            lambda connection: office.outbox.write(connection, numbered(2), ["ops", "ops"])
        )
        office.outbox.told(rows)
        await office.settled()
        assert [one.told["alerts"][0]["annotations"]["summary"] for one in receiver.taken] == ["Number 2"]


async def test_what_is_told_again_after_a_crash_is_told_once(tmp_path: Path) -> None:
    """Whoever tells knows only after our answer that it was written; the same bulletin, by its id, makes no second row."""
    receiver = Hook()
    async with receiver.running(), at_work(tmp_path, {"ops": hook(receiver)}) as office:
        one = msgspec.structs.replace(numbered(1), id="plan-1")
        (first,) = await office.outbox.tell(one, ["ops"])
        (again, other) = await office.outbox.tell(msgspec.structs.replace(one, at=one.at + 5), ["ops", "nobody"])
        assert again.id == first.id
        assert other.state == "failed"
        await office.outbox.tell(msgspec.structs.replace(one, id="plan-2"), ["ops"])
        await office.settled()
        assert len(receiver.taken) == 2


async def test_a_fall_back_that_tells_it_anyway_is_not_told_twice(tmp_path: Path) -> None:
    """Both channels were to tell it: when the first cannot, the second has it already."""
    first, other = Hook(), Hook()
    first.fault = "refuse"
    async with first.running(), other.running():
        channels = {"first": hook(first, fallback="other"), "other": hook(other)}
        async with at_work(tmp_path, channels) as office:
            await office.outbox.tell(msgspec.structs.replace(numbered(1), id="plan-1"), ["first", "other"])
            rows = await office.settled()
            assert sorted(row.state for row in rows) == ["delivered", "failed", "superseded"]
            assert len(other.taken) == 1


async def test_a_channel_that_is_not_there_loses_nothing_silently(tmp_path: Path) -> None:
    """The row says so, an event says so, and the other channels are told."""
    receiver = Hook()
    async with receiver.running(), at_work(tmp_path, {"ops": hook(receiver)}) as office:
        await office.outbox.tell(numbered(1), ["opps", "ops"])
        lost, told = await office.settled()
        assert (lost.state, lost.why) == ("failed", "there is no channel 'opps'")
        assert told.state == "delivered"
        assert office.kinds() == ["notification_failed"]


async def test_what_waits_for_a_channel_that_is_gone_is_told_as_such(tmp_path: Path) -> None:
    """After a change of the configuration its rows end with the reason."""
    receiver = Hook()
    await receiver.up()
    await receiver.down()
    async with at_work(tmp_path, {"old": hook(receiver)}) as office:
        await office.outbox.tell(numbered(1), ["old"])
    async with at_work(tmp_path, {}) as office:
        (row,) = await office.settled()
        assert (row.state, row.why) == ("failed", "there is no channel old any more")
        assert office.kinds() == ["notification_failed"]


@pytest.mark.parametrize("fault", ["before", "unavailable", "garbage", "gone", "redirect", "hang"])
async def test_a_receiver_that_fails_gets_it_later(tmp_path: Path, hasty: None, fault: Fault) -> None:
    """Whatever it answers instead of taking it, the same message with the same key goes out again until it is taken, once."""
    receiver = Hook()
    receiver.faults = [fault, fault]
    patience = Duration(2 if fault == "hang" else 10)
    async with receiver.running(), at_work(tmp_path, {"ops": hook(receiver, timeout=patience)}) as office:
        (row,) = await office.outbox.tell(numbered(1), ["ops"])
        (kept_row,) = await office.settled()
        assert receiver.keys == [row.id]
        assert (kept_row.state, kept_row.attempts) == ("delivered", 3)


@pytest.mark.parametrize("fault", ["big", "slow"])
async def test_a_receiver_that_answers_much_or_late_is_done_with_once(tmp_path: Path, fault: Fault) -> None:
    """Ten megabytes are not read and half a second is waited for: the status says that it was taken."""
    receiver = Hook()
    receiver.fault = fault
    async with receiver.running(), at_work(tmp_path, {"ops": hook(receiver)}) as office:
        await office.outbox.tell(numbered(1), ["ops"])
        (kept_row,) = await office.settled()
        assert (kept_row.attempts, len(receiver.taken)) == (1, 1)


@pytest.mark.parametrize("fault", ["after", "cut"])
async def test_a_copy_carries_the_same_key(tmp_path: Path, hasty: None, fault: Fault) -> None:
    """Taken, but not said so: the copy that must follow can be told from a new message."""
    receiver = Hook()
    receiver.faults = [fault]
    async with receiver.running(), at_work(tmp_path, {"ops": hook(receiver)}) as office:
        (row,) = await office.outbox.tell(numbered(1), ["ops"])
        await office.settled()
        assert receiver.keys == [row.id, row.id]
        assert receiver.taken[0].told == receiver.taken[1].told


async def test_order_within_an_incident_holds_through_an_outage(tmp_path: Path) -> None:
    """Down, then up: firing before resolved for each, and within two seconds of its return."""
    receiver = Hook()
    await receiver.up()
    await receiver.down()
    async with at_work(tmp_path, {"ops": hook(receiver)}) as office:
        for number in range(5):
            await office.outbox.tell(numbered(number), ["ops"])
            await office.outbox.tell(numbered(number, "resolved"), ["ops"])
        await until(lambda: office.outbox.lanes["ops"].standing.failures >= 3)
        async with receiver.running():
            rows = await office.settled()
            assert {row.state for row in rows} == {"delivered"}
            assert len(receiver.keys) == len(set(receiver.keys)) == 10
            told = [
                (one.told["alerts"][0]["labels"], one.told["status"], one.told["alerts"][0]["annotations"]["value"])
                for one in receiver.taken
            ]
            for number in range(5):
                assert [status for _, status, value in told if value == str(number)] == ["firing", "resolved"]
        assert office.kinds() == ["channel_failing", "channel_recovered"]


async def test_one_channel_delays_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside receivers that hang, answer ten megabytes, refuse or are away, another is told as if it were alone."""
    monkeypatch.setattr(lane_room, "PARTING_SECONDS", 0.1)
    good, hangs, away = Hook(), Hook(), Hook()
    hangs.fault = "hang"
    await away.up()
    await away.down()
    async with good.running(), hangs.running():
        channels = {name: hook(one) for name, one in {"good": good, "hangs": hangs, "away": away}.items()}
        async with at_work(tmp_path, channels) as office:
            for number in range(20):
                await office.outbox.tell(numbered(number), ["hangs", "away", "good"])
            await until(lambda: office.outbox.lanes["good"].tally.sent == 20)
            assert len(set(good.keys)) == len(good.keys) == 20
            assert hangs.taken == []


async def test_a_fall_back_tells_it_too_and_the_first_is_let_go(tmp_path: Path, hasty: None) -> None:
    """Not delivered within its patience: the other channel tells it, once, and then nobody has to any more."""
    first, other = Hook(), Hook()
    first.fault = "unavailable"
    async with first.running(), other.running():
        channels = {"first": hook(first, fallback="other", patience=Duration(1)), "other": hook(other)}
        async with at_work(tmp_path, channels) as office:
            (row,) = await office.outbox.tell(numbered(1), ["first"])
            rows = await office.settled()
            assert [(one.channel, one.state) for one in rows] == [("first", "superseded"), ("other", "delivered")]
            assert rows[1].after == row.id
            assert rows[0].why == "told by other instead"
            assert len(other.taken) == 1


async def test_what_is_refused_for_good_falls_back_at_once(tmp_path: Path) -> None:
    """A receiver that does not take this message will not take it later: no patience is needed."""
    first, other = Hook(), Hook()
    first.fault = "refuse"
    async with first.running(), other.running():
        channels = {"first": hook(first, fallback="other"), "other": hook(other), "alone": hook(first)}
        async with at_work(tmp_path, channels) as office:
            await office.outbox.tell(numbered(1), ["first", "alone"])
            rows = await office.settled()
            assert {one.channel: one.state for one in rows} == {"first": "failed", "alone": "failed", "other": "delivered"}
            assert office.kinds() == ["notification_failed"]


async def test_no_more_than_so_many_a_minute_go_out(tmp_path: Path) -> None:
    """What is beyond the limit waits; it is neither lost nor counted as a failure."""
    receiver = Hook()
    async with receiver.running(), at_work(tmp_path, {"ops": hook(receiver, per_minute=3)}) as office:
        for number in range(5):
            await office.outbox.tell(numbered(number), ["ops"])
        async with asyncio.timeout(10):
            while [row.state for row in await office.rows()] != ["delivered"] * 3 + ["waiting"] * 2:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert len(receiver.taken) == 3
    async with receiver.running(), at_work(tmp_path, {"ops": hook(receiver, per_minute=3)}) as office:
        await asyncio.sleep(0.2)
        assert len(receiver.taken) == 3, "a restart is no way around the limit"


async def test_a_test_says_how_it_went(tmp_path: Path) -> None:
    """At once, past an open circuit, and once: delivered with its receipt, or the reason why not."""
    receiver = Hook()
    await receiver.up()
    await receiver.down()
    async with at_work(tmp_path, {"ops": hook(receiver)}) as office:
        for number in range(3):
            await office.outbox.tell(numbered(number), ["ops"])
        await until(lambda: office.outbox.lanes["ops"].standing.closed_until)
        failed = await office.outbox.test("ops", "anna")
        assert failed.state == "failed"
        assert "cannot connect" in failed.why
        async with receiver.running():
            await office.settled()
            well = await office.outbox.test("ops", "anna")
        assert (well.state, well.receipt) == ("delivered", "HTTP 200")
        assert "asked for by anna" in receiver.taken[-1].told["alerts"][0]["annotations"]["summary"]
        with pytest.raises(Refused, match="did you mean 'ops'"):
            await office.outbox.test("opps")


async def test_newer_reminders_take_the_place_of_older_ones(tmp_path: Path) -> None:
    """After a long outage one reminder is told, not all; and none once somebody has acknowledged."""
    receiver = Hook()
    await receiver.up()
    await receiver.down()
    async with at_work(tmp_path, {"ops": hook(receiver)}) as office:
        await office.outbox.tell(numbered(0, thread="i"), ["ops"])
        await until(lambda: office.outbox.lanes["ops"].standing.failures)
        for number in (1, 2, 3):
            await office.outbox.tell(numbered(number, "reminder", "i"), ["ops"])
        assert [row.state for row in await office.rows()] == ["waiting", "superseded", "superseded", "waiting"]
        assert await office.outbox.acknowledged("i", "anna") == 1
        assert [row.why for row in await office.rows()][-1] == "acknowledged by anna"
        async with receiver.running():
            await office.settled()
        assert len(receiver.taken) == 1


async def test_it_gives_up_after_a_day_and_says_so(tmp_path: Path, hasty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not delivered within `keep_trying` is failed for good, with the last reason, and an event."""
    receiver = Hook()
    receiver.fault = "unavailable"
    async with receiver.running(), at_work(tmp_path, {"ops": hook(receiver, keep_trying=Duration(60))}) as office:
        monkeypatch.setattr(office.outbox, "_row", _aged(office.outbox._row))
        await office.outbox.tell(numbered(1), ["ops"])
        (row,) = await office.settled()
        assert row.state == "failed"
        assert row.why == "not delivered within 1m: HTTP 503: no"
        assert "notification_failed" in office.kinds()


def _aged(make):
    def aged(connection, bulletin, channel, now):
        return make(connection, bulletin, channel, now - 59_800)

    return aged


async def test_a_journal_that_cannot_be_written_holds_nothing_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row is there, the disk is full: it is sent, once, and written down when there is room again."""
    receiver = Hook()
    monkeypatch.setattr(lane_room, "JOURNAL_SECONDS", 0.05)
    full_disk = True
    async with receiver.running(), at_work(tmp_path, {"ops": hook(receiver)}) as office:
        for name in ("claim", "delivered"):
            monkeypatch.setattr(Notifications, name, _unless(getattr(Notifications, name), lambda: full_disk))
        await office.outbox.tell(numbered(1), ["ops"])
        await until(lambda: receiver.taken)
        await asyncio.sleep(0.3)
        assert len(receiver.taken) == 1
        full_disk = False
        (row,) = await office.settled()
        assert (row.state, len(receiver.taken)) == ("delivered", 1)


def _unless(method, full):
    async def guarded(self, *arguments, **named):
        if full():
            raise Failed("the disk is full")
        return await method(self, *arguments, **named)

    return guarded


async def test_what_is_under_way_may_end_when_the_hub_stops(tmp_path: Path) -> None:
    """A stop in the middle of an attempt waits for it, so that it is not sent again at the next start."""
    receiver = Hook()
    receiver.fault = "slow"
    async with receiver.running():
        async with at_work(tmp_path, {"ops": hook(receiver)}) as office:
            await office.outbox.tell(numbered(1), ["ops"])
            await until(lambda: receiver.asked)
        async with at_work(tmp_path, {"ops": hook(receiver)}) as office:
            (row,) = await office.settled()
            assert (row.state, len(receiver.taken)) == ("delivered", 1)


async def test_no_secret_is_in_what_is_kept_logged_or_told(
    tmp_path: Path, hasty: None, caplog: pytest.LogCaptureFixture
) -> None:
    """A receiver that quotes the token, the address and the signature key in its answers reveals none of them."""
    caplog.set_level(logging.DEBUG)
    receiver = Hook()
    receiver.echoes = True
    async with receiver.running():
        channel = Webhook(
            url=kept(tmp_path, receiver.url + "/T0PS3CRET/p4th?token=qu3ry-w0rd"),
            secret=kept(tmp_path, "s1gn1ng-key"),
            headers={"X-Token": kept(tmp_path, "h3ader-w0rd")},
        )
        broken = Webhook(url=Secret(file=str(tmp_path / "nowhere")))
        wrong = Webhook(url=kept(tmp_path, "ftp://user:p4ssw0rd@host/T0PS3CRET"))
        bad = Webhook(url=receiver.url, headers={"X-Token": kept(tmp_path, "h3ader-w0rd\nX-Evil: 1")})
        async with at_work(tmp_path, {"ops": channel, "broken": broken, "wrong": wrong, "bad": bad}) as office:
            receiver.faults = ["before", "gone"]
            await office.outbox.tell(numbered(1), list(office.outbox.lanes))
            await until(lambda: receiver.taken)
            for name in office.outbox.lanes:
                await office.outbox.test(name)
            rows = repr(await office.rows())
            told = rows + repr(office.events) + caplog.text
            told += repr([lane.tally for lane in office.outbox.lanes.values()])
    for word in ("T0PS3CRET", "p4th", "qu3ry-w0rd", "s1gn1ng-key", "h3ader-w0rd", "p4ssw0rd", office.links.address + "/x"):
        assert word not in told, word
    assert "•••" in told, "it was quoted, and hidden"
    assert "secret file" in rows, "the reference may be named"


async def test_a_stuck_lane_is_seen(tmp_path: Path) -> None:
    """A lane that does not come round is named; the dead man's heartbeat asks for that."""
    receiver = Hook()
    async with receiver.running(), at_work(tmp_path, {"ops": hook(receiver)}) as office:
        assert office.outbox.stuck() == ""
        office.outbox.lanes["ops"].turned_at = time.monotonic() - 3600
        assert office.outbox.stuck() == "ops"
