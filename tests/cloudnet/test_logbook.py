"""The log's thrift: some lines of each kind, then fewer, then how many were left out."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from cloudnet.logbook import Json, Thrift, of_the_loop


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


def test_what_the_event_loop_tells_is_of_one_kind(caplog: pytest.LogCaptureFixture) -> None:
    """Its texts hold numbers of sockets; a mistake of ours is told with its traceback, a stranger's broken connection not."""
    loop = asyncio.new_event_loop()
    try:
        for number, fault in enumerate((ValueError("ours"), KeyError, None)):
            of_the_loop(loop, {"message": f"[fd={number}] broke", "exception": fault, "transport": None})
        of_the_loop(loop, {"message": "handshake failed\nfd=7", "exception": ConnectionResetError, "transport": None})
        of_the_loop(loop, {"message": "a callback broke", "exception": OSError("our disk")})
    finally:
        loop.close()
    told = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [bool(record.exc_info) for record in told] == [True, False, False, True]
    assert len({record.msg for record in told}) == 1
    assert "[fd=0] broke: ours" in told[0].getMessage()


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
