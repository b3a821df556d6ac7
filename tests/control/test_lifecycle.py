"""The life of a server, without a server: every transition, every pause, and what must hold whatever comes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from watchkeeper.control.lifecycle import (
    ALIVE,
    Clear,
    Do,
    Exited,
    Input,
    Life,
    Policy,
    Restart,
    Spawned,
    SpawnFailed,
    Start,
    Stop,
    Tick,
    pause,
    step,
)
from watchkeeper.model import ServerState as S  # a table of them

POLICY = Policy(stop_grace=10, first=1, most=60, stable=10)
NOW = 1000.0
START, STOP, RESTART, CLEAR, SPAWNED = Start("me"), Stop("me"), Restart("me"), Clear(), Spawned()
FAILED, CRASHED, CLEAN, TICK = (
    SpawnFailed("no program"),
    Exited("exit status 1", clean=False),
    Exited("exit status 0", clean=True),
    Tick(),
)


def life(state: S, **more: object) -> Life:
    """A life in that state, its process young."""
    due = {S.STOPPING: NOW + 5, S.BACKOFF: NOW + 5}.get(state, math.inf)
    return Life(state=state, **{"due": due, "spawned_at": NOW - 1, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "given_", "after", "do"),
    [
        (life(S.STOPPED), START, S.WAITING, Do.NOTHING),
        (life(S.EXITED), START, S.WAITING, Do.NOTHING),
        (life(S.BACKOFF), START, S.WAITING, Do.NOTHING),
        (life(S.RUNNING), START, S.RUNNING, Do.NOTHING),
        (life(S.STOPPING), START, S.STOPPING, Do.NOTHING),
        (life(S.WAITING), CLEAR, S.STARTING, Do.SPAWN),
        (life(S.STOPPED), CLEAR, S.STOPPED, Do.NOTHING),
        (life(S.RUNNING), CLEAR, S.RUNNING, Do.NOTHING),
        (life(S.STARTING), SPAWNED, S.RUNNING, Do.NOTHING),
        (life(S.STARTING), FAILED, S.BACKOFF, Do.NOTHING),
        (life(S.STOPPING), FAILED, S.STOPPED, Do.NOTHING),
        (life(S.RUNNING), CRASHED, S.STARTING, Do.SPAWN),
        (life(S.RUNNING, failures=1), CRASHED, S.BACKOFF, Do.NOTHING),
        (life(S.RUNNING, failures=9, spawned_at=NOW - 11), CRASHED, S.STARTING, Do.SPAWN),
        (life(S.RUNNING), STOP, S.STOPPING, Do.TERMINATE),
        (life(S.STARTING), STOP, S.STOPPING, Do.TERMINATE),
        (life(S.WAITING), STOP, S.STOPPED, Do.NOTHING),
        (life(S.BACKOFF), STOP, S.STOPPED, Do.NOTHING),
        (life(S.EXITED), STOP, S.STOPPED, Do.NOTHING),
        (life(S.STOPPING, again=True), STOP, S.STOPPING, Do.NOTHING),
        (life(S.STOPPING), CRASHED, S.STOPPED, Do.NOTHING),
        (life(S.STOPPING, again=True), CLEAN, S.WAITING, Do.NOTHING),
        (life(S.RUNNING), RESTART, S.STOPPING, Do.TERMINATE),
        (life(S.STOPPED), RESTART, S.WAITING, Do.NOTHING),
        (life(S.BACKOFF), RESTART, S.WAITING, Do.NOTHING),
        (life(S.BACKOFF), TICK, S.BACKOFF, Do.NOTHING),
        (life(S.BACKOFF, due=NOW), TICK, S.STARTING, Do.SPAWN),
        (life(S.STOPPING), TICK, S.STOPPING, Do.NOTHING),
        (life(S.STOPPING, due=NOW), TICK, S.STOPPING, Do.KILL),
        (life(S.STOPPED), CRASHED, S.STOPPED, Do.NOTHING),
    ],
)
def test_transitions(before: Life, given_: Input, after: S, do: Do) -> None:
    """State and input decide state and deed."""
    taken = step(before, given_, POLICY, NOW, 0.5)
    assert (taken.life.state, taken.do) == (after, do)
    assert taken.life.reason


@pytest.mark.parametrize(
    ("restart", "ended", "after"),
    [
        ("always", CLEAN, S.STARTING),
        ("always", CRASHED, S.STARTING),
        ("on-failure", CLEAN, S.EXITED),
        ("on-failure", CRASHED, S.STARTING),
        ("never", CLEAN, S.EXITED),
        ("never", CRASHED, S.EXITED),
    ],
)
def test_the_policy_decides_what_an_end_by_itself_means(restart: str, ended: Exited, after: S) -> None:
    """Always, only after a failure, never."""
    policy = Policy(restart=restart)  # type: ignore[arg-type]
    taken = step(life(S.RUNNING), ended, policy, NOW, 0.5)
    assert taken.life.state is after
    assert ended.how in taken.life.reason


def test_a_stop_withdraws_a_restart_and_a_start_renews_it() -> None:
    """While it is stopping the last word counts."""
    stopping = step(life(S.RUNNING), RESTART, POLICY, NOW, 0.5).life
    assert stopping.again
    withdrawn = step(stopping, STOP, POLICY, NOW, 0.5).life
    assert step(withdrawn, CLEAN, POLICY, NOW, 0.5).life.state is S.STOPPED
    renewed = step(withdrawn, START, POLICY, NOW, 0.5).life
    assert step(renewed, CLEAN, POLICY, NOW, 0.5).life.state is S.WAITING


def test_killing_is_tried_again() -> None:
    """A kill that did not end it is repeated a second later, for ever."""
    one = step(life(S.STOPPING, due=NOW), TICK, POLICY, NOW, 0.5).life
    assert one.due == NOW + 1
    assert step(one, TICK, POLICY, NOW + 1, 0.5).do is Do.KILL


def test_restarts_count_unexpected_ends_alone() -> None:
    """Not orders, not attempts that failed."""
    crashed = step(life(S.RUNNING), CRASHED, POLICY, NOW, 0.5).life
    assert crashed.restarts == 1
    failed = step(crashed, FAILED, POLICY, NOW, 0.5).life
    again = step(failed, Tick(), POLICY, failed.due, 0.5).life
    assert again.restarts == 1


@settings(deadline=None)
@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True), st.floats(0.1, 10), st.floats(10, 3600))
def test_pauses_double_to_a_cap_and_half_of_them_is_chance(failures: int, chance: float, first: float, most: float) -> None:
    """None before the first restart; never zero, never over the cap after that."""
    policy = Policy(first=first, most=most)
    found = pause(failures, policy, chance)
    if failures == 1:
        assert found == 0
    else:
        ceiling = min(most, first * 2.0 ** min(failures - 2, 60))
        assert ceiling / 2 <= found <= ceiling


class Keeping(RuleBasedStateMachine):
    """A supervisor and a process that may do anything, driven against the life cycle."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Life()
        self.now = NOW
        self.process = False
        self.pending_spawn = False
        self.wanted = False

    def give(self, given_: Input, chance: float = 0.5) -> None:
        """One step, its deed done as `server` does it."""
        taken = step(self.life, given_, POLICY, self.now, chance)
        self.life = taken.life
        if taken.do is Do.SPAWN:
            assert not self.process, "a second process"
            assert not self.pending_spawn, "a second process"
            self.pending_spawn = True
        if taken.do in {Do.TERMINATE, Do.KILL}:
            assert self.process or self.pending_spawn

    @rule()
    def start(self) -> None:
        """An order."""
        self.wanted = True
        self.give(START)

    @rule()
    def stop(self) -> None:
        """An order."""
        self.wanted = False
        self.give(STOP)

    @rule()
    def restart(self) -> None:
        """An order."""
        self.wanted = True
        self.give(RESTART)

    @precondition(lambda self: self.pending_spawn)
    @rule(works=st.booleans())
    def spawn_ends(self, works: bool) -> None:
        """The system has answered."""
        self.pending_spawn = False
        self.process = works
        self.give(SPAWNED if works else FAILED)

    @precondition(lambda self: self.process)
    @rule(clean=st.booleans(), chance=st.floats(0, 0.99))
    def end(self, clean: bool, chance: float) -> None:
        """It ends, asked or not."""
        self.process = False
        self.give(Exited("somehow", clean), chance)

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.give(TICK)

    @rule()
    def clear(self) -> None:
        """What it comes after is ready."""
        self.give(CLEAR)

    @invariant()
    def holds(self) -> None:
        """What must be true at any time."""
        state = self.life.state
        assert state in ALIVE or not (self.process or self.pending_spawn), "a process that nobody keeps"
        if state in {S.BACKOFF, S.STOPPING}:
            assert math.isfinite(self.life.due), "nothing would ever happen again"
        if self.wanted:
            ahead = self.life.again if state is S.STOPPING else state in {S.WAITING, S.STARTING, S.RUNNING, S.BACKOFF}
            assert ahead, "wanted, and given up"
        else:
            assert state in {S.STOPPED, S.STOPPING}
            assert not self.life.again


TestKeeping = Keeping.TestCase
TestKeeping.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
