"""The client's rules: sent again in order until accepted, handed over once, acknowledged no sooner than taken."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudnet import courier as courier_room
from cloudnet.codes import Code
from cloudnet.courier import Courier, Message, Outgoing
from cloudnet.errors import Failed, Refused
from cloudnet.greeting import Greeting
from cloudnet.keys import Identity
from cloudnet.packets import Accepted, Challenge, Deliver, Limits, Rejected, Send, Welcome
from cloudnet.sealed import Letter, seal
from rigs.relay import AUTHORITY, SERVER

ANN, BOB, EVE = (Identity(bytes([number]) * 32) for number in (1, 2, 3))


class Waiting:
    """A future without a loop."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.is_done = False

    def done(self) -> bool:
        """Whether it was told or has been given up."""
        return self.is_done or bool(self.answers)

    def set_result(self, answer: Any) -> None:
        """Told."""
        self.answers.append(answer)

    def set_exception(self, fault: Exception) -> None:
        """Told why not."""
        self.answers.append(fault)


def outgoing(identity: int, to: Identity = BOB) -> Outgoing:
    """A message whose fate is awaited."""
    return Outgoing(to.key, identity.to_bytes(16), b"body", keep=True, ttl=0, accepted=Waiting(), receipt=Waiting())


def connected(client: Courier, epoch: bytes = b"e" * 16, limits: Limits | None = None) -> list[Send]:
    """Through a login and its welcome; what is sent again."""
    greeting = Greeting(SERVER, 0.0)
    login = client.login(greeting.challenge(1), AUTHORITY, b"", takeover=False)
    greeting.check(login, AUTHORITY)
    resumed = login.resume is not None and login.resume.epoch == epoch
    client.welcome(Welcome(epoch, resumed, 0, greeting.sign(login, epoch), limits or Limits()))
    return client.due()


def delivery(
    position: int, number: int, *, sender: Identity = ANN, letter: Letter | None = None, to: Identity = BOB
) -> Deliver:
    """Message `number` of a sender, at a position."""
    letter = letter or Letter("data", 7, b"%d" % number, sender.key)
    identity = number.to_bytes(16)
    return Deliver(position, sender.key, identity, 8, to.key, seal(letter, sender, sender.key, to.key, identity))


# -- coming in --------------------------------------------------------------------------------------


def test_a_client_logs_in_and_comes_back_where_it_was() -> None:
    """Without an epoch at first, later with it and with the last position it has acknowledged."""
    client = Courier(BOB)
    assert client.login(Greeting(SERVER, 0.0).challenge(1), AUTHORITY, b"", takeover=False).resume is None
    connected(client)
    client.deliver(delivery(1, 1))
    taken = client.next()
    assert taken is not None
    client.taken(taken)
    client.ack()
    resume = client.login(Greeting(SERVER, 0.0).challenge(1), AUTHORITY, b"", takeover=False).resume
    assert resume is not None
    assert (resume.epoch, resume.position) == (b"e" * 16, 1)


@pytest.mark.parametrize(
    ("change", "server"),
    [({"version": 2}, b""), ({"version": 0}, b""), ({}, EVE.key), ({"server": EVE.key}, SERVER.key)],
    ids=str,
)
def test_another_server_than_meant_is_refused(change: dict[str, Any], server: bytes) -> None:
    """Another version, another key than the one that was given: before anything is signed."""
    challenge = msgspec.structs.replace(Greeting(SERVER, 0.0).challenge(1), **change)
    with pytest.raises(Refused) as fault:
        Courier(ANN).login(challenge, AUTHORITY, b"", takeover=False, server=server)
    assert fault.value.code == Code.WRONG_SERVER


