"""Start order: groups, wrong names, circles."""

from __future__ import annotations

import pytest

from watchkeeper.control.order import levels
from watchkeeper.errors import ConfigError


def test_each_comes_after_what_it_needs() -> None:
    """In groups that may start together."""
    assert levels({"web": ("db", "cache"), "db": (), "cache": ("db",), "mail": ()}) == [["db", "mail"], ["cache"], ["web"]]
    assert levels({}) == []


def test_a_wrong_name_is_told_with_the_nearest() -> None:
    """It could never start."""
    with pytest.raises(ConfigError, match="'databse' is no server; did you mean 'database'"):
        levels({"web": ("databse",), "database": ()})


@pytest.mark.parametrize("after", [{"a": ("a",)}, {"a": ("b",), "b": ("c",), "c": ("a",), "d": ()}])
def test_a_circle_is_named(after: dict[str, tuple[str, ...]]) -> None:
    """They would wait for one another for ever."""
    with pytest.raises(ConfigError, match="wait for one another: a after"):
        levels(after)
