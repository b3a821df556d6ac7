"""The log's thrift: some lines of each kind, then fewer, then how many were left out."""

from __future__ import annotations

import json
import logging

from cloudnet.logbook import Json, Thrift


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def line(text: str, *values: object) -> logging.LogRecord:
    """A line that is about to be written."""
    return logging.LogRecord("cloudnet", logging.INFO, "", 0, text, values, None)


def test_a_flood_of_one_kind_leaves_a_few_lines_and_a_number() -> None:
    """Whatever values they have; other kinds are not touched."""
    clock = Clock()
    thrift = Thrift(per_second=1.0, at_once=3.0, clock=clock)
    assert [thrift.filter(line("closing %s", number)) for number in range(10)] == [True] * 3 + [False] * 7
    assert thrift.filter(line("something else"))
    clock.now = 1.0
    told = line("closing %s", 11)
    assert thrift.filter(told)
    assert told.getMessage() == "closing 11 (7 more like this were left out)"
    assert not thrift.filter(line("closing %s", 12))


def test_now_and_then_is_always_written() -> None:
    """At a rate below the bound nothing is left out."""
    clock = Clock()
    thrift = Thrift(per_second=1.0, at_once=3.0, clock=clock)
    for number in range(20):
        clock.now = number * 1.5
        told = line("closing %s", number)
        assert thrift.filter(told)
        assert told.getMessage() == f"closing {number}"


def test_a_line_for_programs_is_one_object() -> None:
    """With the kind of event apart from its values, and a traceback within the line."""
    try:
        raise ValueError("odd\nthings")
    except ValueError as fault:
        record = logging.LogRecord("cloudnet.x", logging.ERROR, "", 0, "closing %s", ("bob",), (ValueError, fault, None))
    shown = Json().format(record)
    assert "\n" not in shown
    told = json.loads(shown)
    assert (told["level"], told["room"], told["event"], told["text"]) == ("error", "cloudnet.x", "closing %s", "closing bob")
    assert "odd\nthings" in told["traceback"]
