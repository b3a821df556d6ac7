"""Limits by tables and by chance: too much for long enough, told once; and how often is often enough."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.config import decode_hook
from watchkeeper.control.limits import (
    CountLimit,
    CpuLimit,
    LimitSettings,
    MemoryLimit,
    Over,
    figures,
    spent,
    weigh,
)
from watchkeeper.quantities import Duration, Size

LIMIT = CountLimit(above=100, held=Duration(10))
RESTARTS = CountLimit(above=100, held=Duration(10), then="restart")


def follow(values: list[float], limit=LIMIT, step: float = 5.0) -> list[tuple[float, str]]:
    """What is told of these figures, one each `step` seconds."""
    told = []
    over = Over()
    for number, figure in enumerate(values):
        over, breach = weigh("fds", limit, figure, over, 1000 + number * step)
        if breach:
            told.append((number * step, breach.text))
    return told


def test_too_much_for_long_enough_is_told_once_and_its_end_too() -> None:
    """Not at the first figure, not again while it lasts, and when it is over."""
    assert follow([200] * 6 + [50, 50]) == [
        (10, "has 200 open files for 10s, over the limit of 100 open files"),
        (30, "has 50 open files again"),
    ]


@pytest.mark.parametrize("values", [[200, 200, 100, 200, 200, 100], [100] * 9, [math.nan] * 9, [200, math.nan, 100]])
def test_what_is_short_or_not_known_is_no_breach(values: list[float]) -> None:
    """The limit itself is still allowed; a figure that is not known changes nothing."""
    assert follow(values) == []


def test_a_figure_that_is_missed_does_not_begin_anew() -> None:
    """Two that are too high with one unknown between them are as one time."""
    assert [at for at, _ in follow([200, math.nan, 200])] == [10]


def test_a_restart_that_was_not_done_is_asked_for_again() -> None:
    """Each time it has been too high for as long anew and a minute more; an alert is not repeated."""
    assert [at for at, _ in follow([200] * 50, RESTARTS)] == [10, 80, 150, 220]
    assert [at for at, _ in follow([200] * 50)] == [10]


@settings(deadline=None)
@given(st.lists(st.floats(0, 200), max_size=60))
def test_only_a_run_above_the_limit_is_a_breach(values: list[float]) -> None:
    """A breach has, right before it, at least two figures in a row above the limit (ten seconds of five)."""
    told = follow(values)
    for at, text in told:
        place = round(at / 5)
        if "over the limit" in text:
            assert all(figure > 100 for figure in values[place - 2 : place + 1])


def test_figures_are_those_of_the_round() -> None:
    """Shared memory counts in parts where that is known; CPU is what was used between two rounds."""
    read = {
        "process_proportional_memory_bytes": math.nan,
        "process_resident_memory_bytes": 5.0,
        "process_open_fds": 7.0,
        "process_threads": 3.0,
        "process_cpu_seconds_total": 12.0,
    }
    assert figures(read, {"process_cpu_seconds_total": 2.0}, 5) == {"memory": 5.0, "fds": 7.0, "threads": 3.0, "cpu": 2.0}
    assert figures(read | {"process_proportional_memory_bytes": 4.0}, {}, 5)["memory"] == 4.0
    assert math.isnan(figures(read, {}, 5)["cpu"])
    assert math.isnan(figures(read, {"process_cpu_seconds_total": 20.0}, 5)["cpu"])


def test_words_have_units() -> None:
    """As people say them."""
    _, memory = weigh("memory", MemoryLimit(above=Size(1 << 20), held=Duration(0)), 5 << 20, Over(), 0)
    _, cpu = weigh("cpu", CpuLimit(above=1, held=Duration(0)), 1.5, Over(), 0)
    assert memory is not None
    assert cpu is not None
    assert memory.text == "uses 5 MiB for 0s, over the limit of 1 MiB"
    assert cpu.text == "uses 1.50 cores for 0s, over the limit of 1.00 cores"


def test_an_hour_is_counted_by_the_wall_and_forgives_a_clock_that_was_set() -> None:
    """What is older than an hour counts no more; what seems to lie ahead counts from now on, not for ever."""
    assert spent((0.0, 1000.0, 3000.0), 4000.0) == (1000.0, 3000.0)
    assert spent((10_000.0,), 4000.0) == (4000.0,)
    assert spent(spent((10_000.0,), 4000.0), 7601.0) == ()


def test_settings() -> None:
    """As they are written; none is needed."""
    written = {"memory": {"above": "1GiB", "then": "restart"}, "cpu": {"above": 1.5, "held": "5m"}}
    found = msgspec.convert(written, LimitSettings, dec_hook=decode_hook)
    assert [(name, float(limit.above), float(limit.held), limit.then) for name, limit in found.each()] == [
        ("memory", 1 << 30, 60, "restart"),
        ("cpu", 1.5, 300, "alert"),
    ]
    assert list(LimitSettings().each()) == []
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"fds": {"above": 0}}, LimitSettings, dec_hook=decode_hook)
