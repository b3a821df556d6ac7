"""The rules of a session, on invented clocks: positions, epochs, deadlines, what is owed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudnet.codes import Code
from cloudnet.errors import Refused
from cloudnet.keys import Identity
from cloudnet.packets import Deliver, Limits, Resume
from cloudnet.session import BEATS, DRAIN_SECONDS, KEEP_SECONDS, PING_SECONDS, SILENCE_SECONDS, Flight, Session, State
from rigs.relay import LIMITS, ScriptedWire

ANN, EVE = Identity(b"A" * 32), Identity(b"E" * 32)


class Told:
    """An origin that remembers."""

    def __init__(self) -> None:
        self.accepted: list[int] = []

    def accept(self, seq: int) -> None:
        """See `line.Origin`."""
        self.accepted.append(seq)

    def reject(self, seq: int, code: str, why: str) -> None:
        """See `line.Origin`."""
        raise AssertionError


def attached(limits: Limits = LIMITS) -> tuple[Session, ScriptedWire]:
    """A session with a connection since second 0."""
    wire = ScriptedWire()
    session = Session(ANN.key, 0.0, limits, set())
    session.attach(wire.line, 0.0)
    return session, wire


def forward(session: Session, origin: Told, seq: int, *, now: float = 0.0, body: bytes = b"", row: int = 0) -> bool:
    """A message to it."""
    return session.forward(EVE.key, b"i" * 16, 1, ANN.key, body, origin, seq, now, row)


@given(st.lists(st.integers(-2, 12), max_size=8))
def test_taking_up_to_a_position_settles_all_up_to_it_once(positions: list[int]) -> None:
    """In order, whatever is acknowledged again or lower; one that was never given is refused and settles nothing."""
    session, told = attached(Limits())[0], Told()
    for seq in range(1, 11):
        forward(session, told, seq, body=b"x" * seq, row=seq % 3 and 100 + seq)
    highest, rows = 0, []
    for position in positions:
        if position > 10:
            with pytest.raises(Refused) as fault:
                session.take(position)
            assert fault.value.code == Code.OUT_OF_ORDER
        else:
            rows += [flight.row for flight in session.take(position)]
            highest = max(highest, position)
        assert told.accepted == list(range(1, highest + 1))
        assert [flight.deliver.position for flight in session.flights] == list(range(highest + 1, 11))
        assert session.flight_bytes == sum(range(highest + 1, 11))
    assert rows == [100 + seq for seq in range(1, highest + 1) if seq % 3]


def test_a_message_settled_by_the_disk_is_not_settled_again() -> None:
    """Its sender is told once, whichever comes first."""
    session, told = attached()[0], Told()
    forward(session, told, 1)
    session.flights[0].settle()
    session.flights[0].settle()
    session.take(1)
    assert told.accepted == [1]


def test_positions_rise_over_all_connections() -> None:
    """A session that comes back goes on counting; one that begins anew begins at one, under another epoch."""
    session, wire = attached()
    forward(session, Told(), 1)
    session.detach(5.0)
    session.drop_flights()
    session.attach(ScriptedWire().line, 6.0)
    forward(session, Told(), 2)
    assert session.flights[0].deliver.position == 2
    assert [packet.position for packet in wire.said()] == [1]  # type: ignore[union-attr]  # Deliver
    assert Session(ANN.key, 0.0, LIMITS, set()).epoch != session.epoch


def test_only_the_very_session_is_resumed() -> None:
    """Its epoch, until it is over; no epoch, another's or one of another length is a fresh start."""
    session, _ = attached()
    assert session.fits(Resume(session.epoch, 0))
    for resume in (None, Resume(b"", 0), Resume(session.epoch[:-1], 0), Resume(b"x" * 16, 0)):
        assert not session.fits(resume)
    session.detach(1.0)
    assert session.fits(Resume(session.epoch, 10**9))
    session.end()
    assert not session.fits(Resume(session.epoch, 0))


def test_a_message_is_sent_on_while_there_is_room() -> None:
    """Connected, nothing before it in the mailbox, its client reads, messages and bytes in flight below their limits."""
    session, wire = attached(Limits(under_way=3, mailbox_bytes=800))
    session.backlog = True
    assert not forward(session, Told(), 1)
    session.backlog = False
    wire.line.clogged_at = 1.0
    assert not forward(session, Told(), 1)
    wire.line.clogged_at = 0.0
    assert forward(session, Told(), 1, body=bytes(99))
    assert forward(session, Told(), 2, body=bytes(1))
    assert not forward(session, Told(), 3), "a hundred bytes are in flight"
    session.take(1)
    for seq in (3, 4):
        wire.line.clogged_at = 1.0
        assert not forward(session, Told(), seq)
        wire.line.clogged_at = 0.0
        assert forward(session, Told(), seq)
    assert not forward(session, Told(), 5), "three messages are in flight"
    assert [flight.seq for flight in session.flights] == [2, 3, 4]
    session.detach(0.0)
    session.drop_flights()
    assert not forward(session, Told(), 5)


def test_what_comes_out_of_the_mailbox_is_always_sent_on() -> None:
    """It is read in its turn and for as long as there is room; who has read it has looked at that."""
    session, wire = attached(Limits(under_way=1, mailbox_bytes=8))
    session.backlog = True
    for row in (7, 8):
        wire.line.clogged_at = row - 7.0
        assert forward(session, Told(), 0, body=bytes(99), row=row)
    assert [flight.row for flight in session.flights] == [7, 8]
    session.detach(0.0)
    assert not forward(session, Told(), 0, row=9)


