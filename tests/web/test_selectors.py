"""Selectors are read as people write them, and patterns are kept to what cannot run away."""

from __future__ import annotations

import pytest

from watchkeeper.errors import Refused
from watchkeeper.model import Matcher
from watchkeeper.web.selectors import read_selector

NAME = Matcher("__name__", "=", "up")


@pytest.mark.parametrize(
    ("written", "matchers"),
    [
        ("up", [NAME]),
        (" up { } ", [NAME]),
        ('{machine="a"}', [Matcher("machine", "=", "a")]),
        ('up{machine="a",server!="b"}', [NAME, Matcher("machine", "=", "a"), Matcher("server", "!=", "b")]),
        ('up{ machine =~ "a|b.*" , }', [NAME, Matcher("machine", "=~", "a|b.*")]),
        (r'up{path="a\"b\\c\nd,}"}', [NAME, Matcher("path", "=", 'a"b\\c\nd,}')]),
        ('up{a="",b!~""}', [NAME, Matcher("a", "=", ""), Matcher("b", "!~", "")]),
    ],
)
def test_what_is_well_formed(written: str, matchers: list[Matcher]) -> None:
    """Names, the four operators, escapes, blanks and a comma at the end."""
    assert read_selector(written) == matchers


@pytest.mark.parametrize(
    "written",
    [
        "",
        "   ",
        "{}",
        "{ }",
        "1up",
        "up{",
        "up}",
        "up{machine}",
        "up{machine=a}",
        "up{machine='a'}",
        'up{machine=="a"}',
        'up{machine="a" server="b"}',
        'up{machine="a"',
        "up" * 600,
        'up{a="' + "x" * 201 + '"}',
        'up{a=~"(x+x+)+y"}',
        'up{a=~"[a-z]+"}',
        'up{a=~"x{1000}"}',
        'up{a=~".*.*.*.*"}',
        'up{a=~"*"}',
    ],
)
def test_what_is_not_is_refused(written: str) -> None:
    """With a stable code and a sentence, in bounded time."""
    with pytest.raises(Refused) as refused:
        read_selector(written)
    assert refused.value.code == "bad-selector"
