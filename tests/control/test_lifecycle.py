"""The life of a server, without a server: every transition, every pause, and what must hold whatever comes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from watchkeeper.control.lifecycle import (
    ALIVE,
    LONGEST_EXTENSION,
    Clear,
    Do,
    Exited,
    Extend,
    Hold,
    Hung,
    Input,
    Life,
    Pause,
    Policy,
    Restart,
    Resume,
    Spawned,
    SpawnFailed,
    Start,
    Stop,
    Tick,
    Waits,
    at_cap,
    gravity,
    pause,
    step,
    worth_telling,
)
from watchkeeper.model import ServerState as S  # a table of them

POLICY = Policy(stop_grace=10, first=1, most=60, stable=10)
NOW = 1000.0
START, STOP, RESTART, CLEAR, SPAWNED = Start("me"), Stop("me"), Restart("me"), Clear(), Spawned()
HUNG, HOLD, WAITS, PAUSE, RESUME = Hung("silent"), Hold("db is down"), Waits("waits for db"), Pause("paused"), Resume("me")
FAILED, CRASHED, CLEAN, TICK = (
    SpawnFailed("no program"),
    Exited("exit status 1", clean=False),
    Exited("exit status 0", clean=True),
    Tick(),
)


def life(state: S, **more: object) -> Life:
    """A life in that state, its process young."""
    due = {S.STOPPING: NOW + 5, S.BACKOFF: NOW + 5}.get(state, math.inf)
    return Life(state=state, **{"due": due, "spawned_at": NOW - 1, **more})  # type: ignore[arg-type]  # any of its fields


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
        (life(S.RUNNING), HUNG, S.STOPPING, Do.TERMINATE),
        (life(S.STARTING), HUNG, S.STARTING, Do.NOTHING),
        (life(S.STOPPING), HUNG, S.STOPPING, Do.NOTHING),
        (life(S.RUNNING, paused="p"), HUNG, S.RUNNING, Do.NOTHING),
        (life(S.STOPPING, hung=True, again=True), CRASHED, S.STARTING, Do.SPAWN),
        (life(S.STOPPING, hung=True, again=True, failures=1), CRASHED, S.BACKOFF, Do.NOTHING),
        (life(S.STOPPING, hung=True, again=True, left=(Do.TERMINATE, Do.KILL), due=NOW), TICK, S.STOPPING, Do.TERMINATE),
        (life(S.RUNNING), HOLD, S.STOPPING, Do.TERMINATE),
        (life(S.BACKOFF), HOLD, S.WAITING, Do.NOTHING),
        (life(S.STOPPED), HOLD, S.STOPPED, Do.NOTHING),
        (life(S.RUNNING, paused="p"), HOLD, S.RUNNING, Do.NOTHING),
        (life(S.WAITING), WAITS, S.WAITING, Do.NOTHING),
        (life(S.RUNNING), PAUSE, S.RUNNING, Do.NOTHING),
        (life(S.WAITING), PAUSE, S.STOPPED, Do.NOTHING),
        (life(S.BACKOFF), PAUSE, S.STOPPED, Do.NOTHING),
        (life(S.STOPPED), Pause("paused", wanted=True), S.STOPPED, Do.NOTHING),
        (life(S.RUNNING, paused="p"), CRASHED, S.EXITED, Do.NOTHING),
        (life(S.STARTING, paused="p"), FAILED, S.EXITED, Do.NOTHING),
        (life(S.STOPPED, paused="p", held=True), RESUME, S.WAITING, Do.NOTHING),
        (life(S.STOPPED, paused="p"), RESUME, S.STOPPED, Do.NOTHING),
        (life(S.STOPPED), RESUME, S.STOPPED, Do.NOTHING),
        (life(S.STOPPED, paused="p"), START, S.WAITING, Do.NOTHING),
        (life(S.RUNNING, paused="p"), STOP, S.STOPPING, Do.TERMINATE),
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
    policy = Policy(restart=restart)  # type: ignore[arg-type]  # any of its fields
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
    """A kill that did not end it is repeated a second later, for ever, but ever more rarely; the next stop begins anew."""
    one = step(life(S.STOPPING, due=NOW), TICK, POLICY, NOW, 0.5).life
    assert one.due == NOW + 1
    assert step(one, TICK, POLICY, NOW + 1, 0.5).do is Do.KILL
    waits = []
    for _ in range(9):
        now = one.due
        one, do = step(one, TICK, POLICY, now, 0.5)
        waits.append(one.due - now)
        assert do is Do.KILL
    assert (waits, one.kills) == ([2, 4, 8, 16, 32, 60, 60, 60, 60], 10)
    assert step(one, CRASHED, POLICY, now, 0.5).life.kills == 0


def test_restarts_count_unexpected_ends_alone() -> None:
    """Not orders, not attempts that failed."""
    crashed = step(life(S.RUNNING), CRASHED, POLICY, NOW, 0.5).life
    assert crashed.restarts == 1
    failed = step(crashed, FAILED, POLICY, NOW, 0.5).life
    again = step(failed, Tick(), POLICY, failed.due, 0.5).life
    assert again.restarts == 1


def test_a_hung_one_is_asked_for_a_core_first_if_that_is_wanted() -> None:
    """SIGABRT, SIGTERM, SIGKILL until it works, each after the grace of one that hangs; without the wish, no SIGABRT."""
    policy = Policy(hung_grace=2, abort=True)
    done = [step(life(S.RUNNING), HUNG, policy, NOW, 0.5)]
    for number in (1, 2, 3):
        done.append(step(done[-1].life, TICK, policy, NOW + 2 * number, 0.5))
    assert [taken.do for taken in done] == [Do.ABORT, Do.TERMINATE, Do.KILL, Do.KILL]
    assert step(life(S.RUNNING), HUNG, POLICY, NOW, 0.5).do is Do.TERMINATE


def test_a_stop_in_between_means_no_start_after_a_hang() -> None:
    """While one that hung is being ended, an operator's stop is the last word."""
    ending = step(life(S.RUNNING), HUNG, POLICY, NOW, 0.5).life
    stopped = step(ending, STOP, POLICY, NOW, 0.5).life
    assert step(stopped, CRASHED, POLICY, NOW, 0.5).life.state is S.STOPPED


