"""An order is a row before it is a message, and what has ended never changes."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from watchkeeper.errors import Failed, Refused
from watchkeeper.journal import Journal
from watchkeeper.journal.actions import ActionRow
from watchkeeper.journal.events import cursor
from watchkeeper.model import OURSELVES, Action, Event, EventKind, Outcome


def action(number: int, machine: str = "alpha", server: str = "web") -> Action:
    """An action that can be told from others."""
    return Action(f"a{number:03}", number, machine, server, "restart", "ann")


async def test_a_request_is_a_row_with_its_audit_before_anything_is_sent(journal: Journal) -> None:
    """After `request` the row says requested, and the audit says who, from where, what and about what."""
    assert await journal.actions.request(action(1), "10.0.0.9") == ActionRow(action(1), "requested")
    assert await journal.actions.one("a001") == ActionRow(action(1), "requested")
    entry = (await journal.audit.newest())[0]
    assert (entry.at, entry.by, entry.peer, entry.what, entry.about) == (1, "ann", "10.0.0.9", "restart", "alpha/web")


async def test_an_id_that_is_taken_leaves_neither_row_nor_audit(journal: Journal) -> None:
    """Row and audit are one transaction: both or neither."""
    await journal.actions.request(action(1))
    with pytest.raises(Failed):
        await journal.actions.request(action(1))
    assert len(await journal.actions.page()) == 1
    assert len(await journal.audit.newest()) == 1


@pytest.mark.parametrize(
    ("ok", "state", "ended"), [(True, None, "done"), (False, None, "failed"), (False, "unknown", "unknown")]
)
async def test_the_way_of_an_action(journal: Journal, ok: bool, state: Literal["unknown"] | None, ended: str) -> None:
    """Requested, sent, ended; each is told by the row."""
    await journal.actions.request(action(1))
    assert await journal.actions.sent("a001", 5) == ActionRow(action(1), "sent", 5)
    outcome = Outcome("a001", 9, ok, "so it went")
    row = await journal.actions.end(outcome, state)
    assert (row.state, row.sent_at, row.outcome) == (ended, 5, outcome)
    assert await journal.actions.one("a001") == row


async def test_what_has_ended_never_changes(journal: Journal) -> None:
    """A second outcome changes nothing, and an ended action is not sent."""
    await journal.actions.request(action(1))
    first = await journal.actions.end(Outcome("a001", 9, ok=False, text="not connected"))
    assert await journal.actions.end(Outcome("a001", 99, ok=True, text="late")) == first
    with pytest.raises(Refused) as refused:
        await journal.actions.sent("a001", 100)
    assert refused.value.code == "action-moved-on"
    assert await journal.actions.one("a001") == first


async def test_an_action_is_sent_once(journal: Journal) -> None:
    """Of many who would send it at the same time, one may."""
    await journal.actions.request(action(1))
    tries = await asyncio.gather(*(journal.actions.sent("a001", at) for at in range(10, 20)), return_exceptions=True)
    assert sum(isinstance(one, ActionRow) for one in tries) == 1
    assert sum(isinstance(one, Refused) for one in tries) == 9


async def test_an_action_that_is_not_there_is_refused(journal: Journal) -> None:
    """Asking for, sending and ending one that nobody asked for."""
    for attempt in (
        journal.actions.one("a404"),
        journal.actions.sent("a404", 1),
        journal.actions.end(Outcome("a404", 1, ok=True, text="")),
    ):
        with pytest.raises(Refused) as refused:
            await attempt
        assert refused.value.code == "unknown-action"


async def test_a_new_hub_settles_what_the_old_one_left_open(journal: Journal) -> None:
    """What was asked for or sent is unknown after a restart; what had ended stays."""
    for number in range(4):
        await journal.actions.request(action(number))
    await journal.actions.sent("a001", 5)
    done = await journal.actions.end(Outcome("a002", 6, ok=True, text="done"))
    settled = await journal.actions.settle_open(50, "the hub was restarted")
    assert sorted(row.action.id for row in settled) == ["a000", "a001", "a003"]
    assert {row.state for row in settled} == {"unknown"}
    assert {row.outcome.text for row in settled if row.outcome} == {"the hub was restarted"}
    assert await journal.actions.one("a002") == done
    assert await journal.actions.settle_open(60, "again") == ()


async def test_pages_of_actions(journal: Journal) -> None:
    """Newest first, by machine and server, joined by the cursor."""
    for number in range(12):
        await journal.actions.request(action(number, server="web" if number % 2 else "db"))
    await journal.actions.request(action(99, machine="beta"))
    assert [row.action.at for row in await journal.actions.page("alpha", "web")] == [11, 9, 7, 5, 3, 1]
    assert [row.action.at for row in await journal.actions.page("beta")] == [99]
    first = await journal.actions.page(limit=5)
    second = await journal.actions.page(limit=5, before=cursor(first[-1].action.at, first[-1].action.id))
    assert [row.action.at for row in (*first, *second)] == [99, 11, 10, 9, 8, 7, 6, 5, 4, 3]


def deed(kind: EventKind, at: int, identity: str = "d1", machine: str = "alpha", **facts: str) -> Event:
    """What an agent tells of something it did by itself."""
    told = {"action": identity, "verb": "restart", "by": "ann", "reason": "it hung"} | facts
    return Event(f"{kind}-{identity}-{at}", at, kind, "web was restarted", machine, "web", facts=told)


async def test_what_an_agent_did_by_itself_is_an_action_of_ours(journal: Journal) -> None:
    """A row from its request on, ended by its end, both in the audit with reason and outcome; told twice it is the same."""
    begun, ended = deed(EventKind.ACTION_REQUESTED, 5), deed(EventKind.ACTION_ENDED, 9, ok="true")
    (row,) = await journal.actions.record([begun])
    assert (row.state, row.action.by, row.action.reason, row.action.machine) == ("sent", OURSELVES, "it hung", "alpha")
    (row,) = await journal.actions.record([begun, ended, begun])
    assert (row.state, row.outcome) == ("done", Outcome("d1", 9, ok=True, text="web was restarted"))
    assert await journal.actions.record([begun, ended]) == ()
    last, first = await journal.audit.newest()
    assert (first.by, first.why, first.outcome) == (OURSELVES, "it hung", "")
    assert (last.by, last.outcome) == (OURSELVES, "done: web was restarted")


async def test_an_end_alone_is_enough(journal: Journal) -> None:
    """Where the request was lost with a spool that overflowed, the end tells all."""
    (row,) = await journal.actions.record([deed(EventKind.ACTION_ENDED, 9, ok="false")])
    assert (row.state, row.action.verb) == ("failed", "restart")


async def test_an_agent_cannot_speak_for_others(journal: Journal) -> None:
    """Not of a person's action, not of another machine's deed, not of verbs that there are not."""
    await journal.actions.request(action(1))
    await journal.actions.record([deed(EventKind.ACTION_REQUESTED, 5)])
    forged = [
        deed(EventKind.ACTION_ENDED, 9, "a001", ok="true"),
        deed(EventKind.ACTION_ENDED, 9, "d1", "beta", ok="true"),
        deed(EventKind.ACTION_REQUESTED, 9, "d2", verb="explode"),
        deed(EventKind.PROBE_FAILED, 9, "d3"),
    ]
    assert await journal.actions.record(forged) == ()
    assert (await journal.actions.one("a001")).state == "requested"
    assert (await journal.actions.one("d1")).state == "sent"
    assert len(await journal.actions.page()) == 2


async def test_a_new_hub_lets_a_young_deed_go_on(journal: Journal) -> None:
    """It goes on without the hub, and its end is still to come; an old one's never will."""
    await journal.actions.record(
        [deed(EventKind.ACTION_REQUESTED, 5, "old"), deed(EventKind.ACTION_REQUESTED, 700_000, "young")]
    )
    assert [row.action.id for row in await journal.actions.settle_open(700_001, "the hub was restarted")] == ["old"]
    (row,) = await journal.actions.record([deed(EventKind.ACTION_ENDED, 700_500, "young", ok="true")])
    assert row.state == "done"


async def test_what_was_said_of_an_action_is_kept(journal: Journal) -> None:
    """Reason, length and that it was a dry run; the audit says so too."""
    asked = Action("a1", 1, "alpha", "web", "pause", "ann", "moving disks", 7200.0, dry_run=True)
    await journal.actions.request(asked)
    assert (await journal.actions.one("a1")).action == asked
    (entry,) = await journal.audit.newest()
    assert (entry.what, entry.why) == ("pause (dry run)", "moving disks")
    await journal.actions.end(Outcome("a1", 9, ok=True, text="web would be paused"))
    ended = (await journal.audit.newest())[0]
    assert (ended.what, ended.outcome) == ("pause (dry run)", "done: web would be paused")
