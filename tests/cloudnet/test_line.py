"""What one connection has to say leaves in order, in messages that clients take; what it has under way is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloudnet.codec import from_server
from cloudnet.figures import Figures
from cloudnet.packets import MESSAGE_BYTES, Accepted, Deliver, Pong, Rejected
from cloudnet.session import Session
from rigs.relay import LIMITS, ScriptedWire


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
    session = Session(b"a" * 32, 0.0, LIMITS, set())
    session.attach(wire.line, 0.0)
    wire.line.pending, wire.line.paused, wire.is_paused = 4, True, True
    wire.line.accept(1)
    assert wire.is_paused
    wire.line.reject(2, "c", "w")
    assert not wire.is_paused
    assert (wire.line.unsettled, wire.line.pending) == (2, 3)
    wire.line.drain()
    assert (figures.accepted, figures.rejected, wire.line.pending) == (1, 1, 2)
