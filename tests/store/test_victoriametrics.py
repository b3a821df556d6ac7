"""The twin over a real VictoriaMetrics: frames in, the same columns out, and nothing acknowledged while it is away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rigs.store import BEGIN, layout_of, made_times, made_values
from rigs.victoria import MISSING, PROGRAM, Victoria
from watchkeeper.clock import FakeClock
from watchkeeper.errors import Failed, Refused
from watchkeeper.model import ABSENT_BITS, NOT_A_NUMBER, STALE, STALE_BITS, Dictionary, Frame, Matcher, Series, dictionary
from watchkeeper.store import StoreSettings, VictoriaMetrics

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=MISSING)
A = [Matcher("machine", "=", "a")]


@pytest.fixture
def victoria(tmp_path: Path) -> Iterator[Victoria]:
    """An empty one."""
    with Victoria(tmp_path / "victoria") as one:
        yield one


@pytest.fixture
def clock() -> FakeClock:
    """An hour after the first frame: nothing of it is in memory any more."""
    return FakeClock(wall=BEGIN / 1000 + 3600)


@pytest.fixture
def store(victoria: Victoria, clock: FakeClock) -> Iterator[VictoriaMetrics]:
    """A twin over it."""
    one = VictoriaMetrics(StoreSettings(url=victoria.url), clock)
    yield one
    one.close()


def put(store: VictoriaMetrics, layout: Dictionary, times: np.ndarray, values: np.ndarray, machine: str = "a") -> None:
    """Take frames."""
    store.define(machine, "10s", layout)
    for at, row in zip(times.tolist(), values, strict=True):
        assert store.take(machine, Frame("10s", layout.id, at, row.tobytes()))


async def test_columns_come_back_as_frames_went_in(store: VictoriaMetrics, victoria: Victoria) -> None:
    """Thousands of figures of all kinds, gaps where there was nothing, one time axis where it is shared."""
    layout, times, values = layout_of("a", 12), made_times(300), made_values(300, 12)
    put(store, layout, times, values)
    await store.commit()
    victoria.flush()
    found = {series: (block, column) for block in store.select(A, 0, 1 << 60) for column, series in enumerate(block.series)}
    assert set(found) == set(layout.series)
    for column, series in enumerate(layout.series):
        there = ~np.isnan(values[:, column])
        block, place = found[series]
        assert block.times.tolist() == times[there].tolist()
        assert block.values[:, place] == pytest.approx(values[there, column], rel=1e-12)
    assert len(store.select(A, 0, 1 << 60)) < 12
    assert sorted(store.series(A), key=str) == sorted(layout.series, key=str)


async def test_what_it_does_to_figures(store: VictoriaMetrics, victoria: Victoria) -> None:
    """Infinities and stale markers stay, NaN goes; of figures that stand together 15 digits below the largest stay."""
    values = np.array([1.5, STALE, NOT_A_NUMBER, np.inf, -np.inf, 0.1 + 0.2, 1e-200])[:, None]
    put(store, layout_of("a", 1), BEGIN + 1000 * np.arange(7), values)
    await store.commit()
    victoria.flush()
    (block,) = store.select(A, 0, 1 << 60)
    assert (block.times - BEGIN).tolist() == [0, 1000, 3000, 4000, 5000, 6000]
    bits = np.ascontiguousarray(block.values[:, 0]).view(np.int64).tolist()
    assert bits[1] == STALE_BITS
    assert ABSENT_BITS not in bits
    assert block.values[[0, 2, 3, 4, 5], 0].tolist() == [1.5, np.inf, -np.inf, 0.3, 0.0]


async def test_nothing_is_durable_while_it_is_away(store: VictoriaMetrics, victoria: Victoria) -> None:
    """A commit fails, what was taken waits, and goes with the next that succeeds."""
    layout = layout_of("a", 2)
    put(store, layout, np.array([BEGIN]), np.array([[1.0, 2.0]]))
    victoria.kill()
    with pytest.raises(Failed, match="does not answer"):
        await store.commit()
    assert store.statistics().waiting_frames == 1
    put(store, layout, np.array([BEGIN + 1000]), np.array([[3.0, 4.0]]))
    with pytest.raises(Failed):
        store.select(A, 0, 1 << 60)
    victoria.start()
    victoria.wait_ready()
    await store.commit()
    found = victoria.samples('{machine="a"}')
    assert found == {f'm{column}{{machine="a"}}': {BEGIN: column + 1.0, BEGIN + 1000: column + 3.0} for column in range(2)}


async def test_what_waits_is_bounded(store: VictoriaMetrics, victoria: Victoria, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then frames are no longer taken, and agents keep theirs."""
    monkeypatch.setattr("watchkeeper.store.victoriametrics.WAITING_BYTES", 7)
    layout = layout_of("a", 1)
    put(store, layout, np.array([BEGIN]), np.array([[1.0]]))
    with pytest.raises(Failed, match="wait"):
        store.take("a", Frame("10s", layout.id, BEGIN + 1, bytes(8)))


