"""The store as the hub sees it: what goes in comes out, whatever lies between."""

from __future__ import annotations

import itertools
import math
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rigs.store import BEGIN, Bench, layout_of, made_times, made_values
from watchkeeper.clock import FakeClock
from watchkeeper.errors import Failed, Refused
from watchkeeper.model import Frame, Matcher
from watchkeeper.store import StoreSettings, open_store

Make = Callable[..., Bench]
ALL = [Matcher("__name__", "=~", "m.*")]
FOREVER = 1 << 60


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays are the same, NaN and all."""
    return np.ascontiguousarray(one).view(np.int64).tolist() == np.ascontiguousarray(other).view(np.int64).tolist()


def whole(bench: Bench, times: np.ndarray, values: np.ndarray) -> None:
    """Assert that everything is there, bit for bit."""
    (block,) = bench.store.select(ALL, 0, FOREVER)
    assert block.times.tolist() == times.tolist()
    order = sorted(range(len(block.series)), key=lambda column: int(block.series[column].name[1:]))
    assert same_bits(block.values[:, order], values)


def test_figures_come_back_from_heads_chunks_and_after_a_restart(bench: Make) -> None:
    """Two and a half heads, sealed and unsealed, closed and opened, compacted: always the same bits."""
    one = bench()
    times, values = made_times(1800), made_values(1800, 20)
    one.put("a", layout_of("a", 20), times, values)
    assert one.store.statistics().sealed_samples_total > 0
    whole(one, times, values)
    one.reopen()
    whole(one, times, values)
    one.store.seal_everything()
    whole(one, times, values)
    one.reopen()
    whole(one, times, values)
    assert one.store.statistics().log_bytes == 0
    assert not one.store.repairs


def test_a_range_is_cut_to_the_sample(bench: Make) -> None:
    """Both ends are included, and nothing beyond them is."""
    one = bench()
    times, values = made_times(1000), made_values(1000, 4)
    one.put("a", layout_of("a", 4), times, values)
    for first, last in ((0, 0), (5, 700), (719, 720), (999, 999)):
        (block,) = one.store.select(ALL, int(times[first]), int(times[last]))
        assert block.times.tolist() == times[first : last + 1].tolist()
    assert one.store.select(ALL, int(times[3]) + 5, int(times[4]) - 5) == []


def test_a_resent_or_late_frame_is_dropped(bench: Make) -> None:
    """Resending is harmless, after a restart too."""
    one = bench()
    layout = layout_of("a", 2)
    one.put("a", layout, made_times(3), made_values(3, 2))
    last = Frame("10s", layout.id, int(made_times(3)[-1]), made_values(3, 2)[-1].tobytes())
    assert one.store.take("a", last) is False
    one.reopen()
    one.store.define("a", "10s", layout)
    assert one.store.take("a", last) is False
    assert one.store.take("a", Frame("10s", layout.id, last.at + 1, last.values)) is True


def test_a_malformed_frame_is_refused(bench: Make) -> None:
    """An unknown layout and a wrong length are the sender's mistake."""
    one = bench()
    layout = layout_of("a", 2)
    with pytest.raises(Refused, match="not defined"):
        one.store.take("a", Frame("10s", layout.id, BEGIN, b"\0" * 16))
    one.store.define("a", "10s", layout)
    with pytest.raises(Refused, match="24 bytes"):
        one.store.take("a", Frame("10s", layout.id, BEGIN, b"\0" * 24))


def test_a_changed_layout_joins_into_one_block(bench: Make) -> None:
    """A series that is in both layouts has one column; one that is in one alone has gaps beside it."""
    one = bench()
    first, second = layout_of("a", 3), layout_of("a", 5)
    times = made_times(60)
    values = made_values(60, 5)
    one.put("a", first, times[:30], values[:30, :3].copy())
    one.put("a", second, times[30:], values[30:])
    for _ in range(2):
        (block,) = one.store.select(ALL, 0, FOREVER)
        columns = {series.name: block.values[:, place] for place, series in enumerate(block.series)}
        assert same_bits(columns["m1"], values[:, 1])
        assert np.isnan(columns["m4"][:30]).all()
        assert same_bits(columns["m4"][30:], values[30:, 4])
        one.store.seal_everything()


