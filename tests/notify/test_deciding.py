"""What is done next with what waits: table by table, and that no order of events leads astray."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.journal.notifications import Queued
from watchkeeper.notify import deciding
from watchkeeper.notify.deciding import CIRCUIT, FallBack, GiveUp, Send, Standing, Wait, decide, next_step
from watchkeeper.outward import Outward
from watchkeeper.quantities import Duration

NOW = 1_795_000_000_000
RULES = Outward()
FALLS = Outward(fallback="other", patience=Duration(60))


def row(**changed: object) -> Queued:
    """A row that was told a second ago and not tried yet."""
    plain = Queued("n1", NOW - 1000, "firing", "warning", "i1", "waiting", due_at=NOW - 1000)
    return plain._replace(**changed)  # type: ignore[arg-type]  # any of its fields


def tried(**changed: object) -> Queued:
    """One that failed just now and is due again by the clock in ten seconds."""
    return row(**{"attempts": 1, "claimed_at": NOW - 500, "due_at": NOW + 10_000, "why": "HTTP 503"} | changed)


@pytest.mark.parametrize(
    ("one", "standing", "rules", "wanted"),
    [
        (row(), Standing(), RULES, Send),
        (row(state="claimed", attempts=1, claimed_at=NOW - 900), Standing(), RULES, Send),
        (tried(), Standing(failures=1), RULES, Wait),
        (tried(due_at=NOW), Standing(failures=1), RULES, Send),
        (tried(), Standing(failures=1, recovered_at=NOW), RULES, Send),
        (tried(unsure=True), Standing(failures=1, recovered_at=NOW), RULES, Wait),
        (tried(unsure=True), Standing(failures=1, recovered_at=NOW, proved=True), RULES, Send),
        (row(), Standing(failures=CIRCUIT, closed_until=NOW + 5000), RULES, Wait),
        (row(), Standing(asked_until=NOW + 1), RULES, Wait),
        (row(), Standing(used=(NOW - 1,) * RULES.per_minute), RULES, Wait),
        (row(), Standing(used=(NOW - 1,) * (RULES.per_minute - 1)), RULES, Send),
        (row(at=NOW - 86_400_000), Standing(), RULES, Send),
        (tried(at=NOW - 86_400_000), Standing(failures=1), RULES, GiveUp),
        (tried(due_at=NOW + 3_600_000), Standing(failures=1), RULES, Send),
        (row(), Standing(failures=CIRCUIT, closed_until=NOW + 3_600_000), RULES, Send),
        (row(), Standing(asked_until=NOW + 3_600_000), RULES, Send),
        (row(), Standing(used=(NOW + 3_600_000,) * RULES.per_minute), RULES, Send),
        (tried(at=NOW - 60_000), Standing(failures=1), RULES, Wait),
        (tried(at=NOW - 60_000), Standing(failures=1), FALLS, FallBack),
        (tried(at=NOW - 60_000, replaced=True), Standing(failures=1), FALLS, Wait),
        (row(at=NOW - 60_000), Standing(), FALLS, Send),
        (row(at=NOW - 60_000), Standing(failures=CIRCUIT, closed_until=NOW + 5000), FALLS, FallBack),
    ],
)
def test_one_row(one: Queued, standing: Standing, rules: Outward, wanted: type) -> None:
    """Each standing of a row and its channel leads to one step, and the step has a reason.

    Times that no pause can reach are those of a clock that was set back: nothing waits for them.
    """
    step = decide(one, standing, rules, NOW)
    assert isinstance(step, wanted), step
    assert step.why


def test_a_wait_ends_where_the_next_thing_is_due() -> None:
    """Not at the next attempt alone: the fall-back and the end may come first."""
    far = tried(due_at=NOW + 500_000, unsure=True)
    assert decide(far, Standing(failures=1), RULES, NOW) == Wait(NOW + 500_000, "attempt 1 failed")
    assert decide(far, Standing(failures=1), FALLS, NOW).until == far.at + 60_000  # type: ignore[union-attr]  # it is one that waits or is kept, else the test fails
    old = tried(at=NOW - 86_399_000, due_at=NOW + 500_000)
    assert decide(old, Standing(failures=1), RULES, NOW).until == old.at + 86_400_000  # type: ignore[union-attr]  # it is one that waits or is kept, else the test fails


def test_a_resolve_never_overtakes_its_firing() -> None:
    """Of one thread only the oldest goes; another thread does not wait for it."""
    firing = tried(id="a")
    resolved = row(id="b", kind="resolved")
    other = row(id="c", thread="i2")
    assert isinstance(next_step([firing, resolved], Standing(failures=1), RULES, NOW), Wait)
    step = next_step([firing, resolved, other], Standing(failures=1), RULES, NOW)
    assert isinstance(step, Send)
    assert step.row.id == "c"


def test_what_is_critical_does_not_wait_behind_a_hundred_warnings() -> None:
    """A channel carries only so many a minute; but within its own thread even a critical one waits its turn."""
    warnings = [row(id=f"w{number}", at=NOW - 5000 + number, thread=f"t{number}") for number in range(100)]
    grave = row(id="grave", severity="critical", thread="t-grave")
    step = next_step([*warnings, grave], Standing(), RULES, NOW)
    assert isinstance(step, Send)
    assert step.row.id == "grave"
    step = next_step([*warnings, grave._replace(thread="t0")], Standing(), RULES, NOW)
    assert isinstance(step, Send)
    assert step.row.id == "w0"


def test_a_test_goes_past_everything_and_is_tried_once() -> None:
    """Its outcome is what one asks for: no queue, no open circuit, no second try, and none that nobody waits for."""
    standing = Standing(failures=9, closed_until=NOW + 60_000, used=(NOW,) * 99)
    test = row(id="t", kind="test", thread="t")
    step = next_step([row(), test], standing, RULES, NOW)
    assert isinstance(step, Send)
    assert step.row.id == "t"
    failed = next_step([row(), test._replace(attempts=1, why="HTTP 500")], standing, RULES, NOW)
    assert isinstance(failed, GiveUp)
    assert failed.why == "HTTP 500"
    assert isinstance(next_step([test._replace(at=NOW - deciding.TEST_LIFE - 1)], standing, RULES, NOW), GiveUp)


def test_what_is_refused_for_what_it_is_falls_back_once() -> None:
    """The same again would be refused again: another channel is asked, or it ends."""
    assert isinstance(deciding.refused(row(), RULES, "HTTP 413"), GiveUp)
    assert isinstance(deciding.refused(row(), FALLS, "HTTP 413"), FallBack)
    assert isinstance(deciding.refused(row(replaced=True), FALLS, "HTTP 413"), GiveUp)
    assert isinstance(deciding.refused(row(kind="test"), FALLS, "HTTP 413"), GiveUp)


def fail(standing: Standing, at: int) -> Standing:
    """One more failure."""
    return deciding.after_failure(standing, at, unsure=False, asked=0, chance=1)


def test_the_circuit_opens_and_closes() -> None:
    """After three failures in a row all wait; a success closes it, and what failed meanwhile is due at once."""
    standing = Standing()
    for _ in range(CIRCUIT):
        assert not standing.closed_until
        standing = fail(standing, NOW)
    assert standing.closed_until == NOW + deciding.FIRST_PAUSE
    long = deciding.after_failure(Standing(failures=deciding.QUICK + 1), NOW, unsure=False, asked=0, chance=1)
    assert long.closed_until == NOW + 2 * deciding.FIRST_PAUSE
    closed = deciding.after_success(standing, NOW + 1)
    assert (closed.failures, closed.closed_until) == (0, 0)
    assert isinstance(decide(tried(unsure=True, due_at=NOW + 60_000), closed, RULES, NOW + 1), Send)


def test_a_receiver_that_is_back_is_noticed_by_a_look() -> None:
    """Away, then there: everything is due, also what may have been taken; the clock is not waited for."""
    standing = deciding.after_look(fail(Standing(), NOW), NOW + 1000, there=False)
    assert not standing.recovered_at
    standing = deciding.after_look(standing, NOW + 2000, there=True)
    assert (standing.recovered_at, standing.proved) == (NOW + 2000, True)
    away = deciding.after_look(standing, NOW + 3000, there=False)
    assert not away.recovered_at
    assert deciding.after_look(away, NOW + 4000, there=True).recovered_at == NOW + 4000


def test_a_look_that_never_fails_is_not_trusted_for_long() -> None:
    """A receiver that answers looks and refuses messages gets one more try by sight, then those of the clock."""
    standing = deciding.after_look(fail(Standing(), NOW), NOW + 1000, there=True)
    assert standing.recovered_at
    assert not standing.proved
    standing = fail(standing, NOW + 1001)
    assert standing.blind
    assert not deciding.after_look(standing, NOW + 2000, there=True).recovered_at
    seen = deciding.after_look(standing, NOW + 3000, there=False)
    assert deciding.after_look(seen, NOW + 4000, there=True).recovered_at


def test_a_receiver_that_is_seen_to_be_away_is_left_alone() -> None:
    """Where looks have gone well before: an attempt would hang as they do. Where none ever has, the clock counts."""
    seen = deciding.after_look(Standing(), NOW, there=True)
    away = deciding.after_look(fail(seen, NOW), NOW + 1000, there=False)
    assert isinstance(decide(tried(due_at=NOW), away, RULES, NOW + 5000), Wait)
    assert isinstance(decide(tried(due_at=NOW), away, RULES, NOW + deciding.LONGEST_AWAY), Send)
    back = deciding.after_look(away, NOW + 5000, there=True)
    assert isinstance(decide(tried(due_at=NOW + 60_000), back, RULES, NOW + 5000), Send)
    never = deciding.after_look(fail(Standing(), NOW), NOW + 1000, there=False)
    assert isinstance(decide(tried(due_at=NOW), never, RULES, NOW + 5000), Send)


def test_what_was_certainly_not_taken_does_not_count_against_the_limit() -> None:
    """The limit is for people; after an outage it must not hold up what waited."""
    standing = deciding.after_attempt(Standing(), NOW)
    assert standing.used == (NOW,)
    assert fail(standing, NOW).used == ()
    assert deciding.after_refusal(standing).used == ()
    assert deciding.after_failure(standing, NOW, unsure=True, asked=0, chance=1).used == (NOW,)
    assert deciding.after_success(standing, NOW).used == (NOW,)


def test_pauses_double_and_end() -> None:
    """Half of each by chance, never longer than a minute; quick for the first minute, since most outages are short."""
    sure = [deciding.due_after(number, 0, unsure=False, chance=1) for number in range(deciding.QUICK, deciding.QUICK + 9)]
    assert sure == [2000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]
    assert deciding.due_after(1, 0, unsure=False, chance=0) == 1000
    unsure = [deciding.due_after(number, 0, unsure=True, chance=1) for number in range(1, 5)]
    assert unsure == [2000, 4000, 8000, 16_000], "each may be one more copy"
    assert deciding.due_after(30, 0, unsure=True, chance=1) == deciding.LONGEST_UNSURE_PAUSE


@settings(deadline=None)
@given(
    events=st.lists(st.tuples(st.sampled_from(["ok", "sure", "unsure", "away", "there"]), st.integers(1, 90_000)), max_size=60),
    attempts=st.integers(0, 20),
)
def test_whatever_happens_it_is_sent_within_a_quarter_of_an_hour(events: list[tuple[str, int]], attempts: int) -> None:
    """No history of a channel holds a message up for longer than the longest pause, and none makes it send all the time."""
    now, standing = NOW, Standing()
    one = row(at=NOW, due_at=NOW, attempts=attempts)
    for event, passed in events:
        now += passed
        match event:
            case "ok":
                standing = deciding.after_success(deciding.after_attempt(standing, now), now)
            case "sure" | "unsure":
                standing = fail(deciding.after_attempt(standing, now), now)
                unsure = event == "unsure"
                attempts += 1
                due = deciding.due_after(attempts, now, unsure=unsure, chance=0.5)
                one = one._replace(attempts=attempts, claimed_at=now, due_at=due, unsure=unsure, why="no")
            case _:
                standing = deciding.after_look(standing, now, there=event == "there")
    step = decide(one, standing, RULES, now)
    while isinstance(step, Wait):
        assert step.until > now
        assert step.until - now <= deciding.LONGEST_UNSURE_PAUSE
        now = step.until
        step = decide(one, standing, RULES, now)
    assert isinstance(step, Send)
