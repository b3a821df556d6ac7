"""Every row of the fault matrix holds, against real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from rigs.faults import CASES, Case, agent_killed, play, why_not

QUICK = {"deaf"}
"""What the quick suite does too, beside what tests/whole does to servers, agent and keeper (a kill of each, a hang); the whole
matrix is for `dev.py test-all` and `dev.py faults`."""
ROWS = [
    pytest.param(case, id=case.run.__name__, marks=[] if case.run.__name__ in QUICK else [pytest.mark.long]) for case in CASES
]


@pytest.mark.slow
@pytest.mark.parametrize("case", ROWS)
def test_what_must_come_of_a_fault_does(case: Case, tmp_path: Path) -> None:
    """The fault is done to a real `up` with real servers, and what the row promises happens."""
    if why := why_not(case):
        pytest.skip(why)
    text, seconds = play(case, tmp_path)
    assert text
    assert seconds >= 0


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_agent_killed_a_hundred_times(tmp_path: Path) -> None:
    """A hundred random moments during starts, stops and rotations: nothing touched, twice or lost."""
    case = Case("the agent killed at random moments", "", ("plain", "mute", "flood"), lambda scene: agent_killed(scene, 100))
    assert play(case, tmp_path).text.startswith("100 times")
