"""What a relay keeps for those who are not there, or too slow: into the mailbox within its bounds, and out of it in order.

`relay` says `keep` and `park`; `read_on` sends a session what waits for it, a page at a time, for as long as there is room in
flight. Whatever does not fit is dropped with its reason, counted, and its sender told. What is kept is settled by the mailbox
once it is on the disk, not here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from cloudnet.codes import NOT_TO_BE_KEPT, Code
from cloudnet.errors import Failed
from cloudnet.figures import Figures
from cloudnet.line import Line, Origin
from cloudnet.mailbox import ROW_BYTES, Mailbox
from cloudnet.packets import Limits
from cloudnet.session import Flight, Session

logger = logging.getLogger(__name__)

PAGE = 128
"""How many messages are read from the mailbox at once."""

SHARES = 64
"""The last quarter of the mailbox is for senders of whom less than one part in so many waits: it is common to all."""

TOO_OLD = (Code.EXPIRED, "the recipient is not connected, and the message was to be kept for a shorter time")
Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Keeping:
    """The way into one server's mailbox and out of it."""

    def __init__(
        self, limits: Limits, mailbox: Mailbox, routes: dict[bytes, Session], figures: Figures, most: int, spawn: Spawn
    ) -> None:
        """`routes` as in `presence`; `most` bounds the whole mailbox, in bytes; `spawn` runs what has to wait for the disk."""
        self._limits = limits
        self._mailbox = mailbox
        self._routes = routes
        self._figures = figures
        self._most = most
        self._spawn = spawn

    def keep(self, device: bytes, flight: Flight, *, expires: int = 0) -> bool:
        """Put a message into the mailbox if there is room; else it is dropped with the reason.

        `expires`: in ms since the epoch, when another node has said so.
        """
        code, why = self.full(device, flight.size)
        if not code and not expires and self._is_greedy(flight.deliver.sender):
            code, why = Code.NO_ROOM, "the server's mailbox is nearly full, and much of it is yours"
        if code:
            if flight.origin is not None:
                self.drop(flight.origin, flight.seq, code, why)
                flight.origin = None
            else:
                self._figures.drops[code] += 1
            return False
        self._mailbox.put(device, flight, expires or self._expires(flight))
        return True

    def full(self, device: bytes, size: int) -> tuple[str, str]:
        """Code and reason why a message of `size` bytes cannot be kept; two empty ones when it can."""
        waiting = self._mailbox.waiting(device)
        if waiting and waiting.messages >= self._limits.mailbox_messages:
            return Code.MAILBOX_FULL, f"{waiting.messages} messages wait for the recipient already"
        if waiting and waiting.bytes + size > self._limits.mailbox_bytes:
            return Code.MAILBOX_FULL, f"{waiting.bytes} bytes wait for the recipient already"
        if self._mailbox.used() + ROW_BYTES + size > self._most:
            return Code.NO_ROOM, "the server's mailbox is full"
        return "", ""

    def _is_greedy(self, sender: bytes) -> bool:
        """Whether one has more than a share in a mailbox that is nearly full: the rest is for those who have less."""
        return self._mailbox.used() > self._most - self._most // 4 and self._mailbox.used_by(sender) > self._most // SHARES

    def keep_overdue(self, session: Session, now: float) -> None:
        """What a client has not taken for a while goes to the disk too, so that its sender need not wait on."""
        for flight in session.unkept(now):
            if flight.origin is None or not self.keep_aside(session, flight):
                break

    def keep_aside(self, session: Session, flight: Flight) -> bool:
        """A copy on the disk of what stays in flight; when there is no room its sender waits on, and False is returned.

        So does the sender of what is not to be kept, or no longer.
        """
        if not flight.keep or _is_over(flight):
            return True
        if self.full(session.key, flight.size)[0]:
            return False
        self._mailbox.put(session.key, flight, self._expires(flight))
        return True

    def park(self, session: Session) -> None:
        """Put what is in flight and on no disk into the mailbox, oldest first, so that what comes later stays behind it.

        What is not to be kept, or no longer, goes back.
        """
        for flight in session.unkept():
            if flight.origin is not None and (not flight.keep or _is_over(flight)):
                self.drop(flight.origin, flight.seq, *(TOO_OLD if flight.keep else NOT_TO_BE_KEPT))
                flight.origin = None
        flights = list(session.flights)
        while flights and not flights[-1].row:
            flights.pop()
        for flight in flights:
            if not flight.row and flight.origin is not None:  # the disk did not take it, but one behind it: too late for it
                self.drop(flight.origin, flight.seq, Code.NO_ROOM, "it could not be kept when its recipient was lost")
                flight.origin = None
        for flight in session.unkept():
            if flight.origin is not None:
                self.keep(session.key, flight)

    def _expires(self, flight: Flight) -> int:
        """Until when a message is kept, in ms since the epoch; its time has run since it came to us."""
        most = self._limits.mailbox_seconds
        if flight.ttl <= 0:
            return _wall() + most * 1000
        return _wall() + round(min(flight.at + flight.ttl - time.monotonic(), most) * 1000)

    def took(self, session: Session, position: int) -> None:
        """The client has all up to `position`, as it says when it comes back; since when, nobody knows."""
        before = len(session.flights)
        self.delete(session, session.take(position))
        self._figures.taken += before - len(session.flights)

    def delete(self, session: Session, flights: list[Flight]) -> None:
        """These have been taken."""
        for flight in flights:
            self._mailbox.delete(session.key, flight)
        if session.is_reading:
            session.gone.update(flight.row for flight in flights)

    def not_kept(self, flight: Flight, why: str) -> None:
        """The disk did not take a message: what its recipient may still take stays in flight, anything else goes back."""
        session = self._routes.get(flight.deliver.to)
        if session is not None and session.line is not None and flight in session.flights:
            return
        if flight.origin is not None:
            self.drop(flight.origin, flight.seq, Code.NO_ROOM, why)
            flight.origin = None

    def drop(self, origin: Origin, seq: int, code: str, why: str) -> None:
        """A message is not taken: counted, and its sender told."""
        self._figures.drops[code] += 1
        origin.reject(seq, code, why)

    def read_on(self, session: Session) -> None:
        """Read more of a session's mailbox when there is room in flight for it."""
        if session.is_reading or session.is_held or session.line is None or session.line.clogged_at:
            return
        limits = self._limits
        if len(session.flights) > limits.under_way >> 1 or session.flight_bytes > limits.mailbox_bytes >> 4:
            return
        session.is_reading = True
        session.gone.clear()
        self._spawn(self._read(session, session.line))

    async def _read(self, session: Session, line: Line) -> None:
        try:
            puts = session.puts
            mails, is_more = await self._mailbox.read(session.key, session.read_upto, PAGE, _wall())
        except Failed as fault:
            logger.warning("a mailbox cannot be read: %s", fault.why)
            await asyncio.sleep(1.0)
            mails, is_more = [], True
        except BaseException:
            session.read()
            raise
        if session.line is not line or session.is_held:
            session.read()
            self.read_on(session)  # it may have come back meanwhile, on another connection
            return
        now = time.monotonic()
        flying = {flight.row for flight in session.flights if flight.row} | session.gone  # gone: taken while we were reading
        for mail in mails:
            session.read_upto = mail.row
            if mail.row not in flying:
                session.forward(mail.sender, mail.id, mail.at, mail.to, mail.body, None, 0, now, mail.row)
                self._figures.replayed += 1
        session.read()
        if not is_more and session.puts == puts:
            session.backlog = False
        else:
            self.read_on(session)


def _is_over(flight: Flight) -> bool:
    """Whether the time for which its sender would have it kept has passed."""
    return flight.ttl > 0 and time.monotonic() - flight.at >= flight.ttl


def _wall() -> int:
    return time.time_ns() // 1_000_000
