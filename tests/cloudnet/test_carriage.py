"""What is under way to other nodes: settled or returned once, given back in order when a node is lost or silent."""

from __future__ import annotations

from collections import Counter

from cloudnet.backbone import Carry, Returned, Settled, ToNode
from cloudnet.carriage import SETTLE_SECONDS, Carriage, Carried

DEVICE = b"d" * 32


class Said:
    """The part of a backbone that a carriage uses."""

    def __init__(self) -> None:
        self.items: list[tuple[str, ToNode]] = []
        self.behind = ""

    def say(self, node: str, item: ToNode) -> None:
        """Note it."""
        self.items.append((node, item))

    def is_behind(self, node: str) -> bool:
        """Whether it is the one that takes nothing."""
        return node == self.behind


class Told:
    """An origin that notes what it hears."""

    def __init__(self) -> None:
        self.accepted: list[int] = []
        self.rejected: list[tuple[int, str]] = []

    def accept(self, seq: int) -> None:
        """It is safe."""
        self.accepted.append(seq)

    def reject(self, seq: int, code: str, why: str) -> None:
        """It is not."""
        self.rejected.append((seq, code))


def carriage() -> tuple[Carriage, Said]:
    """One with nothing under way."""
    said = Said()
    return Carriage(said, Counter()), said  # type: ignore[arg-type]  # what it uses of a backbone


def carried(one: Carriage, origin: Told, seq: int, *, since: float = 0.0, row: int = 0) -> Carried:
    """A message for the device."""
    carry = Carry(one.ref(), b"s" * 32, DEVICE, seq.to_bytes(16), 1, b"body", 5, expires=row)
    return Carried(carry, origin, seq, since, DEVICE)


def test_answers_reach_those_who_sent() -> None:
    """Settled and returned ones by their numbers; an answer that comes twice, or to nothing of ours, is nobody's."""
    one, said = carriage()
    origin = Told()
    sent = [carried(one, origin, seq) for seq in range(3)]
    for each in sent:
        one.post("b", each)
    assert [node for node, _ in said.items] == ["b"] * 3
    one.answered("b", Settled((sent[0].carry.ref, sent[1].carry.ref, 17)))
    one.answered("b", Settled((sent[0].carry.ref,)))
    one.answered("b", Returned(sent[2].carry.ref, "no-room", "full"))
    one.answered("c", Returned(sent[2].carry.ref, "no-room", "full"))
    assert origin.accepted == [0, 1]
    assert origin.rejected == [(2, "no-room")]
    assert len(one) == 0


def test_a_device_has_one_way_at_a_time() -> None:
    """While something is on its way to one node, another one would be another way; mail is not counted, it has its order."""
    one, _ = carriage()
    first, mail = carried(one, Told(), 1), carried(one, Told(), 2, row=9)
    one.post("b", first)
    one.post("b", mail)
    assert one.is_elsewhere(DEVICE, "c")
    assert not one.is_elsewhere(DEVICE, "b")
    one.answered("b", Settled((first.carry.ref,)))
    assert not one.is_elsewhere(DEVICE, "c")


def test_what_a_lost_node_had_comes_back_in_order() -> None:
    """All of it, once."""
    one, _ = carriage()
    sent = [carried(one, Told(), seq) for seq in range(5)]
    for each in sent:
        one.post("b" if each.seq != 3 else "c", each)
    assert [each.seq for each in one.lost("b")] == [0, 1, 2, 4]
    assert one.lost("b") == []
    assert [each.seq for each in one.lost("c")] == [3]


def test_a_silent_node_is_not_waited_for() -> None:
    """What was sent long ago is given back, what was sent lately is still under way."""
    one, _ = carriage()
    for seq, since in enumerate((0.0, 1.0, 50.0)):
        one.post("b", carried(one, Told(), seq, since=since))
    assert [each.seq for each in one.late(1.5 + SETTLE_SECONDS)] == [0, 1]
    assert len(one) == 1


def test_a_node_that_takes_nothing_is_not_told_twice() -> None:
    """What stands before its socket is not written once more behind itself; when it reads again, or is lost, all goes on."""
    one, said = carriage()
    for seq, node in enumerate("bc"):
        one.post(node, carried(one, Told(), seq))
    said.behind = "b"
    assert [each.seq for each in one.late(1.5 + SETTLE_SECONDS)] == [1]
    said.behind = ""
    assert [each.seq for each in one.late(1.5 + SETTLE_SECONDS)] == [0]


def test_only_messages_and_no_mail_are_taken_back() -> None:
    """A device has come to us: what is on its way elsewhere is ours again; what stands in our mailbox stays there."""
    one, _ = carriage()
    one.post("b", carried(one, Told(), 1))
    one.post("b", carried(one, Told(), 2, row=9))
    assert [each.seq for each in one.take_back(DEVICE)] == [1]
    assert len(one) == 1


def test_numbers_are_of_no_earlier_start() -> None:
    """An answer to a message of before a restart must settle nothing of after it."""
    first, _ = carriage()
    before = [first.ref() for _ in range(100)]
    second, _ = carriage()
    assert second.ref() > before[-1]
