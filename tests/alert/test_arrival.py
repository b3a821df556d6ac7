"""Rules that look back are asked when what they read has changed, and no more often than their share of a core allows."""

from __future__ import annotations

import numpy as np
import pytest

from watchkeeper.alert.arrival import MOST, Allowance, Arrivals
from watchkeeper.alert.rules import Rule, make
from watchkeeper.alert.settings import RuleSettings
from watchkeeper.model import Series, dictionary

LAYOUT = dictionary(
    (
        Series("hits_total", (("code", "200"), ("machine", "m"))),
        Series("hits_total", (("code", "500"), ("machine", "m"))),
        Series("free", (("machine", "m"),)),
        Series("other", (("machine", "m"),)),
    )
)


def rule(name: str, expr: str, clear: str = "") -> Rule:
    """A question."""
    return make(RuleSettings(alert=name, expr=expr, clear=clear), interval=15, where="", file="", group="")


@pytest.fixture
def arrivals() -> Arrivals:
    """Over three rules."""
    found = Arrivals()
    errors = rule("Errors", 'rate(hits_total{code=~"5.."}[1m]) > 1')
    found.replace(
        [errors, rule("Fills", "deriv(free[1h]) < 0", "deriv(hits_total[1h]) > 0"), rule("None", "rate(nothing[1m]) > 0")]
    )
    return found


def names(keys: frozenset[str]) -> set[str]:
    """Of rules."""
    return {key.partition("/")[0] for key in keys}


def test_only_what_has_changed_asks(arrivals: Arrivals) -> None:
    """The first frame asks all that read of it; then a value that is another one, or that came or went, and nothing else."""
    nan = np.nan
    frames = [
        ([1, 0, 10, 0], {"Errors", "Fills"}),
        ([1, 0, 10, 5], set()),
        ([2, 0, 10, 5], {"Fills"}),
        ([2, 1, 10, 5], {"Errors", "Fills"}),
        ([2, 1, nan, 5], {"Fills"}),
        ([2, 1, nan, 6], set()),
        ([2, 1, 9, 6], {"Fills"}),
    ]
    for figures, expected in frames:
        assert names(arrivals.take("m", "1s", LAYOUT, np.array(figures, float))) == expected
    assert names(arrivals.take("n", "1s", LAYOUT, np.array([2.0, 1, 9, 6]))) == {"Errors", "Fills"}


def test_other_rules_and_layouts_begin_anew(arrivals: Arrivals) -> None:
    """A layout that nobody reads costs nothing; rules that are no more ask nothing."""
    figures = np.array([1.0, 0, 10, 0])
    arrivals.take("m", "1s", LAYOUT, figures)
    assert arrivals.take("m", "5s", dictionary((Series("other", ()),)), np.array([1.0])) == frozenset()
    arrivals.replace([])
    assert arrivals.take("m", "1s", LAYOUT, figures + 1) == frozenset()
    arrivals.forget("m")
    assert arrivals.take("m", "1s", LAYOUT, figures) == frozenset()


def test_an_allowance_is_a_share_of_a_core() -> None:
    """What is asked with every frame gets its share over time; what was calm for long is answered at once, some times."""
    greedy = Allowance(0.0)
    asked, now = 0, 0.0
    while now < 1000:
        if greedy.may(now, 0.001):
            greedy.spent(0.02)
            asked += 1
        now += 0.1
    assert asked * 0.02 == pytest.approx(1000 * 0.001 + MOST, abs=0.05)
    calm = Allowance(0.0)
    assert calm.may(1000, 0.001)
    calm.spent(0.2)
    assert not calm.may(1000.1, 0.001)
    assert calm.may(1400, 0.001)
