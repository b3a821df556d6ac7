"""Events are kept once, however often they are told, and read back page by page, newest first."""

from __future__ import annotations

import asyncio

import pytest

from watchkeeper.errors import Refused
from watchkeeper.journal import Journal
from watchkeeper.journal.events import DROPPED_AT_ONCE, PAGE, Sought, cursor
from watchkeeper.model import Event, EventKind, Severity


def event(
    number: int,
    kind: EventKind = EventKind.PROBE_FAILED,
    *,
    at: int = 0,
    machine: str = "alpha",
    server: str = "web",
    severity: Severity = "info",
) -> Event:
    """An event that can be told from others."""
    return Event(f"e{number:05}", at or number, kind, f"number {number}", machine, server, severity, {"n": str(number)})


async def test_telling_twice_keeps_once(journal: Journal) -> None:
    """Only events not known before are returned, in their order, also within one call; all fields come back."""
    first = [event(3), event(1), event(3)]
    assert await journal.events.add(first) == (event(3), event(1))
    assert await journal.events.add([event(1), event(2), event(3)]) == (event(2),)
    assert await journal.events.add([]) == ()
    assert await journal.events.page(Sought()) == (event(3), event(2), event(1))


async def test_what_is_kept_is_never_changed(journal: Journal) -> None:
    """An id that comes again with another text says nothing new."""
    await journal.events.add([event(1)])
    assert await journal.events.add([Event("e00001", 99, EventKind.HUB_STARTED, "other")]) == ()
    assert await journal.events.page(Sought()) == (event(1),)


async def test_many_tellers_at_once_keep_each_event_once(journal: Journal) -> None:
    """Each event is new to exactly one of those who tell it at the same time."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(journal.events.add([event(number) for number in range(40)])) for _ in range(20)]
    assert sorted(one.id for task in tasks for one in task.result()) == [f"e{number:05}" for number in range(40)]


async def test_an_awkward_text_comes_back_as_it_was(journal: Journal) -> None:
    """Quotes, line ends, zero bytes and other scripts are data, in text and facts alike."""
    odd = "'; DROP TABLE events; -- \" \n\t\0 ünï 漢字 🚢"
    told = Event("odd", 1, EventKind.SERVER_EXITED, odd, odd, odd, "critical", {odd: odd, "": ""})
    await journal.events.add([told])
    assert await journal.events.page(Sought(machine=odd, server=odd)) == (told,)


@pytest.mark.parametrize(
    ("sought", "numbers"),
    [
        (Sought(), [6, 5, 4, 3, 2, 1]),
        (Sought(machine="beta"), [5]),
        (Sought(machine="alpha", server="db"), [4]),
        (Sought(machine="gamma"), []),
        (Sought(kinds=(EventKind.HUB_STARTED,)), [6]),
        (Sought(kinds=(EventKind.HUB_STARTED, EventKind.SERVER_EXITED)), [6, 2]),
        (Sought(least="warning"), [3, 2]),
        (Sought(least="critical"), [2]),
        (Sought(since=3), [6, 5, 4, 3]),
        (Sought(since=2, until=5), [4, 3, 2]),
        (Sought(machine="alpha", server="web", least="warning", since=3), [3]),
    ],
)
async def test_what_is_sought_is_found(journal: Journal, sought: Sought, numbers: list[int]) -> None:
    """Each condition narrows, all of them together."""
    await journal.events.add(
        [
            event(1),
            event(2, EventKind.SERVER_EXITED, severity="critical"),
            event(3, severity="warning"),
            event(4, server="db"),
            event(5, machine="beta"),
            event(6, EventKind.HUB_STARTED, machine="", server=""),
        ]
    )
    assert [one.at for one in await journal.events.page(sought)] == numbers


async def test_pages_join_up_while_more_comes_in(journal: Journal) -> None:
    """Following the cursor sees each event once, though many share an instant and newer ones arrive meanwhile."""
    await journal.events.add([event(number, at=1 + number // 7) for number in range(50)])
    seen: list[Event] = []
    before = ""
    while page := await journal.events.page(Sought(), limit=9, before=before):
        seen += page
        before = cursor(page[-1].at, page[-1].id)
        await journal.events.add([event(1000 + len(seen))])
    assert [one.id for one in seen] == [f"e{number:05}" for number in reversed(range(50))]


async def test_a_page_is_bounded(journal: Journal) -> None:
    """Nobody gets more than a page at once, and nothing for less than one."""
    await journal.events.add([event(number) for number in range(PAGE + 10)])
    assert len(await journal.events.page(Sought(), limit=10**9)) == PAGE
    assert await journal.events.page(Sought(), limit=0) == ()
    assert await journal.events.page(Sought(), limit=-5) == ()


@pytest.mark.parametrize("written", ["x", "1", ".", "-1.e", "1e3.e", "²." + "e", "9" * 16 + ".e", "12"])
async def test_a_cursor_that_is_none_of_ours_is_refused(journal: Journal, written: str) -> None:
    """Whoever makes up a cursor hears so."""
    with pytest.raises(Refused) as refused:
        await journal.events.page(Sought(), before=written)
    assert refused.value.code == "bad-cursor"


async def test_dropping_takes_the_old_and_leaves_the_rest(journal: Journal) -> None:
    """Retention goes in portions, and tells how many went."""
    await journal.events.add([event(number, at=1000 + number) for number in range(DROPPED_AT_ONCE + 20)])
    assert await journal.events.drop_older(1000) == 0
    assert await journal.events.drop_older(1000 + DROPPED_AT_ONCE + 5) == DROPPED_AT_ONCE + 5
    assert [one.at for one in await journal.events.page(Sought())] == [
        1000 + DROPPED_AT_ONCE + n for n in reversed(range(5, 20))
    ]