def test_a_welcome_must_be_proved() -> None:
    """By the server of the challenge, for this login and this epoch, and once."""
    client, greeting = Courier(ANN), Greeting(SERVER, 0.0)
    with pytest.raises(Refused):
        client.welcome(Welcome(b"e" * 16, False, 0, b"", Limits()))
    login = client.login(greeting.challenge(1), AUTHORITY, b"", takeover=False)
    good = Welcome(b"e" * 16, False, 0, greeting.sign(login, b"e" * 16), Limits())
    for wrong in (
        msgspec.structs.replace(good, epoch=b"f" * 16),
        msgspec.structs.replace(good, signature=bytes(64)),
        msgspec.structs.replace(good, signature=Greeting(EVE, 0.0).sign(login, b"e" * 16)),
        msgspec.structs.replace(good, signature=Greeting(SERVER, 0.0).sign(login, b"e" * 16)),
    ):
        with pytest.raises(Refused) as fault:
            client.welcome(wrong)
        assert fault.value.code == Code.BAD_SIGNATURE
    client.welcome(good)
    with pytest.raises(Refused):
        client.welcome(good)


def test_a_challenge_that_is_no_key_is_no_server() -> None:
    """What it signs fits nothing."""
    client = Courier(ANN)
    client.login(Challenge(1, b"", b"", 0), AUTHORITY, b"", takeover=False)
    with pytest.raises(Refused):
        client.welcome(Welcome(b"e" * 16, False, 0, b"", Limits()))


# -- sending ----------------------------------------------------------------------------------------


def test_what_is_not_accepted_is_sent_again_in_order() -> None:
    """Under its own id and a number of the new connection; what was settled is not."""
    client = Courier(ANN)
    connected(client)
    messages = [outgoing(number) for number in range(1, 6)]
    for one in messages:
        client.send(one)
    assert [send.seq for send in client.due()] == [1, 2, 3, 4, 5]
    client.settle(Accepted((2, 99, 2)))
    client.settle(Rejected(4, Code.TOO_BIG, "too big"))
    client.settle(Rejected(4, Code.TOO_BIG, "too big"))
    again = connected(client, b"f" * 16)
    assert [(one.seq, one.id[-1]) for one in again] == [(1, 1), (2, 3), (3, 5)]
    assert client.under_way == 3
    client.settle(Accepted((1, 2, 3)))
    assert client.under_way == 0
    answers = [one.accepted.answers for one in messages]
    assert answers[0] == answers[1] == answers[2] == answers[4] == [None]
    assert [fault.code for fault in answers[3]] == [Code.TOO_BIG]
    assert [fault.code for fault in messages[3].receipt.answers] == [Code.TOO_BIG]
    assert messages[0].receipt.answers == []


def test_a_message_tried_twice_at_once_is_settled_twice() -> None:
    """An application that is not sure may send again under the same id while the first attempt is on its way."""
    client = Courier(ANN)
    connected(client)
    first, second = outgoing(1), outgoing(1)
    client.send(first)
    client.send(second)
    client.due()
    assert [one.id for one in connected(client)] == [first.id, second.id]
    client.settle(Accepted((1,)))
    assert (first.accepted.answers, second.accepted.answers) == ([None], [])
    client.settle(Accepted((2,)))
    assert second.accepted.answers == [None]
    receipt = Letter("receipt", 99, first.id, BOB.key)
    client.deliver(delivery(1, 50, sender=BOB, letter=receipt, to=ANN))
    assert first.receipt.answers == second.receipt.answers == [99]


def test_no_more_is_under_way_than_granted() -> None:
    """The rest is sent as room comes, in order, and again after a reconnect; sent packets never pile up."""
    client = Courier(ANN)
    connected(client, limits=Limits(under_way=2))
    for number in range(1, 6):
        client.send(outgoing(number))
    assert [send.id[-1] for send in client.due()] == [1, 2]
    assert client.due() == []
    assert not client.is_due
    client.settle(Accepted((2,)))
    assert client.is_due
    assert [(send.seq, send.id[-1]) for send in client.due()] == [(3, 3)]
    assert [(send.seq, send.id[-1]) for send in connected(client, limits=Limits(under_way=3))] == [(1, 1), (2, 3), (3, 4)]


def test_whoever_does_not_wait_any_more_is_not_told() -> None:
    """A cancelled call; the message itself goes on."""
    client = Courier(ANN)
    connected(client)
    message = outgoing(1)
    client.send(message)
    client.due()
    message.accepted.is_done = True
    client.forget_receipt(message)
    client.forget_receipt(message)
    client.settle(Accepted((1,)))
    assert message.accepted.answers == message.receipt.answers == []
    assert client._receipts == {}


