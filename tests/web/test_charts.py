"""Charts from raw rounds and from rollups tell the same, leave silence empty and stay bounded."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigs.desk import MemoryStore, series
from watchkeeper.errors import Refused
from watchkeeper.model import Block, Matcher, Series
from watchkeeper.seams import Admit
from watchkeeper.web import charts
from watchkeeper.web.charts import POINTS, RAW_TICKS, STEPS, Asked, chart, finer, newest, parted, plain, step_for
from watchkeeper.web.panels import PANELS
from watchkeeper.web.shapes import Chart

NOW = 1_760_000_400_000
SECOND = 1000


class RefusingStore(MemoryStore):
    """A store that finds every raw question too large."""

    def select(self, matchers: Sequence[Matcher], start: int, end: int, admit: Admit | None = None) -> list[Block]:
        """Too much, except for itself."""
        if self.strict:
            raise Refused("that would read 10000000 samples", code="too-much")
        return super().select(matchers, start, end)

    strict = True

    def rollups(self, *asked):  # type: ignore[no-untyped-def]  # as its parent, whatever is asked
        """As ever."""
        self.strict = False
        try:
            return super().rollups(*asked)
        finally:
            self.strict = True


def gauge(store: MemoryStore, one: Series, values: dict[int, float]) -> None:
    """Values by seconds before `NOW`."""
    for back in sorted(values, reverse=True):
        store.put(one, NOW - back * SECOND, values[back])


def drawn(store: MemoryStore, panel: str, *, server: str = "", span: int = 60, points: int = 300, period: float = 1.0) -> Chart:
    """A chart of the last `span` seconds, its end included."""
    return chart(store, Asked(PANELS[panel], "alpha", server, NOW - span * SECOND, NOW + 1, points), period)


def line(found: Chart, name: str) -> dict[int, float | None]:
    """A line by seconds before `NOW`."""
    values = next(one.average for one in found.lines if one.name == name)
    return {(NOW - at) // SECOND: value for at, value in zip(found.times, values, strict=True)}


def test_a_gauge_is_shown_as_it_was(store: MemoryStore) -> None:
    """Each round at its own time; no bounds where a step holds one sample."""
    gauge(store, series("node_load1"), {3: 0.5, 2: 0.25, 1: 1e-9, 0: 123456789.0})
    found = drawn(store, "load")
    assert line(found, "1 min") == {3: 0.5, 2: 0.25, 1: 1e-9, 0: 123457000.0}
    assert found.step == SECOND
    assert (found.lines[0].least, found.lines[0].most) == (None, None)
    assert [one.name for one in found.lines] == ["1 min"]


def test_a_counter_is_shown_as_its_rate(store: MemoryStore) -> None:
    """Increase per second, also right after the range's start; a reset counts what is there; the first sample has none."""
    gauge(store, series("process_read_bytes_total", server="web"), {4: 1000, 3: 1500, 2: 1600, 1: 200, 0: 200})
    assert line(drawn(store, "server_io", server="web"), "read") == {4: None, 3: 500, 2: 100, 1: 200, 0: 0}
    assert line(drawn(store, "server_io", server="web", span=2), "read") == {2: 100, 1: 200, 0: 0}


def test_a_rate_over_a_long_gap_is_not_known(store: MemoryStore) -> None:
    """Nobody knows how the increase lies in it; the line is parted there."""
    gauge(store, series("process_read_bytes_total", server="web"), {40: 0, 39: 10, 5: 1000, 4: 1010})
    found = line(drawn(store, "server_io", server="web"), "read")
    assert found.pop(22) is None
    assert found == {40: None, 39: 10, 5: None, 4: 10}


def test_silence_parts_a_line(store: MemoryStore) -> None:
    """A gap of more than three rounds gets an instant without a value; a shorter one none."""
    gauge(store, series("node_load1"), dict.fromkeys([30, 29, 28, 26, 25, 9, 8, 7], 1.0))
    found = line(drawn(store, "load"), "1 min")
    assert [back for back, value in found.items() if value is None] == [17]
    assert len(found) == 9


@pytest.mark.parametrize("holes", [[], [3], [0, 3]])
def test_parted(holes: list[int]) -> None:
    """An instant in the middle of each hole, no value there, everything else untouched."""
    ticks = np.cumsum([100 + 1000 * (place - 1 in holes) for place in range(6)]).astype(np.int64)
    times, figures = parted(ticks, {"a": np.arange(6.0)}, 500)
    known = ~np.isnan(figures["a"])
    assert times[known].tolist() == ticks.tolist()
    assert figures["a"][known].tolist() == list(range(6))
    assert int((~known).sum()) == len(holes)
    assert (np.diff(times) > 0).all()


def test_many_rounds_are_windows_with_bounds(store: MemoryStore) -> None:
    """Beyond the asked points each window tells average, least and most, and windows begin at whole steps."""
    for back in range(600, -1, -1):
        store.put(series("node_load1"), NOW - back * SECOND, float(back % 10))
    found = drawn(store, "load", span=600, points=60)
    assert found.step == 15 * SECOND
    assert all(at % found.step == 0 for at in found.times)
    one = found.lines[0]
    assert one.least
    assert one.most
    for average, least, most in zip(one.average[1:-1], one.least[1:-1], one.most[1:-1], strict=True):
        assert (least, most) == (0, 9)
        assert average
        assert 3 < average < 6


