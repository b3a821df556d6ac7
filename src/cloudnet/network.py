"""One node among several: messages for clients of others are carried to them, sessions and mail move to where a client comes.

`relay` asks `carry` for every recipient that is not here, and `fetch` before it lets in somebody who was last elsewhere; the
backbone says through `heard`, `learnt`, `joined` and `lost` what the others do. Whatever was carried and is not settled is kept
here until it is, and goes its way anew when the peer is lost: so an acceptance means the same in a network as in one server,
and what arrives twice has the same id. Mail is at its recipient's home, the node where it was last; it moves, in its order, to
where the recipient comes. Nothing here touches a socket or waits; `bringing` reads the disk.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from cloudnet.backbone import (
    Backbone,
    Beat,
    Carry,
    Emptied,
    Fetch,
    Handover,
    Keeps,
    Listing,
    Place,
    Published,
    Returned,
    Settled,
    ToNode,
)
from cloudnet.bringing import Bringing
from cloudnet.carriage import Carriage, Carried
from cloudnet.codes import Code
from cloudnet.handing import Handing
from cloudnet.holding import Holding
from cloudnet.line import Origin
from cloudnet.packets import Deliver, Profile, Send
from cloudnet.places import FORGOTTEN, PRESENT, Peer, Places
from cloudnet.session import Flight, State

if TYPE_CHECKING:
    from cloudnet.relay import Relay

logger = logging.getLogger(__name__)

HOPS = 3
"""How often a message is carried on, when nodes differ about where its recipient is; then it is kept where it is."""


class Far:
    """The origin of what a peer has carried to us: it hears of it in batches, once a turn."""

    __slots__ = ("_owner", "node", "safe")

    def __init__(self, owner: Network, node: str) -> None:
        """Of `node`, which may come and go."""
        self._owner = owner
        self.node = node
        self.safe: list[int] = []

    def accept(self, seq: int) -> None:
        """See `line.Origin`."""
        if not self.safe:
            self._owner.settle_soon(self)
        self.safe.append(seq)

    def reject(self, seq: int, code: str, why: str) -> None:
        """See `line.Origin`."""
        self._owner.backbone.say(self.node, Returned(seq, code, why))

    def settle(self) -> None:
        """Tell it."""
        safe, self.safe = self.safe, []
        self._owner.backbone.say(self.node, Settled(tuple(safe)))


class Network:
    """What a relay knows and does beyond its own clients. An `Ear` of its backbone."""

    def __init__(
        self,
        relay: Relay,
        backbone: Backbone,
        call_soon: Callable[[Callable[[], None]], object],
        peers_changed: Callable[[tuple[str, ...]], None],
    ) -> None:
        """`call_soon` runs a function once this turn is over; `peers_changed` hears where clients reach the other nodes."""
        self.backbone = backbone
        self.relay = relay
        self.places = Places(backbone.node)
        self.figures: Counter[str] = Counter()
        """Messages carried out, in, on and anew; returned; brought with a moving client."""
        self._call_soon = call_soon
        self._peers_changed = peers_changed
        self.carriage = Carriage(backbone, self.figures)
        self.holding = Holding(backbone.node)
        self.handing = Handing(self)
        self._far: dict[str, Far] = {}
        self._unsaid: list[Far] = []
        self._bringing: dict[bytes, Bringing] = {}

    # -- what the relay asks --------------------------------------------------------------------------

    def carry(self, origin: Origin, sender: bytes, send: Send, at: int, row: int = 0, hops: int = 0) -> bool:
        """Carry a message to the node where its recipient is or was last; False when that is for us to deal with.

        `row`: its place in the order of all mailboxes, if it has one.
        """
        device = self.device_of(send.to)
        place = self.places.elsewhere(device) if device is not None else None
        if place is None or hops >= HOPS or not (send.keep or place.state in PRESENT):
            return False
        if self.relay.mailbox.waiting(place.device) or self.carriage.is_elsewhere(place.device, place.node):
            # Older messages are here still, or on their way to where it was before: this one goes behind them. It will be safe
            # here at once, and those that are under way must be so before it: else a loss of both nodes would lose them alone.
            for carried in self.carriage.take_back(place.device):
                before = carried.carry
                again = Send(carried.seq, before.to, before.id, before.body, before.keep, before.ttl)
                self.relay.diverting.keep_or_pass(carried.origin, before.sender, again, time.monotonic(), before.at, before.row)
            return False
        row = row or self.relay.mailbox.next_row()
        carry = Carry(self.carriage.ref(), sender, send.to, send.id, at, send.body, row, send.keep, send.ttl, hops)
        self.figures["on" if hops else "out"] += 1
        self.carriage.post(place.node, Carried(carry, origin, send.seq, time.monotonic(), place.device))
        return True

    def reclaim(self, device: bytes) -> None:
        """A device has come to us: what is under way to where it was before is ours to deliver, ahead of all that is newer."""
        for carried in self.carriage.take_back(device):
            self._send_anew(carried)

    def device_of(self, key: bytes) -> bytes | None:
        """Which device answers for a key, as far as the network knows."""
        if key in self.places.devices:
            return key
        profile = self.relay.directory.profile(key)
        return profile.device if profile else None

    def kept(self, device: bytes) -> None:
        """A message was put into our mailbox for a device that is not here: bring it on if it is elsewhere."""
        place = self.places.devices.get(device)
        if place is not None and place.node != self.places.node:
            self.keep(device, on=True)
        if self.places.is_present(device):
            self.bring(device)

    def keep(self, device: bytes, *, on: bool) -> None:
        """All are to know that there is mail here for a device that is not ours, or no longer."""
        if (news := self.holding.news(device, on=on)) is not None:
            self.backbone.publish(news)

    def standing(self, device: bytes) -> tuple[str, int] | None:
        """How a device at another node that lives is, for who watches it, and since when in ms; None when none has it."""
        place = self.places.elsewhere(device)
        if place is None:
            return None
        return "came" if place.state in PRESENT else "away" if place.state == "away" else "left", place.at

    def changed(self, device: bytes, state: str) -> None:
        """Somebody has come, gone or been forgotten here.

        Who comes is dated by when the connection was opened: of two that come to two nodes at once the later one stays.
        """
        session, at = self.relay.attendance.sessions.get(device), _wall()
        if state in PRESENT and session is not None and session.line is not None:
            at -= int(1000 * (time.monotonic() - session.line.opened))
        place = Place(device, self.places.node, state, self.places.moment(device, at))
        self.places.learn_place(place)
        self.backbone.publish(place)

    def listed(self, key: bytes, profile: Profile | None, at: int) -> None:
        """A client of ours has registered a profile, or taken it back. `at` from `places.moment_of_listing`."""
        listing = Listing(key, profile, at)
        if self.places.learn_listing(listing):
            self.backbone.publish(listing)

    def start(self, devices: dict[bytes, int], profiles: Iterable[tuple[bytes, Profile | None, int]]) -> None:
        """Everything published before has been learnt: say what our own disk knows beyond it. See `asking.load_known`."""
        for device, seen in devices.items():
            known = self.places.devices.get(device)
            if known is None or known.at < seen:
                self._say_place(Place(device, self.places.node, "left", seen))
            elif known.node == self.places.node and known.state in PRESENT and device not in self.relay.attendance.sessions:
                self._say_place(Place(device, self.places.node, "left", known.at + 1))  # by an earlier boot of ours
        for key, profile, at in profiles:
            self.listed(key, profile, at)
        for device in self.relay.mailbox.recipients():
            if not self.backbone.remembers:
                self.keep(device, on=True)  # who is with another node now is told to that one only later
            self.kept(device)

    def sweep(self, now: float) -> None:
        """Once a second: what has taken too long is given up."""
        self.handing.sweep(now)
        for carried in self.carriage.late(now):
            self._send_anew(carried)

    # -- what the backbone brings ---------------------------------------------------------------------

    def heard(self, node: str, items: Sequence[ToNode]) -> None:
        """See `backbone.Ear`."""
        far = self._far.get(node)
        if far is None:
            far = self._far[node] = Far(self, node)
        for item in items:
            match item:
                case Carry():
                    self._deliver(far, item)
                case Settled() | Returned():
                    self.carriage.answered(node, item)
                case Fetch():
                    self.handing.hand_over(node, item)
                case Handover():
                    self.handing.take_over(item)
                case Emptied(device=device):
                    self.handing.emptied(device, node)

    def learnt(self, entries: Sequence[Published]) -> None:
        """See `backbone.Ear`."""
        for entry in entries:
            if isinstance(entry, Listing):
                if self.places.learn_listing(entry):
                    self._list(entry)
            elif isinstance(entry, Keeps):
                self.holding.learn(entry)
                if entry.node != self.places.node:
                    (self.handing.kept if entry.on else self.handing.emptied)(entry.device, entry.node)
            elif entry.node != self.places.node:
                before = self.places.learn_place(entry)
                self._moved(before, entry) if before is not None else self._insist(entry)
            else:
                self.places.learn_place(entry)

    def joined(self, beat: Beat) -> None:
        """See `backbone.Ear`."""
        if beat.node in self.places.peers:
            self.lost(beat.node)
        logger.info("%s has joined the network", beat.node)
        self.places.peers[beat.node] = Peer(beat)
        self._peers_changed(self.places.addresses())
        for device in list(self.places.present_at(beat.node)):
            self.bring(device)
        self.handing.joined(beat.node)

    def lost(self, node: str) -> None:
        """See `backbone.Ear`."""
        if self.places.peers.pop(node, None) is None:
            return
        logger.warning("%s is lost", node)
        self._peers_changed(self.places.addresses())
        at = _wall()
        for device in list(self.places.present_at(node)):
            self._tell(device, State.AWAY, at)
        if self.backbone.expects(node):
            self.holding.suspect(self.places.at(node), node)
        self.handing.lost(node)
        for carried in self.carriage.lost(node):
            self._send_anew(carried)

    # -- within ---------------------------------------------------------------------------------------

    def _send_anew(self, carried: Carried) -> None:
        """What a peer has not settled goes its way again, under the same id."""
        carry, origin, seq = carried.carry, carried.origin, carried.seq
        self.figures["anew"] += 1
        if carry.expires:
            origin.reject(seq, Code.FAULT, "the other node has not answered")  # it is in our mailbox still
            return
        send = Send(seq, carry.to, carry.id, carry.body, carry.keep, carry.ttl)
        now = time.monotonic()
        target = self.relay.attendance.routes.get(carry.to)
        if target is not None and target.forward(
            carry.sender, carry.id, carry.at, carry.to, carry.body, origin, seq, now, 0, carry.keep, carry.ttl
        ):
            target.flights[-1].place = carry.row
            self.relay.figures.forwarded += 1
        elif target is not None or not self.carry(origin, carry.sender, send, carry.at, carry.row):
            self.relay.diverting.keep_or_pass(origin, carry.sender, send, now, carry.at, carry.row)

    def settle_soon(self, far: Far) -> None:
        """Have it told of what is safe at the end of this turn."""
        if not self._unsaid:
            self._call_soon(self._settle)
        self._unsaid.append(far)

    def _settle(self) -> None:
        unsaid, self._unsaid = self._unsaid, []
        for far in unsaid:
            far.settle()

    def _deliver(self, far: Far, carry: Carry) -> None:
        """A message that a peer has carried to us."""
        relay = self.relay
        if carry.expires:
            device = self.device_of(carry.to) or carry.to
            going = self._bringing.get(device)
            if going is not None and going.node == far.node:
                # Two copies of a message on their way to each other: each would be settled, and deleted, for the other one.
                far.reject(carry.ref, Code.MOVING, "its recipient has moved on")
                return
            self.figures["brought"] += 1
            deliver = Deliver(0, carry.sender, carry.id, carry.at, carry.to, carry.body)
            flight = Flight(deliver, far, carry.ref, time.monotonic(), 0, carry.row)
            relay.diverting.keep_brought(device, flight, carry.expires)
            return
        self.figures["in"] += 1
        send = Send(carry.ref, carry.to, carry.id, carry.body, carry.keep, carry.ttl)
        target = relay.attendance.routes.get(carry.to)
        now = time.monotonic()
        if target is not None and target.forward(
            carry.sender, carry.id, carry.at, carry.to, carry.body, far, carry.ref, now, 0, carry.keep, carry.ttl
        ):
            target.flights[-1].place = carry.row
            relay.figures.forwarded += 1
        elif target is not None or not self.carry(far, carry.sender, send, carry.at, carry.row, carry.hops + 1):
            relay.diverting.keep_or_pass(far, carry.sender, send, now, carry.at, carry.row)

    def _moved(self, before: Place, place: Place) -> None:
        """A peer says where a device is."""
        device = place.device
        session = self.relay.attendance.sessions.get(device)
        if session is not None:
            if place.state not in PRESENT and session.state is State.READY:
                self.changed(device, "resumed")  # it is here, whatever is said elsewhere of its past
                return
            if place.state in PRESENT:
                self.handing.end(session)
        if place.state != FORGOTTEN and (place.state != before.state or place.node != before.node):
            self._tell(device, place.state, place.at)
        if place.state in PRESENT:
            self.bring(device)

    def _insist(self, place: Place) -> None:
        """A peer says that it has a device which has come to us since: what we have said may have been overwritten by that."""
        session, ours = self.relay.attendance.sessions.get(place.device), self.places.devices.get(place.device)
        if session is not None and session.state is State.READY and place.state in PRESENT and ours is not None:
            self.backbone.publish(ours)

    def _list(self, listing: Listing) -> None:
        """A peer says what is registered under a key."""
        relay, profile = self.relay, listing.profile
        owner = relay.attendance.routes.get(listing.key)
        if owner is not None and (profile is None or profile.device != owner.key):
            relay.attendance.disown(owner, listing.key)
        if profile is not None:
            relay.directory.put(profile)
            if self.places.is_present(profile.device):
                relay.attendance.tell_watchers(listing.key, "came", listing.at)
        elif relay.directory.remove(listing.key):
            relay.attendance.tell_watchers(listing.key, "left", listing.at)

    def _tell(self, device: bytes, state: str, at: int) -> None:
        for key in {device, *self.relay.directory.keys_of(device)}:
            self.relay.attendance.tell_watchers(key, state, at)

    def _say_place(self, place: Place) -> None:
        self.places.learn_place(place)
        self.backbone.publish(place)

    def bring(self, device: bytes, *, is_awaited: bool = False) -> None:
        """Have what we keep for a device brought to the node where it is."""
        place = self.places.elsewhere(device)
        going = self._bringing.get(device)
        if place is None or (going is None and not self.relay.mailbox.waiting(device)):
            return
        if going is not None and going.node == place.node:
            going.more(is_awaited=is_awaited)
            return
        self.keep(device, on=True)
        fresh = self._bringing[device] = Bringing(self, device, place.node, is_awaited=is_awaited)
        self.relay.spawn(fresh.run())

    def brought(self, bringing: Bringing) -> None:
        """One is over."""
        if self._bringing.get(bringing.device) is bringing:
            del self._bringing[bringing.device]
            if not self.relay.mailbox.waiting(bringing.device):
                self.keep(bringing.device, on=False)


def _wall() -> int:
    return time.time_ns() // 1_000_000
