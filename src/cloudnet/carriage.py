"""What a node has carried to its peers and they have not settled: kept until they have, and given back when they do not.

`network` posts, hands the peers' answers on and asks what is to be sent anew. For each device there is at the most one node to
which messages are under way, since two ways would spoil their order. Pure: every question takes `now`.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from typing import NamedTuple

from cloudnet.backbone import Backbone, Carry, Returned, Settled
from cloudnet.line import Origin

SETTLE_SECONDS = 10.0
"""A message that a peer has not settled for so long was lost on the way: it settles within seconds what it has."""


class Carried(NamedTuple):
    """A message that a peer has not settled yet, whom to tell when it has, since when (monotonic seconds).

    With `carry.expires` it stands in our own mailbox.
    """

    carry: Carry
    origin: Origin
    seq: int
    since: float
    device: bytes


class Carriage:
    """All that is under way from one node to others."""

    def __init__(self, backbone: Backbone, figures: Counter[str]) -> None:
        """Nothing yet. `figures` counts what is returned."""
        self._backbone = backbone
        self._figures = figures
        self._refs = itertools.count(time.time_ns())  # of no earlier boot: late answers to that one settle nothing of ours
        self._pending: dict[str, dict[int, Carried]] = {}
        self._under_way: dict[bytes, tuple[str, int]] = {}
        """By device: to which node messages for it are under way, and how many; without those out of our mailbox."""

    def __len__(self) -> int:
        return sum(map(len, self._pending.values()))

    def ref(self) -> int:
        """A fresh number, for a Carry or another question."""
        return next(self._refs)

    def is_elsewhere(self, device: bytes, node: str) -> bool:
        """Whether messages for a device are still on their way to another node than this one."""
        before = self._under_way.get(device)
        return before is not None and before[0] != node

    def post(self, node: str, carried: Carried) -> None:
        """Send a message to a peer."""
        if not carried.carry.expires:
            before = self._under_way.get(carried.device)
            self._under_way[carried.device] = node, (before[1] if before else 0) + 1
        self._pending.setdefault(node, {})[carried.carry.ref] = carried
        self._backbone.say(node, carried.carry)

    def answered(self, node: str, item: Settled | Returned) -> None:
        """A peer says how what was carried to it has fared: tell those who have sent it."""
        pending = self._pending.get(node, {})
        if isinstance(item, Returned):
            if carried := pending.pop(item.ref, None):
                self._arrived(carried)
                self._figures["returned"] += 1
                carried.origin.reject(carried.seq, item.code, item.why)
            return
        for ref in item.refs:
            if carried := pending.pop(ref, None):
                self._arrived(carried)
                carried.origin.accept(carried.seq)

    def lost(self, node: str) -> list[Carried]:
        """A peer is gone: what it has not settled, in the order in which it was sent."""
        found = list(self._pending.pop(node, {}).values())
        for carried in found:
            self._arrived(carried)
        return found

    def late(self, now: float) -> list[Carried]:
        """What has been under way for too long, in order, and is so no longer.

        Not what stands before the socket of a peer that reads nothing: all of it would stand there once more.
        """
        found: list[Carried] = []
        for node, pending in self._pending.items():
            if self._backbone.is_behind(node):
                continue
            late = list(itertools.takewhile(lambda carried: now - carried.since > SETTLE_SECONDS, pending.values()))
            found += self._without(pending, late)
        return found

    def take_back(self, device: bytes) -> list[Carried]:
        """What is under way to a device, out of no mailbox of ours: in order, and under way no longer."""
        if device not in self._under_way:
            return []
        pending = self._pending[self._under_way[device][0]]
        wanted = [carried for carried in pending.values() if carried.device == device and not carried.carry.expires]
        return self._without(pending, wanted)

    def _without(self, pending: dict[int, Carried], wanted: list[Carried]) -> list[Carried]:
        for carried in wanted:
            del pending[carried.carry.ref]
            self._arrived(carried)
        return wanted

    def _arrived(self, carried: Carried) -> None:
        """It is no longer under way."""
        if carried.carry.expires:
            return
        node, count = self._under_way[carried.device]
        if count > 1:
            self._under_way[carried.device] = node, count - 1
        else:
            del self._under_way[carried.device]
