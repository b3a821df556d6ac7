"""What was full first is named, by time and then by cause; what was full for a moment, or outside a stage, is not."""

from __future__ import annotations

import pytest

from watchkeeper.stress.serverside.joined import Line
from watchkeeper.stress.serverside.saturation import Span, saturated, uses

STAGES = [Span("steps 100/s", 0.0, 10.0), Span("steps 200/s", 10.0, 20.0)]
TIMES = [second * 1000 for second in range(21)]


def line(name: str, values: list[float], unit: str = "", **labels: str) -> Line:
    """A figure of each second, the last value going on."""
    whole: list[float | None] = [*values, *[values[-1]] * (len(TIMES) - len(values))]
    return Line(name, labels, unit, TIMES, whole)


def found(*lines: Line) -> list[tuple[str, float, str]]:
    """What is named, when, in which stage."""
    return [(one.resource, one.at, one.stage) for one in saturated(uses(lines), STAGES, 0)]


def test_the_first_full_resource_is_named_and_what_follows_from_it_comes_after() -> None:
    """One thread is full from the twelfth second, its loop is late in the same: the thread is the cause."""
    thread = line("process_thread_cpu_seconds_total", [0.3] * 12 + [0.97], "cores", thread="loop", pid="7", tid="7")
    lag = line("cloud_loop_lag_newest_seconds", [0.001] * 11 + [0.4], "seconds")
    fds = line("process_open_fds", [100.0] * 15 + [960.0], pid="7")
    most = line("process_max_fds", [1000.0], pid="7")
    assert found(lag, fds, most, thread) == [
        ("one thread's processor time (loop, pid 7)", 12.0, "steps 200/s"),
        ("the event loop", 11.0, "steps 200/s"),
        ("file descriptors", 15.0, "steps 200/s"),
    ]
    (first, *_) = saturated(uses([thread]), STAGES, 0)
    assert first.text == "one thread's processor time (loop, pid 7): 0.97 cores of 1 from 12 s, in the stage steps 200/s"


@pytest.mark.parametrize(
    ("name", "values", "labels", "resource"),
    [
        ("node_netstat_TcpExt_ListenOverflows", [0.0] * 4 + [3.0, 0.0], {}, "the queue of connections to accept"),
        ("node_disk_io_time_seconds_total", [0.99], {"device": "sda"}, "the disk sda"),
        ("node_pressure_memory_stalled_seconds_total", [0.3], {}, "memory (pressure)"),
        (
            "process_thread_waiting_seconds_total",
            [0.6],
            {"thread": "x", "pid": "1"},
            "the processor, waited for (x, pid 1)",
        ),
    ],
)
def test_each_kind_is_known(name: str, values: list[float], labels: dict[str, str], resource: str) -> None:
    """A queue that overflowed once, a disk that never rests, work that stands still for memory, a displaced thread."""
    assert [one for one, _, _ in found(line(name, values, **labels))] == [resource]


def test_processors_and_memory_are_taken_together() -> None:
    """Two processors, both busy; memory by what is left of it."""
    busy = [line("node_cpu_seconds_total", [0.99], "cores", cpu=cpu, mode="user") for cpu in "01"]
    idle = [line("node_cpu_seconds_total", [0.01], "cores", cpu=cpu, mode="idle") for cpu in "01"]
    free = line("node_memory_MemAvailable_bytes", [4.0], "bytes")
    whole = line("node_memory_MemTotal_bytes", [100.0], "bytes")
    assert [one for one, _, _ in found(*busy, *idle, free, whole)] == ["the machine's processors", "the machine's memory"]
    resting = line("node_cpu_seconds_total", [0.99], "cores", cpu="1", mode="idle")
    assert found(busy[0], idle[0], resting) == []


def test_a_moment_and_what_is_outside_a_stage_are_no_saturation() -> None:
    """Two seconds at full tilt are not three; what was full before the load began is not of the load."""
    moment = line("process_thread_cpu_seconds_total", [0.2, 1.0, 1.0, 0.2], thread="t", pid="1")
    assert found(moment) == []
    full = line("process_thread_cpu_seconds_total", [1.0], thread="t", pid="1")
    assert saturated(uses([full]), [Span("late", 100.0, 110.0)], 0) == ()
