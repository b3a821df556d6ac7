"""Where a question goes wrong: line and column, as people count them."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.errors import Refused
from watchkeeper.query import parse


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("foo bar", "1:5: parse error: unexpected 'bar'"),
        ("1 +", "1:4: parse error: unexpected end of input"),
        ("sum(foo) by", "1:12: parse error: unexpected end of input"),
        ("sum(foo)\n  by (a) (b)", "2:10: parse error: unexpected '('"),
        ('up{job="x"} * / 5', "1:15: parse error: unexpected '/'"),
        ("foo == bool", "1:12: parse error: unexpected end of input"),
        ('foo "text"', "1:5: parse error: unexpected '\"text\"'"),
        ("1 + nosuch(x)", "1:5: parse error: unknown function with name 'nosuch'"),
        ("sum(rate(foo))", "1:5: parse error: expected type matrix in call to function 'rate', got vector"),
    ],
)
def test_the_place_is_told(question: str, told: str) -> None:
    """The first word that nothing could make right again, or the end."""
    with pytest.raises(Refused) as refused:
        parse(question)
    assert refused.value.why == told


def test_no_question_is_refused_without_a_reason() -> None:
    """Of all wrong ones written by hand none is told the parser's vague word."""
    file = Path(__file__).parent / "wrong.promql"
    for question in file.read_text(encoding="utf-8").splitlines()[1:]:
        with pytest.raises(Refused) as refused:
            parse(question)
        assert "invalid promql query" not in refused.value.why, question


def test_a_very_long_question_is_not_searched() -> None:
    """It is refused as soon as the parser has refused it, in words of our own."""
    with pytest.raises(Refused, match="among these 4000 words"):
        parse("x +" * 1999 + "x x")
    with pytest.raises(Refused, match="1:600: parse error: unexpected 'x'"):
        parse("x +" * 199 + "x x")
