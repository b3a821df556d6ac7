"""Coming back: pauses that grow, are jittered and have an end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloudnet.reaching import FIRST_PAUSE, LONGEST_PAUSE, pause_before


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_pauses_are_bounded_and_jittered(attempt: int, chance: float) -> None:
    """From nothing up to a bound that doubles, and never over the longest."""
    pause = pause_before(attempt, chance)
    assert 0 <= pause <= LONGEST_PAUSE
    assert pause == chance * pause_before(attempt, 1.0)
    assert pause_before(attempt, 1.0) == min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempt - 1, 100))
