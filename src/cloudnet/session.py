"""The rules of one connection and of one client's session, without any I/O: states, deadlines, positions, what is owed.

A `Greeting` is a connection until its login is proved; a `Line` is a connection as the relay sees it: what waits to be written,
which messages its client has under way. A `Session` belongs to a key and outlives connections: messages in flight with their
positions, the window in which it may be resumed. `relay` decides where messages go; nothing here knows sockets or clocks: every
question takes `now` in seconds of a clock that never goes back.
"""

from __future__ import annotations

import hmac
import os
from collections import deque
from enum import StrEnum
from typing import Protocol

from cloudnet.codec import messages
from cloudnet.codes import Code
from cloudnet.errors import Refused
from cloudnet.figures import Figures
from cloudnet.keys import Identity, login_text, verify, welcome_text
from cloudnet.packets import (
    EPOCH_BYTES,
    KEY_BYTES,
    NONCE_BYTES,
    VERSION,
    Accepted,
    Challenge,
    Deliver,
    FromServer,
    Limits,
    Login,
    Rejected,
    Resume,
)

GREETING_SECONDS = 5.0
"""How long a connection may take to prove who it is."""
PING_SECONDS = 50.0
"""A client that has been silent for so long is pinged: before proxies lose patience, at 60 s, and before clients ping us.
Those that are due are pinged in one turn, while each ping of a client wakes an idle core on its own, at six times the price;"""
SILENCE_SECONDS = 90.0
"""and after so long it is taken for gone."""
KEEP_SECONDS = 1.0
"""A message that its recipient has not taken for so long goes to the disk too, so that its sender need not wait on."""
DRAIN_SECONDS = 10.0
"""A client whose connection has not taken a byte of what waits for so long is shed."""


class State(StrEnum):
    """How a session stands."""

    READY = "ready"
    AWAY = "away"
    ENDED = "ended"


class Origin(Protocol):
    """Whom to tell how a message fared."""

    def accept(self, seq: int) -> None:
        """It is safe."""
        ...

    def reject(self, seq: int, code: str, why: str) -> None:
        """It was not taken."""
        ...


class Greeting:
    """A connection before its login: GREETING until `check` is content or the deadline has come."""

    def __init__(self, server: Identity, now: float, certificate: bytes = b"") -> None:
        """`certificate`: SHA-256 of our TLS certificate, empty where somebody else ends TLS or nobody does."""
        self._server = server
        self._certificate = certificate
        self._nonce = os.urandom(NONCE_BYTES)
        self.deadline = now + GREETING_SECONDS

    def challenge(self, wall: int) -> Challenge:
        """The first word; `wall` in ms since the epoch."""
        return Challenge(VERSION, self._server.key, self._nonce, wall)

    def check(self, login: Login, authority: str) -> None:
        """Raises Refused unless it is proved, here and now; `authority` is the Host that the client's handshake named."""
        if len(login.key) != KEY_BYTES or len(login.nonce) != NONCE_BYTES:
            raise Refused("a login has a key and a nonce of 32 bytes each", Code.MALFORMED)
        if login.authority.lower() != authority.lower():
            raise Refused(
                f"the login was signed for {login.authority[:80]!r}, which is not how you reached us", Code.WRONG_SERVER
            )
        if self._certificate and not hmac.compare_digest(login.certificate, self._certificate):
            raise Refused("the login was signed for another TLS certificate than ours", Code.WRONG_SERVER)
        if len(login.certificate) not in {0, 32}:
            raise Refused("a certificate's SHA-256 has 32 bytes", Code.MALFORMED)
        nonce, certificate = login.nonce, login.certificate
        text = login_text(
            self._server.key, self._nonce, login.key, nonce, login.authority, certificate, takeover=login.takeover
        )
        verify(login.key, text, login.signature)

    def sign(self, login: Login, epoch: bytes) -> bytes:
        """Our proof for the client."""
        return self._server.sign(welcome_text(self._server.key, self._nonce, login.key, login.nonce, epoch))


class Wire(Protocol):
    """The connection underneath a `Line`."""

    def ring(self, line: Line) -> None:
        """Something is to be written this turn."""
        ...

    def ring_later(self, line: Line) -> None:
        """Something is to be written soon, with other things if there are any."""
        ...

    def end(self, close: int, code: str, why: str) -> None:
        """Say goodbye and close."""
        ...

    def ping(self) -> None:
        """Ask whether the client is still there."""
        ...

    def pause(self, seconds: float) -> None:
        """Read nothing for a while; infinity: until `proceed`."""
        ...

    def proceed(self) -> None:
        """Read on."""
        ...


