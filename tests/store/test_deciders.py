"""What is joined and what is removed: the pure deciders, by tables."""

from __future__ import annotations

import pytest

from watchkeeper.store.chunkfile import Chunk
from watchkeeper.store.compaction import plan
from watchkeeper.store.head import capacity_for
from watchkeeper.store.retention import Limits, Shelved, removals

DAY = 86_400_000


def chunks(*ticks: int, layout: int = 1) -> list[Chunk]:
    """Neighbours of so many ticks."""
    return [
        Chunk(number, 1, layout, number * 10, number * 10 + 9, number * 10 + 9, count) for number, count in enumerate(ticks)
    ]


@pytest.mark.parametrize(
    ("given", "over", "wanted"),
    [
        ((100,) * 7, False, []),
        ((100,) * 8, False, [7]),
        ((100,) * 7, True, [7]),
        ((300, 300, 300), False, [2]),
        ((720, 720), True, []),
        ((100,), True, []),
        ((10,) * 9, False, [9]),
        ((700, 100, 100), True, [2]),
    ],
)
def test_neighbours_are_joined_when_it_pays(given: tuple[int, ...], over: bool, wanted: list[int]) -> None:
    """Runs that fill a chunk, runs of eight, and what is left once the file's span has ended."""
    assert [len(run) for run in plan(chunks(*given), over=over)] == wanted


def test_chunks_of_other_layouts_or_streams_stay_apart() -> None:
    """Only columns that mean the same can stand below one another."""
    one = chunks(10, 10)
    other = [chunk._replace(id=chunk.id + 10, layout=2) for chunk in chunks(10, 10)]
    assert [[chunk.layout for chunk in run] for run in plan([*one, *other], over=True)] == [[1, 1], [2, 2]]


def files() -> list[Shelved]:
    """Three closed days, a month of rollups, a year of hours, and the day that is being written."""
    days = [Shelved("t0", day * DAY, (day + 1) * DAY, 100) for day in range(97, 101)]
    return [*days, Shelved("t1", 70 * DAY, 100 * DAY, 50), Shelved("t2", 0, 100 * DAY, 10)]


NOW = 100 * DAY + 1
AGES = {"t0": 1000 * DAY, "t1": 1000 * DAY, "t2": 1000 * DAY}


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        (Limits(AGES, 10_000, 10_000), []),
        (Limits({**AGES, "t0": 2 * DAY}, 10_000, 10_000), [("t0", 97, "age")]),
        (Limits(AGES, 350, 10_000), [("t0", 97, "budget"), ("t0", 98, "budget")]),
        (Limits(AGES, 10_000, -150), [("t0", 97, "free space"), ("t0", 98, "free space")]),
        (
            Limits(AGES, 0, 10_000),
            [("t0", 97, "budget"), ("t0", 98, "budget"), ("t0", 99, "budget"), ("t1", 70, "budget"), ("t2", 0, "budget")],
        ),
    ],
)
def test_the_oldest_raw_file_goes_first_and_the_open_one_never(limits: Limits, wanted: list[tuple[str, int, str]]) -> None:
    """By age, by budget, for the sake of others; raw before rollups; today's file stays whatever happens."""
    gone = removals(files(), 20, limits, NOW)
    assert [(removal.file.tier, removal.file.start // DAY, removal.reason) for removal in gone] == wanted


def test_heads_share_their_memory() -> None:
    """A head has 60 to 720 ticks; a fleet's first ones are of different length, so that they do not all fill at once."""
    assert capacity_for(256 << 20, 300, 1, first=True) == 720
    assert capacity_for(256 << 20, 10**7, 1, first=False) == 60
    first = {capacity_for(256 << 20, 300_000, stream, first=True) for stream in range(32)}
    assert len(first) > 8
    assert min(first) >= capacity_for(256 << 20, 300_000, 1, first=False) // 2
