"""Environment files mean what they mean to systemd, and a line that is no assignment is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.control.envfile import parse
from watchkeeper.errors import Failed


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A=1\nB=2\n", {"A": "1", "B": "2"}),
        ("A=1", {"A": "1"}),
        ("\n# c\n; c\n  # c\n\tA=1\n", {"A": "1"}),
        ("A=", {"A": ""}),
        ("A=a b  c \t\n", {"A": "a b  c"}),
        ("A=  a", {"A": "a"}),
        ("A='a  b '\n", {"A": "a  b "}),
        ('A="a  b "\n', {"A": "a  b "}),
        ("A='x\ny'\nB=2\n", {"A": "x\ny", "B": "2"}),
        ("A=one \\\n two\n", {"A": "one  two"}),
        ('A="one \\\ntwo"', {"A": "one two"}),
        ("A=a\\ b\\\\c\n", {"A": "a b\\c"}),
        ("A='a\\b'\n", {"A": "a\\b"}),
        ('A="a\\"b\\$c\\nd"\n', {"A": 'a"b$c\\nd'}),
        ("A=$HOME/x `id`\n", {"A": "$HOME/x `id`"}),
        ("A=a#b # c\n", {"A": "a#b # c"}),
        ("A=b=c\n", {"A": "b=c"}),
        ("A='b'c\"d\"\n", {"A": "bcd"}),
        ("A=1\r\nB='2'\r\n", {"A": "1", "B": "2"}),
        ("export A=1\n", {"A": "1"}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("", {}),
    ],
)
def test_what_a_file_says(text: str, found: dict[str, str]) -> None:
    """Quotes, continued lines, comments; a dollar is a dollar."""
    assert parse(text, "f") == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A=1\nhello\n", "f:2: expected NAME=VALUE"),
        ("1A=1\n", "f:1: expected NAME=VALUE"),
        ("A-B=1\n", "f:1: expected NAME=VALUE"),
        ("=1\n", "f:1: expected NAME=VALUE"),
        ("A='x\ny\n'\n\nB='open\n", "f:5: the quote is never closed"),
        ("A=a\\\nb\nB C=1\n", "f:3: expected NAME=VALUE"),
        ("A=\0\n", "f:1: a zero byte cannot be in a variable"),
    ],
)
def test_what_is_no_assignment_is_named(text: str, why: str) -> None:
    """File and line."""
    with pytest.raises(Failed, match=f"^{why}$"):
        parse(text, "f")


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_value_can_be_quoted(value: str) -> None:
    """In double quotes, with a backslash before what counts there, everything comes back."""
    quoted = "".join(f"\\{sign}" if sign in '"\\`$' else sign for sign in value)
    assert parse(f'A="{quoted}"\n', "f") == {"A": value}


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No other error, whatever stands there."""
    try:
        parse(text, "f")
    except Failed as fault:
        assert fault.why.startswith("f:")  # noqa: PT017  # either outcome is right