def test_giving_up_tells_everybody_once() -> None:
    """Those not accepted, and those accepted who wait for a receipt."""
    client = Courier(ANN)
    connected(client)
    first, second = outgoing(1), outgoing(2)
    client.send(first)
    client.send(second)
    client.due()
    client.settle(Accepted((1,)))
    fault = Failed("closed")
    client.give_up(fault)
    client.settle(Accepted((2,)))
    assert (first.accepted.answers, first.receipt.answers) == ([None], [fault])
    assert (second.accepted.answers, second.receipt.answers) == ([fault], [fault])
    assert client.under_way == 0


def test_a_sealed_message_is_within_what_the_server_takes() -> None:
    """Refused here, before it is sent."""
    client = Courier(ANN)
    connected(client, limits=Limits(body_bytes=500))
    client.seal(BOB.key, Letter("data", 1, bytes(100), ANN.key))
    with pytest.raises(Refused) as fault:
        client.seal(BOB.key, Letter("data", 1, bytes(500), ANN.key))
    assert fault.value.code == Code.TOO_BIG


# -- receiving --------------------------------------------------------------------------------------


def test_a_position_is_acknowledged_once_all_up_to_it_is_taken() -> None:
    """What waits, and what the application has in hand, holds it back; nothing is acknowledged twice."""
    client = Courier(BOB)
    connected(client)
    for number in (1, 2, 3):
        client.deliver(delivery(number, number))
    assert client.ack() is None
    first, second = client.next(), client.next()
    assert first is not None
    assert second is not None
    client.taken(second)
    assert client.ack() is None
    client.taken(first)
    ack = client.ack()
    assert ack is not None
    assert ack.position == 2
    assert client.ack() is None
    third = client.next()
    assert third is not None
    client.taken(third)
    client.taken(third)
    last = client.ack()
    assert last is not None
    assert last.position == 3
    assert client.next() is None


def test_what_was_not_taken_comes_again_and_what_was_taken_does_not() -> None:
    """After a reconnect: in the inbox, in hand, taken but not acknowledged."""
    client = Courier(BOB)
    connected(client)
    for number in (1, 2, 3):
        client.deliver(delivery(number, number))
    one, two = client.next(), client.next()
    assert one is not None
    assert two is not None
    client.taken(one)
    connected(client)
    assert client.next() is None
    for position, number in ((4, 1), (5, 2), (6, 3), (7, 3)):
        client.deliver(delivery(position, number))
    assert client.ack() is not None  # up to the one in hand
    client.taken(two)
    three = client.next()
    assert three is not None
    assert three.body == b"3"
    assert client.next() is None
    client.taken(three)
    ack = client.ack()
    assert ack is not None
    assert ack.position == 7
    assert client.seen == tuple((ANN.key, number.to_bytes(16)) for number in (1, 2, 3))


def test_a_fresh_session_counts_from_one() -> None:
    """Positions of an earlier epoch hold nothing back and are never acknowledged."""
    client = Courier(BOB)
    connected(client)
    for position in range(1, 10):
        client.deliver(delivery(position, position))
        taken = client.next()
        assert taken is not None
        if position < 9:
            client.taken(taken)
    client.ack()
    connected(client, b"f" * 16)
    assert client.ack() is None
    client.deliver(delivery(1, 9))
    assert client.next() is None  # in hand still
    assert client.ack() is None
    client.taken(taken)
    ack = client.ack()
    assert ack is not None
    assert ack.position == 1


def test_what_was_seen_in_an_earlier_run_is_acknowledged_only() -> None:
    """It is not handed over."""
    client = Courier(BOB, seen=[(ANN.key, (1).to_bytes(16))])
    connected(client)
    client.deliver(delivery(1, 1))
    assert client.next() is None
    ack = client.ack()
    assert ack is not None
    assert ack.position == 1


