"""Who is to be looked at when: nobody early, nobody forgotten, and whoever says something costs nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloudnet.deadlines import Deadlines
from cloudnet.packets import Limits
from cloudnet.session import PING_SECONDS, SILENCE_SECONDS, Session
from rigs.relay import ScriptedWire

LIMITS = Limits(resume_seconds=10)


def ready(number: int, now: float) -> Session:
    """A session whose client was heard just now."""
    session = Session(number.to_bytes(32, "big"), now, LIMITS, set())
    session.attach(ScriptedWire().line, now)
    return session


class Wheel:
    """The wheel with the sessions that it is about."""

    def __init__(self, *sessions: Session) -> None:
        self.deadlines = Deadlines()
        self.sessions = {session.key: session for session in sessions}
        for session in sessions:
            self.deadlines.watch(session)

    def due(self, now: float, most: int = 1000) -> list[Session]:
        """Those that are due by then."""
        return self.deadlines.due(self.sessions, now, most)


def test_a_silent_client_is_looked_at_in_the_second_after_its_deadline() -> None:
    """Never before it would be asked, and then once."""
    one = ready(1, 0.5)
    wheel = Wheel(one)
    assert wheel.due(PING_SECONDS + 0.5) == []
    assert wheel.due(PING_SECONDS + 1) == [one]
    assert wheel.due(PING_SECONDS + 1000) == [], "until it is watched again"


def test_who_was_asked_is_looked_at_before_it_would_have_been_silent_for_too_long() -> None:
    """The answer moves nothing; the look finds it, and the next one is a whole pause later."""
    one = ready(1, 0.0)
    wheel = Wheel(one)
    (found,) = wheel.due(PING_SECONDS)
    assert found.wants_ping(PING_SECONDS)
    wheel.deadlines.watch(one)
    one.hear(PING_SECONDS + 0.1)
    assert wheel.due(SILENCE_SECONDS - 1) == []
    (found,) = wheel.due(SILENCE_SECONDS)
    assert not found.is_overdue(SILENCE_SECONDS)
    wheel.deadlines.watch(one)
    assert wheel.due(2 * PING_SECONDS) == []
    assert wheel.due(2 * PING_SECONDS + 1) == [one]


def test_an_earlier_deadline_counts() -> None:
    """A lost client's window may end before it would have been asked; where it stood before is of no matter then."""
    one = ready(1, 0.0)
    wheel = Wheel(one)
    one.detach(20.0)
    wheel.deadlines.watch(one)
    assert wheel.due(29.0) == []
    assert wheel.due(30.0) == [one]
    assert wheel.due(1000.0) == []


def test_who_has_ended_is_nobody() -> None:
    """Nor is who came under its key since, before its own time."""
    wheel = Wheel(ready(1, 0.0), ready(2, 0.0))
    del wheel.sessions[(1).to_bytes(32, "big")]
    wheel.sessions[(2).to_bytes(32, "big")] = other = ready(2, 30.0)
    wheel.deadlines.watch(other)
    assert wheel.due(PING_SECONDS) == []
    assert wheel.due(PING_SECONDS + 30) == [other]


def test_many_at_once_come_a_few_at_a_time() -> None:
    """Each once, also when more become due meanwhile."""
    wheel = Wheel(*(ready(number, 0.0) for number in range(100)))
    found = wheel.due(PING_SECONDS, 64)
    assert len(found) == 64
    late = ready(200, 1.0)
    wheel.sessions[late.key] = late
    wheel.deadlines.watch(late)
    found += wheel.due(PING_SECONDS + 1, 64)
    assert len(found) == len(set(found)) == 101


class Pretence:
    """A wheel looked at every second, as a server does."""

    def __init__(self, *sessions: Session) -> None:
        self.wheel = Wheel(*sessions)
        self.now = 0.0

    def pass_by(self, seconds: int) -> None:
        """So many seconds go by; each time nobody may have been forgotten."""
        for _ in range(seconds):
            self.now += 1
            for session in self.wheel.due(self.now):
                if session.is_overdue(self.now):
                    del self.wheel.sessions[session.key]
                else:
                    session.wants_ping(self.now)
                    self.wheel.deadlines.watch(session)
            assert all(session.due > self.now - 1 for session in self.wheel.sessions.values())

    def do(self, session: Session, what: str) -> None:
        """A client is heard, lost, or comes back."""
        if what == "heard" and session.line is not None:
            session.hear(self.now)
            return
        if what == "lost" and session.line is not None:
            session.detach(self.now)
        elif what == "back" and session.line is None:
            session.attach(ScriptedWire().line, self.now)
        self.wheel.deadlines.watch(session)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["heard", "lost", "back", "wait"]), st.integers(0, 40)), max_size=60)
)
def test_nobody_is_looked_at_late(steps: list[tuple[int, str, int]]) -> None:
    """Whatever clients do, looking every second finds each deadline within a second of its time, and a quiet end finds all."""
    sessions = [ready(number, 0.0) for number in range(6)]
    pretence = Pretence(*sessions)
    for who, what, seconds in steps:
        if what == "wait":
            pretence.pass_by(seconds)
        elif sessions[who].key in pretence.wheel.sessions:
            pretence.do(sessions[who], what)
    pretence.pass_by(int(SILENCE_SECONDS) + 2)
    assert not pretence.wheel.sessions, "nobody says anything any more"
