"""Objectives are read as people write them, and judged without flattery."""

from __future__ import annotations

import math

import pytest

from watchkeeper.stress.objective import Totals, judge, parse


def totals(latencies: list[int] = [], **more: object) -> Totals:  # noqa: B006  # not changed
    """What was seen: latencies in ms, and anything else."""
    found = Totals()
    found.seconds = 10.0
    found.latency.take([one * 1_000_000 for one in latencies])
    found.done = found.done_within = len(latencies)
    found.scheduled = len(latencies)
    for name, value in more.items():
        setattr(found, name, value)
    return found


@pytest.mark.parametrize(
    ("text", "metric", "op", "value"),
    [
        ("p99 < 50ms", "p99", "<", 0.05),
        ("p99.9<=1s", "p99.9", "<=", 1.0),
        ("max < 300µs", "max", "<", 0.0003),
        ("errors < 0.1%", "errors", "<", 0.001),
        ("errors < 0.001", "errors", "<", 0.001),
        ("loss = 0", "loss", "=", 0.0),
        ("loss < 0.1%", "loss%", "<", 0.001),
        ("rate >= 1000/s", "rate", ">=", 1000.0),
        ("capacity > 5000/s", "capacity", ">", 5000.0),
        ("recovery < 1m", "recovery", "<", 60.0),
    ],
)
def test_what_people_write_is_read(text: str, metric: str, op: str, value: float) -> None:
    """Metric, comparison and value in base units."""
    found = parse(text)
    assert (found.metric, found.op) == (metric, op)
    assert found.value == pytest.approx(value)
    assert found.is_of_run == (metric in {"capacity", "recovery"})


def test_an_objective_may_be_of_an_operation_in_a_phase() -> None:
    """Both are optional."""
    found = parse("p95 of login in plateau < 200ms")
    assert (found.operation, found.phase) == ("login", "plateau")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p99 50ms", "expected an objective"),
        ("p98 < 50ms", "not measured; known: p50"),
        ("p99 < 50", "is a duration"),
        ("errors < 5ms", "write it bare or with %"),
        ("rate > 5%", "is a rate"),
        ("capacity of x > 5/s", "of the whole run"),
        ("", "expected an objective"),
    ],
)
def test_what_cannot_be_meant_is_told(text: str, said: str) -> None:
    """With what was expected."""
    with pytest.raises(ValueError, match=said):
        parse(text)


def test_percentiles() -> None:
    """Held, missed, and not judged where too few values speak."""
    seen = totals([10] * 985 + [100] * 15)
    assert judge(parse("p50 < 50ms"), seen).held
    missed = judge(parse("p99 < 50ms"), seen)
    assert missed.held is False
    assert missed.observed == pytest.approx(0.1, rel=0.001)
    unjudged = judge(parse("p99.9 < 50ms"), seen)
    assert unjudged.held is None
    assert "1000 of 10000 values" in unjudged.why
    assert math.isnan(totals().quantile("p50"))


def test_what_nobody_answered_counts_as_slowest() -> None:
    """2 % of time-outs cannot hide behind 98 % of quick answers; a server that says no is an error, not a wait."""
    timeouts = totals([10] * 980, errors={"timeout": 15}, dropped=5, scheduled=1000)
    found = judge(parse("p99 < 50ms"), timeouts)
    assert (found.held, found.observed) == (False, None)
    assert "never answered" in found.why
    assert judge(parse("p95 < 50ms"), timeouts).held
    assert judge(parse("p99 < 50ms"), totals([10] * 980, errors={"status-503": 20}, scheduled=1000)).held


def test_shares_and_counts() -> None:
    """Errors are failed and dropped ones of all that were due; loss as a number or a share."""
    seen = totals([1] * 990, errors={"status-500": 6}, dropped=4, scheduled=1000, late=20, counts={"lost": 2})
    assert judge(parse("errors < 1%"), seen).held is False
    assert judge(parse("errors <= 1%"), seen).observed == pytest.approx(0.01)
    assert judge(parse("dropped < 0.5%"), seen).held
    assert judge(parse("late < 2%"), seen).held is False
    assert judge(parse("loss = 0"), seen).observed == 2
    assert judge(parse("loss <= 0.2%"), seen).held
    assert judge(parse("reordered = 0"), seen).held
    assert judge(parse("reordered = 0"), totals()).held is None
    assert judge(parse("loss = 0"), totals(counts={"lost": 1})).held is False
    assert judge(parse("errors < 1%"), totals()).held is None


def test_rates_are_of_the_time_it_ran() -> None:
    """What was done after the stage's end does not count as achieved."""
    seen = totals([1] * 1000, done_within=500)
    assert seen.achieved == 50
    assert seen.offered == 100
    assert judge(parse("rate > 60/s"), seen).held is False


def test_totals_merge() -> None:
    """Of several operations, or of several workers."""
    both = totals([1] * 10, errors={"reset": 1}).merge(totals([5] * 30, errors={"reset": 2, "closed": 1}))
    assert (both.done, both.scheduled, both.failed, both.seconds) == (40, 40, 4, 10.0)
    assert both.errors == {"reset": 3, "closed": 1}
    assert both.latency.total == 40
