"""Due hits without a lane wait in order, within a bound, and are counted when they are given up."""

from __future__ import annotations

import pytest

from watchkeeper.stress import waiting
from watchkeeper.stress.lane import Tally
from watchkeeper.stress.waiting import Waiting


def test_what_waits_too_long_is_given_up_the_oldest_first() -> None:
    """With how long each has waited."""
    tally, queue = Tally(0, 0, "one"), Waiting()
    for intended in (10, 20, 30):
        queue.add(tally, intended, 30)
    queue.drop(30, 50)
    assert [intended for _, intended in queue.hits] == [30]
    assert tally.dropped == 2
    assert tally.failed.values == [40, 30]


def test_beyond_its_bound_it_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """So memory stays as it is however slow the target: what does not fit is dropped at once."""
    monkeypatch.setattr(waiting, "MOST", 2)
    tally, queue = Tally(0, 0, "one"), Waiting()
    for intended in range(5):
        queue.add(tally, intended, 100)
    assert len(queue.hits) == 2
    assert tally.dropped == 3
    assert tally.failed.values == [98, 97, 96]
