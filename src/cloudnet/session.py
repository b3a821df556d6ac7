"""The rules of one client's session, without any I/O: states, deadlines, positions, what is owed.

A `Session` belongs to a key and outlives connections (`line`): messages in flight with their positions, the window in which it
may be resumed. `relay` decides where messages go; nothing here knows sockets or clocks: every question takes `now` in seconds
of a clock that never goes back.
"""

from __future__ import annotations

import hmac
import os
from collections import deque
from enum import StrEnum

import msgspec

from cloudnet.codes import Code
from cloudnet.errors import Refused
from cloudnet.limits import Bucket
from cloudnet.line import Line, Origin
from cloudnet.packets import (
    EPOCH_BYTES,
    Deliver,
    Limits,
    Resume,
)

PING_SECONDS = 50.0
"""A client that has been silent for so long is pinged: before proxies lose patience, at 60 s, and before clients ping us.
Those that are due are pinged in one turn, while each ping of a client wakes an idle core on its own, at six times the price;"""
SILENCE_SECONDS = 90.0
"""and after so long it is taken for gone."""
BEATS = 2
"""How often a silent client whose connection the kernel vouches for is sent a sign of life instead, before it is pinged again:
the kernel tells of a peer that is gone, and an answer costs more than twice what the sign does."""
KEEP_SECONDS = 1.0
"""A message that its recipient has not taken for so long goes to the disk too, so that its sender need not wait on."""
DRAIN_SECONDS = 10.0
"""A client whose connection has not taken a byte of what waits for so long is shed."""


_BEHIND_ALL = 1 << 63


class State(StrEnum):
    """How a session stands."""

    READY = "ready"
    AWAY = "away"
    ENDED = "ended"


class Flight(msgspec.Struct, eq=False):
    """One message on its way to a session: sent and not yet taken. A struct, since C makes it at half the price.

    `origin` and `seq`: whom to tell, None once it was told; `at`: since when; `row`: its place in the mailbox, 0 for none.
    `place`: the row that it has to have there, since another node has given it one when it came into the network; 0: any.
    `keep` and `ttl`: as its sender has said, see `packets.Send`.
    """

    deliver: Deliver
    origin: Origin | None
    seq: int
    at: float
    row: int
    place: int = 0
    keep: bool = True
    ttl: int = 0

    @property
    def size(self) -> int:
        """Bytes of its body."""
        return len(self.deliver.body)

    def settle(self) -> None:
        """It is safe: tell its sender, once."""
        if self.origin is not None:
            self.origin.accept(self.seq)
            self.origin = None


