"""The words of a question: literals put aside as Go reads them, newer grammar refused, sizes bounded."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.errors import Refused
from watchkeeper.query.lexing import DEEPEST, LONGEST, MOST_TOKENS, Token, duration, prepare
from watchkeeper.query.parsing import parse
from watchkeeper.query.tree import Number, Selector, Text


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", 1.0),
        ("-1", -1.0),
        ("0x1F", 31.0),
        ("010", 8.0),
        ("08", 8.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("Inf", math.inf),
        ("-iNf", -math.inf),
    ],
)
def test_numbers_are_read_as_go_reads_them(written: str, value: float) -> None:
    """Octal and hexadecimal among them."""
    assert parse(written) == Number(value)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (r'"a\nb"', "a\nb"),
        (r"'a\'b'", "a'b"),
        (r"`a\nb`", r"a\nb"),
        (r'"\x41\101\u00e9\U0001F600"', "AAé\U0001f600"),
        (r'"\xc3\xa9"', "é"),
        ('"# no comment"', "# no comment"),
    ],
)
def test_strings_are_unquoted_as_go_unquotes_them(written: str, value: str) -> None:
    """Escapes in quotes, none in backticks, bytes put together."""
    assert parse(written) == Text(value)


@pytest.mark.parametrize("written", [r'"\q"', r"""'\"'""", r'"\ud800"', r'"\400"', '"a', "`a"])
def test_strings_that_go_does_not_take_are_refused(written: str) -> None:
    """Unknown escapes, halves of characters, missing ends."""
    with pytest.raises(Refused):
        parse(written)


@given(st.text())
def test_any_string_that_json_would_quote_comes_back(text: str) -> None:
    """What is quoted with Go's escapes is read back whole."""
    quoted = "".join(f"\\U{ord(one):08x}" if ord(one) < 32 or one in '"\\' or ord(one) > 126 else one for one in text)
    if any(0xD800 <= ord(one) < 0xE000 for one in text):
        return
    assert parse(f'"{quoted}"') == Text(text)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("5m", 300_000), ("1h30m", 5_400_000), ("1d2h3m4s5ms", 93_784_005), ("1y1w", 32_140_800_000)],
)
def test_durations_are_in_milliseconds(text: str, milliseconds: int) -> None:
    """From years to milliseconds."""
    assert duration(Token("duration", text, "1:1")) == milliseconds


def test_a_pinned_instant_may_be_negative_and_fractional() -> None:
    """The sign belongs to the number."""
    assert parse("x @ -5.25") == Selector(parse("x").matchers, at=-5250.0)
    assert parse("x @ +5.25 offset -1m") == Selector(parse("x").matchers, offset=-60_000, at=5250.0)


@pytest.mark.parametrize(
    "text",
    [
        "(" * (DEEPEST + 1) + "x" + ")" * (DEEPEST + 1),
        "x" + "+x" * MOST_TOKENS,
        "x" * (LONGEST + 1),
        "x" + "+x" * 300,
        "-" * 500 + "x",
    ],
)
def test_what_would_overrun_a_stack_is_refused_at_once(text: str) -> None:
    """Depth, words and characters are bounded before the parser sees them, trees while they are read."""
    began = time.process_time()
    with pytest.raises(Refused) as refused:
        parse(text)
    assert refused.value.code == "bad_data"
    assert time.process_time() - began < 5


@given(st.text(alphabet="ab(){}[]\"'`=~!<>+-*/^%@:,.0159emsx \\#\n_", max_size=40))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Anything is either a question or refused."""
    try:
        parse(text)
    except Refused as refused:
        assert refused.code == "bad_data"  # noqa: PT017  # most texts raise, some do not


def test_where_a_word_is_wrong_is_told() -> None:
    """Line and column of an unexpected character."""
    with pytest.raises(Refused, match="2:3: parse error: unexpected character"):
        prepare("a +\nb $")
    with pytest.raises(Refused, match="3:9: parse error: unexpected number"):
        prepare("`a\nb` +  # and a comment\n  x[5m: 300]")
