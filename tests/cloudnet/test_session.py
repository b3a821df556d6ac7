"""The rules of a connection and of a session, on invented clocks: logins, positions, epochs, deadlines, what is owed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudnet.codec import from_server
from cloudnet.codes import Code
from cloudnet.courier import Courier
from cloudnet.errors import Refused
from cloudnet.figures import Figures
from cloudnet.keys import Identity, login_text, verify, welcome_text
from cloudnet.packets import MESSAGE_BYTES, NONCE_BYTES, VERSION, Accepted, Deliver, Limits, Login, Pong, Rejected, Resume
from cloudnet.session import (
    DRAIN_SECONDS,
    GREETING_SECONDS,
    KEEP_SECONDS,
    PING_SECONDS,
    SILENCE_SECONDS,
    Flight,
    Greeting,
    Line,
    Session,
    State,
)
from rigs.relay import AUTHORITY, LIMITS, SERVER, ScriptedWire

ANN, EVE = Identity(b"A" * 32), Identity(b"E" * 32)
CERTIFICATE = b"t" * 32


def greeted(certificate: bytes = b"", server: Identity = SERVER) -> Greeting:
    """A connection that waits for a login."""
    return Greeting(server, 100.0, certificate)


def login(
    greeting: Greeting, client: Identity = ANN, *, authority: str = AUTHORITY, certificate: bytes = b"", takeover: bool = False
) -> Login:
    """As a client answers."""
    return Courier(client).login(greeting.challenge(1), authority, certificate, takeover=takeover)


# -- greeting ---------------------------------------------------------------------------------------


def test_a_challenge_is_new_each_time() -> None:
    """Its nonce is never the same; it names version, server and time."""
    one, other = greeted().challenge(1234), greeted().challenge(1234)
    assert one.nonce != other.nonce
    assert len(one.nonce) == NONCE_BYTES
    assert (one.version, one.server, one.now) == (VERSION, SERVER.key, 1234)
    assert greeted().deadline == 100.0 + GREETING_SECONDS


@pytest.mark.parametrize("takeover", [False, True])
@pytest.mark.parametrize("certificate", [b"", CERTIFICATE])
def test_a_proved_login_is_welcomed_by_a_proved_server(takeover: bool, certificate: bytes) -> None:
    """With and without TLS; the host's case does not matter; the server's signature fits what the client was told."""
    greeting = greeted(certificate)
    packet = login(greeting, authority="Cloud.Example:8765", certificate=certificate, takeover=takeover)
    greeting.check(packet, AUTHORITY)
    text = welcome_text(SERVER.key, greeting.challenge(0).nonce, ANN.key, packet.nonce, b"e" * 16)
    verify(SERVER.key, text, greeting.sign(packet, b"e" * 16))


def test_a_server_without_tls_of_its_own_takes_any_certificate() -> None:
    """A proxy before it may have ended TLS, whose certificate it does not know."""
    greeting = greeted()
    greeting.check(login(greeting, certificate=CERTIFICATE), AUTHORITY)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"key": EVE.key}, Code.BAD_SIGNATURE),
        ({"key": b"k" * 31}, Code.MALFORMED),
        ({"key": bytes(32)}, Code.BAD_SIGNATURE),
        ({"nonce": b"n" * 32}, Code.BAD_SIGNATURE),
        ({"nonce": b""}, Code.MALFORMED),
        ({"authority": "other.example:8765"}, Code.WRONG_SERVER),
        ({"authority": "x" * 100_000}, Code.WRONG_SERVER),
        ({"authority": ""}, Code.WRONG_SERVER),
        ({"certificate": b"u" * 32}, Code.WRONG_SERVER),
        ({"certificate": b""}, Code.WRONG_SERVER),
        ({"certificate": b"t" * 300}, Code.WRONG_SERVER),
        ({"signature": b""}, Code.BAD_SIGNATURE),
        ({"signature": bytes(64)}, Code.BAD_SIGNATURE),
        ({"takeover": True}, Code.BAD_SIGNATURE),
    ],
    ids=str,
)
def test_each_part_of_a_login_is_checked(change: dict[str, Any], code: str) -> None:
    """Changed on the way, each is refused with its code, and the reason is short."""
    greeting = greeted(CERTIFICATE)
    packet = login(greeting, certificate=CERTIFICATE)
    greeting.check(packet, AUTHORITY)
    with pytest.raises(Refused) as fault:
        greeting.check(msgspec.structs.replace(packet, **change), AUTHORITY)
    assert fault.value.code == code
    assert len(fault.value.why) < 200


@pytest.mark.parametrize("length", [1, 31, 33, 300])
def test_a_certificates_digest_has_a_length(length: int) -> None:
    """Also where ours is unknown: its length stands in one byte of what is signed."""
    greeting = greeted()
    packet = msgspec.structs.replace(login(greeting), certificate=bytes(length))
    with pytest.raises(Refused) as fault:
        greeting.check(packet, AUTHORITY)
    assert fault.value.code == Code.MALFORMED


def test_a_login_is_good_for_one_challenge_of_one_server() -> None:
    """Replayed on another connection, or passed on to another server by one in between, it proves nothing."""
    packet = login(greeted())
    with pytest.raises(Refused) as fault:
        greeted().check(packet, AUTHORITY)
    assert fault.value.code == Code.BAD_SIGNATURE
    other, challenge = greeted(server=EVE), greeted().challenge(1)
    text = login_text(SERVER.key, challenge.nonce, ANN.key, packet.nonce, AUTHORITY, b"", takeover=False)
    with pytest.raises(Refused):
        other.check(msgspec.structs.replace(packet, signature=ANN.sign(text)), AUTHORITY)


# -- line -------------------------------------------------------------------------------------------


def test_what_is_said_in_a_turn_is_one_message_in_order() -> None:
    """The wire is rung once; acceptances come last, in one packet."""
    wire = ScriptedWire()
    wire.line.pending = 3
    wire.line.accept(1)
    wire.line.say(Pong(1, 1))
    wire.line.accept(2)
    wire.line.reject(3, "c", "w")
    assert wire.asked == ["ring later", "ring"]
    (message,) = wire.line.drain()
    assert from_server(message) == [Pong(1, 1), Rejected(3, "c", "w"), Accepted((1, 2))]
    assert wire.line.drain() == []
    assert wire.line.pending == 0
    wire.line.say(Pong(2, 2))
    assert wire.asked == ["ring later", "ring", "ring"]


@given(st.lists(st.integers(0, 300_000), max_size=12))
def test_no_message_is_longer_than_clients_take(sizes: list[int]) -> None:
    """However much waits, it leaves in order, in messages within the limit."""
    wire = ScriptedWire()
    packets = [Deliver(number, b"s" * 32, b"i" * 16, 1, b"t" * 32, bytes(size)) for number, size in enumerate(sizes)]
    for packet in packets:
        wire.line.say(packet)
    messages = wire.line.drain()
    assert all(len(message) <= MESSAGE_BYTES for message in messages)
    assert [packet for message in messages for packet in from_server(message)] == packets
    assert len(messages) <= 1 or sum(sizes) > MESSAGE_BYTES >> 1


def test_settled_messages_are_counted_and_let_a_client_be_read_again() -> None:
    """Once half of what was too much is settled; each is accepted or rejected in the figures."""
    figures = Figures()
    wire = ScriptedWire(figures)
    session = Session(ANN.key, 0.0, LIMITS, set())
    session.attach(wire.line, 0.0)
    wire.line.pending, wire.line.paused, wire.is_paused = 4, True, True
    wire.line.accept(1)
    assert wire.is_paused
    wire.line.reject(2, "c", "w")
    assert not wire.is_paused
    assert (figures.accepted, figures.rejected) == (1, 1)


# -- session ----------------------------------------------------------------------------------------


class Told:
    """An origin that remembers."""

    def __init__(self) -> None:
        self.accepted: list[int] = []

    def accept(self, seq: int) -> None:
        """See `session.Origin`."""
        self.accepted.append(seq)

    def reject(self, seq: int, code: str, why: str) -> None:
        """See `session.Origin`."""
        raise AssertionError


def attached(limits: Limits = LIMITS) -> tuple[Session, ScriptedWire]:
    """A session with a connection since second 0."""
    wire = ScriptedWire()
    session = Session(ANN.key, 0.0, limits, set())
    session.attach(wire.line, 0.0)
    return session, wire


def forward(session: Session, origin: Told, seq: int, *, now: float = 0.0, body: bytes = b"", row: int = 0) -> None:
    """A message to it."""
    session.forward(EVE.key, b"i" * 16, 1, ANN.key, body, origin, seq, now, row)


@given(st.lists(st.integers(-2, 12), max_size=8))
def test_taking_up_to_a_position_settles_all_up_to_it_once(positions: list[int]) -> None:
    """In order, whatever is acknowledged again or lower; one that was never given is refused and settles nothing."""
    session, told = attached()[0], Told()
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
        assert [flight.position for flight in session.flights] == list(range(highest + 1, 11))
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
    assert session.flights[0].position == 2
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


def test_a_session_is_open_while_there_is_room() -> None:
    """Connected, nothing before it in the mailbox, its client reads, messages and bytes in flight below their limits."""
    session, wire = attached(Limits(under_way=3, mailbox_bytes=800))
    assert session.is_open
    session.backlog = True
    assert not session.is_open
    session.backlog = False
    wire.line.clogged_at = 1.0
    assert not session.is_open
    wire.line.clogged_at = 0.0
    forward(session, Told(), 1, body=bytes(99))
    assert session.is_open
    forward(session, Told(), 2, body=bytes(1))
    assert not session.is_open
    session.take(1)
    for seq in (3, 4):
        assert session.is_open
        forward(session, Told(), seq)
    assert not session.is_open
    session.detach(0.0)
    session.drop_flights()
    assert not session.is_open


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
    assert Line(ScriptedWire(), Figures(), "here").address == "here"
