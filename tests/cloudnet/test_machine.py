"""Clients and one relay do anything in any order, and every promise holds: nothing accepted is lost, once, in order, counted.

The network is two queues for each connection, which may be lost with all that is in them; the clients are real couriers, the
relay has a real mailbox whose disk answers when the machine lets it; time is invented. At the end everybody comes back, and
what was promised must have come true.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cloudnet.codec import encode_one, from_server
from cloudnet.codes import Code
from cloudnet.courier import Courier, Message, Outgoing
from cloudnet.errors import Refused
from cloudnet.greeting import Greeting
from cloudnet.keys import Identity, profile_text
from cloudnet.packets import (
    Accepted,
    AskStatus,
    Challenge,
    Deliver,
    Done,
    Find,
    Found,
    FromClient,
    Leave,
    Ping,
    Pong,
    Presence,
    Profile,
    Refusal,
    Register,
    Rejected,
    ServerStatus,
    Watch,
    Welcome,
)
from cloudnet.sealed import Letter
from rigs.relay import AUTHORITY, SERVER, Office, ScriptedWire

IDENTITIES = [Identity(bytes([number]) * 32) for number in (1, 2, 3)]
SERVICE = Identity(b"s" * 32)
WHO = st.integers(0, 2)
FEW = st.integers(1, 5)


class Fate:
    """What became of one message, for its sender: a future without a loop."""

    def __init__(self) -> None:
        self.answer: object = ...

    def done(self) -> bool:
        """Whether it is settled."""
        return self.answer is not ...

    def set_result(self, answer: object) -> None:
        """Accepted."""
        self.answer = answer

    def set_exception(self, fault: Exception) -> None:
        """Rejected."""
        self.answer = fault


class Party:
    """One application with its client: what it has taken outlives the client, as an application's own log would."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.courier = Courier(identity, [SERVICE])
        self.wire: ScriptedWire | None = None
        self.up: deque[bytes] = deque()
        self.down: deque[bytes] = deque()
        self.in_hand: deque[Message] = deque()
        self.taken: list[Message] = []
        self.asked: set[int] = set()

    def say(self, packet: FromClient) -> None:
        """Send, if there is a connection."""
        if self.wire is not None:
            self.up.append(encode_one(packet))

    def write(self) -> None:
        """Send what is due, as a client does at the end of each turn."""
        if self.wire is not None:
            self.up.extend(encode_one(send) for send in self.courier.due())

    def cut(self) -> None:
        """The connection is gone, as far as this side knows; what was under way is lost."""
        self.wire = None
        self.up.clear()
        self.down.clear()
        self.asked.clear()

    def begin_anew(self) -> None:
        """The process has died: it knows what its log says, and nothing else."""
        self.cut()
        self.courier = Courier(self.identity, [SERVICE], self.courier.seen)
        self.in_hand.clear()


