"""When a log is flooded, by tables: not by a burst, told once, over after a calm minute."""

from __future__ import annotations

from watchkeeper.control.flood import Flow, flow


def run(steps: list[tuple[int, int]], most: float = 100.0) -> list[bool]:
    """What is told after each step of (seconds, bytes written in them)."""
    found: Flow | None = flow(None, 0, most, 0.0)
    at, written, told = 0.0, 0, []
    for seconds, more in steps:
        at, written = at + seconds, written + more
        found = flow(found, written, most, at)
        told.append(found.told)
    return told


def test_a_burst_is_no_flood() -> None:
    """Much at once, and then nothing, is not told."""
    assert run([(5, 100_000), *[(5, 0)] * 10]) == [False] * 11


def test_a_flood_is_told_after_half_a_minute_and_over_after_a_minute() -> None:
    """From the first look above to thirty seconds later, and back after sixty of calm."""
    told = run([(5, 5000)] * 7 + [(5, 100)] * 13)
    assert told[:7] == [False] * 5 + [True] * 2
    assert told[7:] == [True] * 11 + [False] * 2


def test_a_log_that_was_emptied_begins_anew() -> None:
    """A count that falls is no negative rate."""
    before = Flow(1000, 10.0, 0.0, above=True, told=True)
    assert flow(before, 5, 1.0, 15.0) == Flow(5, 15.0, 15.0)
