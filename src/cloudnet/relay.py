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

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from cloudnet.asking import Asking
from cloudnet.directory import Directory
from cloudnet.errors import Failed, Refused
from cloudnet.figures import Figures
from cloudnet.keys import written
from cloudnet.limits import Bucket
from cloudnet.mailbox import Mailbox
from cloudnet.packets import (
    ID_BYTES,
    KEY_BYTES,
    Ack,
    Close,
    Code,
    Deliver,
    Leave,
    Limits,
    Login,
    Profile,
    Send,
    Welcome,
    from_client,
)
from cloudnet.presence import TAKEN_OVER, Attendance
from cloudnet.session import DRAIN_SECONDS, KEEP_SECONDS, Flight, Greeting, Line, Origin, Session

logger = logging.getLogger(__name__)

PAGE = 128
"""How many messages are read from the mailbox at once."""
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
        self._mailbox_bytes = mailbox_bytes
        self._spawn = spawn
        self._routes = attendance.routes
        self._buckets: dict[bytes, Bucket] = {}
        self._asking = Asking(self, spawn)

    # -- connections ------------------------------------------------------------------------------

    def enter(self, line: Line, login: Login, greeting: Greeting) -> None:
        """A login was proved: find or make its session, and say welcome. Raises Refused."""
        now, at = time.monotonic(), _wall()
        if rival := self.attendance.rival(login):
            rival.wire.end(*TAKEN_OVER)
            self.lose(rival)
        session, resumed = self.attendance.enter(login, now)
        if resumed:
            assert login.resume is not None
            self._delete(session, session.take(min(login.resume.position, session.position)))
        session.drop_flights()
        waiting = self.mailbox.waiting(session.key)
        signature = greeting.sign(login, session.epoch)
        count = waiting.messages if waiting else 0
        line.say(Welcome(session.epoch, resumed, count, signature, self.limits, self.backups))
        self.attendance.ready(session, line, now, at, resumed=resumed)
        self._asking.know(session.key, at)
        if session.key not in self._buckets:
            rate = self.limits.messages_per_second
            self._buckets[session.key] = Bucket(rate, rate * BURST_SECONDS, now)
        if count:
            session.backlog = True
            self.read_on(session)

    def lose(self, line: Line) -> None:
        """A connection is gone: what was in flight on it goes to the disk, and its session may come back."""
        session = line.session
        if session is None:
            return
        self._park(session)
        self.attendance.lose(session, time.monotonic(), _wall())

    def leave(self, line: Line) -> None:
        """A client says that it goes for good."""
        session = line.session
        if session is not None:
            self._park(session)
            self.attendance.end(session, "left", _wall())

    # -- packets ------------------------------------------------------------------------------------

    def take(self, line: Line, message: bytes) -> None:
        """One WebSocket message of a logged-in client, packet by packet; raises Refused for what ends the connection."""
        packets = from_client(message)
        session = line.session
        if session is None:
            return  # it was taken over or ended; what still comes in is nobody's
        now = time.monotonic()
        session.heard = now
        session.pinged = False
        messages = 0
        for packet in packets:
            kind = type(packet)
            if kind is Send:
                messages += 1
                self._relay(line, session, packet, now)  # type: ignore[arg-type]  # kind says so
            elif kind is Ack:
                self._taken(session, packet.position, now)  # type: ignore[union-attr]
            elif kind is Leave:
                self.leave(line)
                line.wire.end(Close.LEFT, Code.LEFT, "as you wish")
                return
            else:
                self.figures.packets[kind.__name__] += 1
                messages += self._asking.take(line, session, packet)
        if messages:
            self._hold_back(line, session, messages, now)

    def _taken(self, session: Session, position: int, now: float) -> None:
        flights = session.flights
        if flights:
            count, oldest = len(flights), flights[0].at
            kept = session.take(position)
            if count := count - len(flights):
                self.figures.taken += count
                self.figures.delay.observe(now - oldest, count)
            if kept:
                self._delete(session, kept)
        elif position > session.position:
            session.take(position)
        if session.backlog:
            self.read_on(session)

    def _hold_back(self, line: Line, session: Session, messages: int, now: float) -> None:
        """Who sends faster than granted, or has too much under way, is not read for a while: TCP tells the sender."""
        wait = self._buckets[session.key].take(messages, now)
        if wait:
            self.figures.paused[Code.TOO_FAST] += 1
            line.wire.pause(wait)
        if line.pending > self.limits.under_way and not line.paused:
            self.figures.paused[Code.TOO_MANY] += 1
            line.paused = True
            line.wire.pause(float("inf"))
        elif line.clogged_at and not line.paused:  # who reads no answers gets none: they would pile up
            self.figures.paused[Code.SLOW_READER] += 1
            line.paused = True
            line.wire.pause(float("inf"))

    # -- messages -----------------------------------------------------------------------------------

    def _relay(self, line: Line, session: Session, send: Send, now: float) -> None:
        line.seq += 1
        if send.seq != line.seq:
            raise Refused(f"message {send.seq} came where {line.seq} was due", Code.OUT_OF_ORDER)
        if len(send.id) != ID_BYTES or len(send.to) != KEY_BYTES:
            raise Refused("a message's id has 16 bytes, its recipient's key 32", Code.MALFORMED)
        line.pending += 1
        body = send.body
        self.figures.received += 1
        self.figures.received_bytes += len(body)
        if len(body) > self.limits.body_bytes:
            self.drop(
                line, send.seq, Code.TOO_BIG, f"a body of {len(body)} bytes is over the limit of {self.limits.body_bytes}"
            )
            return
        target = self._routes.get(send.to)
        if target is not None and target.is_open:
            self.figures.forwarded += 1
            target.forward(session.key, send.id, _wall(), send.to, body, line, send.seq, now)
            return
        self.keep_or_pass(line, session.key, send, now)

    def keep_or_pass(self, origin: Origin, sender: bytes, send: Send, now: float) -> None:
        """A message whose recipient cannot be reached right away: to the mailbox, or back with the reason."""
        target = self._routes.get(send.to)
        device = target.key if target is not None else self.device_of(send.to)
        if device is None:
            self.drop(origin, send.seq, Code.UNKNOWN_RECIPIENT, f"nobody here is {written(send.to)}")
            return
        if target is None:  # its device may be here in a fresh session that has not registered this key again
            target = self.attendance.sessions.get(device)
        if not send.keep and (target is None or target.line is None):
            self.drop(
                origin, send.seq, Code.UNKNOWN_RECIPIENT, "the recipient is not connected, and the message was not to be kept"
            )
            return
        if target is not None and target.line is not None and not target.backlog:
            self._park(target)
            target.backlog = True
        at = _wall()
        flight = Flight(Deliver(0, sender, send.id, at, send.to, send.body), origin, send.seq, now, 0)
        if self._keep(device, flight, send.ttl) and target is not None:
            target.last_row = flight.row
            self.read_on(target)

    def device_of(self, key: bytes) -> bytes | None:
        """Which device answers for a key; None for one that nobody has ever shown here."""
        if key in self.attendance.known:
            return key
        profile = self.directory.profile(key)
        return profile.device if profile else None

    def is_present(self, device: bytes) -> bool:
        """Whether a device is connected, here or elsewhere in this network."""
        return self.attendance.is_present(device)

    def changed_profiles(self, profiles: Sequence[Profile], gone: Sequence[bytes]) -> None:
        """The directory has changed through a client of ours."""

    def unclogged(self, line: Line) -> None:
        """A client reads again."""
        line.clogged_at = 0.0
        if line.paused:
            line.relieve()
        if line.session is not None and line.session.backlog:
            self.read_on(line.session)

    def drop(self, origin: Origin, seq: int, code: str, why: str) -> None:
        """A message is not taken: counted, and its sender told."""
        self.figures.drops[code] += 1
        origin.reject(seq, code, why)

    # -- the mailbox ----------------------------------------------------------------------------------

    def _keep(self, device: bytes, flight: Flight, ttl: int = 0) -> bool:
        """Put a message into the mailbox if there is room; else it is dropped with the reason."""
        waiting = self.mailbox.waiting(device)
        why = ""
        code = Code.MAILBOX_FULL
        if waiting and waiting.messages >= self.limits.mailbox_messages:
            why = f"{waiting.messages} messages wait for the recipient already"
        elif waiting and waiting.bytes + flight.size > self.limits.mailbox_bytes:
            why = f"{waiting.bytes} bytes wait for the recipient already"
        elif self.mailbox.total_bytes + flight.size > self._mailbox_bytes:
            why, code = "the server's mailbox is full", Code.NO_ROOM
        if why:
            if flight.origin is not None:
                self.drop(flight.origin, flight.seq, code, why)
                flight.origin = None
            else:
                self.figures.drops[code] += 1
            return False
        seconds = min(ttl, self.limits.mailbox_seconds) if ttl > 0 else self.limits.mailbox_seconds
        self.mailbox.put(device, flight, _wall() + seconds * 1000)
        self.figures.kept += 1
        return True

    def _park(self, session: Session) -> None:
        """Put what is in flight and on no disk into the mailbox, oldest first, so that what comes later stays behind it."""
        for flight in session.unkept():
            if self._keep(session.key, flight):
                session.last_row = flight.row

    def not_kept(self, flight: Flight, why: str) -> None:
        """The disk did not take a message."""
        if flight.origin is not None:
            self.drop(flight.origin, flight.seq, Code.NO_ROOM, why)
            flight.origin = None

    def _delete(self, session: Session, flights: list[Flight]) -> None:
        for flight in flights:
            self.mailbox.delete(session.key, flight)

    def read_on(self, session: Session) -> None:
        """Read more of a session's mailbox when there is room in flight for it."""
        if session.is_reading or session.line is None or session.line.clogged_at:
            return
        if len(session.flights) > self.limits.under_way >> 1:
            return
        session.is_reading = True
        self._spawn(self._read(session, session.line))

    async def _read(self, session: Session, line: Line) -> None:
        try:
            last_row = session.last_row
            mails = await self.mailbox.read(session.key, session.read_upto, PAGE, _wall())
        except Failed as fault:
            logger.warning("a mailbox cannot be read: %s", fault.why)
            await asyncio.sleep(1.0)
            mails, last_row = [], -1
        finally:
            session.is_reading = False
        if session.line is not line:
            if session.line is not None:  # it came back meanwhile, on another connection
                self.read_on(session)
            return
        now = time.monotonic()
        flying = {flight.row for flight in session.flights if flight.row}
        for mail in mails:
            session.read_upto = mail.row
            if mail.row not in flying:
                session.forward(mail.sender, mail.id, mail.at, mail.to, mail.body, None, 0, now, mail.row)
                self.figures.replayed += 1
        if len(mails) < PAGE and session.last_row == last_row:
            session.backlog = False
        else:
            self.read_on(session)

    # -- once a second ----------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """See to every deadline: silent clients, windows that close, messages nobody takes, connections that are stuck."""
        oldest = now
        for session in list(self.attendance.sessions.values()):
            if session.flights and session.flights[0].at < now - KEEP_SECONDS:
                oldest = min(oldest, session.flights[0].at)
                self._keep_overdue(session, now)
            line = session.line
            if line is not None and line.clogged_at and now - line.clogged_at >= DRAIN_SECONDS:
                line.wire.end(Close.OVERLOADED, Code.SLOW_READER, "you do not read what is sent to you")
                self.lose(line)
            elif session.is_overdue(now):
                if line is not None:
                    line.wire.end(Close.DEADLINE, Code.DEADLINE, "nothing was heard of you")
                    self.lose(line)
                else:
                    self.attendance.end(session, "left", _wall())
            elif line is not None and session.wants_ping(now):
                line.wire.ping()
        self.figures.oldest_under_way = now - oldest
        for key in [
            key for key, bucket in self._buckets.items() if key not in self.attendance.sessions and bucket.is_full(now)
        ]:
            del self._buckets[key]

    def _keep_overdue(self, session: Session, now: float) -> None:
        for flight in session.unkept(now):
            if flight.origin is None or not self._keep_aside(session, flight):
                break

    def _keep_aside(self, session: Session, flight: Flight) -> bool:
        """A copy on the disk of what stays in flight; when there is no room its sender waits on."""
        waiting = self.mailbox.waiting(session.key)
        if waiting and (waiting.messages >= self.limits.mailbox_messages or waiting.bytes > self.limits.mailbox_bytes):
            return False
        if self.mailbox.total_bytes + flight.size > self._mailbox_bytes:
            return False
        self.mailbox.put(session.key, flight, _wall() + self.limits.mailbox_seconds * 1000)
        session.last_row = flight.row
        self.figures.kept += 1
        return True

    async def settle_everything(self) -> None:
        """Before the end: what is in flight goes to the disk, and whoever sent it is told."""
        for session in self.attendance.sessions.values():
            self._park(session)
        await self.mailbox.flush()


def _wall() -> int:
    return time.time_ns() // 1_000_000