class Machine(RuleBasedStateMachine):
    """Three parties and a relay."""

    @initialize()
    def begin(self) -> None:
        """Open the office."""
        self.folder = tempfile.TemporaryDirectory()
        self.office = Office(Path(self.folder.name))
        self.parties = [Party(identity) for identity in IDENTITIES]
        self.sent: dict[bytes, int] = {}
        self.fates: dict[bytes, Fate] = {}
        self.asks = itertools.count(1)
        self.wires: list[ScriptedWire] = []

    def teardown(self) -> None:
        """Everybody comes back; then all promises must have been kept."""
        if not hasattr(self, "office"):
            return
        try:
            self.finish()
        finally:
            self.office.close()
            self.folder.cleanup()

    # -- connections ----------------------------------------------------------------------------------

    @rule(who=WHO, takeover=st.booleans(), welcomed=st.integers(0, 4).map(bool))
    def connect(self, who: int, takeover: bool, welcomed: bool) -> None:
        """Log in, resuming what there is to resume; the server may not have noticed the end of the last connection."""
        party = self.parties[who]
        party.cut()
        wire = ScriptedWire(self.office.figures)
        greeting = Greeting(SERVER, 0.0)
        login = party.courier.login(greeting.challenge(1), AUTHORITY, b"", takeover=takeover)
        greeting.check(login, AUTHORITY)
        refused = ""
        try:
            self.office.relay.enter(wire.line, login, greeting)
        except Refused as fault:
            refused = fault.code
        if refused:
            assert (refused, takeover) == (Code.ALREADY_CONNECTED, False)
            return
        self.wires.append(wire)
        first, *rest = wire.line.drain()
        if not welcomed:  # lost on its way
            return
        party.wire = wire
        welcome, *others = from_server(first)
        assert isinstance(welcome, Welcome)
        party.courier.welcome(welcome)
        for packet in others:
            self.hear(party, packet)
        party.down.extend(rest)

    @rule(takeover=st.booleans())
    def connect_all(self, takeover: bool) -> None:
        """Everybody who is not connected logs in."""
        for who, party in enumerate(self.parties):
            if party.wire is None:
                self.connect(who, takeover, welcomed=True)

    @rule(who=WHO)
    def break_off(self, who: int) -> None:
        """The connection breaks and both sides know."""
        if (wire := self.parties[who].wire) is not None:
            self.office.relay.lose(wire.line)
        self.parties[who].cut()

    @rule(who=WHO)
    def vanish(self, who: int) -> None:
        """The client loses it; the server does not know."""
        self.parties[who].cut()

    @rule(who=WHO)
    def die(self, who: int) -> None:
        """The client's process ends and begins anew, with its log."""
        for identity, fate in self.fates.items():
            if self.sent[identity] == who and not fate.done():
                fate.answer = "forgotten"
        self.parties[who].begin_anew()

    @rule(who=WHO)
    def leave(self, who: int) -> None:
        """Go for good, once what was said before has come through."""
        self.parties[who].say(Leave())

    # -- messages -------------------------------------------------------------------------------------

    @rule(
        who=WHO, to=st.integers(0, 3), count=FEW, size=st.sampled_from([0, 0, 300, 800, 2000]), keep=st.integers(0, 9).map(bool)
    )
    def send(self, who: int, to: int, count: int, size: int, keep: bool) -> None:
        """Messages to another, to oneself or to the service, some too long."""
        party = self.parties[who]
        recipient = SERVICE if to == 3 else IDENTITIES[to]
        for _ in range(count):
            number = len(self.sent)
            letter = Letter("data", number, b"%d " % number + bytes(size), party.identity.key)
            party.courier.limits = self.office.limits if size < 2000 else type(self.office.limits)()
            identity, body = party.courier.seal(recipient.key, letter, identity=number.to_bytes(16))
            self.sent[identity] = who
            fate = self.fates[identity] = Fate()
            party.courier.send(Outgoing(recipient.key, identity, body, keep=keep, ttl=0, accepted=fate, receipt=None))

    @rule(who=WHO, count=FEW)
    def go_up(self, who: int, count: int) -> None:
        """Some of what the client has sent reaches the server."""
        party = self.parties[who]
        party.write()
        for _ in range(count):
            if party.wire is None or not party.up or party.wire.is_paused or party.wire.closed:
                return
            self.office.relay.take(party.wire.line, party.up.popleft())

    @rule(who=WHO, count=FEW)
    def go_down(self, who: int, count: int) -> None:
        """Some of what the server has said reaches the client."""
        party = self.parties[who]
        if party.wire is None:
            return
        party.down.extend(party.wire.line.drain())
        for _ in range(min(count, len(party.down))):
            for packet in from_server(party.down.popleft()):
                self.hear(party, packet)
        if party.wire.closed and not party.down:
            party.cut()

    @rule(who=WHO, count=FEW, acknowledge=st.booleans())
    def work(self, who: int, count: int, acknowledge: bool) -> None:
        """The application takes what it has in hand, oldest first, and then gets more."""
        party = self.parties[who]
        for _ in range(count):
            if party.in_hand:
                message = party.in_hand.popleft()
                party.courier.taken(message)
                party.taken.append(message)
            elif message := party.courier.next():
                party.in_hand.append(message)
        if acknowledge and party.wire is not None and (ack := party.courier.ack()):
            party.say(ack)

    @rule(who=WHO, ask=st.integers(0, 5))
    def wonder(self, who: int, ask: int) -> None:
        """Ask something that is no message; a service moves to whoever registers it."""
        party, number = self.parties[who], next(self.asks)
        device = party.identity.key
        service = Profile(SERVICE.key, "service", "clock", "time")
        service = Profile(
            *(SERVICE.key, "service", "clock", "time", "", None, b"", SERVICE.sign(profile_text(service, device)))
        )
        packets = [
            Ping(number),
            AskStatus(number),
            Find(number, text="n"),
            Watch(number, tuple(one.key for one in IDENTITIES)),
            Register(number, (service,)),
            Register(number, (Profile(device, "device", "", f"n{who}"),)),
        ]
        if party.wire is not None:
            party.asked.add(number)
            party.say(packets[ask])

    @rule(who=WHO, count=FEW)
    def exchange(self, who: int, count: int) -> None:
        """Much of the time all is well: packets go both ways, the disk answers, the application works."""
        self.go_up(who, count)
        self.office.settle()
        for one in range(3):
            self.go_down(one, count)
        self.work(who, count, acknowledge=True)

    # -- disk and time --------------------------------------------------------------------------------

    @rule()
    def turn(self) -> None:
        """One turn of the server's loop."""
        self.office.turn()

    @rule()
    def settle(self) -> None:
        """The disk has answered everything."""
        self.office.settle()

    @rule(seconds=st.sampled_from([0.5, 1.5, 5.0, 61.0, 95.0, 500.0]))
    def wait(self, seconds: float) -> None:
        """The sweep of so much later."""
        self.office.relay.sweeping.everything(time.monotonic() + seconds)

    @rule(who=WHO, is_clogged=st.booleans())
    @precondition(lambda self: any(party.wire for party in self.parties))
    def clog(self, who: int, is_clogged: bool) -> None:
        """A client's connection takes nothing more, or takes it again."""
        if (wire := self.parties[who].wire) is not None and wire.closed is None:
            if is_clogged:
                self.office.relay.clogged(wire.line, time.monotonic())
            else:
                self.office.relay.unclogged(wire.line)

    # -- what must be true ------------------------------------------------------------------------------

    def hear(self, party: Party, packet: Any) -> None:
        """A packet has reached a client."""
        match packet:
            case Deliver():
                party.courier.deliver(packet)
            case Accepted() | Rejected():
                party.courier.settle(packet)
            case Pong(ask=ask) | ServerStatus(ask=ask) | Found(ask=ask) | Done(ask=ask) | Refusal(ask=ask):
                party.asked.remove(ask)
            case Presence():
                pass
            case Challenge() | Welcome():
                raise AssertionError(packet)

    @invariant()
    def counters_add_up(self) -> None:
        """What came in is accepted, rejected or under way, and each is under way on one line."""
        if hasattr(self, "office"):
            figures = self.office.figures
            assert figures.received == figures.accepted + figures.rejected + sum(wire.line.pending for wire in self.wires)
            assert figures.rejected <= figures.drops.total()

    @invariant()
    def everything_was_taken_once_and_in_order(self) -> None:
        """By each application; the order of its sender, for each key that it was sent to."""
        for party in getattr(self, "parties", ()):
            numbers = [int(message.body.split()[0]) for message in party.taken]
            assert len(numbers) == len(set(numbers))
            for pair in {(message.sender, message.to) for message in party.taken}:
                between = [message.sent for message in party.taken if (message.sender, message.to) == pair]
                assert between == sorted(between)

    def finish(self) -> None:
        """Everybody comes back and works until nothing moves; the service stays where it is."""
        self.office.settle()
        for who, party in enumerate(self.parties):
            if party.wire is not None and party.wire.closed is None and party.wire.line.clogged_at:
                self.office.relay.unclogged(party.wire.line)
            if party.wire is None or party.wire.closed:
                self.connect(who, takeover=True, welcomed=True)
        for _ in range(200):
            for who, party in enumerate(self.parties):
                if party.wire is None:
                    self.connect(who, takeover=True, welcomed=True)
                self.go_up(who, 10)
                self.office.settle()
                self.go_down(who, 10)
                self.work(who, 20, acknowledge=True)
            is_calm = not any(party.up or party.in_hand or party.courier.under_way for party in self.parties)
            is_delivered = not any(session.flights or session.backlog for session in self.office.attendance.sessions.values())
            if is_calm and is_delivered and all(party.wire for party in self.parties):
                break
        self.counters_add_up()
        self.everything_was_taken_once_and_in_order()
        taken = {message.id for party in self.parties for message in party.taken}
        accepted = {identity for identity, fate in self.fates.items() if fate.answer is None}
        assert accepted <= taken, "accepted, and lost"
        assert all(fate.done() for fate in self.fates.values()), "never settled"
        assert sum(party.courier.unreadable for party in self.parties) == 0
        assert self.office.mailbox.total_messages == 0
        assert not any(party.asked for party in self.parties), "never answered"


class TestMachine(Machine.TestCase):
    """A few hundred steps in every run of the suite."""

    settings = settings(max_examples=60, stateful_step_count=50, deadline=None)


@pytest.mark.long
class TestMachineForLong(Machine.TestCase):
    """Many more, in the long batteries."""

    settings = settings(max_examples=1500, stateful_step_count=80, deadline=None)
