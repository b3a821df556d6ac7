"""Stale markers for what has ended: when, for which series, and at which instant."""

from __future__ import annotations

import numpy as np
import pytest

from watchkeeper.model import STALE, STALE_BITS, Series
from watchkeeper.remote.endings import SILENT, Endings, patience
from watchkeeper.store.catalog import StreamName
from watchkeeper.store.log import Entry

NAMES = {
    1: StreamName("a", "10s"),
    2: StreamName("a", "5s"),
    3: StreamName("_remote", "prometheus/0"),
    4: StreamName("b", "60s"),
}
LAYOUTS = {1: ("x", "y", "z"), 2: ("y", "w"), 3: ("y",)}
GAP = float("nan")


def series(layout: int) -> tuple[Series, ...]:
    """A layout's columns."""
    return tuple(Series(name) for name in LAYOUTS.get(layout, ()))


def entry(stream: int, layout: int, at: int, *values: float) -> Entry:
    """One frame."""
    return Entry(stream, layout, at, np.array(values, np.float64))


def plain(entries: list[Entry]) -> list[tuple[int, str, list[object]]]:
    """Instants, streams' names and figures, markers as a word."""
    return [
        (
            one.at,
            NAMES[one.stream].name,
            [
                "stale" if bits == STALE_BITS else None if value != value else value  # noqa: PLR0124  # NaN: nothing
                for value, bits in zip(one.values.tolist(), one.values.view(np.int64).tolist(), strict=True)
            ],
        )
        for one in entries
    ]


@pytest.fixture
def endings() -> Endings:
    """Nothing was told yet."""
    return Endings(NAMES.get, series)


def test_a_series_ends_with_the_first_frame_that_does_not_tell_it(endings: Endings) -> None:
    """Once, and it may begin again."""
    told = [(1, 2, GAP), (1, GAP, GAP), (GAP, GAP, 3), (4, GAP, 3)]
    found = endings.marked([entry(1, 1, place * 10, *values) for place, values in enumerate(told)], 0.0)
    assert [values for _, _, values in plain(found)] == [[1, 2, None], [1, "stale", None], ["stale", None, 3], [4, None, 3]]


def test_what_a_new_layout_lacks_ends_under_the_old_one(endings: Endings) -> None:
    """In front of the new frame, at its instant; what both have goes on."""
    found = endings.marked([entry(1, 1, 10, 1, 2, GAP), entry(1, 2, 20, 2, 7), entry(1, 2, 30, 2, 7)], 0.0)
    assert plain(found) == [
        (10, "10s", [1, 2, None]),
        (20, "10s", ["stale", None, None]),
        (20, "10s", [2, 7]),
        (30, "10s", [2, 7]),
    ]


def test_a_layout_that_is_forgotten_ends_nothing(endings: Endings) -> None:
    """Its names are not known any more."""
    found = endings.marked([entry(1, 9, 10, 1), entry(1, 1, 20, 1, 2, 3)], 0.0)
    assert [len(one.values) for one in found] == [1, 3]


def test_a_frame_that_is_completed_ends_nothing(endings: Endings) -> None:
    """The same instant again, with more in it."""
    found = endings.marked([entry(1, 1, 10, 1, GAP, GAP), entry(1, 1, 10, 1, 2, GAP), entry(1, 1, 20, 1, 2, GAP)], 0.0)
    assert [values for _, _, values in plain(found)] == [[1, None, None], [1, 2, None], [1, 2, None]]


def test_what_others_write_has_its_own_markers(endings: Endings) -> None:
    """A gap in it is none of our business, and so is its silence; a marker that was told is not told again."""
    found = endings.marked([entry(3, 1, 10, 1, 2, 3), entry(3, 1, 20, 1, GAP, 3)], 0.0)
    assert [values for _, _, values in plain(found)] == [[1, 2, 3], [1, None, 3]]
    assert endings.silent(1e9) == []
    ours = endings.marked([entry(1, 1, 10, 1, 2, 3), entry(1, 1, 20, 1, STALE, 3), entry(1, 1, 30, 1, GAP, 3)], 0.0)
    assert [values for _, _, values in plain(ours)] == [[1, 2, 3], [1, "stale", 3], [1, None, 3]]


def test_a_silent_stream_ends_right_behind_its_last_frame(endings: Endings) -> None:
    """Once it has been silent for long; what comes later of the same time is not out of order."""
    endings.marked([entry(1, 1, 1000, 1, GAP, 3)], 100.0)
    assert endings.silent(100.0 + SILENT) == []
    assert plain(endings.silent(100.1 + SILENT)) == [(1001, "10s", ["stale", None, "stale"])]
    assert endings.silent(1e6) == []
    assert plain(endings.marked([entry(1, 1, 1002, 1, GAP, GAP)], 1e6)) == [(1002, "10s", [1, None, None])]
    assert plain(endings.silent(2e6)) == [(1003, "10s", ["stale", None, None])]


def test_what_moved_to_another_stream_goes_on(endings: Endings) -> None:
    """An agent whose rounds were changed is not silent; another machine's series of that name are others."""
    endings.marked([entry(1, 1, 1000, 1, 2, GAP), entry(2, 2, 5000, 2, 7)], 0.0)
    endings.marked([entry(2, 2, 9000, 2, 7)], 1e4)
    assert plain(endings.silent(1e4)) == [(1001, "10s", ["stale", None, None])]
    endings.marked([entry(4, 3, 1000, 2)], 0.0)
    assert plain(endings.silent(1e4)) == [(1001, "60s", ["stale"])]


@pytest.mark.parametrize(("stream", "seconds"), [("200ms", 60), ("10s", 60), ("30s", 150), ("hub", 60)])
def test_patience_grows_with_the_round(stream: str, seconds: float) -> None:
    """Five rounds, a minute at least."""
    assert patience(stream) == seconds
