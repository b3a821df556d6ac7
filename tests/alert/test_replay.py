"""A replay by runs says what the judge says at every step."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.alert.judge import Case, Sight, Terms, judge
from watchkeeper.alert.replay import Fired, firings
from watchkeeper.telling import AlertState

STEP = 15


def by_steps(holds: list[bool], clears: list[bool] | None, terms: Terms) -> list[Fired]:
    """The judge, asked at every step."""
    found: list[Fired] = []
    case: Case | None = None
    fired: tuple[int, int] | None = None
    for place, held in enumerate(holds):
        now = place * STEP
        cleared = True if clears is None else clears[place]
        sight = Sight.HOLDS if held else Sight.OVER if cleared else Sight.BETWEEN
        case = judge(case, sight, terms, now).case
        state = case.state if case else None
        if state is AlertState.FIRING and fired is None:
            fired = (now, place)
        elif state is not AlertState.FIRING and fired is not None:
            found.append(Fired(fired[0], now, fired[1], ongoing=False))
            fired = None
            if state is AlertState.RESOLVED:
                case = None
    if fired is not None:
        found.append(Fired(fired[0], (len(holds) - 1) * STEP, fired[1], ongoing=True))
    return found


runs = st.lists(st.tuples(st.booleans(), st.integers(1, 6)), min_size=1, max_size=14)


def spread(given_runs: list[tuple[bool, int]]) -> list[bool]:
    """Runs as single steps."""
    return [value for value, count in given_runs for _ in range(count)]


@given(runs, st.one_of(st.none(), runs), st.sampled_from([0, 15, 40, 60]), st.sampled_from([0, 15, 40, 60]))
def test_runs_and_steps_agree(
    held: list[tuple[bool, int]], cleared: list[tuple[bool, int]] | None, hold: int, keep: int
) -> None:
    """For, keep_firing_for and hysteresis, over any history."""
    holds = spread(held)
    clears = None if cleared is None else (spread(cleared) * len(holds))[: len(holds)]
    times = np.arange(len(holds), dtype=np.int64) * STEP
    marks = None if clears is None else np.array(clears)
    assert firings(times, np.array(holds), marks, Terms(hold, keep)) == by_steps(holds, clears, Terms(hold, keep))
