"""What joins several servers, or several processes of one, into a network: the seam, and what its nodes say to each other.

A node has a name that outlives it and a `boot` that does not. Between two nodes items arrive in the order in which they were
sent, or the peer is lost; what is published reaches every node, now or when it joins, and of two entries on the same thing the
later one holds. `network` decides what is said; `mesh` (unix sockets) and `jetstream` (NATS) carry it. Packets of clients
are another language: nothing here is part of docs/cloud-protocol.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec

from cloudnet.packets import Profile

NODES = 4096
"""Numbers that nodes of a network may have; a mailbox's rows bear them."""
BATCH_BYTES = 256 << 10
"""Bodies in one batch, before the next one is begun."""


class Item(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True, tag_field="item"):
    """The frame of all items."""


class Carry(Item, frozen=True, tag=1):
    """Deliver this message: to a client who is with you, or into the mailbox that you keep for it.

    `ref` comes back in Settled or Returned. `row`: its place in the order of all mailboxes, given by the node that it came to,
    wherever it is put. `hops`: how often it was carried on. With `expires` (ms since the epoch) it comes out of a mailbox.
    """

    ref: int
    sender: bytes
    to: bytes
    id: bytes
    at: int
    body: bytes
    row: int
    keep: bool = True
    ttl: int = 0
    hops: int = 0
    expires: int = 0


class Settled(Item, frozen=True, tag=2):
    """These are safe: taken by their recipient, or on my disk."""

    refs: tuple[int, ...]


class Returned(Item, frozen=True, tag=3):
    """This one was not taken, and why."""

    ref: int
    code: str
    why: str


class Fetch(Item, frozen=True, tag=4):
    """A device has proved itself to me: hand its session over, or say why not. `epoch` and `position` as in its Login.

    `age`: for how many seconds its connection has been open; clocks of nodes differ, lengths of time do not.
    Without an `ask` (0) its mail alone is wanted: you were away when it came.
    """

    ask: int
    device: bytes
    epoch: bytes
    position: int
    takeover: bool
    age: float = 0.0


class Handover(Item, frozen=True, tag=5):
    """The answer: with a `code` it is refused; else the session is yours.

    When it is `resumed`, this is what it had. Its mail follows as Carry items, and Emptied behind the last of them.
    """

    ask: int
    code: str = ""
    why: str = ""
    resumed: bool = False
    position: int = 0
    profiles: tuple[bytes, ...] = ()
    watches: tuple[bytes, ...] = ()


class Emptied(Item, frozen=True, tag=6):
    """All that was kept here for this device is with you now."""

    device: bytes


class Place(Item, frozen=True, tag=7):
    """Published: where a device is, or was last: its mail is kept there.

    `state` as in Presence, with ``forgotten`` for one that nobody keeps anything for any longer.
    """

    device: bytes
    node: str
    state: str
    at: int


class Listing(Item, frozen=True, tag=8):
    """Published: what is registered under a key; no profile: nothing any longer."""

    key: bytes
    profile: Profile | None
    at: int


class Keeps(Item, frozen=True, tag=10):
    """Published: a node keeps mail for a device whose home it is not, or (`on` is false) no longer."""

    device: bytes
    node: str
    on: bool


class Beat(Item, frozen=True, tag=9):
    """I live. `address`: where clients reach me, empty when that is the same for all."""

    node: str
    boot: int
    address: str = ""


ToNode = Carry | Settled | Returned | Fetch | Handover | Emptied
Published = Place | Listing | Keeps
Any = ToNode | Published | Beat

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[list[Any]] = msgspec.msgpack.Decoder(list[Any])

encode = _encoder.encode
"""Items as bytes."""
decode = _decoder.decode
"""Bytes as a list of items; raises msgspec.DecodeError."""


def subject(entry: Published) -> tuple[str, bytes]:
    """What an entry is on: of two with the same the later one holds."""
    match entry:
        case Place(device=device):
            return "place", device
        case Listing(key=key):
            return "listing", key
        case Keeps(device=device, node=node):
            return "keeps", device + node.encode()


def batches(items: Sequence[ToNode]) -> list[bytes]:
    """The items in their order, encoded, in batches of about `BATCH_BYTES`."""
    found: list[bytes] = []
    start = size = 0
    for place, item in enumerate(items):
        size += len(item.body) + 200 if type(item) is Carry else 100
        if size >= BATCH_BYTES:
            found.append(encode(items[start : place + 1]))
            start, size = place + 1, 0
    if start < len(items):
        found.append(encode(items[start:]))
    return found


class Ear(Protocol):
    """Who hears what a backbone brings; called on the event loop, never to wait."""

    def heard(self, node: str, items: Sequence[ToNode]) -> None:
        """A peer has said this, to us."""
        ...

    def learnt(self, entries: Sequence[Published]) -> None:
        """Something was published."""
        ...

    def joined(self, beat: Beat) -> None:
        """A peer is there, for the first time or with another boot."""
        ...

    def lost(self, node: str) -> None:
        """It is gone, with whatever was said to it and not answered."""
        ...


class Backbone(Protocol):
    """One node's way to the others."""

    node: str
    """Our own name, the same after a restart."""
    remembers: bool
    """Whether what was published outlives us all somewhere; else each node says at once what its own disk knows."""
    number: int
    """Below `NODES`, ours alone among the nodes of the network, known once `run` has called `ready`."""

    async def run(self, ear: Ear, ready: asyncio.Event) -> None:
        """Be joined until cancelled; `ready` is set once everything that was published before has been learnt.

        Raises ConfigError when that cannot be, whatever the time.
        """
        ...

    def say(self, node: str, item: ToNode) -> None:
        """To one peer, this turn, in order; nothing is said of it when the peer is gone."""
        ...

    def publish(self, entry: Published) -> None:
        """To all, soon; what was not published yet is replaced by a later entry on the same thing."""
        ...

    def expects(self, node: str) -> bool:
        """Whether a peer that is lost will most likely be back within moments, with what it has kept."""
        ...

    def is_behind(self, node: str) -> bool:
        """Whether a peer has not taken what was said to it before: it will, or be lost."""
        ...

    def trouble(self) -> str:
        """Why we are cut off from everybody; empty when we are not."""
        ...
