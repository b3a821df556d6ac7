"""Where everybody is in a network of several nodes: a table of what was published, of which the newest holds. Pure.

`network` writes what it hears and asks where a key leads. A device that is nowhere now has a *home*: the node where it was
last, which keeps its mail. Clocks of nodes differ, so whoever publishes takes a time later than all it knows of the same thing.
Of two entries of one instant every node takes the same one: that of the node whose name is the last.
"""

from __future__ import annotations

from collections.abc import Iterator

from cloudnet.backbone import Beat, Listing, Place
from cloudnet.session import State

PRESENT = frozenset({"came", "resumed", State.READY})
"""States of a device that is connected."""
FORGOTTEN = "forgotten"


class Peer:
    """Another node that lives."""

    __slots__ = ("address", "boot", "node")

    def __init__(self, beat: Beat) -> None:
        """As it says itself."""
        self.node = beat.node
        self.boot = beat.boot
        self.address = beat.address


class Places:
    """One node's knowledge of all."""

    def __init__(self, node: str) -> None:
        """`node`: who we are."""
        self.node = node
        self.peers: dict[str, Peer] = {}
        self.devices: dict[bytes, Place] = {}
        self.listings: dict[bytes, int] = {}
        """From a profile's key to when it was last listed, or taken off the list."""

    def learn_place(self, place: Place) -> Place | None:
        """Take it in; returns what was held before, or None as well when the entry is older than that and is ignored."""
        before = self.devices.get(place.device)
        if before is not None and (before.at, before.node) >= (place.at, place.node):
            return None
        if place.state == FORGOTTEN:
            self.devices.pop(place.device, None)
        else:
            self.devices[place.device] = place
        return before or Place(place.device, "", "", 0)

    def learn_listing(self, listing: Listing) -> bool:
        """Whether it is news."""
        if self.listings.get(listing.key, 0) >= listing.at:
            return False
        self.listings[listing.key] = listing.at
        return True

    def moment(self, device: bytes, now: int) -> int:
        """A time for the next entry on a device: `now` in ms, or just behind what is known."""
        before = self.devices.get(device)
        return max(now, before.at + 1) if before else now

    def moment_of_listing(self, key: bytes, now: int) -> int:
        """The same for a profile."""
        return max(now, self.listings.get(key, 0) + 1)

    def elsewhere(self, device: bytes) -> Place | None:
        """Where it is or was last, when that is another node that lives."""
        place = self.devices.get(device)
        return place if place is not None and place.node in self.peers else None

    def is_present(self, device: bytes) -> bool:
        """Whether it is connected to another node that lives."""
        place = self.elsewhere(device)
        return place is not None and place.state in PRESENT

    def at(self, node: str) -> list[bytes]:
        """The devices that are at a node, or were there last."""
        return [device for device, place in self.devices.items() if place.node == node]

    def present_at(self, node: str) -> Iterator[bytes]:
        """The devices that a node has said are connected to it."""
        return (device for device, place in self.devices.items() if place.node == node and place.state in PRESENT)

    def addresses(self) -> tuple[str, ...]:
        """Where clients reach the other nodes."""
        return tuple(sorted({peer.address for peer in self.peers.values() if peer.address}))