def test_matchers_choose(bench: Make) -> None:
    """Equal, unequal, regular expressions (anchored), the machine and the absent label."""
    one = bench()
    for machine in ("a", "b"):
        one.put(machine, layout_of(machine, 12), made_times(5), made_values(5, 12))

    def found(*matchers: Matcher) -> set[str]:
        return {series.text() for series in one.store.series(list(matchers))}

    assert found(Matcher("__name__", "=", "m1"), Matcher("machine", "=", "a")) == {'m1{machine="a"}'}
    assert len(found(Matcher("__name__", "=~", "m1"))) == 2
    assert len(found(Matcher("__name__", "=~", "m1.*"), Matcher("machine", "!=", "b"))) == 3
    assert found(Matcher("__name__", "!~", "m[0-9]|m10"), Matcher("machine", "=~", "a|c")) == {'m11{machine="a"}'}
    assert len(found(Matcher("absent", "=", ""))) == 24
    assert found(Matcher("__name__", "=", "none")) == set()
    with pytest.raises(Refused, match="no regular expression"):
        one.store.series([Matcher("__name__", "=~", "(")])


def test_a_question_that_would_read_too_much_is_refused_with_its_size(bench: Make) -> None:
    """Before anything is read."""
    one = bench(most_samples=100_000)
    one.put("a", layout_of("a", 60), made_times(1800), made_values(1800, 60))
    with pytest.raises(Refused, match="this would read 108,000 samples") as caught:
        one.store.select(ALL, 0, FOREVER)
    assert caught.value.code == "too-much"
    assert one.store.select([Matcher("__name__", "=", "m1")], 0, FOREVER)