def test_long_ranges_come_from_rollups_and_tell_the_same(store: MemoryStore) -> None:
    """A steady counter and a steady gauge look alike whether read raw or rolled up."""
    span = (RAW_TICKS + 1000) * 10
    for back in range(span, -1, -10):
        store.put(series("node_load1"), NOW - back * SECOND, 2.0)
        store.put(series("process_cpu_seconds_total", server="web"), NOW - back * SECOND, (span - back) * 0.5)
    rolled = drawn(store, "load", span=span, points=100, period=10)
    assert rolled.step in {step * SECOND for step in STEPS}
    assert set(rolled.lines[0].average) <= {2.0, None}
    assert rolled.lines[0].average.count(None) <= 1
    assert set(rolled.lines[0].least or ()) <= {2.0, None}
    counter = drawn(store, "server_cpu", server="web", span=span, points=100, period=10)
    (told,) = counter.lines
    for side in (told.average, told.least, told.most):
        assert all(value is not None and math.isclose(value, 0.5, rel_tol=0.15) for value in (side or ())[2:-2])
    assert all(math.isclose(value or 0, 0.5, rel_tol=0.02) for value in told.average[2:-2])


def test_a_burst_is_seen_in_a_month(store: MemoryStore) -> None:
    """Ten busy minutes in 30 days: the average of their two hours hardly moves, the most of them does."""
    total = 0.0
    for back in range(30 * 86_400, -1, -60):
        total += 60.0 if 15 * 86_400 <= back < 15 * 86_400 + 600 else 0.6
        store.put(series("process_cpu_seconds_total", server="web"), NOW - back * SECOND, total)
    month = drawn(store, "server_cpu", server="web", span=30 * 86_400, points=600, period=30)
    (told,) = month.lines
    assert month.step == 7200 * SECOND
    average, least, most = ([one for one in side or () if one is not None] for side in (told.average, told.least, told.most))
    assert max(average) < 0.15
    assert 0.8 < max(most) < 1.2
    assert max(least) < 0.02


@pytest.mark.parametrize(
    ("step", "period", "fine"), [(7200, 1, 600), (86_400, 1, 7200), (300, 5, 60), (300, 60, 300), (60, 1, 60), (15, 1, 15)]
)
def test_finer(step: int, period: float, fine: int) -> None:
    """A whole part of the step, at most twelve of them, and surely filled; else the step itself."""
    assert finer(step * SECOND, period) == fine * SECOND


def test_what_the_store_finds_too_much_is_rolled_up() -> None:
    """A refusal of the raw question is an answer from the rollups, never an error to the page."""
    store = RefusingStore()
    gauge(store, series("node_load1"), dict.fromkeys(range(600), 3.0))
    found = drawn(store, "load", span=600, points=21)
    assert found.step == 30 * SECOND
    assert set(found.lines[0].average) <= {3.0, None}


def test_nothing_there_is_an_empty_chart(store: MemoryStore) -> None:
    """No lines, and no exception, from any panel in either way of reading."""
    for panel in PANELS.values():
        for span in (60, 86400 * 365):
            found = drawn(store, panel.name, server="web" if panel.scope == "server" else "", span=span)
            assert all(value is None for one in found.lines for value in one.average)
            assert len(found.times) <= POINTS + 1


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5), (-1, 5)])
def test_a_range_that_is_none_is_refused(store: MemoryStore, start: int, end: int) -> None:
    """The start lies before the end, and neither before the epoch."""
    with pytest.raises(Refused) as refused:
        chart(store, Asked(PANELS["load"], "alpha", "", start, end, 10), 1)
    assert refused.value.code == "bad-range"


def test_other_machines_and_servers_are_not_in_it(store: MemoryStore) -> None:
    """A chart is of one machine, or of one of its servers."""
    gauge(store, Series("node_load1", (("machine", "beta"),)), {0: 9.0})
    gauge(store, series("process_threads", server="jobs"), {0: 9.0})
    assert drawn(store, "load").lines == []
    assert drawn(store, "server_threads", server="web").lines == []


@given(st.integers(1, 10**10), st.integers(-5, 10_000), st.floats(0.1, 600))
def test_steps_keep_to_the_points(span: int, points: int, period: float) -> None:
    """Never more windows than asked for, never shorter than a round, and whole seconds."""
    step = step_for(span, points, period)
    assert step % SECOND == 0
    assert step / SECOND >= period
    assert span / step <= max(1, min(points, POINTS)) + 1e-6


def test_the_newest_point(store: MemoryStore) -> None:
    """Of fresh rounds alone, each line's last value, with the time of the newest."""
    gauge(store, series("node_load1"), {3: 1.0, 2: 2.0, 1: math.nan})
    gauge(store, series("node_load5"), {1: 7.0})
    point = newest(store, PANELS["load"], "alpha", "", NOW, 1.0)
    assert point
    assert (point.at, point.values) == (NOW - SECOND, {"1 min": 2.0, "5 min": 7.0})
    assert newest(store, PANELS["load"], "alpha", "", NOW + 60 * SECOND, 1.0) is None
    assert newest(store, PANELS["load"], "beta", "", NOW, 1.0) is None
    assert newest(store, PANELS["load"], "alpha", "", NOW + 60 * SECOND, 60.0)


def test_plain_is_what_json_can_say() -> None:
    """Null for what is not known, six digits of the rest."""
    assert plain(np.array([math.nan, 1 / 3, 0.0, 1e12 / 7])) == [None, 0.333333, 0.0, 142857000000.0]


def test_matchers_ask_for_one_server_of_one_machine() -> None:
    """Whatever a term asks besides."""
    term = PANELS["network"].terms[0]
    asked = {(one.label, one.op, one.value) for one in charts.matchers(term, "alpha", "web")}
    assert {("__name__", "=", term.metric), ("machine", "=", "alpha"), ("server", "=", "web")} < asked
    assert not {one.label for one in charts.matchers(term, "alpha", "")} & {"server"}
