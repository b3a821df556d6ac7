"""Rows become lines: what has not changed stays, what is gone is a gap, counters are rises, and long lines keep their peaks."""

from __future__ import annotations

import math
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.stress.run import Figures
from watchkeeper.stress.serverside import figures
from watchkeeper.stress.serverside.figures import Sampled
from watchkeeper.stress.serverside.joined import MOST_POINTS

readings = st.lists(st.dictionaries(st.sampled_from(["a", 'b{x="1"}', "c_total"]), st.integers(0, 5).map(float)), max_size=8)


@given(readings)
def test_what_is_written_as_changes_is_read_back_whole(given_: list[dict[str, float]]) -> None:
    """Each reading is found again at its instant, whatever came and went between."""
    rows, before = [], {}
    for second, now in enumerate(given_):
        rows.append(Figures(float(second), "here", figures.changed(before, now)))
        before = now
    found = figures.unfolded(rows, 1000).get("here", [])
    for second, now in enumerate(given_):
        at = 1000 + second * 1000
        seen = {
            _text(one): one.values[one.at.index(at)]
            for one in found
            if at in one.at and not math.isnan(one.values[one.at.index(at)])
        }
        assert seen == now


def test_a_reading_takes_some_bytes() -> None:
    """An hour of a hundred series that change each second is held in a few megabytes, as the docs have it."""
    rows = (Figures(float(at), "here", {f"s{number}": at + number / 7 for number in range(100)}) for at in range(1000))
    tracemalloc.start()
    try:
        found = figures.unfolded(rows, 1000)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found["here"]) == 100
    assert held < 24 * 1000 * 100


def _text(one: Sampled) -> str:
    return f'{one.name}{{x="{one.labels["x"]}"}}' if one.labels else one.name


def test_a_counter_becomes_its_rise_and_a_fall_becomes_a_gap() -> None:
    """10 in 2 s is 5 a second; where the process began anew nobody knows."""
    one = Sampled("process_cpu_seconds_total", {}, [0, 2000, 3000, 4000], [0.0, 10.0, 1.0, 1.5])
    line = figures.line(one)
    assert line is not None
    assert (line.at, line.values, line.unit) == ([2000, 3000, 4000], [5.0, None, 0.5], "cores")


def test_names_tell_counters_and_units() -> None:
    """By Prometheus' conventions, and node_exporter's where they differ."""
    told = {
        "node_netstat_TcpExt_ListenOverflows": "1/s",
        "node_netstat_Tcp_CurrEstab": "",
        "process_resident_memory_bytes": "bytes",
        "node_network_receive_bytes_total": "bytes/s",
        "node_pressure_cpu_waiting_seconds_total": "seconds/s",
        "cloud_loop_lag_seconds_count": "1/s",
    }
    assert {name: figures.unit_of(name) for name in told} == told


def test_labels_with_brackets_and_commas_are_read_back() -> None:
    """A thread may be called anything."""
    assert figures.split('x{thread="a, b=\\"c}",tid="7"}') == ("x", {"thread": 'a, b=\\"c}', "tid": "7"})


def test_a_long_line_keeps_its_peaks() -> None:
    """A run of days is thinned, and the one second in which it was full is still there."""
    many = MOST_POINTS * 3
    values = [0.0] * many
    values[5001] = 7.0
    at, kept = figures.thinned(list(range(many)), values)
    assert len(at) <= MOST_POINTS
    assert max(kept) == 7.0
