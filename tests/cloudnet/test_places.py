"""Where everybody is: of what nodes publish the newest holds, and only nodes that live count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloudnet.backbone import Beat, Listing, Place
from cloudnet.places import FORGOTTEN, Peer, Places

DEVICE = b"d" * 32


def here() -> Places:
    """A node ``a`` that knows of a living node ``b``."""
    places = Places("a")
    places.peers["b"] = Peer(Beat("b", 1, "ws://b.example"))
    return places


@given(st.permutations([Place(DEVICE, node, state, at) for at, (node, state) in enumerate([("a", "came"), ("b", "left")], 1)]))
def test_the_newest_holds_in_whatever_order_they_come(entries: list[Place]) -> None:
    """An older entry is told apart by its time and changes nothing."""
    places = here()
    known = [places.learn_place(entry) for entry in entries]
    assert places.devices[DEVICE].node == "b"
    assert known[0] is not None
    assert (known[1] is None) is (entries[0].at > entries[1].at)


def test_a_time_of_our_own_is_later_than_all_that_is_known() -> None:
    """Also when another node's clock is ahead."""
    places = here()
    places.learn_place(Place(DEVICE, "b", "came", 5000))
    assert places.moment(DEVICE, 10) == 5001
    assert places.moment(b"other", 10) == 10
    assert places.learn_listing(Listing(b"k", None, 7000))
    assert places.moment_of_listing(b"k", 10) == 7001


def test_only_a_living_node_is_elsewhere() -> None:
    """A device at a node that is lost is at no node that could be asked; one at our own is not elsewhere."""
    places = here()
    places.learn_place(Place(DEVICE, "b", "came", 1))
    assert places.is_present(DEVICE)
    assert list(places.present_at("b")) == [DEVICE]
    del places.peers["b"]
    assert places.elsewhere(DEVICE) is None
    assert not places.is_present(DEVICE)
    places.learn_place(Place(DEVICE, "a", "came", 2))
    assert places.elsewhere(DEVICE) is None


def test_who_has_left_has_a_home_and_is_not_present() -> None:
    """Its mail is kept where it was last; forgotten, it is nowhere."""
    places = here()
    places.learn_place(Place(DEVICE, "b", "left", 1))
    assert places.elsewhere(DEVICE) is not None
    assert not places.is_present(DEVICE)
    places.learn_place(Place(DEVICE, "b", FORGOTTEN, 2))
    assert DEVICE not in places.devices


def test_addresses_are_told_once_each() -> None:
    """Of those that have one of their own."""
    places = here()
    places.peers["c"] = Peer(Beat("c", 1, "ws://b.example"))
    places.peers["d"] = Peer(Beat("d", 1))
    assert places.addresses() == ("ws://b.example",)
