"""Older mail elsewhere: a client waits for all who keep some, for none that is gone, and not for ever."""

from __future__ import annotations

from cloudnet.backbone import Keeps
from cloudnet.holding import HOLD_SECONDS, Holding

DEVICE = b"d" * 32


def test_keepers_are_those_who_say_so() -> None:
    """Until they say that they keep nothing any more; what we say ourselves does not count."""
    holding = Holding("a")
    for node in "abc":
        holding.learn(Keeps(DEVICE, node, on=True))
    assert holding.keepers(DEVICE) == {"b", "c"}
    holding.learn(Keeps(DEVICE, "b", on=False))
    assert holding.keepers(DEVICE) == {"c"}
    holding.learn(Keeps(DEVICE, "c", on=False))
    holding.learn(Keeps(DEVICE, "a", on=False))
    assert holding.keepers(DEVICE) == frozenset()


def test_what_was_said_is_not_said_again() -> None:
    """A thousand messages for one absent device are one entry, and one when they are gone."""
    holding = Holding("a")
    said = [holding.news(DEVICE, on=True) for _ in range(3)]
    assert said == [Keeps(DEVICE, "a", on=True), None, None]
    assert holding.news(DEVICE, on=False) == Keeps(DEVICE, "a", on=False)
    assert holding.news(DEVICE, on=False) is None


def test_a_client_waits_for_the_last_of_them() -> None:
    """Each that has emptied its mailbox is one fewer; one that is lost too."""
    holding = Holding("a")
    holding.hold(DEVICE, ["b", "c"], now=0.0)
    assert holding.waiting_for("b") == [DEVICE]
    assert not holding.emptied(DEVICE, "b")
    assert not holding.emptied(DEVICE, "b")
    assert holding.lost("c") == [DEVICE]
    assert holding.lost("c") == []
    assert not holding.emptied(DEVICE, "c")


def test_nobody_waits_for_ever() -> None:
    """A node that is there and brings nothing holds a client up for so long and no longer."""
    holding = Holding("a")
    holding.suspect([DEVICE], "b")
    holding.hold(DEVICE, ["b"], now=100.0)
    assert holding.overdue(100.0 + HOLD_SECONDS) == []
    assert holding.keepers(DEVICE) == {"b"}
    assert holding.overdue(100.1 + HOLD_SECONDS) == [DEVICE]
    assert holding.keepers(DEVICE) == frozenset(), "a process that never comes back does not hold it up again and again"
    assert holding.overdue(200.0) == []


def test_who_was_a_home_may_keep_something() -> None:
    """A node that is lost as a device's home counts as a keeper until it says that it keeps nothing."""
    holding = Holding("a")
    holding.suspect([DEVICE], "b")
    assert holding.keepers(DEVICE) == {"b"}
    assert not holding.emptied(DEVICE, "b")
    assert holding.keepers(DEVICE) == frozenset()


def test_who_comes_anew_waits_for_the_same() -> None:
    """A second session of a client waits for what its first has waited for, and no longer than that would have."""
    holding = Holding("a")
    holding.hold(DEVICE, ["b"], now=100.0)
    assert holding.awaited(DEVICE) == {"b"}
    holding.hold(DEVICE, ["c", *holding.awaited(DEVICE)], now=110.0)
    assert holding.awaited(DEVICE) == {"b", "c"}
    assert holding.overdue(100.1 + HOLD_SECONDS) == [DEVICE]
    assert holding.awaited(DEVICE) == frozenset()
