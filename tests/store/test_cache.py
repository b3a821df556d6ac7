"""What was unpacked lately: kept within its budget, the least asked for goes first."""

from __future__ import annotations

import numpy as np

from watchkeeper.store.cache import Cache, Unpacked


def entry(ticks: int) -> Unpacked:
    """So many ticks of one column."""
    return Unpacked(np.arange(ticks), np.zeros((ticks, 1)))


def test_the_least_recently_asked_for_goes_first() -> None:
    """Three of which two fit."""
    cache = Cache(2 * (16 * 1000 + 600) + 100)
    cache.keep("a", entry(1000))
    cache.keep("b", entry(1000))
    assert cache.find("a") is not None
    cache.keep("c", entry(1000))
    assert cache.find("b") is None
    assert cache.find("a") is not None
    assert cache.find("c") is not None


def test_what_is_kept_cannot_be_written_to() -> None:
    """Several questions share it."""
    cache = Cache(1 << 20)
    cache.keep("a", entry(10))
    kept = cache.find("a")
    assert kept is not None
    assert not kept.values.flags.writeable
    assert not kept.times.flags.writeable


def test_a_question_that_would_fill_it_is_read_past_it() -> None:
    """Half of the budget is the most that one question may take."""
    cache = Cache(16_000)
    assert cache.admits(500)
    assert not cache.admits(501)


def test_it_forgets() -> None:
    """All of it."""
    cache = Cache(1 << 20)
    cache.keep("a", entry(10))
    cache.forget()
    assert cache.find("a") is None
