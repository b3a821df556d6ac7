"""All clients of one worker together: what is between them, and what becomes of every message.

Each message is numbered in the stream from its sender to its recipient, and says in its body which operation it is of: what
is amiss with it is counted there, whichever operation has begun since.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import time
from typing import TYPE_CHECKING

from cloudnet.keys import read
from cloudnet.packets import Deliver
from watchkeeper.stress.faults import Code
from watchkeeper.stress.lane import Floor, Ground, Lane, Tally
from watchkeeper.stress.protocols.cloud import Cloud, does_read, streams
from watchkeeper.stress.protocols.cloud.streams import RECEIPT, Arrival, Body, Stream

if TYPE_CHECKING:
    from watchkeeper.stress.protocols.cloud.lanes import CloudLane

Key = tuple[int, int, int]
"""A message: sender, recipient and number."""


class Flight:
    """An operation that ends by messages: `left` of them are still to come."""

    __slots__ = ("began", "first", "intended", "keys", "lane", "left", "tally", "until")

    def __init__(self, lane: CloudLane, tally: Tally, intended: int, began: int, until: str, left: int) -> None:
        """`until`: what ends it."""
        self.lane = lane
        self.tally = tally
        self.intended = intended
        self.began = began
        self.until = until
        self.left = left
        self.first = 0
        self.keys: list[Key] = []
        """Its messages."""


class Clients:
    """All lanes of one worker, who they are, and the streams between them."""

    def __init__(self, cloud: Cloud, ground: Ground) -> None:
        """No client yet."""
        self.cloud = cloud
        self.ground = ground
        self.mix = cloud.mix(ground.url)
        self.reading = cloud.reading
        self.server_key = read(cloud.server_key) if cloud.server_key else b""
        self.mark = os.urandom(4)
        """Tells the messages of this run from what an earlier one has left in a mailbox."""
        self.streams: dict[tuple[int, int], Stream] = {}
        self.visits = asyncio.Semaphore(ground.visits)
        """Connections that may still be opened beside the lanes' own."""
        self.flights: dict[Key, Flight] = {}
        """What waits for a delivery or a receipt."""
        self.floor: Floor
        self.tallies: list[Tally | None] = [None] * len(self.mix)
        """Where messages of each operation were counted last."""
        self.ids = itertools.count(time.time_ns() << 40)
        chance = random.Random(ground.seed)  # noqa: S311  # a load, not a secret
        self.fillers = [streams.filler(chance.randbytes(one.size - streams.HEADER.size)) for one in self.mix]
        self.receipt = streams.filler(b"")

    def lane(self, number: int, floor: Floor) -> Lane:
        """See `Maker`."""
        from watchkeeper.stress.protocols.cloud.lanes import CloudLane  # noqa: PLC0415  # they know us

        self.floor = floor
        return CloudLane(self, floor, number, reads=does_read(number, self.reading))

    def read(self, share: float) -> None:
        """See `SlowMaker`."""
        self.reading = share or self.cloud.reading
        for lane in self.lanes:
            lane.read(reads=does_read(lane.number, self.reading))

    @property
    def lanes(self) -> list[CloudLane]:
        """Those that are in use, by number."""
        return self.floor.lanes  # type: ignore[return-value]  # all of them are ours

    def stream(self, sender: int, recipient: int) -> Stream:
        """The messages between two."""
        found = self.streams.get((sender, recipient))
        if found is None:
            found = self.streams[sender, recipient] = Stream()
        return found

    def reads(self, number: int) -> bool:
        """Whether a client reads; one that is no more is not waited for."""
        lanes = self.lanes
        return number >= len(lanes) or lanes[number].reads

    def settle(self, stage: int) -> None:  # noqa: ARG002  # it is the one that goes on
        """See `Maker`: what was accepted and has not come is lost; what was never accepted may be anywhere."""
        for lane in self.lanes:
            lane.unsettle(of_readers=True)
        for (_, recipient), stream in self.streams.items():
            if not self.reads(recipient):
                continue  # once it reads again, it is seen whether all of it comes
            for operation, fates in stream.settle().items():
                if recipient < len(self.lanes):
                    tally = self._tally(operation)
                    for name, many in fates.items():
                        tally.count(name, many)

    def _tally(self, operation: int) -> Tally:
        """Where a message of an operation is counted; one that was last sent in an earlier stage has none there any more."""
        tally = self.tallies[operation] if operation < len(self.tallies) else None
        idle = self.floor.idle
        return idle if tally is None or tally.stage != idle.stage else tally

    def arrived(self, lane: CloudLane, packet: Deliver) -> None:
        """A message has come to a client."""
        body = streams.read(packet.body)
        if body is None or body.mark != self.mark:
            lane.floor.idle.count("stale")  # of an earlier run, out of the mailbox
            return
        now = lane.clock()
        if body.kind == RECEIPT:
            flight = self.flights.pop((body.recipient, body.sender, body.number), None)
            if flight is not None:
                flight.lane.land(flight, now)
            return
        arrival = self.stream(body.sender, body.recipient).arrive(body.number)
        is_right = body.is_whole and body.recipient == lane.number
        tally = self._tally(body.kind >> 1)
        self._count(tally, len(packet.body), arrival, is_right=is_right, again=body.intended < lane.since)
        flight = self.flights.get((body.sender, body.recipient, body.number))
        if flight is not None and arrival != "duplicate":
            self._deliver(lane, flight, body, now, is_right=is_right)

    def _count(self, tally: Tally, size: int, arrival: Arrival, *, is_right: bool, again: bool) -> None:
        """`again`: it was sent before its recipient's present connection; a copy of it is what the protocol allows."""
        tally.received += size
        if not is_right:
            tally.count("corrupt")
        if arrival != "new":
            copy = "redelivered" if again else "duplicated"
            tally.count({"duplicate": copy, "late": "unexpected"}.get(arrival, arrival))

    def _deliver(self, lane: CloudLane, flight: Flight, body: Body, now: int, *, is_right: bool) -> None:
        """A message that an operation waits for has come."""
        key = (body.sender, body.recipient, body.number)
        if not is_right:
            flight.lane.crash(flight, Code.CORRUPT, "a message came changed, or to somebody else", now)
        elif flight.until == "delivered":
            del self.flights[key]
            flight.lane.land(flight, now)
        else:
            flight.tally.span("one-way")(now - flight.began)
            if flight.until == "receipt":
                receipt = streams.made(self.mark, RECEIPT, lane.number, body.sender, body.number, now, self.receipt)
                lane.send(body.sender, receipt, None)
