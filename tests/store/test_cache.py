"""What was unpacked lately: kept within its budget, the least asked for goes first."""

from __future__ import annotations

import numpy as np

from watchkeeper.store.cache import ENTRY_BYTES, Cache, Kept
from watchkeeper.store.chunkfile import Chunk, in_memory
from watchkeeper.store.codec import encode
from watchkeeper.store.directory import Opened, open_chunk

TICKS = 100


def chunk(number: int) -> Chunk:
    """One of several."""
    return Chunk(number, 1, 7, number * TICKS, number * TICKS + TICKS - 1, number * TICKS + TICKS - 1, TICKS)


def opened() -> Opened:
    """A real directory."""
    return open_chunk(in_memory(encode(np.arange(TICKS), np.zeros((TICKS, 3)))))


def keep(cache: Cache, *numbers: int) -> None:
    """One column of each of these chunks."""
    cache.keep(Kept(chunk(number), (0,), opened(), np.zeros((1, TICKS))) for number in numbers)


def found(cache: Cache, number: int) -> tuple[bool, bool]:
    """Whether a chunk's directory and its column are kept."""
    ((directory, figures),) = cache.find([(chunk(number), (0,))])
    return directory is not None, figures is not None


DIRECTORY = opened().bytes + ENTRY_BYTES
COLUMN = 8 * TICKS + ENTRY_BYTES


def test_the_least_recently_asked_for_columns_go_first() -> None:
    """Three of which two fit; their directories stay."""
    cache = Cache(3 * DIRECTORY + 2 * COLUMN + 100)
    keep(cache, 1, 2)
    assert found(cache, 1) == (True, True)
    keep(cache, 3)
    assert found(cache, 2) == (True, False)
    assert found(cache, 1) == (True, True)
    assert found(cache, 3) == (True, True)


def test_directories_go_too_when_they_alone_are_too_much() -> None:
    """Never more than the budget, but for the newest columns."""
    cache = Cache(2 * DIRECTORY + COLUMN + 100)
    keep(cache, *range(10))
    assert found(cache, 0) == (False, False)
    assert found(cache, 9) == (True, True)
    assert found(cache, 8) == (True, False)


def test_other_columns_of_a_chunk_are_other_columns() -> None:
    """Its directory serves them all the same."""
    cache = Cache(1 << 20)
    keep(cache, 1)
    ((directory, figures),) = cache.find([(chunk(1), (0, 1))])
    assert directory is not None
    assert figures is None


def test_what_is_kept_cannot_be_written_to() -> None:
    """Several questions share it."""
    cache = Cache(1 << 20)
    keep(cache, 1)
    ((directory, figures),) = cache.find([(chunk(1), (0,))])
    assert figures is not None
    assert directory is not None
    assert not figures.flags.writeable
    assert not directory.times.flags.writeable


def test_a_question_that_would_fill_it_is_read_past_it() -> None:
    """Half of the budget is the most that one question may take."""
    cache = Cache(16_000)
    assert cache.admits(1000)
    assert not cache.admits(1001)


def test_it_forgets() -> None:
    """All of it."""
    cache = Cache(1 << 20)
    keep(cache, 1)
    cache.forget()
    assert found(cache, 1) == (False, False)


def test_directories_of_new_chunks_wait_for_the_first_question() -> None:
    """Before anybody asks for a column; of those alone, a quarter of the budget, the newest."""
    cache = Cache(4 * (3 * DIRECTORY + 100))
    for number in range(5):
        cache.learn(chunk(number), opened())
    assert [found(cache, number)[0] for number in range(5)] == [False, False, True, True, True]


def test_it_forgets_columns_alone() -> None:
    """The directories stay, and so does their share of the budget."""
    cache = Cache(3 * DIRECTORY + COLUMN + 100)
    keep(cache, 1)
    cache.forget(directories=False)
    assert found(cache, 1) == (True, False)
    keep(cache, 2, 3, 4)
    assert found(cache, 1) == (False, False)
    assert found(cache, 4) == (True, True)
