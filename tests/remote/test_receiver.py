"""Foreign series in frames: nothing that is acknowledged is lost or told twice, however it is cut into requests."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rigs.store import BEGIN, Bench
from rigs.writer import Told, message, series
from watchkeeper.errors import Failed, Refused
from watchkeeper.model import ABSENT_BITS, STALE, STALE_BITS, Matcher, Series
from watchkeeper.query.tracks import merged
from watchkeeper.remote import groups, receiver
from watchkeeper.remote.receiver import Receiver
from watchkeeper.remote.writing import read_request
from watchkeeper.store import StoreSettings

Samples = dict[Series, dict[int, float]]


class Rig:
    """A receiver over a real store."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(folder, StoreSettings())
        self.now = BEGIN
        self.receiver = Receiver(self.bench.store, lambda: self.now)

    def again(self) -> None:
        """As after a kill -9: the store comes back from its log, the receiver knows nothing."""
        self.bench.reopen()
        self.receiver = Receiver(self.bench.store, lambda: self.now)

    def write(self, *told: Told) -> None:
        """One request, kept."""
        try:
            request = read_request(message(*told))
            self.receiver.learn(self.receiver.fresh(request))
            self.receiver.take(request)
        finally:
            self.bench.store.commit_now()

    def kept(self, *matchers: Matcher) -> Samples:
        """All samples there are, each series' in time order."""
        found: Samples = {}
        for block in merged(self.bench.store.select(matchers, 0, 1 << 60)):
            values = np.ascontiguousarray(block.values)
            for column, one in enumerate(block.series):
                there = values[:, column].copy().view(np.int64) != ABSENT_BITS
                if there.any():
                    assert one not in found
                    found[one] = dict(zip(block.times[there].tolist(), values[there, column].tolist(), strict=True))
        return found

    @property
    def streams(self) -> int:
        """Streams of the store."""
        return self.bench.store.statistics().streams


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A fresh one."""
    one = Rig(tmp_path / "store")
    yield one
    one.bench.store.close()


def target(count: int, instance: str = "a:1") -> list[Series]:
    """The series of one scrape target."""
    return [series("m", job="j", instance=instance, number=str(number)) for number in range(count)]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_scrape_that_is_cut_anywhere_is_whole_again(rig: Rig, restarts: bool) -> None:
    """700 series, twenty rounds, requests of any size: every sample once, in few streams; also when the hub dies in between."""
    chance = random.Random(4)
    some = target(700)
    told: Samples = {one: {} for one in some}
    for tick in range(20):
        at = BEGIN + 15_000 * tick
        rig.now = at
        left = list(some)
        while left:
            size = chance.randint(50, 500)
            part, left = left[:size], left[size:]
            request = [(one, [(at, chance.random())]) for one in part]
            rig.write(*request)
            if chance.random() < 0.2:
                rig.write(*request)  # its answer was lost
            for one, samples in request:
                told[one] |= dict(samples)
            if restarts and chance.random() < 0.1:
                rig.again()
                rig.write(*request)
    assert rig.kept() == told
    assert rig.streams <= (40 if restarts else 12)
    assert rig.receiver.tally.out_of_order == 0


def test_series_with_times_of_their_own_find_their_groups(rig: Rig) -> None:
    """Told together once, apart ever after: nothing is lost, and streams do not multiply with time."""
    some = target(40)
    told: Samples = {one: {BEGIN: 0.0} for one in some}
    rig.write(*[(one, [(BEGIN, 0.0)]) for one in some])
    for tick in range(1, 30):
        for number, one in enumerate(some):
            at = BEGIN + 60_000 * tick - number % 7 * 5000
            rig.now = max(rig.now, at)
            rig.write((one, [(at, float(tick))]))
            told[one][at] = float(tick)
    assert rig.kept() == told
    assert rig.streams <= 40


def test_series_that_appear_one_by_one_do_not_make_a_stream_each(rig: Rig) -> None:
    """A label's values grow over hours: groups fill, layouts change a bounded number of times each."""
    some = target(200)
    for tick in range(200):
        rig.now = at = BEGIN + 15_000 * tick
        rig.write(*[(one, [(at, 1.0)]) for one in some[: tick + 1]])
    assert len(rig.kept()) == 200
    assert sum(len(found) for found in rig.kept().values()) == 200 * 201 // 2
    assert rig.streams <= 200 // groups.MOST_CHANGES + 1


