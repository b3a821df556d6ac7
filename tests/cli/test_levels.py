"""Levels of lines, and which of them are wanted."""

from __future__ import annotations

import time

import pytest

from watchkeeper.cli.levels import Sieve, level
from watchkeeper.errors import Refused


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2026-01-01 ERROR it broke", "error"),
        ("[WARN] slow", "warning"),
        ('{"level":"error","msg":"x"}', "error"),
        ("ts=1 level=warn msg=x", "warning"),
        ("DEBUG: x", "debug"),
        ("no error here", None),
        ("ERRORS are counted", None),
    ],
)
def test_what_a_line_says_of_itself(line: str, said: str | None) -> None:
    """Words in capitals, or the value of a key; a word in a sentence is no level."""
    assert level(line) == said


def test_a_trace_goes_with_its_line() -> None:
    """Lines without a level belong to the last that had one."""
    sieve = Sieve(least="error")
    lines = ["INFO fine", "more", "ERROR broke", "  at here", "INFO again", "x"]
    assert [line for line in lines if sieve.takes(line)] == ["ERROR broke", "  at here"]


def test_a_search_is_bounded_and_refuses_what_re2_does() -> None:
    """A pattern that runs away elsewhere is quick; one that is none is refused with words."""
    began = time.process_time()
    assert not Sieve("(a+)+$").takes("a" * 8000 + "b")
    assert time.process_time() - began < 5
    assert Sieve("TIMEOUT", any_case=True).takes("a timeout came")
    with pytest.raises(Refused, match="none of RE2"):
        Sieve("(a")


def test_a_terminal_gets_colours_and_marks() -> None:
    """The level's colour, what was searched for in reverse, and the end of both."""
    assert Sieve("broke").painted("ERROR it broke") == "\x1b[31mERROR it \x1b[7mbroke\x1b[27m\x1b[0m"
    assert Sieve().painted("plain") == "plain"
