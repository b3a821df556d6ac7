"""The frame of the collectors: one frame a round, dictionaries when new, faults as absence, instants that rise."""

from __future__ import annotations

import asyncio
import math
from array import array
from pathlib import Path

import pytest

from watchkeeper.clock import FakeClock, SystemClock
from watchkeeper.collect.rounds import Rounds, instant, next_due
from watchkeeper.errors import Failed
from watchkeeper.model import Dictionary, Family, Frame, Series


class Told:
    """A reader that gives what the test says."""

    def __init__(self, *names: str) -> None:
        self.series = tuple(Series(name) for name in names)
        self.values: list[float] | Exception = [float(place) for place in range(len(names))]
        self.closed = False

    def read(self) -> list[float]:
        """See `seams.Reader`."""
        if isinstance(self.values, Exception):
            raise self.values
        return self.values

    def close(self) -> None:
        """See `seams.Reader`."""
        self.closed = True


class Leaf:
    """A collector around such a reader."""

    def __init__(self, reader: Told | None) -> None:
        self.reader = reader

    def families(self) -> tuple[Family, ...]:
        """See `seams.Collector`."""
        return (Family("a", "gauge", "A."), Family("never_seen", "gauge", "B."))

    def open(self, _: Path) -> Told:
        """See `seams.Collector`."""
        if self.reader is None:
            raise Failed("not on this system", retry=False)
        return self.reader


class Listener:
    """What was emitted."""

    def __init__(self) -> None:
        self.layouts: dict[int, Dictionary] = {}
        self.frames: list[tuple[Dictionary | None, Frame]] = []

    def __call__(self, layout: Dictionary | None, frame: Frame) -> None:
        """Remember it."""
        if layout:
            self.layouts[layout.id] = layout
        self.frames.append((layout, frame))

    def values(self, place: int = -1) -> dict[str, float]:
        """One frame's figures by series."""
        _, frame = self.frames[place]
        numbers = array("d")
        numbers.frombytes(frame.values)
        return {series.text(): value for series, value in zip(self.layouts[frame.dictionary].series, numbers, strict=True)}


def rounds_of(*readers: Told, listener: Listener | None = None, period: float = 5.0) -> Rounds:
    """Rounds over these readers as collectors ``c0``, ``c1``, …"""
    rounds = Rounds(FakeClock(), listener or Listener())
    rounds.open({f"c{place}": Leaf(reader) for place, reader in enumerate(readers)}, {}, period, Path("/"))
    return rounds


def take(rounds: Rounds, listener: Listener, at: int, stream: str = "5s") -> None:
    """One round."""
    listener(*rounds._rounds[stream].take(at))


@pytest.mark.parametrize(("now", "period", "due"), [(0, 5, 5), (4.999, 5, 5), (5, 5, 10), (12.3, 0.5, 12.5), (100.1, 60, 120)])
def test_rounds_stand_on_the_clock_s_own_grid(now: float, period: float, due: float) -> None:
    """So that figures of different machines meet."""
    assert next_due(now, period) == pytest.approx(due)


def test_instants_rise_though_the_clock_goes_back() -> None:
    """By a millisecond a round, until the clock has caught up."""
    assert instant(100.0, 0) == 100_000
    assert instant(50.0, 100_000) == 100_001
    assert instant(100.5, 100_001) == 100_500


def test_a_dictionary_comes_when_it_is_new_and_then_no_more() -> None:
    """Compared by the identity of the readers' layouts; only families that are used are told."""
    listener, reader = Listener(), Told("a")
    rounds = rounds_of(reader, listener=listener)
    for at in (5000, 10_000):
        take(rounds, listener, at)
    assert [layout is not None for layout, _ in listener.frames] == [True, False]
    told = next(iter(listener.layouts.values()))
    assert "never_seen" not in {family.name for family in told.families}
    assert listener.frames[0][1].stream == "5s"
    reader.series, reader.values = (Series("a"), Series("b")), [1.0, 2.0]
    take(rounds, listener, 15_000)
    assert listener.frames[-1][0] is not None
    assert listener.values()["b"] == 2.0


@pytest.mark.parametrize("fault", [OSError("gone"), Failed("not now"), KeyError("a bug"), [1.0, 2.0, 3.0]])
def test_a_fault_is_absence_and_costs_no_neighbour(fault: Exception | list[float], caplog: pytest.LogCaptureFixture) -> None:
    """NaN in its columns, success 0, told once; the others are as ever, and it may come back."""
    listener, broken, well = Listener(), Told("a"), Told("x", "y")
    rounds = rounds_of(broken, well, listener=listener)
    take(rounds, listener, 5000)
    before, broken.values = broken.values, fault
    for at in (10_000, 15_000):
        take(rounds, listener, at)
    values = listener.values()
    assert math.isnan(values["a"])
    assert values['watchkeeper_collector_success{collector="c0"}'] == 0
    assert (values["x"], values["y"]) == (0.0, 1.0)
    assert values['watchkeeper_collector_success{collector="c1"}'] == 1
    assert len([record for record in caplog.records if "c0" in record.message and record.levelname == "WARNING"]) == 1
    broken.values = before
    take(rounds, listener, 20_000)
    assert listener.values()["a"] == 0.0
    assert len(listener.layouts) == 1, "the layout stays while it fails"


def test_what_this_system_lacks_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """And said."""
    listener = Listener()
    rounds = Rounds(FakeClock(), listener)
    rounds.open({"lacking": Leaf(None), "there": Leaf(Told("a"))}, {}, 5, Path("/"))
    take(rounds, listener, 5000)
    assert "lacking is left out: not on this system" in caplog.text
    assert "a" in listener.values()


def test_each_period_is_a_stream_and_a_reload_keeps_what_was_added() -> None:
    """Collectors of before are closed, added readers stay, instants go on rising."""
    listener, old, added = Listener(), Told("a"), Told("b")
    rounds = Rounds(FakeClock(), listener)
    rounds.add("added", added, lambda: (), 5.0)
    rounds.open({"c": Leaf(old)}, {"c": 1.0}, 5.0, Path("/"))
    assert set(rounds.statistics) == {"1s", "5s"}
    rounds._rounds["5s"].take(50_000)
    rounds.open({"c": Leaf(Told("a"))}, {}, 5.0, Path("/"))
    assert old.closed
    assert not added.closed
    assert set(rounds.statistics) == {"5s"}
    assert rounds._rounds["5s"].last_at == 50_000


async def test_it_reads_on_time_until_cancelled() -> None:
    """Real rounds on the real clock, on the grid, and a reload in between."""
    listener = Listener()
    rounds = Rounds(SystemClock(), listener)
    rounds.open({"c": Leaf(Told("a"))}, {}, 0.1, Path("/"))
    task = asyncio.get_running_loop().create_task(rounds.run())
    while len(listener.frames) < 3:
        await asyncio.sleep(0.01)
    rounds.open({"c": Leaf(Told("z"))}, {}, 0.1, Path("/"))
    while "z" not in listener.values():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    times = [frame.at for _, frame in listener.frames]
    assert all(at % 100 == 0 for at in times)
    assert times == sorted(set(times))
