"""Messages that cannot be forwarded where they came in: to another node, into the mailbox, or back with the reason.

`relay` forwards what it can at once and leaves the rest to `send`; `network` comes here with what peers have carried to us
or have not settled. Between two keys the order holds: once one message went to the mailbox, those behind it do too, and what is
in flight already stays ahead of them, also when the client is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudnet.codes import NOT_TO_BE_KEPT, Code
from cloudnet.keys import written
from cloudnet.line import Line, Origin
from cloudnet.packets import Deliver, Send
from cloudnet.session import Flight, Session

if TYPE_CHECKING:
    from cloudnet.relay import Relay


class Diverting:
    """One relay's detours."""

    def __init__(self, relay: Relay) -> None:
        """Nothing is diverted yet."""
        self._relay = relay

    def send(self, line: Line, sender: bytes, send: Send, now: float, at: int) -> None:
        """A message that is too long, or whose recipient is not here, or cannot be sent to right away."""
        relay, most = self._relay, self._relay.limits.body_bytes
        if len(send.body) > most:
            why = f"a body of {len(send.body)} bytes is over the limit of {most}"
            relay.keeping.drop(line, send.seq, Code.TOO_BIG, why)
        elif send.to in relay.attendance.routes or not relay.elsewhere or not relay.elsewhere.carry(line, sender, send, at):
            self.keep_or_pass(line, sender, send, now, at)

    def keep_or_pass(self, origin: Origin, sender: bytes, send: Send, now: float, at: int, place: int = 0) -> None:
        """A message whose recipient cannot be reached right away: to the mailbox, or back with the reason.

        `at`: when the network got it, in ms since the epoch; `place`: the one in the order of all, if it has one.
        """
        relay = self._relay
        target = relay.attendance.routes.get(send.to)
        device = target.key if target is not None else relay.device_of(send.to)
        if device is None:
            relay.keeping.drop(origin, send.seq, Code.UNKNOWN_RECIPIENT, f"nobody here is {written(send.to)}")
            return
        if target is None:
            # A profile of an earlier session: its device may be here and has not registered it again yet, or never will.
            target = relay.attendance.sessions.get(device)
            if target is not None and target.forward(
                sender, send.id, at, send.to, send.body, origin, send.seq, now, 0, send.keep, send.ttl
            ):
                relay.figures.forwarded += 1
                return
        if not send.keep and (target is None or target.line is None):
            relay.keeping.drop(origin, send.seq, *NOT_TO_BE_KEPT)
            return
        if target is not None and target.line is not None and not target.backlog:
            for before in target.unkept():
                if not relay.keeping.keep_aside(target, before):
                    relay.keeping.drop(origin, send.seq, *relay.keeping.full(device, before.size))
                    return
            target.backlog = True
        flight = Flight(Deliver(0, sender, send.id, at, send.to, send.body), origin, send.seq, now, 0, place)
        flight.keep, flight.ttl = send.keep, send.ttl
        if relay.keeping.keep(device, flight):
            self._put(device, target, flight)

    def keep_brought(self, device: bytes, flight: Flight, expires: int) -> None:
        """A message that another node has kept so far, at its place in the order."""
        relay = self._relay
        target = relay.attendance.sessions.get(device)
        if target is not None:
            self.queue(target)
        if relay.keeping.keep(device, flight, expires=expires):
            self._put(device, target, flight)

    def queue(self, target: Session) -> None:
        """Whatever comes for a session from now on goes to its mailbox, until that was read.

        What is in flight already stays ahead of it, also when the client is lost.
        """
        if target.line is not None and not target.backlog:
            for before in target.unkept():
                self._relay.keeping.keep_aside(target, before)
        target.backlog = True

    def _put(self, device: bytes, target: Session | None, flight: Flight) -> None:
        """Something is in the mailbox: have it read, here or where the device is."""
        relay = self._relay
        if target is not None:
            target.put(flight.row)
            relay.keeping.read_on(target)
        elif relay.elsewhere is not None:
            relay.elsewhere.kept(device)
