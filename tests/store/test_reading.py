"""Reading of many streams at once: the same columns as one by one, from files of several days and from memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rigs.store import BEGIN, Bench, layout_of, made_values
from watchkeeper.errors import Refused
from watchkeeper.model import Block, Matcher
from watchkeeper.quantities import Size
from watchkeeper.store import reading
from watchkeeper.store.chunkfile import FEW_STREAMS
from watchkeeper.store.codec import Read
from watchkeeper.store.directory import Opened, open_chunk

DAY = 86_400_000


def plain(blocks: list[Block]) -> dict[str, tuple[list[int], bytes]]:
    """Each series' times and bits."""
    return {
        series.text(): (block.times.tolist(), np.ascontiguousarray(block.values[:, column]).tobytes())
        for block in blocks
        for column, series in enumerate(block.series)
    }


def test_many_streams_are_read_as_one_by_one(bench: Callable[..., Bench]) -> None:
    """Over midnight, sealed and not; asked again they come from memory and are the same."""
    one = bench()
    machines = [f"m{number}" for number in range(FEW_STREAMS + 3)]
    times = BEGIN + DAY // 2 + np.arange(60) * 900_000
    for number, machine in enumerate(machines):
        one.put(machine, layout_of(machine, 5), times + number, made_values(60, 5, number))
        if number % 2:
            one.store.seal_everything()
    wanted = [Matcher("__name__", "=~", "m[13]")]
    start, end = int(times[7]), int(times[-5])
    single = {}
    for machine in machines:
        single |= plain(one.store.select([*wanted, Matcher("machine", "=", machine)], start, end))
    one.store.forget_read()
    assert plain(one.store.select(wanted, start, end)) == single
    assert plain(one.store.select(wanted, start, end)) == single
    assert len(single) == 2 * len(machines)


def test_a_question_over_several_days_is_counted_before_it_is_read(bench: Callable[..., Bench]) -> None:
    """All days together, what is in memory too; nothing is unpacked for it."""
    one = bench()
    times = BEGIN + np.arange(200) * 900_000
    one.put("a", layout_of("a", 4), times[:150], made_values(150, 4))
    one.store.seal_everything()
    one.put("a", layout_of("a", 4), times[150:], made_values(50, 4))
    matchers = [Matcher("machine", "=", "a")]
    heard: list[tuple[int, int]] = []
    blocks = one.store.select(matchers, int(times[0]), int(times[-1]), lambda *size: heard.append(size))
    assert heard == [(800, 4)]
    assert sum(block.values.size for block in blocks) == 800

    def refuse(samples: int, series: int) -> None:
        raise Refused(f"{samples} of {series}", code="too-much")

    one.store.forget_read()
    one.store._reading._unpacked = None  # type: ignore[method-assign,assignment]  # nothing may come here
    with pytest.raises(Refused, match="800 of 4"):
        one.store.select(matchers, int(times[0]), int(times[-1]), refuse)


def test_series_of_a_stream_that_changed_its_layout_are_counted_once(bench: Callable[..., Bench]) -> None:
    """Four, of which two are in both layouts."""
    one = bench()
    one.put("a", layout_of("a", 3), BEGIN + np.arange(9) * 10_000, made_values(9, 3))
    one.put("a", layout_of("a", 4), BEGIN + np.arange(9, 18) * 10_000, made_values(9, 4))
    heard: list[tuple[int, int]] = []
    one.store.select([Matcher("machine", "=", "a")], 0, 1 << 60, lambda *size: heard.append(size))
    one.store.seal_everything()
    one.store.select([Matcher("machine", "=", "a")], 0, 1 << 60, lambda *size: heard.append(size))
    assert heard == [(9 * 3 + 9 * 4, 4)] * 2


def test_what_was_sealed_here_is_open_to_its_first_question(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sealed or joined in this process: no directory is read again, until it is forgotten."""
    one = bench()
    times = BEGIN + np.arange(300) * 10_000
    for start in (0, 150):
        one.put("a", layout_of("a", 4), times[start : start + 150], made_values(300, 4)[start : start + 150])
        one.store.seal_everything()
    opened: list[int] = []

    def counted(read: Read) -> Opened:
        opened.append(1)
        return open_chunk(read)

    monkeypatch.setattr(reading, "open_chunk", counted)
    wanted = [Matcher("machine", "=", "a")]
    (block,) = one.store.select(wanted, int(times[0]), int(times[-1]))
    assert np.array_equal(block.values, made_values(300, 4), equal_nan=True)
    assert not opened
    one.store.forget_read()
    (again,) = one.store.select(wanted, int(times[0]), int(times[-1]))
    assert np.array_equal(again.values, block.values, equal_nan=True)
    assert opened


def test_a_store_that_was_opened_looks_ahead(bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest chunks, as many as a quarter of the cache holds, are open before anybody asks; the older ones are not."""
    one = bench(cache=Size(4 * 9000))
    times = BEGIN + np.arange(600) * 10_000
    for start in range(0, 600, 100):
        for machine in "ab":
            one.put(machine, layout_of(machine, 40), times[start : start + 100], made_values(600, 40)[start : start + 100])
        for stream in one.store._streams.values():
            stream.freeze()
        one.store.look_after()
    one.clock.set_wall(int(times[-1]) / 1000)
    one.store.forget_read()
    one.store.look_ahead()
    opened: list[int] = []

    def counted(read: Read) -> Opened:
        opened.append(1)
        return open_chunk(read)

    monkeypatch.setattr(reading, "open_chunk", counted)
    wanted = [Matcher("machine", "=", "a")]
    one.store.select(wanted, int(times[-150]), int(times[-1]))
    assert not opened
    one.store.select(wanted, int(times[0]), int(times[-1]))
    assert opened