async def test_the_newest_is_told_from_memory(store: VictoriaMetrics, victoria: Victoria, clock: FakeClock) -> None:
    """Pages that follow ask nobody: values of now, rows of the last minutes, also while it is away."""
    victoria.kill()
    now = BEGIN + 3_600_000
    clock.set_wall(now / 1000 + 60)
    put(store, layout_of("a", 2), now + 10_000 * np.arange(3), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, np.nan]]))
    assert store.latest([Matcher("__name__", "=~", "m.")]) == [(Series("m0", (("machine", "a"),)), now + 20_000, 5.0)]
    (block,) = store.select([Matcher("__name__", "=", "m1")], now + 5000, now + 60_000)
    assert (block.times - now).tolist() == [10_000, 20_000]
    assert block.values[0].tolist() == [4.0]


async def test_a_frame_in_parts_is_one_frame(store: VictoriaMetrics, victoria: Victoria) -> None:
    """What a part lacks is told by another."""
    layout = layout_of("a", 2)
    put(store, layout, np.array([BEGIN]), np.array([[1.0, np.nan]]))
    part = Frame("10s", layout.id, BEGIN, np.array([np.nan, 2.0]).tobytes())
    assert store.amend("a", part)
    assert not store.take("a", part)
    await store.commit()
    assert victoria.samples('{machine="a"}') == {'m0{machine="a"}': {BEGIN: 1.0}, 'm1{machine="a"}': {BEGIN: 2.0}}


@pytest.mark.parametrize("step", [30_000, 300_000])
async def test_windows_are_summed_up(store: VictoriaMetrics, victoria: Victoria, step: int) -> None:
    """Least, most, total and how many, whether it sums up or we do."""
    times = BEGIN + 10_000 * np.arange(200)
    values = made_values(200, 3)
    put(store, layout_of("a", 3), times, values)
    await store.commit()
    victoria.flush()
    found = {
        series: {
            int(at): tuple(side[row, column] for side in part[3:])
            for row, at in enumerate(part.times)
            if part.seen[row, column]
        }
        for part in store.rollups(A, BEGIN, int(times[-1]), step)
        for column, series in enumerate(part.series)
    }
    for column, series in enumerate(layout_of("a", 3).series):
        expected = {}
        for start in np.unique(times // step * step).tolist():
            inside = values[(times >= start) & (times < start + step), column]
            inside = inside[~np.isnan(inside)]
            if len(inside):
                expected[start] = pytest.approx((inside.min(), inside.max(), inside.sum(), len(inside)), rel=1e-9)
        assert found[series] == expected


async def test_a_question_hears_its_size_before_it_is_read(victoria: Victoria, store: VictoriaMetrics) -> None:
    """How many samples of how many series; whoever finds that too much hears it, and nothing is told."""
    values = made_values(100, 4)
    put(store, layout_of("a", 4), made_times(100), values)
    await store.commit()
    victoria.flush()
    heard: list[tuple[int, int]] = []
    blocks = store.select(A, 0, 1 << 60, lambda *size: heard.append(size))
    assert heard == [(sum(block.values.size for block in blocks), 4)]
    assert heard[0][0] == (~np.isnan(values)).sum()
    heard.clear()
    exact = int(made_times(100)[10])
    store.select(A, exact, exact, lambda *size: heard.append(size))
    assert heard == [(int((~np.isnan(values[10])).sum()),) * 2]

    def refuse(samples: int, series: int) -> None:
        raise Refused(f"{samples} of {series}", code="too-much")

    with pytest.raises(Refused, match=r"\d+ of 4"):
        store.select(A, 0, 1 << 60, refuse)


async def test_what_is_young_hears_its_size_too(victoria: Victoria) -> None:
    """Out of memory, without a question to anybody."""
    clock = FakeClock(wall=BEGIN / 1000)
    store = VictoriaMetrics(StoreSettings(url=victoria.url), clock)
    put(store, layout_of("a", 4), np.array([BEGIN, BEGIN + 1000]), np.ones((2, 4)))
    heard: list[tuple[int, int]] = []
    store.select([Matcher("__name__", "=~", "m[12]")], BEGIN, BEGIN + 1000, lambda *size: heard.append(size))
    assert heard == [(4, 2)]
    store.close()


async def test_an_answer_longer_than_may_be_read_is_refused(victoria: Victoria) -> None:
    """Whoever asks without looking at the size first hears of the store's own limit."""
    settings = StoreSettings(url=victoria.url, most_samples=100_000)
    small = VictoriaMetrics(settings, FakeClock(wall=BEGIN / 1000 + 1e6))
    put(small, layout_of("a", 300), made_times(400), made_values(400, 300))
    await small.commit()
    victoria.flush()
    for admit in (None, lambda *_: None):
        with pytest.raises(Refused) as refused:
            small.select(A, 0, 1 << 60, admit)
        assert refused.value.code == "too-much"
    small.close()


async def test_odd_labels_and_wrong_conditions(store: VictoriaMetrics, victoria: Victoria) -> None:
    """Quotes, line ends and other alphabets come back as they were; a regular expression that is none is refused."""
    odd = Series("m", (("machine", "a"), ("path", 'é"\\\n},"values":[')))
    layout = dictionary((odd,))
    put(store, layout, np.array([BEGIN]), np.array([[1.0]]))
    await store.commit()
    victoria.flush()
    (block,) = store.select([Matcher("path", "=", odd.label("path"))], 0, 1 << 60)
    assert block.series == (odd,)
    with pytest.raises(Refused):
        store.select([Matcher("path", "=~", "(")], 0, 1 << 60)
    with pytest.raises(Refused, match="not defined"):
        store.take("b", Frame("10s", layout.id, BEGIN, bytes(8)))
