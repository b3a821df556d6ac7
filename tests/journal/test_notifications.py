"""Notifications in the journal: rows that move as they may and no other way, queues, pages, and odd figures."""

from __future__ import annotations

import math

import msgspec
import pytest

from rigs.bulletins import alert, full, numbered
from watchkeeper.errors import Refused
from watchkeeper.journal import Journal, JournalSettings
from watchkeeper.journal.notifications import OPEN_AT_ONCE, Sought, insert_rows
from watchkeeper.telling import Bulletin, Notification

NOW = 1_795_000_000_000


def row(number: int, channel: str = "ops", bulletin: Bulletin | None = None, **more: object) -> Notification:
    """One that waits."""
    at = NOW + number
    told = bulletin or numbered(number)
    return Notification(id=f"n{number:05}", at=at, channel=channel, bulletin=told, due_at=at, **more)  # type: ignore[arg-type]  # any of its fields


async def keep(journal: Journal, *rows: Notification) -> None:
    """Write them."""
    await journal.notifications.together(lambda connection: insert_rows(connection, rows))


async def state(journal: Journal, number: int) -> str:
    """How one stands."""
    found = await journal.notifications.one(f"n{number:05}")
    assert found is not None
    return found.state


async def test_all_of_a_bulletin_comes_back(journal: Journal) -> None:
    """Also figures that JSON has no words for."""
    odd = msgspec.structs.replace(full(), trend=((1, math.inf), (2, -0.0)))
    infinite = msgspec.structs.replace(odd.alerts[0], alert=alert(value=math.inf))
    odd = msgspec.structs.replace(odd, alerts=(infinite,))
    await keep(journal, row(1, bulletin=odd), row(2))
    assert (await journal.notifications.one("n00001")) == row(1, bulletin=odd)
    missing = msgspec.structs.replace(odd.alerts[0], alert=alert(value=math.nan))
    await keep(journal, row(3, bulletin=msgspec.structs.replace(odd, alerts=(missing,))))
    found = await journal.notifications.one("n00003")
    assert found is not None
    assert math.isnan(found.bulletin.alerts[0].alert.value)
    assert await journal.notifications.one("nothing") is None


async def test_a_row_moves_as_it_may_and_no_other_way(journal: Journal) -> None:
    """Claimed, again, claimed, delivered; and what has ended does not come back."""
    rows = journal.notifications
    await keep(journal, row(1))
    assert await rows.claim("n00001", NOW + 5)
    await rows.again("n00001", NOW + 900, "HTTP 500", unsure=True)
    queued = (await rows.queue("ops")).rows[0]
    assert (queued.state, queued.attempts, queued.due_at, queued.why, queued.unsure) == (
        "waiting",
        1,
        NOW + 900,
        "HTTP 500",
        True,
    )
    assert await rows.claim("n00001", NOW + 6)
    await rows.delivered("n00001", NOW + 7, "HTTP 200")
    assert not await rows.claim("n00001", NOW + 8)
    await rows.again("n00001", NOW, "too late", unsure=False)
    await rows.failed("n00001", NOW, "too late")
    assert await state(journal, 1) == "delivered"
    record = await rows.record("ops", NOW)
    assert (record.last_success_at, record.attempts) == (NOW + 7, (NOW + 6,))


async def test_a_fall_back_and_its_first_end_each_other(journal: Journal) -> None:
    """Whoever is delivered first: the other need not tell it; and a fall-back is asked once."""
    rows = journal.notifications
    await keep(journal, row(1), row(3))
    for _ in range(2):
        await rows.replace("n00001", row(2, "other", after="n00001"), NOW, over=False, why="slow")
    assert (await rows.queue("ops")).rows[0].replaced
    assert len((await rows.queue("other")).rows) == 1
    await rows.delivered("n00002", NOW, "ok")
    assert await state(journal, 1) == "superseded"
    await rows.replace("n00003", row(4, "other", after="n00003"), NOW, over=False, why="slow")
    await rows.delivered("n00003", NOW, "ok")
    assert await state(journal, 4) == "superseded"
    await keep(journal, row(5))
    await rows.replace("n00005", row(6, "other", after="n00005"), NOW, over=True, why="HTTP 413")
    assert (await state(journal, 5), await state(journal, 6)) == ("failed", "waiting")


async def test_the_queue_is_the_oldest_and_counts_all(journal: Journal) -> None:
    """However many wait, so many are looked at; of other channels none."""
    await keep(journal, *(row(number) for number in range(OPEN_AT_ONCE + 20)), row(9999, "other"))
    queue = await journal.notifications.queue("ops")
    assert (len(queue.rows), queue.length, queue.oldest_at) == (OPEN_AT_ONCE, OPEN_AT_ONCE + 20, NOW)
    assert [one.id for one in queue.rows] == [f"n{number:05}" for number in range(OPEN_AT_ONCE)]
    assert [one.channel for one in await journal.notifications.strays(["ops"])] == ["other"]


async def test_what_is_critical_is_looked_at_however_much_waits(journal: Journal) -> None:
    """Beyond the rows that are looked at, too."""
    grave = msgspec.structs.replace(numbered(1), severity="critical")
    await keep(journal, *(row(number) for number in range(OPEN_AT_ONCE + 20)), row(5000, bulletin=grave))
    queue = await journal.notifications.queue("ops")
    assert "n05000" in {one.id for one in queue.rows}
    assert queue.oldest_at == NOW


async def test_reminders_give_way_to_what_is_newer(journal: Journal) -> None:
    """Those that wait, of the same thread and channel; a firing never gives way, a claimed one is under way."""
    rows = journal.notifications
    await keep(journal, row(1, bulletin=numbered(1, thread="i")), row(2, bulletin=numbered(2, "reminder", "i")))
    await keep(journal, row(3, bulletin=numbered(3, "reminder", "j")), row(4, "other", bulletin=numbered(4, "reminder", "i")))
    await keep(journal, row(5, bulletin=numbered(5, "reminder", "k")))
    await rows.claim("n00005", NOW)
    await keep(journal, row(6, bulletin=numbered(6, "resolved", "i")), row(7, bulletin=numbered(7, "reminder", "k")))
    states = [await state(journal, number) for number in range(1, 8)]
    assert states == ["waiting", "superseded", "waiting", "waiting", "claimed", "waiting", "waiting"]


async def test_pages_go_on_where_they_ended(journal: Journal) -> None:
    """Newest first, by what is sought; a cursor that is none is refused."""
    await keep(journal, *(row(number) for number in range(5)))
    first = await journal.notifications.page(Sought(), 3)
    rest = await journal.notifications.page(Sought(), 3, f"{first[-1].at}.{first[-1].id}")
    assert [one.id for one in (*first, *rest)] == [f"n{number:05}" for number in (4, 3, 2, 1, 0)]
    assert [one.id for one in await journal.notifications.page(Sought(incident="incident-2"))] == ["n00002"]
    with pytest.raises(Refused):
        await journal.notifications.page(Sought(), 3, "nonsense")


async def test_what_has_ended_is_forgotten_in_time_and_what_waits_never(journal: Journal) -> None:
    """The journal's retention."""
    await keep(journal, row(1), row(2))
    await journal.notifications.failed("n00001", NOW, "no")
    await journal.prune(JournalSettings(), NOW + 366 * 86_400_000)
    assert [one.id for one in await journal.notifications.page(Sought())] == ["n00002"]
