"""Whether it is the world that is silent, or we are cut off."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.alert.witness import Standing, heard, is_blind


def standing(answers: list[bool]) -> Standing:
    """After these askings."""
    found = Standing()
    for answered in answers:
        found = heard(found, "" if answered else "no answer")
    return found


@given(st.dictionaries(st.text(max_size=2), st.lists(st.booleans(), max_size=8), max_size=4), st.integers(1, 4))
def test_blind_means_that_all_are_gone(answers: dict[str, list[bool]], misses: int) -> None:
    """So often in a row; one that answers is enough to see, and without any nothing can be said."""
    blind = is_blind({name: standing(one) for name, one in answers.items()}, misses)
    assert blind is (bool(answers) and all(len(one) >= misses and not any(one[-misses:]) for one in answers.values()))


def test_what_it_said_last_is_kept() -> None:
    """For the message."""
    assert standing([True, False]) == Standing(1, "no answer")
    assert standing([False, True]) == Standing(0, "it answers")
