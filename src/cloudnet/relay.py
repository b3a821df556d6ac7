"""The switch: every packet of a connection comes in through `take`, every message goes where its recipient is.

A message to somebody present is forwarded at once and is in flight until the recipient's application has taken it; one to
somebody absent, or too slow, goes to the mailbox (`diverting`). Its sender is told `Accepted` when it has been taken or is on
the disk, so an acknowledged message outlives kill -9, and a present recipient costs no disk. `asking` answers everything that
is no message, `sweeping` does what is due once a second.
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
from cloudnet.diverting import Diverting
from cloudnet.errors import Refused
from cloudnet.figures import Figures
from cloudnet.greeting import Greeting
from cloudnet.keeping import Keeping
from cloudnet.limits import Bucket
from cloudnet.line import Line
from cloudnet.mailbox import Mailbox
from cloudnet.packets import ID_BYTES, KEY_BYTES, Ack, Leave, Limits, Login, Profile, Send, Welcome
from cloudnet.presence import TAKEN_OVER, Attendance
from cloudnet.session import Session
from cloudnet.sweeping import Sweeping

if TYPE_CHECKING:
    from cloudnet.backbone import Handover
    from cloudnet.network import Network

logger = logging.getLogger(__name__)

BURST_SECONDS = 2.0
"""A client may send as many messages at once as its rate allows in so many seconds."""

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
        self.names: frozenset[str] = frozenset()
        """How clients reach us, in small letters; empty: however they say."""
        self.most_devices = 0
        """How many devices may be known; a key costs a stranger nothing, so there has to be a bound. 0 is none."""
        self.most_profile_bytes = 0
        """How large the directory may be; 0 is no bound."""
        self.spawn = spawn
        self.keeping = Keeping(limits, mailbox, attendance.routes, figures, mailbox_bytes, spawn)
        self.elsewhere: Network | None = None
        """The other nodes, where there are any."""
        self._routes = attendance.routes
        self.buckets: dict[bytes, Bucket] = {}
        """What each device may say, by key: outlives sessions, else coming back would renew it."""
        self.clogs: set[Line] = set()
        """Connections that take nothing of what is written to them."""
        self.asking = Asking(self, spawn)
        self.diverting = Diverting(self)
        self.sweeping = Sweeping(self)

    # -- connections ------------------------------------------------------------------------------

    def knock(self, line: Line, login: Login, then: Callable[[Handover | None], None]) -> None:
        """A login was proved: `then` is called when its session is here, if it was on another node; most often at once."""
        if self.elsewhere is None or login.key in self.attendance.sessions:
            then(None)
        else:
            self.elsewhere.handing.fetch(login, time.monotonic() - line.opened, then)

    def enter(self, line: Line, login: Login, greeting: Greeting, handover: Handover | None = None) -> None:
        """Find or make the session of a proved login, and say welcome. Raises Refused."""
        now, at = time.monotonic(), _wall()
        if handover is not None and handover.code:
            raise Refused(handover.why, handover.code)
        if rival := self.attendance.rival(line, login):
            rival.wire.end(*TAKEN_OVER)
            self.lose(rival)
        if self.most_devices and login.key not in self.attendance.known and len(self.attendance.known) >= self.most_devices:
            raise Refused(f"this server knows {self.most_devices} devices already", Code.NO_ROOM)
        before = self.attendance.sessions.get(login.key)
        session, resumed = self.attendance.enter(login, now)
        if resumed:
            assert login.resume is not None
            self.keeping.took(session, min(login.resume.position, session.position))
        session.drop_flights()
        if handover is not None:
            resumed = self._move_in(session, login, handover)
        if self.elsewhere is not None and session is not before:
            self.elsewhere.handing.hold(session, now)
        waiting = self.mailbox.waiting(session.key)
        signature = greeting.sign(login, session.epoch)
        count = waiting.messages if waiting else 0
        line.say(Welcome(session.epoch, resumed, count, signature, self.limits, self.backups))
        self.attendance.ready(session, line, now, at, resumed=resumed)
        self.asking.know(session.key, at, at_once=handover is not None)
        if session.key not in self.buckets:
            rate = self.limits.messages_per_second
            self.buckets[session.key] = Bucket(rate, rate * BURST_SECONDS, now)
        session.allowance = self.buckets[session.key]
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

        The busiest passage beside `Session.forward`: what most messages need stands here, `diverting` does the rest.
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
                        and target.forward(sender, packet.id, at, packet.to, body, line, seq, now, 0, packet.keep, packet.ttl)
                    ):
                        forwarded += 1
                    else:
                        self.diverting.send(line, sender, packet, now, at)
                elif type(packet) is Ack:
                    self._taken(session, packet.position, now)
                elif type(packet) is Leave:
                    self.leave(line)
                    line.wire.end(Close.LEFT, Code.LEFT, "as you wish")
                    return
                else:
                    self.figures.packets[type(packet).__name__] += 1
                    asked += self.asking.take(line, session, packet)
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

    # -- what the parts ask ------------------------------------------------------------------------------

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

    def standing(self, device: bytes) -> tuple[str, int]:
        """How a device is, for who begins to watch it, and since when in ms; now, for one of whom nothing is known."""
        found = self.attendance.standing(device)
        if found is None and self.elsewhere is not None:
            found = self.elsewhere.standing(device)
        return found or ("left", _wall())

    def moment_of_listing(self, key: bytes) -> int:
        """The time in ms under which a profile is registered now, or taken back."""
        at = _wall()
        return at if self.elsewhere is None else self.elsewhere.places.moment_of_listing(key, at)

    def listed(self, key: bytes, profile: Profile | None, at: int) -> None:
        """A client of ours has registered a profile, or taken it back: it is on the disk, and others may know."""
        if self.elsewhere is not None:  # and something else may have been listed while it was written
            self.elsewhere.listed(key, profile, self.elsewhere.places.moment_of_listing(key, at))

    def clogged(self, line: Line, now: float) -> None:
        """A client does not read what is written to it."""
        line.clogged_at = now
        line.taken = line.wire.taken()
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

    # -- the end ------------------------------------------------------------------------------------------

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
