"""The Cloud Server's own protocol: clients that log in, find each other, send each other messages, leave and come back.

A message carries its number and the time at which it was due, so that loss, copies, order and damage are counted and the
one-way time is true: both ends are in one process, on one clock. Bodies are not sealed, as the server forwards bytes and
cannot tell. The clients' keys follow from the target's address, so that a server that remembers every key meets the same
ones in each run.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from watchkeeper.config import Part
from watchkeeper.quantities import Size
from watchkeeper.stress.lane import Ground, Maker, Operation
from watchkeeper.stress.protocols.cloud.streams import HEADER

Does = Literal["pair", "fan-out", "ping", "login", "register", "discover", "presence", "offline", "resume"]


NUMBERED = {"pair", "fan-out", "offline", "resume"}
"""What sends messages."""
VISITS = {"login", "presence", "offline", "resume"}
"""What somebody does who has a connection of its own."""


class CloudOperation(Operation, frozen=True, kw_only=True):
    """What it `does`.

    ``pair`` sends the next client a message of `size` bytes and ends when that one has it (`until` ``delivered``), when
    the server is bound to deliver it (``accepted``), or when the recipient's receipt is back (``receipt``); `to` is one
    of those who read (``readers``) or of those who do not (``slow``, and then until accepted). ``fan-out`` sends one to
    each of `recipients` and ends when the last has it. ``ping`` asks the server. ``register`` registers a profile,
    ``discover`` finds one. ``login`` logs another client in and out. ``presence`` ends when a watching client is told
    that another one came. ``offline`` leaves `messages` for one who is away, which comes and takes them; ``resume`` sends
    them to one whose connection has broken, which comes back to its session and takes them.
    """

    does: Does = "pair"
    size: Size = Size(128)
    until: Literal["delivered", "accepted", "receipt"] = "delivered"
    to: Literal["readers", "slow"] = "readers"
    recipients: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    messages: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 3

    def __post_init__(self) -> None:
        """A message holds its number at least."""
        if not HEADER.size <= self.size <= 64 << 10:
            raise ValueError(f"a message has between {HEADER.size}B and 64KiB")
        if self.to == "slow" and self.until != "accepted":
            raise ValueError('who does not read never takes a message: until = "accepted"')

    @property
    def visits(self) -> bool:
        """See `Operation`."""
        return self.does in VISITS

    @property
    def numbers(self) -> bool:
        """See `Operation`."""
        return self.does in NUMBERED


class Cloud(Part, frozen=True, tag_field="kind", tag="cloud"):
    """``kind = "cloud"``: clients of a Cloud Server at ``ws://…`` or ``wss://…``, one a connection.

    `server_key`: accept no other server. `in_flight`: how many messages of one client may be under way. `reading`: share
    of clients that read (the others do not: slow readers). `operation` is the mix; left out, messages in pairs of 128
    bytes (``pair``), and, where a phase names them, ``fan-out`` to ten and ``to-slow``, 4 KiB to those who do not read.
    """

    server_key: str = ""
    in_flight: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 256
    reading: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    operation: tuple[CloudOperation, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no key."""
        if not re.fullmatch(r"([a-z2-7]{52})?", self.server_key):
            raise ValueError(f"server_key: expected 52 small letters and digits, got {self.server_key[:60]!r}")

    def mix(self, url: str) -> Sequence[CloudOperation]:  # noqa: ARG002  # as all protocols have it
        """See `LoadProtocol`."""
        return self.operation or USUAL

    def prepare(self, ground: Ground) -> Maker:
        """See `LoadProtocol`."""
        from watchkeeper.stress.protocols.cloud.crowd import Clients  # noqa: PLC0415  # cloudnet: for workers alone

        return Clients(self, ground)


USUAL = (
    CloudOperation(name="pair", weight=9.0),
    CloudOperation(name="fan-out", weight=0.0, does="fan-out"),
    CloudOperation(name="to-slow", weight=0.0, to="slow", until="accepted", size=Size(4096)),
)
"""The mix where a plan has none: messages in pairs; the others run where a phase names them, nine pairs to one of each."""


def seed_of(url: str, worker: int, number: int, slot: int) -> bytes:
    """The 32 secret bytes of a client under load, the same in each run against this address: nothing but load is under it."""
    return hashlib.blake2b(f"watchkeeper stress {url} {worker} {number} {slot}".encode(), digest_size=32).digest()


def does_read(number: int, share: float) -> bool:
    """Whether a lane is one of the share that reads: spread evenly over all."""
    return int((number + 1) * share) > int(number * share)
