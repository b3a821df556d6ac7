"""Matchers as Alertmanager writes them."""

from __future__ import annotations

import pytest

from watchkeeper.alert.matchers import matches, matches_nothing, parse_matcher, parse_matchers, written
from watchkeeper.errors import Refused
from watchkeeper.model import Matcher


@pytest.mark.parametrize(
    ("text", "matcher"),
    [
        ('severity="critical"', Matcher("severity", "=", "critical")),
        ("severity=critical", Matcher("severity", "=", "critical")),
        (' machine =~ "db-.*" ', Matcher("machine", "=~", "db-.*")),
        ("a!=b", Matcher("a", "!=", "b")),
        ('a!~"b|c"', Matcher("a", "!~", "b|c")),
        ('a="x\\"y\\\\z\\n"', Matcher("a", "=", 'x"y\\z\n')),
        ("a=", Matcher("a", "=", "")),
        ("summary=two words", Matcher("summary", "=", "two words")),
    ],
)
def test_one_is_read(text: str, matcher: Matcher) -> None:
    """With and without quotes, with the four operators."""
    assert parse_matcher(text) == matcher


@pytest.mark.parametrize("text", ["", "a", "=b", "1a=b", 'a="b', "a=~(", 'a="b" c'])
def test_what_is_none_is_refused(text: str) -> None:
    """With what was expected."""
    with pytest.raises(Refused, match=r"matcher|regular"):
        parse_matcher(text)


def test_several_are_parted_by_commas() -> None:
    """Commas within quotes part nothing; braces may stand around."""
    assert [one.value for one in parse_matchers('{a="1,2", b=~"x"}')] == ["1,2", "x"]


def test_written_reads_back() -> None:
    """What is shown means the same."""
    one = Matcher("a", "!~", 'x"\\\n')
    assert parse_matcher(written(one)) == one


def test_an_absent_label_is_the_empty_string() -> None:
    """As in Prometheus."""
    assert matches([Matcher("a", "!=", "b")], {})
    assert matches([Matcher("a", "=", "")], {})
    assert not matches([Matcher("a", "=~", ".+")], {})
    assert matches([Matcher("a", "=", "1"), Matcher("b", "=~", "2|3")], {"a": "1", "b": "3"})
    assert matches_nothing([Matcher("a", "=~", ".*")])
    assert not matches_nothing([Matcher("a", "=~", ".*"), Matcher("b", "=", "x")])