def test_one_that_hangs_again_and_again_backs_off_and_counts() -> None:
    """A hang is a failure like a crash: the first restart at once, then with pauses, whatever its policy says of exits."""
    policy = Policy(restart="never")
    one = step(step(life(S.RUNNING), HUNG, policy, NOW, 0.5).life, CRASHED, policy, NOW + 1, 0.5).life
    assert (one.state, one.failures, one.restarts) == (S.STARTING, 1, 1)
    running = step(one, SPAWNED, policy, NOW + 1, 0.5).life
    two = step(step(running, HUNG, policy, NOW + 3, 0.5).life, CRASHED, policy, NOW + 4, 0.5).life
    assert (two.state, two.failures, two.failing_since) == (S.BACKOFF, 2, NOW + 1)


def test_what_is_gated_waits_before_every_start() -> None:
    """With requirements or conditions, a restart too passes by them: at once, and after a pause."""
    gated = Policy(gated=True)
    assert step(life(S.RUNNING), CRASHED, gated, NOW, 0.5).life.state is S.WAITING
    assert step(life(S.BACKOFF, due=NOW), TICK, gated, NOW, 0.5).life.state is S.WAITING


def test_the_reason_says_what_is_waited_for_and_then_that_it_is_there() -> None:
    """Told once, and not as the reason of the start that follows."""
    waiting = step(life(S.WAITING), WAITS, POLICY, NOW, 0.5).life
    assert waiting.reason == "waits for db"
    assert step(waiting, WAITS, POLICY, NOW, 0.5).life is waiting
    assert step(waiting, CLEAR, POLICY, NOW, 0.5).life.reason == "what it waited for is there"
    assert step(life(S.WAITING), CLEAR, POLICY, NOW, 0.5).life.reason == life(S.WAITING).reason


def test_one_that_runs_at_last_no_longer_says_that_it_cannot_be_started() -> None:
    """What kept it from starting is told in the past as soon as it runs."""
    waiting = step(life(S.STARTING), FAILED, POLICY, NOW, 0.5).life
    assert waiting.reason == "cannot be started: no program"
    again = step(waiting, TICK, POLICY, waiting.due, 0.5).life
    assert step(again, SPAWNED, POLICY, NOW, 0.5).life.reason == "could not be started before: no program"


@pytest.mark.parametrize(("asked", "granted"), [(30, 30), (5000, LONGEST_EXTENSION), (0.5, 5)])
def test_one_that_stops_may_ask_for_more_time(asked: float, granted: float) -> None:
    """As much as it asks for, within a bound, and never less than it had; not once it is being killed."""
    stopping = life(S.STOPPING, left=(Do.KILL,))
    assert step(stopping, Extend(asked), POLICY, NOW, 0.5).life.due == NOW + granted
    killing = life(S.STOPPING)
    assert step(killing, Extend(asked), POLICY, NOW, 0.5).life is killing