class Line:
    """A connection as the relay sees it: what waits to be written, and how its client's own messages stand."""

    __slots__ = (
        "address",
        "clogged_at",
        "figures",
        "out",
        "pages",
        "paused",
        "pending",
        "rung",
        "safe",
        "seq",
        "session",
        "wire",
    )

    def __init__(self, wire: Wire, figures: Figures, address: str = "") -> None:
        """`address`: where the client is, for the log."""
        self.wire = wire
        self.figures = figures
        self.address = address
        self.session: Session | None = None
        self.out: list[FromServer] = []
        self.safe: list[int] = []
        self.rung = False
        self.seq = 0
        self.pages = 0
        """Pages of searches that wait to be written."""
        self.pending = 0
        """Messages of this client's that are not settled yet."""
        self.paused = False
        """Whether it is not read because of `pending`, or because its client reads nothing itself."""
        self.clogged_at = 0.0
        """Since when its client has not taken what was written; 0 when it takes it."""

    def say(self, packet: FromServer) -> None:
        """Have a packet written this turn."""
        self.out.append(packet)
        if not self.rung:
            self.rung = True
            self.wire.ring(self)

    def accept(self, seq: int) -> None:
        """See `Origin`; told in one packet with the others of this turn, or of a few milliseconds when much is going on."""
        self.pending -= 1
        self.figures.accepted += 1
        if self.paused:
            self.relieve()
        self.safe.append(seq)
        if not self.rung and len(self.safe) == 1:
            self.wire.ring_later(self)

    def reject(self, seq: int, code: str, why: str) -> None:
        """See `Origin`."""
        self.pending -= 1
        self.figures.rejected += 1
        if self.paused:
            self.relieve()
        self.say(Rejected(seq, code, why))

    def relieve(self) -> None:
        """Read on once half of what was too much is settled, and the client reads."""
        if self.session is None or (not self.clogged_at and self.pending <= self.session.limits.under_way >> 1):
            self.paused = False
            self.wire.proceed()

    def drain(self) -> list[bytes]:
        """Everything that waits, as one WebSocket message, or as several when one would be longer than clients take."""
        self.rung = False
        self.pages = 0
        out = self.out
        if self.safe:
            out.append(Accepted(tuple(self.safe)))
            self.safe = []
        self.out = []
        return messages(out)


class Flight:
    """One message on its way to a session: sent and not yet taken. `row` is its place in the mailbox, 0 when it has none."""

    __slots__ = ("at", "deliver", "origin", "position", "row", "seq", "size")

    def __init__(self, deliver: Deliver, origin: Origin | None, seq: int, at: float, row: int) -> None:
        """`origin` and `seq`: whom to tell, None once it was told."""
        self.position = deliver.position
        self.deliver: Deliver | None = deliver
        self.size = len(deliver.body)
        self.origin = origin
        self.seq = seq
        self.at = at
        self.row = row

    def settle(self) -> None:
        """It is safe: tell its sender, once."""
        if self.origin is not None:
            self.origin.accept(self.seq)
            self.origin = None


