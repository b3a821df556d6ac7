"""What was unpacked lately: kept within its budget, the least asked for goes first."""

from __future__ import annotations

import numpy as np

from watchkeeper.store.cache import Cache, Opened
from watchkeeper.store.chunkfile import Chunk, in_memory
from watchkeeper.store.codec import encode, read_directory

TICKS = 100


def chunk(number: int) -> Chunk:
    """One of several."""
    return Chunk(number, 1, 7, number * TICKS, number * TICKS + TICKS - 1, number * TICKS + TICKS - 1, TICKS)


def opened() -> Opened:
    """A real directory."""
    times = np.arange(TICKS)
    return Opened(read_directory(in_memory(encode(times, np.zeros((TICKS, 3))))), times)


def column() -> np.ndarray:
    """One column."""
    return np.zeros((TICKS, 1))


def test_the_least_recently_asked_for_columns_go_first() -> None:
    """Three of which two fit; their directories stay."""
    cache = Cache(3 * opened().bytes + 2 * (8 * TICKS + 600) + 100)
    cache.keep(chunk(1), opened(), (0,), column())
    cache.keep(chunk(2), opened(), (0,), column())
    assert cache.columns(chunk(1), (0,)) is not None
    cache.keep(chunk(3), opened(), (0,), column())
    assert cache.columns(chunk(2), (0,)) is None
    assert cache.columns(chunk(1), (0,)) is not None
    assert cache.columns(chunk(3), (0,)) is not None
    assert cache.opened(chunk(2)) is not None


def test_directories_go_too_when_they_alone_are_too_much() -> None:
    """Never more than the budget, but for the newest columns."""
    cache = Cache(2 * opened().bytes + 8 * TICKS + 700)
    for number in range(10):
        cache.keep(chunk(number), opened(), (0,), column())
    assert cache.opened(chunk(0)) is None
    assert cache.opened(chunk(9)) is not None
    assert cache.columns(chunk(9), (0,)) is not None
    assert cache.columns(chunk(8), (0,)) is None


def test_what_is_kept_cannot_be_written_to() -> None:
    """Several questions share it."""
    cache = Cache(1 << 20)
    cache.keep(chunk(1), opened(), (0,), column())
    values, directory = cache.columns(chunk(1), (0,)), cache.opened(chunk(1))
    assert values is not None
    assert directory is not None
    assert not values.flags.writeable
    assert not directory.times.flags.writeable


def test_a_question_that_would_fill_it_is_read_past_it() -> None:
    """Half of the budget is the most that one question may take."""
    cache = Cache(16_000)
    assert cache.admits(1000)
    assert not cache.admits(1001)


def test_it_forgets() -> None:
    """All of it."""
    cache = Cache(1 << 20)
    cache.keep(chunk(1), opened(), (0,), column())
    cache.forget()
    assert cache.columns(chunk(1), (0,)) is None
    assert cache.opened(chunk(1)) is None