def test_who_has_something_in_flight_is_known() -> None:
    """From the first message on; whoever goes through them takes out those who have nothing any more."""
    session, _ = attached()
    assert session._flying == set()
    session.backlog = True
    forward(session, Told(), 1)
    assert session._flying == set()
    session.backlog = False
    forward(session, Told(), 1)
    assert session._flying == {session}


def test_a_silent_client_is_asked_once_and_then_taken_for_gone() -> None:
    """At the edges of both times; a word in between begins it anew."""
    session, _ = attached()
    assert not session.wants_ping(PING_SECONDS - 0.1)
    assert session.wants_ping(PING_SECONDS)
    assert not session.wants_ping(PING_SECONDS + 1)
    session.hear(PING_SECONDS + 2)
    assert not session.is_overdue(SILENCE_SECONDS)
    assert session.wants_ping(2 * PING_SECONDS + 2)
    assert not session.is_overdue(PING_SECONDS + 2 + SILENCE_SECONDS - 0.1)
    assert session.is_overdue(PING_SECONDS + 2 + SILENCE_SECONDS)


def test_whom_the_kernel_vouches_for_is_asked_less_often() -> None:
    """A sign of life for each silence, then a question; a word begins it anew; others are asked at once."""
    session, wire = attached()
    assert not session.wants_beat(PING_SECONDS)
    wire.line.vouched = True
    for beat in range(1, BEATS + 1):
        assert session.due == beat * PING_SECONDS
        assert not session.wants_beat(beat * PING_SECONDS - 0.1)
        assert session.wants_beat(beat * PING_SECONDS)
        assert not session.wants_ping(beat * PING_SECONDS)
        assert not session.is_overdue(beat * PING_SECONDS)
    last = (BEATS + 1) * PING_SECONDS
    assert not session.wants_beat(last)
    assert session.wants_ping(last)
    assert not session.wants_beat(last + 1)
    assert not session.is_overdue(BEATS * PING_SECONDS + SILENCE_SECONDS - 0.1)
    assert session.due == BEATS * PING_SECONDS + SILENCE_SECONDS
    assert session.is_overdue(session.due)
    session.hear(last + 2)
    assert session.due == last + 2 + PING_SECONDS
    assert session.wants_beat(session.due)


def test_a_lost_client_may_come_back_for_so_long() -> None:
    """The window begins with the loss; nobody is pinged in it, and coming back ends it."""
    session, _ = attached(Limits(resume_seconds=10))
    session.detach(50.0)
    assert session.state is State.AWAY
    assert not session.is_overdue(59.9)
    assert session.is_overdue(60.0)
    assert not session.wants_ping(1000.0)
    session.attach(ScriptedWire().line, 59.0)
    assert (session.state, session.is_overdue(60.0)) == (State.READY, False)
    session.end()
    assert session.state is State.ENDED
    assert session.line is None


def test_what_is_on_no_disk_is_known_by_age() -> None:
    """All, or those in flight for longer than their senders should wait; never those that have a row."""
    session, _ = attached()
    for seq, at in enumerate((0.0, 1.0, 2.0), 1):
        forward(session, Told(), seq, now=at, row=7 if seq == 2 else 0)
    assert [flight.seq for flight in session.unkept()] == [1, 3]
    assert [flight.seq for flight in session.unkept(KEEP_SECONDS)] == [1]
    assert session.unkept(KEEP_SECONDS - 0.001) == []
    session.drop_flights()
    assert (session.unkept(), session.flight_bytes, session.position) == ([], 0, 3)


def test_a_line_that_was_given_up_belongs_to_nobody() -> None:
    """After losing and ending, what still comes in on it reaches no session."""
    for finish in (lambda session: session.detach(1.0), lambda session: session.end()):
        session, wire = attached()
        finish(session)
        assert wire.line.session is None
        assert session.line is None


def test_deadlines_leave_room_for_each_other() -> None:
    """A ping can be answered before the silence is too long, and a stuck client is shed before it would be taken for silent."""
    assert PING_SECONDS < SILENCE_SECONDS <= 2 * PING_SECONDS, "who has answered is looked at again when it would be gone"
    assert DRAIN_SECONDS < SILENCE_SECONDS - PING_SECONDS
    assert KEEP_SECONDS < DRAIN_SECONDS


def test_a_flight_knows_its_size_without_its_body() -> None:
    """Bytes in flight are counted down by what they were counted up by."""
    assert Flight(Deliver(1, b"", b"", 0, b"", b"12345"), None, 0, 0.0, 0).size == 5


def test_what_is_put_at_an_earlier_place_is_read_all_the_same() -> None:
    """Before what was read already, or while a reading may be passing it by: the next reading begins there."""
    session = Session(ANN.key, 0.0, LIMITS, set())
    session.read_upto = 50
    session.put(60)
    assert session.read_upto == 50
    session.put(40)
    assert session.read_upto == 39
    session.is_reading = True
    for row in (45, 42, 70):
        session.put(row)
    session.read_upto = 60
    session.read()
    assert (session.is_reading, session.read_upto, session.puts) == (False, 41, 5)
    session.is_reading = True
    session.read()
    assert session.read_upto == 41