def test_a_pause_holds_what_would_be_started_until_somebody_resumes() -> None:
    """A crash in the pause is not undone by itself; a stop in the pause means that nothing is started at its end."""
    paused = step(life(S.RUNNING), PAUSE, POLICY, NOW, 0.5).life
    crashed = step(paused, CRASHED, POLICY, NOW, 0.5).life
    assert crashed.held
    assert "not started again: paused" in crashed.reason
    assert step(crashed, TICK, POLICY, NOW + 1e6, 0.5).life.state is S.EXITED
    assert step(crashed, RESUME, POLICY, NOW, 0.5).life.state is S.WAITING
    stopped = step(crashed, STOP, POLICY, NOW, 0.5).life
    assert step(stopped, RESUME, POLICY, NOW, 0.5).life.state is S.STOPPED


def test_a_pause_holds_what_is_stopping_to_be_started_again() -> None:
    """Held for what it requires, then paused: not started when that is back, but by a resume or by a person's order."""
    stopping = step(step(life(S.RUNNING), HOLD, POLICY, NOW, 0.5).life, PAUSE, POLICY, NOW, 0.5).life
    stopped = step(stopping, CRASHED, POLICY, NOW, 0.5).life
    assert (stopped.state, stopped.held) == (S.STOPPED, True)
    assert stopped.reason == "it would be started, but is paused"
    assert step(stopped, CLEAR, POLICY, NOW, 0.5).life is stopped
    assert step(stopped, RESUME, POLICY, NOW, 0.5).life.state is S.WAITING
    resumed = step(stopping, RESUME, POLICY, NOW, 0.5).life
    assert step(resumed, CRASHED, POLICY, NOW, 0.5).life.state is S.WAITING
    for order, after in ((START, S.WAITING), (RESTART, S.WAITING), (STOP, S.STOPPED)):
        ordered = step(stopping, order, POLICY, NOW, 0.5).life
        ended = step(ordered, CRASHED, POLICY, NOW, 0.5).life
        assert (ended.state, ended.held) == (after, False)


@settings(deadline=None)
@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True), st.floats(0.1, 10), st.floats(10, 3600))
def test_pauses_double_to_a_cap_and_are_a_matter_of_chance(failures: int, chance: float, first: float, most: float) -> None:
    """None before the first restart; below the cap anything up to the ceiling, at the cap never less than half of it."""
    policy = Policy(first=first, most=most)
    found = pause(failures, policy, chance)
    ceiling = min(most, first * 2.0 ** min(failures - 2, 60))
    if failures == 1:
        assert found == 0
    elif ceiling < most:
        assert found == ceiling * chance
    else:
        assert most / 2 <= found <= most


def test_it_is_graver_and_told_more_rarely_the_longer_it_goes_on() -> None:
    """Info at first, a warning while pauses grow, critical at the cap; told for ever, a thousand failures in some 15 events."""
    policy = Policy(first=1, most=60)
    assert [gravity(count, policy) for count in (1, 2, 7, 8, 1000)] == ["info", "warning", "warning", "critical", "critical"]
    assert all(worth_telling(count, policy) for count in range(1, 9))
    assert 14 <= sum(worth_telling(count, policy) for count in range(1, 1001)) <= 20
    assert any(worth_telling(count, policy) for count in range(10_000, 30_000))
    assert not at_cap(1, Policy(first=60, most=60))


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
        before = self.life
        taken = step(before, given_, POLICY, self.now, chance)
        self.life = taken.life
        if before.paused and isinstance(given_, (Tick, Hung, Hold, Exited, SpawnFailed)) and not before.again:
            assert taken.do not in {Do.SPAWN, Do.ABORT}, "something happened by itself"
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
    def hang(self) -> None:
        """It does not answer any more."""
        self.give(HUNG)

    @rule()
    def hold(self) -> None:
        """What it requires is down."""
        self.give(HOLD)

    @rule()
    def pause(self) -> None:
        """Somebody wants nothing to happen."""
        self.give(PAUSE)

    @rule()
    def resume(self) -> None:
        """And now again."""
        self.give(RESUME)

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
            ahead = ahead or bool(self.life.paused and self.life.held)
            assert ahead, "wanted, and given up"
        else:
            assert state in {S.STOPPED, S.STOPPING}
            assert not self.life.again
            assert not self.life.held


TestKeeping = Keeping.TestCase
TestKeeping.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
