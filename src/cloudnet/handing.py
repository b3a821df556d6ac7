"""A client comes to another node than before: its session is handed over, and its older mail awaited before anything newer.

`relay` asks `fetch` before it lets in somebody who was last elsewhere and `hold` once that one is in; `network` passes on what
peers say of it. The old node parks what is in flight, answers with what the session had, and brings the mail (`bringing`). One
that does not answer costs a client its session, never its mail.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from cloudnet.backbone import Emptied, Fetch, Handover, Place
from cloudnet.codes import Code
from cloudnet.packets import Login, Resume
from cloudnet.presence import TAKEN_OVER
from cloudnet.session import Session, State

if TYPE_CHECKING:
    from cloudnet.network import Network

logger = logging.getLogger(__name__)

FETCH_SECONDS = 2.0
"""How long another node may take to hand a session over; then the client is let in without it."""
AGAIN_SECONDS = 5.0
"""How often a node that lives is asked again for mail that a client waits for: NATS may lose what was said."""

Then = Callable[[Handover | None], None]


class Asked(NamedTuple):
    """A Fetch without its answer yet."""

    node: str
    then: Then
    deadline: float


class Handing:
    """One node's sessions on their way in and out."""

    def __init__(self, network: Network) -> None:
        """Nobody is under way."""
        self._network = network
        self._asked: dict[int, Asked] = {}
        self._again = 0.0

    def fetch(self, login: Login, age: float, then: Then) -> None:
        """Have a session handed over by the node where it was, if there is one; `then` gets the answer, None without one.

        `age`: seconds since the login's connection was opened.
        """
        place = self._network.places.elsewhere(login.key)
        if place is None:
            then(None)
            return
        ask = self._network.carriage.ref()
        self._asked[ask] = Asked(place.node, then, time.monotonic() + FETCH_SECONDS)
        epoch, position = (login.resume.epoch, login.resume.position) if login.resume else (b"", 0)
        self._network.backbone.say(place.node, Fetch(ask, login.key, epoch, position, login.takeover, age))

    def hold(self, session: Session, now: float) -> None:
        """Older mail may be elsewhere, at its last home above all: nothing newer may overtake it.

        Also when an earlier session of the same client has waited for it here.
        """
        device, holding = session.key, self._network.holding
        place = self._network.places.devices.get(device)
        home = place.node if place is not None else self._network.places.node
        self._hold(session, {home, *holding.keepers(device), *holding.awaited(device)}, {home}, now)

    def kept(self, device: bytes, node: str) -> None:
        """A peer says that it keeps mail for a device: if that is here, what comes for it from now on is newer."""
        session = self._network.relay.attendance.sessions.get(device)
        if session is not None:
            self._hold(session, {node}, set(), time.monotonic())

    def _hold(self, session: Session, nodes: set[str], asked: set[str], now: float) -> None:
        """Read nothing for a client until these nodes have brought what they keep; those `asked` know that it is here."""
        found = {node for node in nodes if self._may_bring(node)}
        if found:
            self._network.relay.diverting.queue(session)
            session.is_held = True
            self._network.holding.hold(session.key, found, now)
            for node in found - asked:
                self._want_mail(node, session.key)

    def hand_over(self, node: str, fetch: Fetch) -> None:
        """A device of ours has come to a peer."""
        relay, device = self._network.relay, fetch.device
        session = relay.attendance.sessions.get(device)
        if session is not None and not fetch.ask:
            return  # it has come to us since
        answer = Handover(fetch.ask)
        waiting = relay.mailbox.waiting(device)
        if session is not None:
            fits = session.fits(Resume(fetch.epoch, fetch.position))
            if session.line is not None and session.line.opened > time.monotonic() - fetch.age:
                self._network.backbone.say(node, Handover(fetch.ask, Code.TAKEN_OVER, TAKEN_OVER[2]))
                return
            if session.state is State.READY and not (fits or fetch.takeover):
                why = "this key is connected already; a takeover must be asked for"
                self._network.backbone.say(node, Handover(fetch.ask, Code.ALREADY_CONNECTED, why))
                return
            if fits:
                relay.keeping.took(session, min(fetch.position, session.position))
                profiles, watches = tuple(session.profiles), tuple(session.watches)
                answer = Handover(fetch.ask, "", "", True, session.position, profiles, watches)
            self.end(session)
            waiting = relay.mailbox.waiting(device)
        if fetch.ask:
            self._network.backbone.say(node, answer)
        self._network.places.learn_place(Place(device, node, "came", self._network.places.moment(device, 0)))
        if waiting is None:
            self._network.keep(device, on=False)
            self._network.backbone.say(node, Emptied(device))
        else:
            self._network.bring(device, is_awaited=True)

    def end(self, session: Session) -> None:
        """A session goes on elsewhere: what is in flight goes to the mailbox, and from there behind it."""
        line = session.line
        if line is not None:
            line.wire.end(*TAKEN_OVER)
            self._network.relay.part(line)
        self._network.relay.attendance.end(session, "")

    def take_over(self, handover: Handover) -> None:
        """A peer has answered a `fetch`."""
        if asked := self._asked.pop(handover.ask, None):
            asked.then(handover)

    def emptied(self, device: bytes, node: str) -> None:
        """A peer keeps nothing for a device any more."""
        if self._network.holding.emptied(device, node):
            self._release(device)

    def joined(self, node: str) -> None:
        """A peer is back: clients here may wait for mail that it keeps."""
        for device in self._network.holding.waiting_for(node):
            self._want_mail(node, device)

    def lost(self, node: str) -> None:
        """A peer is gone: nobody waits for its answer, nor for its mail unless it will be back in a moment."""
        for device in [] if self._network.backbone.expects(node) else self._network.holding.lost(node):
            self._release(device)
        for ask in [ask for ask, asked in self._asked.items() if asked.node == node]:
            self._asked.pop(ask).then(None)

    def sweep(self, now: float) -> None:
        """Once a second: what has taken too long is given up."""
        for ask, asked in [(ask, asked) for ask, asked in self._asked.items() if now > asked.deadline]:
            del self._asked[ask]
            logger.warning("%s has not handed a session over in time", asked.node)
            asked.then(None)
        for device in self._network.holding.overdue(now):
            self._release(device)
        if now >= self._again:
            self._again = now + AGAIN_SECONDS
            for node in self._network.places.peers:
                self.joined(node)

    def _may_bring(self, node: str) -> bool:
        return node != self._network.places.node and (
            node in self._network.places.peers or self._network.backbone.expects(node)
        )

    def _want_mail(self, node: str, device: bytes) -> None:
        self._network.backbone.say(node, Fetch(0, device, b"", 0, takeover=False))

    def _release(self, device: bytes) -> None:
        """Nothing older is to come for a client: its own mailbox may be read now."""
        session = self._network.relay.attendance.sessions.get(device)
        if session is not None and session.is_held:
            session.is_held = False
            self._network.relay.keeping.read_on(session)


def _wall() -> int:
    return time.time_ns() // 1_000_000