class Session:
    """What a server owes one client: its messages in flight, its watches, a window to come back in."""

    __slots__ = (
        "_beaten",
        "_beats",
        "_flying",
        "_most_bytes",
        "_most_flights",
        "allowance",
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
        "limits",
        "line",
        "look_at",
        "missed",
        "pinged",
        "position",
        "profiles",
        "puts",
        "read_upto",
        "since",
        "state",
        "watches",
    )

    def __init__(self, key: bytes, now: float, limits: Limits, flying: set[Session]) -> None:
        """A fresh session, away until it is attached. It adds itself to `flying` whenever something is in flight."""
        self.key = key
        self.limits = limits
        self._flying = flying
        self._most_flights, self._most_bytes = limits.under_way, limits.mailbox_bytes >> 3
        self.allowance = Bucket(0, 0, now)
        """What its client may say; the relay gives it one that outlives sessions, else coming back would renew it."""
        self.epoch = os.urandom(EPOCH_BYTES)
        self.state = State.AWAY
        self.since = 0
        """When it came, or went away: for those who watch it, in ms since the epoch."""
        self.line: Line | None = None
        self.deadline = now + limits.resume_seconds
        self.heard = now
        self.pinged = False
        self._beats = 0
        self._beaten = now
        """What `heard` was when the beats were counted: a word since then ends their count."""
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
        """The mailbox's row up to which all is in flight or was taken; and"""
        self.missed = _BEHIND_ALL
        """the earliest one that was put while the mailbox was being read: that reading may have passed it by."""
        self.puts = 0
        """How often something was put there: whether there is more than what a reading has found."""
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

    def wants_beat(self, now: float) -> bool:
        """Whether it has been silent for so long that it should hear a sign of life, and need not be asked yet."""
        if self.line is None or not self.line.vouched or self.pinged or now - self._silent_since < PING_SECONDS:
            return False
        if self._beaten != self.heard:
            self._beaten, self._beats = self.heard, 0
        self._beats += 1
        return self._beats <= BEATS

    def wants_ping(self, now: float) -> bool:
        """Whether it has been silent for so long that it should be asked; once for each silence."""
        if self.line is None or self.pinged or now - self._silent_since < PING_SECONDS:
            return False
        self.pinged = True
        return True

    @property
    def _silent_since(self) -> float:
        """When it was heard last; each beat stands for a silence that the kernel has vouched for."""
        return self.heard + min(self._beats, BEATS) * PING_SECONDS if self._beaten == self.heard else self.heard

    def is_overdue(self, now: float) -> bool:
        """Whether its state's deadline has passed: silent for too long, or not resumed in time."""
        if self.state is State.READY:
            return now - self._silent_since >= SILENCE_SECONDS
        return now >= self.deadline

    @property
    def due(self) -> float:
        """When it will want a ping or be overdue, if nothing is heard of it before."""
        if self.state is State.READY:
            return self._silent_since + (SILENCE_SECONDS if self.pinged else PING_SECONDS)
        return self.deadline

    # -- messages ---------------------------------------------------------------------------------

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
        keep: bool = True,  # noqa: FBT001, FBT002  # positional: it is called for every message
        ttl: int = 0,
    ) -> bool:
        """Send a message on; it is in flight until `take`. False when that may not be right away: nothing is done then.

        It may while its client is here and reads, nothing waits before it in the mailbox, and there is room in flight. What
        comes out of the mailbox, with its `row`, is always sent on. The busiest passage of all: what could be a call is here.
        """
        line, flights = self.line, self.flights
        if line is None or (self.backlog and not row):
            return False
        if not flights:
            if line.clogged_at and not row:
                return False
            self._flying.add(self)
        elif not row and (line.clogged_at or len(flights) >= self._most_flights or self.flight_bytes >= self._most_bytes):
            return False
        position = self.position = self.position + 1
        deliver = Deliver(position, sender, identity, at, to, body)
        flights.append(Flight(deliver, origin, seq, now, row, 0, keep, ttl))
        self.flight_bytes += len(body)
        line.out.append(deliver)  # as `line.say`
        if not line.rung:
            line.rung = True
            line.bell.ring(line)
        return True

    def take(self, position: int) -> list[Flight]:
        """The client's application has all up to `position`: settle them; returns those that have a row to be deleted.

        Raises Refused for a position that was never given.
        """
        if position > self.position:
            raise Refused(f"position {position} was never given, the last one is {self.position}", Code.OUT_OF_ORDER)
        kept: list[Flight] = []
        flights = self.flights
        while flights and (flight := flights[0]).deliver.position <= position:
            flights.popleft()
            self.flight_bytes -= len(flight.deliver.body)
            if flight.origin is not None:
                flight.origin.accept(flight.seq)
                flight.origin = None
            if flight.row:
                kept.append(flight)
        return kept

    def unkept(self, now: float = float("inf")) -> list[Flight]:
        """Those in flight since before `now` - KEEP_SECONDS that are on no disk, oldest first."""
        return [flight for flight in self.flights if not flight.row and flight.at <= now - KEEP_SECONDS]

    def put(self, row: int) -> None:
        """Something was put into the mailbox at this place in its order: it will be read, also when that place was passed."""
        self.puts += 1
        if self.is_reading:
            self.missed = min(self.missed, row)
        elif row <= self.read_upto:
            self.read_upto = row - 1  # what is in flight from there on is read over

    def read(self) -> None:
        """A reading of the mailbox has ended."""
        self.is_reading = False
        self.read_upto = min(self.read_upto, self.missed - 1)
        self.missed = _BEHIND_ALL

    def drop_flights(self) -> None:
        """Whatever was in flight will be read from the mailbox again."""
        self.flights.clear()
        self.flight_bytes = 0
        self.read_upto = 0