def test_samples_out_of_order_are_refused_and_the_rest_is_kept(rig: Rig) -> None:
    """As Prometheus does, with how many; a resend of what is there is no fault."""
    old, other = target(2)
    rig.write((old, [(BEGIN, 1.0), (BEGIN + 1000, 2.0)]))
    with pytest.raises(Refused, match="1 samples are older") as refused:
        rig.write((old, [(BEGIN + 500, 3.0)]), (other, [(BEGIN + 500, 4.0)]))
    assert refused.value.code == "out-of-order"
    rig.write((old, [(BEGIN + 1000, 2.0)]))
    assert rig.kept() == {old: {BEGIN: 1.0, BEGIN + 1000: 2.0}, other: {BEGIN + 500: 4.0}}
    assert (rig.receiver.tally.out_of_order, rig.receiver.tally.resent) == (1, 1)


def test_samples_of_the_far_future_are_refused(rig: Rig) -> None:
    """A wrong clock elsewhere does not hold up its series here."""
    (one,) = target(1)
    with pytest.raises(Refused, match="ahead"):
        rig.write((one, [(BEGIN + receiver.FUTURE + 1, 1.0)]))
    rig.write((one, [(BEGIN, 2.0)]))
    assert rig.kept() == {one: {BEGIN: 2.0}}


def test_what_was_not_taken_does_not_count_as_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk is full the store takes nothing; what is sent again later is kept."""
    (one,) = target(1)

    def full(*_: object) -> bool:
        raise Failed("full")

    with monkeypatch.context() as patch:
        patch.setattr(rig.bench.store, "take", full)
        with pytest.raises(Failed):
            rig.write((one, [(BEGIN, 1.0)]))
    rig.write((one, [(BEGIN, 1.0)]))
    assert rig.kept() == {one: {BEGIN: 1.0}}


def test_a_series_is_kept_with_its_own_labels_under_its_machine(rig: Rig) -> None:
    """Who names a machine is found by it, who names none by whatever else; stale markers keep their bits."""
    named, free, odd = series("a", machine="web-1"), series("a", job="x"), series("a", machine="not a name", job="x")
    rig.write((named, [(BEGIN, 1.0)]), (free, [(BEGIN, STALE)]), (odd, [(BEGIN, 3.0)]))
    assert rig.kept(Matcher("machine", "=", "web-1")) == {named: {BEGIN: 1.0}}
    assert set(rig.kept(Matcher("machine", "=", ""))) == {free}
    assert set(rig.kept(Matcher("job", "=", "x"))) == {free, odd}
    (block,) = rig.bench.store.select([Matcher("machine", "=", "")], 0, 1 << 60)
    assert np.ascontiguousarray(block.values).view(np.int64).tolist() == [[STALE_BITS]]


def test_the_same_labels_in_another_order_are_the_same_series(rig: Rig) -> None:
    """Two senders may sort differently."""
    one = series("a", b="1", c="2")
    other = Series("a", (("c", "2"), ("b", "1")))
    rig.write((one, [(BEGIN, 1.0)]))
    rig.write((other, [(BEGIN, 1.0), (BEGIN + 1, 2.0)]))
    assert rig.kept() == {one: {BEGIN: 1.0, BEGIN + 1: 2.0}}
    assert rig.receiver.tally.resent == 1


def test_a_source_that_falls_silent_is_forgotten_and_comes_back(rig: Rig) -> None:
    """Memory is bounded by what is told lately; its streams' names are used again."""
    some = target(3)
    rig.write(*[(one, [(BEGIN, 1.0)]) for one in some])
    rig.now += 2 * receiver.SILENT
    (other,) = target(1, "b:1")
    rig.write((other, [(rig.now, 1.0)]))
    assert rig.receiver.series == 1
    rig.write(*[(one, [(BEGIN, 1.0), (rig.now, 2.0)]) for one in some])
    assert rig.kept(Matcher("instance", "=", "a:1")) == {one: {BEGIN: 1.0, rig.now: 2.0} for one in some}
    assert (rig.streams, rig.receiver.tally.resent) == (2, 3)


def test_the_number_of_series_is_bounded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that invents series is refused before memory is gone."""
    monkeypatch.setattr(receiver, "MOST_SERIES", 10)
    with pytest.raises(Refused, match="more than 10 series"):
        rig.write(*[(one, [(BEGIN, 1.0)]) for one in target(11)])
