"""The switch: every packet of a connection comes in through `take`, every message goes where its recipient is.

A message to somebody present is forwarded at once and is in flight until the recipient's application has taken it; one to
somebody
absent, or too slow, goes to the mailbox. Its sender is told `Accepted` when it has been taken or is on the disk, so an
acknowledged
message outlives kill -9, and a present recipient costs no disk. Between two keys messages keep their order: once one went to
the
mailbox, those behind it do too, until the mailbox has been read. `asking` answers everything that is no message.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from cloudnet.asking import Asking
from cloudnet.codec import from_client
from cloudnet.codes import Close, Code
from cloudnet.directory import Directory
from cloudnet.errors import Refused
from cloudnet.figures import Figures
from cloudnet.greeting import Greeting
from cloudnet.keeping import Keeping
from cloudnet.keys import written
from cloudnet.limits import Bucket
from cloudnet.line import Line, Origin
from cloudnet.mailbox import Mailbox
from cloudnet.packets import ID_BYTES, KEY_BYTES, Ack, Deliver, Leave, Limits, Login, Profile, Send, Welcome
from cloudnet.presence import TAKEN_OVER, Attendance
from cloudnet.session import DRAIN_SECONDS, KEEP_SECONDS, Flight, Session

if TYPE_CHECKING:
    from cloudnet.backbone import Handover
    from cloudnet.network import Network

logger = logging.getLogger(__name__)

BURST_SECONDS = 2.0
"""A client may send as many messages at once as its rate allows in so many seconds."""

LOOKS = 64
"""Sessions whose deadlines are seen to in one turn of the event loop: thousands that came at once are due at once."""

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Relay:
    """One server's switch."""

    def __init__(
        self,
        limits: Limits,
        attendance: Attendance,
        directory: Directory,
        mailbox: Mailbox,
        figures: Figures,
        mailbox_bytes: int,
        spawn: Spawn,
    ) -> None:
        """`mailbox_bytes` bounds the mailbox as a whole; `spawn` runs what has to wait for the disk."""
        self.limits = limits
        self.attendance = attendance
        self.directory = directory
        self.mailbox = mailbox
        self.figures = figures
        self.backups: tuple[str, ...] = ()
        """Where clients may turn to when we are gone."""
        self.most_devices = 0
        """How many devices may be known; a key costs a stranger nothing, so there has to be a bound. 0 is none."""
        self.spawn = spawn
        self.keeping = Keeping(limits, mailbox, attendance.routes, figures, mailbox_bytes, spawn)
        self.elsewhere: Network | None = None
        """The other nodes, where there are any."""
        self._routes = attendance.routes
        self._buckets: dict[bytes, Bucket] = {}
        self.clogs: set[Line] = set()
        """Connections that take nothing of what is written to them."""
        self._asking = Asking(self, spawn)

    # -- connections ------------------------------------------------------------------------------

    def knock(self, login: Login, then: Callable[[Handover | None], None]) -> None:
        """A login was proved: `then` is called when its session is here, if it was on another node; most often at once."""
        if self.elsewhere is None or login.key in self.attendance.sessions:
            then(None)
        else:
            self.elsewhere.handing.fetch(login, then)

    def enter(self, line: Line, login: Login, greeting: Greeting, handover: Handover | None = None) -> None:
        """Find or make the session of a proved login, and say welcome. Raises Refused."""
        now, at = time.monotonic(), _wall()
        if handover is not None and handover.code:
            raise Refused(handover.why, handover.code)
        if rival := self.attendance.rival(login):
            rival.wire.end(*TAKEN_OVER)
            self.lose(rival)
        if self.most_devices and login.key not in self.attendance.known and len(self.attendance.known) >= self.most_devices:
            raise Refused(f"this server knows {self.most_devices} devices already", Code.NO_ROOM)
        is_here = login.key in self.attendance.sessions
        session, resumed = self.attendance.enter(login, now)
        if resumed:
            assert login.resume is not None
            self.keeping.took(session, min(login.resume.position, session.position))
        session.drop_flights()
        if handover is not None:
            resumed = self._move_in(session, login, handover)
        if self.elsewhere is not None and not is_here:
            self.elsewhere.handing.hold(session, now)
        waiting = self.mailbox.waiting(session.key)
        signature = greeting.sign(login, session.epoch)
        count = waiting.messages if waiting else 0
        line.say(Welcome(session.epoch, resumed, count, signature, self.limits, self.backups))
        self.attendance.ready(session, line, now, at, resumed=resumed)
        self._asking.know(session.key, at, at_once=handover is not None)
        if session.key not in self._buckets:
            rate = self.limits.messages_per_second
            self._buckets[session.key] = Bucket(rate, rate * BURST_SECONDS, now)
        session.allowance = self._buckets[session.key]
        session.backlog |= bool(count)
        if self.elsewhere is not None:
            self.elsewhere.reclaim(session.key)  # before anything is read, since it comes before what is read
        if session.backlog:
            self.keeping.read_on(session)

    def _move_in(self, session: Session, login: Login, handover: Handover) -> bool:
        """What the session had on another node; whether it is resumed."""
        if not handover.resumed or login.resume is None:
            return False
        session.epoch, session.position = login.resume.epoch, handover.position
        for key in handover.profiles:
            self.attendance.own(session, key)
        self.attendance.watch(session, handover.watches, on=True)
        return True

    def part(self, line: Line) -> None:
        """As `lose`, but nobody is told: the session goes on on another node."""
        self.clogs.discard(line)
        session = line.session
        if session is not None:
            self.keeping.park(session)
            session.detach(time.monotonic())

    def lose(self, line: Line) -> None:
        """A connection is gone: what was in flight on it goes to the disk, and its session may come back."""
        self.clogs.discard(line)
        session = line.session
        if session is None:
            return
        self.keeping.park(session)
        self.attendance.lose(session, time.monotonic(), _wall())

    def leave(self, line: Line) -> None:
        """A client says that it goes for good."""
        self.clogs.discard(line)
        session = line.session
        if session is not None:
            self.keeping.park(session)
            self.attendance.end(session, "left", _wall())

    # -- packets ------------------------------------------------------------------------------------

    def take(self, line: Line, message: bytes) -> None:
        """One WebSocket message of a logged-in client, packet by packet; raises Refused for what ends the connection.

        The busiest passage beside `Session.forward`: what most messages need stands here, `_relay` does the rest.
        """
        packets = from_client(message)
        session = line.session
        if session is None:
            return  # it was taken over or ended; what still comes in is nobody's
        now, at = time.monotonic(), time.time_ns() // 1_000_000
        session.heard = now
        session.pinged = False
        sender, routes, most = session.key, self._routes, self.limits.body_bytes
        before, size, forwarded, asked = line.seq, 0, 0, 0
        try:
            for packet in packets:
                if type(packet) is Send:
                    seq, body = line.seq + 1, packet.body
                    if packet.seq != seq or len(packet.id) != ID_BYTES or len(packet.to) != KEY_BYTES:
                        raise _unfit(packet, seq)
                    line.seq = seq
                    line.pending += 1
                    size += len(body)
                    target = routes.get(packet.to)
                    if (
                        target is not None
                        and len(body) <= most
                        and target.forward(sender, packet.id, at, packet.to, body, line, seq, now)
                    ):
                        forwarded += 1
                    else:
                        self._relay(line, sender, packet, now, at)
                elif type(packet) is Ack:
                    self._taken(session, packet.position, now)
                elif type(packet) is Leave:
                    self.leave(line)
                    line.wire.end(Close.LEFT, Code.LEFT, "as you wish")
                    return
                else:
                    self.figures.packets[type(packet).__name__] += 1
                    asked += self._asking.take(line, session, packet)
        finally:
            self.figures.received += line.seq - before
            self.figures.received_bytes += size
            self.figures.forwarded += forwarded
        # acknowledgements and empty messages are not free either
        wait = session.allowance.take(line.seq - before + asked or 1, now)
        if wait or line.clogged_at or line.pending > self.limits.under_way:
            self._hold_back(line, wait)

    def _taken(self, session: Session, position: int, now: float) -> None:
        flights = session.flights
        if flights:
            count, oldest = len(flights), flights[0].at
            kept = session.take(position)
            if count := count - len(flights):
                self.figures.taken += count
                self.figures.delay.observe(now - oldest, count)
            if kept:
                self.keeping.delete(session, kept)
        elif position > session.position:
            session.take(position)
        if session.backlog:
            self.keeping.read_on(session)

    def _hold_back(self, line: Line, wait: float) -> None:
        """Who sends faster than granted, or has too much under way, is not read for a while: TCP tells the sender."""
        if wait:
            self.figures.paused[Code.TOO_FAST] += 1
            line.wire.pause(wait)
        if line.unsettled > self.limits.under_way and not line.paused:
            self.figures.paused[Code.TOO_MANY] += 1
            line.paused = True
            line.wire.pause(float("inf"))
        elif line.clogged_at and not line.paused:  # who reads no answers gets none: they would pile up
            self.figures.paused[Code.SLOW_READER] += 1
            line.paused = True
            line.wire.pause(float("inf"))

    # -- messages -----------------------------------------------------------------------------------

    def _relay(self, line: Line, sender: bytes, send: Send, now: float, at: int) -> None:
        """A message that is too long, or whose recipient is not here, or cannot be sent to right away."""
        if len(send.body) > self.limits.body_bytes:
            why = f"a body of {len(send.body)} bytes is over the limit of {self.limits.body_bytes}"
            self.keeping.drop(line, send.seq, Code.TOO_BIG, why)
        elif send.to in self._routes or self.elsewhere is None or not self.elsewhere.carry(line, sender, send, at):
            self.keep_or_pass(line, sender, send, now, at)

    def keep_or_pass(self, origin: Origin, sender: bytes, send: Send, now: float, at: int, row: int = 0) -> None:
        """A message whose recipient cannot be reached right away: to the mailbox, or back with the reason.

        `at`: when the network got it, in ms since the epoch; `row`: its place in the mailbox's order, if it has one already.
        """
        target = self._routes.get(send.to)
        device = target.key if target is not None else self.device_of(send.to)
        if device is None:
            self.keeping.drop(origin, send.seq, Code.UNKNOWN_RECIPIENT, f"nobody here is {written(send.to)}")
            return
        if target is None:
            # A profile of an earlier session: its device may be here and has not registered it again yet, or never will.
            target = self.attendance.sessions.get(device)
            if target is not None and target.forward(sender, send.id, at, send.to, send.body, origin, send.seq, now):
                self.figures.forwarded += 1
                return
        if not send.keep and (target is None or target.line is None):
            self.keeping.drop(
                origin, send.seq, Code.UNKNOWN_RECIPIENT, "the recipient is not connected, and the message was not to be kept"
            )
            return
        if target is not None and target.line is not None and not target.backlog:
            for before in target.unkept():
                if not self.keeping.keep_aside(target, before):
                    self.keeping.drop(origin, send.seq, *self.keeping.full(device, before.size))
                    return
            target.backlog = True
        flight = Flight(Deliver(0, sender, send.id, at, send.to, send.body), origin, send.seq, now, 0)
        if target is not None and not target.can_still_read(row):
            row = 0
        if self.keeping.keep(device, flight, send.ttl, row=row):
            self._put(device, target, flight)

    def keep_brought(self, device: bytes, flight: Flight, row: int, expires: int) -> None:
        """A message that another node has kept so far, with its place in the order there."""
        target = self.attendance.sessions.get(device)
        if target is not None:
            row = row if target.can_still_read(row) else 0
            if target.line is not None and not target.backlog:
                for before in target.unkept():  # what is in flight already stays ahead of it, also when the client is lost
                    self.keeping.keep_aside(target, before)
            target.backlog = True
        if self.keeping.keep(device, flight, expires=expires, row=row):
            self._put(device, target, flight)

    def _put(self, device: bytes, target: Session | None, flight: Flight) -> None:
        """Something is in the mailbox: have it read, here or where the device is."""
        if target is not None:
            target.last_row = flight.row
            self.keeping.read_on(target)
        elif self.elsewhere is not None:
            self.elsewhere.kept(device)

    def device_of(self, key: bytes) -> bytes | None:
        """Which device answers for a key; None for one that nobody has ever shown here."""
        if key in self.attendance.known:
            return key
        if self.elsewhere is not None:
            return self.elsewhere.device_of(key)
        profile = self.directory.profile(key)
        return profile.device if profile else None

    def is_present(self, device: bytes) -> bool:
        """Whether a device is connected, here or elsewhere in this network."""
        if self.attendance.is_present(device):
            return True
        return self.elsewhere is not None and self.elsewhere.places.is_present(device)

    def listed(self, key: bytes, profile: Profile | None) -> int:
        """A client of ours has registered a profile, or taken it back; returns the time under which that is known."""
        at = _wall()
        if self.elsewhere is not None:
            at = self.elsewhere.places.moment_of_listing(key, at)
            self.elsewhere.listed(key, profile, at)
        return at

    def clogged(self, line: Line, now: float) -> None:
        """A client does not read what is written to it."""
        line.clogged_at = now
        self.clogs.add(line)

    def unclogged(self, line: Line) -> None:
        """It reads again."""
        line.clogged_at = 0.0
        self.clogs.discard(line)
        if line.paused:
            line.relieve()
        else:
            line.wire.proceed()  # it may have been too fast before, and that pause ended while it was clogged
        if line.session is not None and line.session.backlog:
            self.keeping.read_on(line.session)

    # -- once a second ----------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """See to every deadline at once; a server takes the sessions a few at a time."""
        self.sweep_messages(now)
        while self.sweep_sessions(now):
            pass
        self.forget(now)

    def sweep_sessions(self, now: float) -> bool:
        """Silent clients and windows that close, `LOOKS` of them; whether there may be more."""
        due = self.attendance.deadlines.due(self.attendance.sessions, now, LOOKS)
        for session in due:
            line = session.line
            if not session.is_overdue(now):
                if session.wants_ping(now) and line is not None:
                    line.wire.ping()
                self.attendance.deadlines.watch(session)
            elif line is not None:
                line.wire.end(Close.DEADLINE, Code.DEADLINE, "nothing was heard of you")
                self.lose(line)
            else:
                self.attendance.end(session, "left", _wall())
        return len(due) == LOOKS

    def sweep_messages(self, now: float) -> None:
        """Messages that nobody takes, connections that are stuck."""
        oldest = now
        flying = self.attendance.flying
        for session in list(flying):
            if not session.flights:
                flying.discard(session)
            elif session.flights[0].at < now - KEEP_SECONDS:
                oldest = min(oldest, session.flights[0].at)
                self.keeping.keep_overdue(session, now)
        for line in [line for line in self.clogs if line.session is not None and now - line.clogged_at >= DRAIN_SECONDS]:
            line.wire.end(Close.OVERLOADED, Code.SLOW_READER, "you do not read what is sent to you")
            self.lose(line)
        self.figures.oldest_under_way = now - oldest

    def forget(self, now: float) -> None:
        """Drop what is known of the rates of those who are not here and have been quiet."""
        sessions = self.attendance.sessions
        for key in [key for key, bucket in self._buckets.items() if key not in sessions and bucket.is_full(now)]:
            del self._buckets[key]

    async def settle_everything(self) -> None:
        """Before the end: what is in flight goes to the disk, and whoever sent it is told."""
        for session in self.attendance.sessions.values():
            self.keeping.park(session)
        await self.mailbox.flush()


def _unfit(send: Send, seq: int) -> Refused:
    """Why a message ends its connection."""
    if send.seq != seq:
        return Refused(f"message {send.seq} came where {seq} was due", Code.OUT_OF_ORDER)
    return Refused("a message's id has 16 bytes, its recipient's key 32", Code.MALFORMED)


def _wall() -> int:
    return time.time_ns() // 1_000_000