class Session:
    """What a server owes one client: its messages in flight, its watches, a window to come back in."""

    __slots__ = (
        "_flying",
        "backlog",
        "deadline",
        "epoch",
        "flight_bytes",
        "flights",
        "gone",
        "heard",
        "is_held",
        "is_reading",
        "key",
        "last_row",
        "limits",
        "line",
        "look_at",
        "pinged",
        "position",
        "profiles",
        "read_upto",
        "state",
        "watches",
    )

    def __init__(self, key: bytes, now: float, limits: Limits, flying: set[Session]) -> None:
        """A fresh session, away until it is attached. It adds itself to `flying` whenever something is in flight."""
        self.key = key
        self.limits = limits
        self._flying = flying
        self.epoch = os.urandom(EPOCH_BYTES)
        self.state = State.AWAY
        self.line: Line | None = None
        self.deadline = now + limits.resume_seconds
        self.heard = now
        self.pinged = False
        self.look_at = 0
        """In which second `deadlines` has it looked at next; 0: in none."""
        self.position = 0
        self.flights: deque[Flight] = deque()
        self.flight_bytes = 0
        self.backlog = False
        """Messages wait in the mailbox that are not in flight: new ones go behind them."""
        self.is_held = False
        """Older messages are still on their way from another node: nothing is read before they are here."""
        self.is_reading = False
        self.gone: set[int] = set()
        """Rows that were taken while the mailbox was being read: that reading may still find them."""
        self.read_upto = 0
        self.last_row = 0
        """The mailbox's rows: the last one read, and the last one put."""
        self.profiles: set[bytes] = set()
        self.watches: set[bytes] = set()

    # -- connections ------------------------------------------------------------------------------

    def attach(self, line: Line, now: float) -> None:
        """A connection has proved that it is this key's. What was in flight on an earlier one was put aside by `detach`."""
        assert self.line is None
        self.line = line
        self.state = State.READY
        line.session = self
        self.heard = now
        self.pinged = False
        self.deadline = now + SILENCE_SECONDS

    def detach(self, now: float) -> None:
        """The connection is gone; the window to resume in begins."""
        if self.line is not None:
            self.line.session = None
            self.line = None
        self.state = State.AWAY
        self.deadline = now + self.limits.resume_seconds

    def end(self) -> None:
        """It is over; nothing may be sent to it any more."""
        if self.line is not None:
            self.line.session = None
            self.line = None
        self.state = State.ENDED

    def fits(self, resume: Resume | None) -> bool:
        """Whether a client that comes back means this very session."""
        return resume is not None and self.state is not State.ENDED and hmac.compare_digest(resume.epoch, self.epoch)

    def hear(self, now: float) -> None:
        """The client has said something."""
        self.heard = now
        self.pinged = False

    def wants_ping(self, now: float) -> bool:
        """Whether it has been silent for so long that it should be asked; once for each silence."""
        if self.line is None or self.pinged or now - self.heard < PING_SECONDS:
            return False
        self.pinged = True
        return True

    def is_overdue(self, now: float) -> bool:
        """Whether its state's deadline has passed: silent for too long, or not resumed in time."""
        if self.state is State.READY:
            return now - self.heard >= SILENCE_SECONDS
        return now >= self.deadline

    @property
    def due(self) -> float:
        """When it will want a ping or be overdue, if nothing is heard of it before."""
        if self.state is State.READY:
            return self.heard + (SILENCE_SECONDS if self.pinged else PING_SECONDS)
        return self.deadline

    # -- messages ---------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether a message may be sent to it right away."""
        return (
            self.line is not None
            and not self.backlog
            and not self.line.clogged_at
            and len(self.flights) < self.limits.under_way
            and self.flight_bytes < self.limits.mailbox_bytes >> 3
        )

    def forward(
        self,
        sender: bytes,
        identity: bytes,
        at: int,
        to: bytes,
        body: bytes,
        origin: Origin | None,
        seq: int,
        now: float,
        row: int = 0,
    ) -> None:
        """Send a message on; it is in flight until `take`."""
        line = self.line
        assert line is not None
        position = self.position = self.position + 1
        deliver = Deliver(position, sender, identity, at, to, body)
        if not self.flights:
            self._flying.add(self)
        self.flights.append(Flight(deliver, origin, seq, now, row))
        self.flight_bytes += len(body)
        line.say(deliver)

    def take(self, position: int) -> list[Flight]:
        """The client's application has all up to `position`: settle them; returns those that have a row to be deleted.

        Raises Refused for a position that was never given.
        """
        if position > self.position:
            raise Refused(f"position {position} was never given, the last one is {self.position}", Code.OUT_OF_ORDER)
        kept: list[Flight] = []
        flights = self.flights
        while flights and flights[0].position <= position:
            flight = flights.popleft()
            self.flight_bytes -= flight.size
            if flight.origin is not None:
                flight.origin.accept(flight.seq)
                flight.origin = None
            if flight.row:
                kept.append(flight)
        return kept

    def unkept(self, now: float = float("inf")) -> list[Flight]:
        """Those in flight since before `now` - KEEP_SECONDS that are on no disk, oldest first."""
        return [flight for flight in self.flights if not flight.row and flight.at <= now - KEEP_SECONDS]

    def can_still_read(self, row: int) -> bool:
        """Whether what is put into the mailbox at this place in the order, and not at its end, will be read in its turn."""
        return not self.is_reading and row > self.read_upto

    def drop_flights(self) -> None:
        """Whatever was in flight will be read from the mailbox again."""
        self.flights.clear()
        self.flight_bytes = 0
        self.read_upto = 0
