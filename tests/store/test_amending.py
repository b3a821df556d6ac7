"""Frames that come in parts, and series that change their stream: one row, one newest value, also after a kill."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rigs.store import BEGIN, Bench, layout_of
from watchkeeper.model import Frame, Matcher
from watchkeeper.store import StoreSettings

A = [Matcher("machine", "=", "a")]
LAYOUT = layout_of("a", 3)
NAN = np.nan


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An empty store."""
    one = Bench(tmp_path / "store", StoreSettings())
    one.store.define("a", "x", LAYOUT)
    yield one
    one.store.close()


def frame(at: int, *values: float, stream: str = "x") -> Frame:
    """One of three columns."""
    return Frame(stream, LAYOUT.id, BEGIN + at, np.array(values).tobytes())


def rows(bench: Bench) -> dict[int, list[float]]:
    """What is there, by instant."""
    (block,) = bench.store.select(A, 0, 1 << 60)
    return dict(zip((block.times - BEGIN).tolist(), np.nan_to_num(block.values, nan=-1).tolist(), strict=True))


@pytest.mark.parametrize("commits", [True, False])
def test_parts_of_a_frame_become_one_row(bench: Bench, commits: bool) -> None:
    """Whether the first is on the disk already or not; both come back from the log."""
    assert bench.store.take("a", frame(0, 1, 2, NAN))
    assert bench.store.take("a", frame(1, 4, NAN, NAN))
    if commits:
        bench.store.commit_now()
    assert bench.store.amend("a", frame(1, NAN, 5, NAN))
    assert bench.store.amend("a", frame(1, NAN, NAN, 6))
    bench.store.commit_now()
    whole = {0: [1, 2, -1], 1: [4, 5, 6]}
    assert rows(bench) == whole
    bench.reopen()
    assert rows(bench) == whole
    bench.store.seal_everything()
    assert rows(bench) == whole
    bench.reopen()
    assert rows(bench) == whole


def test_only_the_last_row_of_its_layout_is_amended(bench: Bench) -> None:
    """Not an older one, not one that is being sealed, not one of other series: then it is said, and nothing is done."""
    other = layout_of("a", 3, "n")
    bench.store.define("a", "x", other)
    assert not bench.store.amend("a", frame(0, 1, 2, 3))
    assert bench.store.take("a", frame(1, 1, NAN, NAN))
    assert not bench.store.amend("a", frame(0, 1, 2, 3))
    assert not bench.store.amend("a", frame(2, 1, 2, 3))
    assert not bench.store.amend("a", Frame("x", other.id, BEGIN + 1, bytes(24)))
    bench.store.commit_now()
    bench.store.seal_everything()
    assert not bench.store.amend("a", frame(1, NAN, 2, 3))
    assert rows(bench) == {1: [1, -1, -1]}


def test_a_series_that_changed_its_stream_is_told_once(bench: Bench) -> None:
    """With its newest value; so few and so many streams of a machine."""
    for streams in (2, 12):
        for number in range(streams):
            bench.store.define("a", f"s{number}", LAYOUT)
            assert bench.store.take("a", frame(streams * 100 - number, number, NAN, number, stream=f"s{number}"))
        told = {one.name: (at - BEGIN, value) for one, at, value in bench.store.latest(A)}
        assert len(bench.store.latest(A)) == 2
        assert told == {"m0": (streams * 100, 0.0), "m2": (streams * 100, 0.0)}
