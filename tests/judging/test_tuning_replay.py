"""A known rule replayed with other parameters: what a `[[tune]]` would do, before anybody writes one."""

from __future__ import annotations

import pytest

from watchkeeper.alert.rules import Fault, make, tuned
from watchkeeper.alert.settings import RuleSettings

RULE = make(
    RuleSettings(alert="Full", expr="used > ${most}", clear="used < ${most} - 5", parameters={"most": 90}),
    interval=15,
    where="",
    file="",
    group="test",
)


def test_parameters_and_hold_are_put_in() -> None:
    """Both expressions have the new figure, the rule's own stays as it was, and its hold where none is given."""
    other = tuned(RULE, {"most": 95}, 60_000)
    assert (other.text, other.clear_text, other.hold) == ("used > 95", "used < 95 - 5", 60_000)
    assert RULE.text == "used > 90"
    assert tuned(RULE, {}, 0).hold == RULE.hold


@pytest.mark.parametrize(("changes", "why"), [({"least": 1}, "no parameter 'least'"), ({"most": "10m"}, "expected a number")])
def test_what_makes_no_sense_is_refused(changes: dict[str, int | float | str], why: str) -> None:
    """An unknown parameter, or one of another kind."""
    with pytest.raises(Fault, match=why):
        tuned(RULE, changes, 0)
