"""The link's two state machines agree on the rules, and a broken rule is a reason, not a crash."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.errors import Refused
from watchkeeper.model import Action, Event, EventKind, Frame, Machine, Series, dictionary
from watchkeeper.wire import packets
from watchkeeper.wire.session import GREETING_SECONDS, IN_FLIGHT, AgentSession, HubSession

MACHINE = Machine("box", "Linux", "6.1", "x86_64", 2, 1 << 30, 0, "0.1", 0)
DEEP = b"\x91" * 50_000 + b"\x90"
"""Arrays in arrays, deeper than a decoder can follow."""
FRAME = Frame("5s", 7, 1000, b"\0" * 8)


def greeted() -> tuple[AgentSession, HubSession]:
    """A pair that has shaken hands."""
    agent, hub = AgentSession(MACHINE, 0), HubSession(0)
    hub.receive(agent.hello())
    agent.receive(hub.welcome(5))
    return agent, hub


def test_numbered_packets_are_acknowledged_once_they_are_durable() -> None:
    """Acknowledging up to n releases exactly the records up to n, once."""
    agent, hub = greeted()
    for _ in range(5):
        hub.receive(agent.number(FRAME))
    assert agent.receive(hub.acknowledge(3) or b"")[1] == 3
    assert hub.acknowledge(3) is None
    assert agent.receive(hub.acknowledge(hub.taken) or b"")[1] == 2


def test_an_agent_waits_when_too_much_is_under_way() -> None:
    """Room shrinks with what is unacknowledged, grows with acknowledgements, and is none before the welcome."""
    assert AgentSession(MACHINE, 0).room() == 0
    agent, hub = greeted()
    for _ in range(IN_FLIGHT):
        hub.receive(agent.number(FRAME))
    assert agent.room() == 0
    agent.receive(hub.acknowledge(10) or b"")
    assert agent.room() == 10


def test_a_layout_is_told_once_a_connection() -> None:
    """A dictionary is lacking until it has been defined on this connection."""
    agent, hub = greeted()
    layout = dictionary((Series("a"),))
    assert agent.lacks(layout.id)
    assert hub.receive(agent.define(layout)) == packets.Define(layout)
    assert not agent.lacks(layout.id)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (packets.encode(packets.Statuses((), whole=True)), "before it greeted"),
        (packets.encode(packets.Hello(99, MACHINE)), "upgrade the older"),
        (b"\xc1", "not a packet"),
        (b"", "not a packet"),
        (packets.encode(packets.Ack(1)), "not a packet"),
        (b"\x82\xa1t\xa2\xff\xff\xa7version\x01", "not a packet"),
        (packets.encode(packets.Hello(1, MACHINE))[:-1] + b"\x00" + DEEP, "not a packet"),
        (b"\0" * (packets.PACKET_BYTES + 1), "over the limit"),
    ],
)
def test_a_hub_refuses_what_breaks_the_rules(message: bytes, said: str) -> None:
    """Speaking too early, another version, noise, the wrong direction and too much are each told apart."""
    with pytest.raises(Refused, match=said):
        HubSession(0).receive(message)


def test_a_gap_in_the_numbers_is_refused() -> None:
    """A number that does not follow the last one means something was lost, which must not pass."""
    agent, hub = greeted()
    agent.number(FRAME)
    with pytest.raises(Refused, match="one is missing"):
        hub.receive(agent.number(Event("x", 1, EventKind.SERVER_EXITED, "gone")))


def test_an_agent_refuses_a_hub_that_breaks_the_rules() -> None:
    """Orders before the welcome, and acknowledgements of what was never sent."""
    agent = AgentSession(MACHINE, 0)
    with pytest.raises(Refused, match="before it welcomed"):
        agent.receive(packets.encode(packets.Order(Action("a", 0, "box", "web", "stop", "me"))))
    agent, _ = greeted()
    with pytest.raises(Refused, match="acknowledged 4, of 0"):
        agent.receive(packets.encode(packets.Ack(4)))


def test_silence_before_the_greeting_has_an_end() -> None:
    """Both sides give up on a peer that never greets, and not on one that has."""
    assert HubSession(0).overdue(GREETING_SECONDS + 1)
    assert AgentSession(MACHINE, 0).overdue(GREETING_SECONDS + 1)
    agent, hub = greeted()
    assert not agent.overdue(1e9)
    assert not hub.overdue(1e9)


@given(st.binary(max_size=400))
def test_noise_never_does_more_than_be_refused(noise: bytes) -> None:
    """Any bytes either decode or are Refused, on both sides."""
    for receive in (HubSession(0).receive, AgentSession(MACHINE, 0).receive):
        try:
            receive(noise)
        except Refused:
            continue