def test_only_so_much_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are forgotten first."""
    monkeypatch.setattr(courier_room, "SEEN", 3)
    client = Courier(BOB)
    connected(client)
    for number in range(1, 6):
        client.deliver(delivery(number, number))
        message = client.next()
        assert message is not None
        client.taken(message)
    assert [identity[-1] for _, identity in client.seen] == [3, 4, 5]


def test_what_cannot_be_read_is_counted_and_acknowledged() -> None:
    """A changed letter, one for a key that is not ours: neither stops what follows."""
    client = Courier(BOB)
    connected(client)
    client.deliver(msgspec.structs.replace(delivery(1, 1), body=b"noise"))
    client.deliver(msgspec.structs.replace(delivery(2, 2), id=b""))
    client.deliver(delivery(3, 3, to=EVE))
    client.deliver(delivery(4, 4))
    message = client.next()
    assert message is not None
    assert (message.body, client.unreadable) == (b"4", 2)
    client.taken(message)
    ack = client.ack()
    assert ack is not None
    assert ack.position == 4


def test_a_receipt_counts_from_the_recipient_alone() -> None:
    """Another's, or one for an unknown id, tells nobody; a second one neither."""
    client = Courier(ANN)
    connected(client)
    message = outgoing(5)
    client.send(message)
    client.deliver(delivery(1, 1, sender=EVE, letter=Letter("receipt", 1, message.id, EVE.key), to=ANN))
    client.deliver(delivery(2, 2, sender=BOB, letter=Letter("receipt", 2, b"other", BOB.key), to=ANN))
    assert message.receipt.answers == []
    for position in (3, 4):
        client.deliver(delivery(position, position, sender=BOB, letter=Letter("receipt", 3, message.id, BOB.key), to=ANN))
    assert message.receipt.answers == [3]
    assert client.next() is None
    ack = client.ack()
    assert ack is not None
    assert ack.position == 4


def test_a_receipt_is_signed_by_whom_the_message_was_for() -> None:
    """A service that this device answers for signs for itself."""
    client = Courier(BOB, [EVE])
    connected(client)
    client.deliver(delivery(1, 1, to=EVE))
    message = client.next()
    assert isinstance(message, Message)
    assert message.to == EVE.key
    sender = Courier(ANN)
    connected(sender)
    waiting = Outgoing(EVE.key, message.id, b"", keep=True, ttl=0, accepted=Waiting(), receipt=Waiting())
    sender.send(waiting)
    receipt = client.receipt_for(message, 42)
    assert receipt.to == ANN.key
    sender.deliver(Deliver(1, BOB.key, receipt.id, 1, ANN.key, receipt.body))
    assert waiting.receipt.answers == [42]


@given(st.lists(st.tuples(st.sampled_from("dnta"), st.integers(1, 6)), max_size=40))
def test_nothing_is_acknowledged_before_it_is_taken(steps: list[tuple[str, int]]) -> None:
    """Deliveries (old and new), handing over, taking and acknowledging in any order."""
    client = Courier(BOB)
    connected(client)
    position, at, taken, in_hand = 0, {}, set(), []
    for what, number in steps:
        if what == "d":
            position += 1
            at[position] = number
            client.deliver(delivery(position, number))
        elif what == "n" and (message := client.next()):
            assert int(message.body) not in taken | {int(one.body) for one in in_hand}
            in_hand.append(message)
        elif what == "t" and in_hand:
            message = in_hand.pop(number % len(in_hand))
            client.taken(message)
            taken.add(int(message.body))
        elif what == "a" and (ack := client.ack()):
            assert {at[one] for one in range(1, ack.position + 1)} <= taken


def test_each_message_leaves_once() -> None:
    """Accepted, rejected or given up at the end: its place is free then, and not before."""
    client = Courier(ANN)
    left: list[int] = []
    messages = [outgoing(number) for number in range(3)]
    for number, message in enumerate(messages):
        message.left = lambda number=number: left.append(number)
        client.send(message)
    connected(client)
    assert len(connected(client)) == 3
    assert left == []
    client.settle(Accepted((2,)))
    client.settle(Accepted((2,)))
    client.settle(Rejected(1, Code.MAILBOX_FULL, "full"))
    assert (left, client.under_way) == ([1, 0], 1)
    client.give_up(Failed("the end"))
    assert (left, client.under_way) == ([1, 0, 2], 0)