@pytest.mark.parametrize("step", [10_000, 60_000, 300_000, 600_000, 3_600_000, 21_600_000])
@pytest.mark.parametrize("sealed", ["as it comes", "everything", "restarted half way"])
def test_rollups_say_what_the_samples_say(bench: Make, step: int, sealed: str) -> None:
    """From raw, the first tier and hours, over seals, restarts and a change of layout: the plain count of every window."""
    one = bench()
    ticks = 2500
    times, values = made_times(ticks), made_values(ticks, 12)
    one.put("a", layout_of("a", 12), times[:1700], values[:1700])
    if sealed == "restarted half way":
        one.reopen()
        one.store.seal_everything()
        one.reopen()
    one.put("a", layout_of("a", 11), times[1700:], values[1700:, :11].copy())
    if sealed == "everything":
        one.store.seal_everything()
    start, end = int(times[7]), int(times[-9])
    (rollup,) = one.store.rollups(ALL, start, end, step)
    assert rollup.step == step
    slots = times // step * step
    asked = (slots >= start // step * step) & (slots <= end)
    assert rollup.times.tolist() == sorted(set(slots[asked].tolist()))
    for place, series in enumerate(rollup.series):
        column = values[:, int(series.name[1:])].copy()
        if series.name == "m11":
            column[1700:] = np.nan
        for row, at in enumerate(rollup.times.tolist()):
            samples = column[asked & (slots == at)]
            samples = samples[~np.isnan(samples)]
            assert rollup.seen[row, place] == len(samples)
            if len(samples):
                assert rollup.least[row, place] == samples.min()
                assert rollup.most[row, place] == samples.max()
                assert math.isclose(rollup.total[row, place], samples.sum(), rel_tol=1e-12, abs_tol=1e-7)


def test_latest_is_the_last_row_even_of_a_silent_machine(bench: Make) -> None:
    """From the head, from memory after a seal, and from the chunks after a restart; a gap is no value."""
    one = bench()
    times, values = made_times(50), made_values(50, 4)
    values[-1] = (1.5, 2.5, np.nan, 4.5)
    one.put("a", layout_of("a", 4), times, values)
    wanted = [("m0", int(times[-1]), 1.5), ("m1", int(times[-1]), 2.5), ("m3", int(times[-1]), 4.5)]
    for _ in range(2):
        assert [(series.name, at, value) for series, at, value in one.store.latest(ALL)] == wanted
        one.store.seal_everything()
        assert [(series.name, at, value) for series, at, value in one.store.latest(ALL)] == wanted
        one.reopen()


def test_a_store_in_use_is_refused_and_names_its_holder(bench: Make) -> None:
    """Two hubs on one folder would ruin it."""
    import os  # noqa: PLC0415  # only needed here

    one = bench()
    with pytest.raises(Refused, match=f"in use by the process with pid {os.getpid()}"):
        open_store(one.folder, StoreSettings(), FakeClock())


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    """A file in the way, and a database that is not ours."""
    (tmp_path / "meta.db").write_bytes(b"not a database, by any means" * 100)
    with pytest.raises(Failed, match=r"meta\.db cannot be opened"):
        open_store(tmp_path, StoreSettings(), FakeClock())


def test_a_damaged_file_is_set_aside_and_told(bench: Make) -> None:
    """The rest of the store goes on; nothing is deleted."""
    one = bench()
    times, values = made_times(800), made_values(800, 4)
    one.put("a", layout_of("a", 4), times, values)
    one.store.seal_everything()
    one.store.close()
    path = next(one.folder.glob("t0-*.db"))
    path.write_bytes(b"\0" * 8192)
    one.open()
    assert path.with_suffix(".db.damaged").exists()
    assert any("set aside" in repair for repair in one.store.repairs)
    left = [block.times.tolist() for block in one.store.select(ALL, 0, FOREVER)]
    assert len(left) <= 1
    assert all(part == times[-len(part) :].tolist() for part in left), "what the log has not let go of yet"
    assert one.store.rollups(ALL, 0, int(times[-1]), 3_600_000), "the rollups are in other files"


def test_a_rotten_chunk_is_a_gap(bench: Make, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged and counted, and its neighbours are read."""
    one = bench()
    times, values = made_times(1600), made_values(1600, 4)
    one.put("a", layout_of("a", 4), times, values)
    one.store.close()
    with sqlite3.connect(next(one.folder.glob("t0-*.db"))) as database:
        (number, blob) = database.execute("select id, blob from chunk order by t0 limit 1").fetchone()
        rotten = bytearray(blob)
        rotten[-3] ^= 1
        database.execute("update chunk set blob = ? where id = ?", (bytes(rotten), number))
    database.close()
    one.open()
    (block,) = one.store.select(ALL, 0, FOREVER)
    assert block.times.tolist() == times[720:].tolist()
    assert one.store.statistics().damaged_chunks_total == 1
    assert "checksum" in caplog.text


def test_old_files_go_and_the_rollups_stay(bench: Make) -> None:
    """Days beyond the age are removed whole; their hours are still known."""
    from watchkeeper.quantities import Duration  # noqa: PLC0415  # only needed here

    one = bench(raw=Duration(2 * 86400))
    step = 60_000
    times = made_times(5 * 1440, step)
    values = made_values(len(times), 2)
    one.put("a", layout_of("a", 2), times, values, "1m")
    one.clock.set_wall(times[-1] / 1000 + 120)
    one.store.seal_everything()
    one.clock.advance(120)
    one.store.look_after()
    (block,) = one.store.select(ALL, 0, FOREVER)
    assert block.times[0] > times[-1] - 3 * 86_400_000 - step
    assert one.store.statistics().removed_files_total == 3
    (rollup,) = one.store.rollups(ALL, 0, int(times[-1]), 3_600_000)
    assert len(rollup.times) >= 5 * 24
    assert rollup.seen[:, 0].sum() == len(times)


def test_many_short_chunks_become_few_long_ones(bench: Make) -> None:
    """Restarted and sealed again and again, a day is still a handful of chunks, and nothing is lost."""
    one = bench()
    times, values = made_times(600), made_values(600, 6)
    for start, end in itertools.pairwise(range(0, 601, 20)):
        one.put("a", layout_of("a", 6), times[start:end], values[start:end])
        one.store.seal_everything()
        one.clock.advance(61)
        one.store.look_after()
    one.store.close()
    with sqlite3.connect(next(one.folder.glob("t0-*.db"))) as database:
        (count,) = database.execute("select count(*) from chunk").fetchone()
    database.close()
    assert count < 12
    one.open()
    whole(one, times, values)
