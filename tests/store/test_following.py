"""Reading along the log: every frame in the order in which it became durable, from any place, however it is cut."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rigs.store import BEGIN, Bench, layout_of
from watchkeeper.model import Frame
from watchkeeper.store import StoreSettings, log
from watchkeeper.store.following import Follower, Place

LAYOUTS = {name: layout_of(name, 3 + place) for place, name in enumerate("abc")}
Told = list[tuple[int, int, list[float]]]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A store whose segments are small."""
    monkeypatch.setattr(log, "SEGMENT_BYTES", 2000)
    one = Bench(tmp_path / "store", StoreSettings())
    yield one
    one.store.close()


def put(bench: Bench, chance: random.Random, rounds: int, first: int = 0) -> Told:
    """Some frames of three streams, a commit each time; what they are."""
    told: Told = []
    for tick in range(first, first + rounds):
        for number, (name, layout) in enumerate(LAYOUTS.items(), 1):
            bench.store.define(name, "10s", layout)
            if chance.random() < 0.7 or not tick:
                values = [chance.choice([1.0, chance.random()]) for _ in layout.series]
                at = BEGIN + 1000 * tick
                assert bench.store.take(name, Frame("10s", layout.id, at, np.array(values).tobytes()))
                told.append((number, at, values))
        bench.clock.set_wall(BEGIN / 1000 + tick)
        bench.store.commit_now()
    return told


def read(follower: Follower, most: int = 20, times: int = 1000) -> Told:
    """What it tells next, noted as done."""
    told: Told = []
    for _ in range(times):
        entries, place = follower.read(most)
        if not entries:
            break
        told += [(entry.stream, entry.at, entry.values.tolist()) for entry in entries]
        follower.place = place
    return told


def test_every_frame_is_told_once_in_order(bench: Bench) -> None:
    """While it grows, over segments, and by a reader that begins in the middle of one."""
    chance = random.Random(3)
    follower = bench.store.follow(None, 1 << 30)
    told, heard = Told(), Told()
    for part in range(20):
        told += put(bench, chance, 10, 10 * part)
        heard += read(follower, most=chance.choice([1, 30, 1000]), times=chance.choice([1, 3, 1000]))
        if chance.random() < 0.3:
            bench.reopen()
            follower = bench.store.follow(follower.place, 1 << 30)
    assert heard + read(follower) == told
    assert follower.behind == 0


def test_what_is_not_noted_is_told_again(bench: Bench) -> None:
    """Its owner was not done with it."""
    follower = bench.store.follow(None, 1 << 30)
    told = put(bench, random.Random(1), 5)
    first, _ = follower.read(10)
    again, _ = follower.read(10)
    assert [one.values.tolist() for one in first] == [one.values.tolist() for one in again]
    assert read(follower) == told


def test_a_new_reader_begins_now(bench: Bench) -> None:
    """What is there already was kept before anybody asked for it."""
    chance = random.Random(1)
    put(bench, chance, 5)
    follower = bench.store.follow(None, 1 << 30)
    assert read(follower) == []
    told = put(bench, chance, 5, 5)
    assert read(follower) == told


def test_sealed_segments_wait_for_their_reader(bench: Bench) -> None:
    """And go once it has read them."""
    follower = bench.store.follow(None, 1 << 30)
    told = put(bench, random.Random(2), 60)
    bench.store.seal_everything()
    segments = len(list((bench.folder / "log").iterdir()))
    assert segments > 3
    assert read(follower) == told
    bench.store.seal_everything()
    assert len(list((bench.folder / "log").iterdir())) < segments
    assert follower.lost == 0


def test_a_reader_that_is_too_far_behind_loses_the_oldest_and_knows_it(bench: Bench) -> None:
    """The log is bounded whatever others do."""
    follower = bench.store.follow(None, 6000)
    told = put(bench, random.Random(2), 100)
    bench.store.seal_everything()
    assert sum(path.stat().st_size for path in (bench.folder / "log").iterdir()) <= 6000 + 2500
    heard = read(follower)
    assert heard == told[-len(heard) :]
    assert 0 < len(heard) < len(told)
    assert follower.lost > 2000


def test_a_log_that_begins_anew_is_read_from_its_beginning(bench: Bench) -> None:
    """A place from before it was emptied means nothing any more."""
    follower = bench.store.follow(Place(99, 5), 1 << 30)
    told = put(bench, random.Random(1), 3)
    assert read(follower) == told
