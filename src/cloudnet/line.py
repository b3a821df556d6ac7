"""A connection as the relay sees it: what waits to be written, and how its client's own messages stand. Sans-I/O.

The socket underneath is a `Wire`, whoever is told how a message fared an `Origin`; a `Line` is the origin of its own client's
messages. Everything that is said within a turn of the event loop leaves as one WebSocket message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cloudnet.codec import encode, messages
from cloudnet.figures import Figures
from cloudnet.packets import MESSAGE_BYTES, PACKETS, Accepted, FromServer, Rejected

if TYPE_CHECKING:
    from cloudnet.session import Session


class Origin(Protocol):
    """Whom to tell how a message fared."""

    def accept(self, seq: int) -> None:
        """It is safe."""
        ...

    def reject(self, seq: int, code: str, why: str) -> None:
        """It was not taken."""
        ...


class Bell(Protocol):
    """Who writes for all lines, once a turn of the event loop."""

    def ring(self, line: Line) -> None:
        """Something is to be written this turn."""
        ...

    def ring_later(self, line: Line) -> None:
        """Something is to be written soon, with other things if there are any."""
        ...


class Wire(Protocol):
    """The connection underneath a `Line`."""

    def write_all(self) -> None:
        """Send everything that waits; a fault ends the connection and is nobody else's."""
        ...

    def end(self, close: int, code: str, why: str) -> None:
        """Say goodbye and close."""
        ...

    def ping(self) -> None:
        """Ask whether the client is still there."""
        ...

    def beat(self) -> None:
        """Give a sign of life that wants no answer."""
        ...

    def taken(self) -> int:
        """A number that rises as the client takes what was written."""
        ...

    def pause(self, seconds: float) -> None:
        """Read nothing for a while; infinity: until `proceed`."""
        ...

    def proceed(self) -> None:
        """Read on."""
        ...

    def is_held(self) -> bool:
        """Whether nothing is read at the moment."""
        ...


class Gone:
    """The wire of a line whose connection is over: whoever still has something to tell it need not know."""

    def write_all(self) -> None:
        """See `Wire`."""

    def end(self, close: int, code: str, why: str) -> None:
        """See `Wire`."""

    def ping(self) -> None:
        """See `Wire`."""

    def beat(self) -> None:
        """See `Wire`."""

    def taken(self) -> int:
        """See `Wire`."""
        return 0

    def pause(self, seconds: float) -> None:
        """See `Wire`."""

    def proceed(self) -> None:
        """See `Wire`."""

    def is_held(self) -> bool:
        """See `Wire`."""
        return False


GONE = Gone()


class Line:
    """A connection as the relay sees it: what waits to be written, and how its client's own messages stand."""

    __slots__ = (
        "address",
        "bell",
        "clogged_at",
        "figures",
        "opened",
        "out",
        "pages",
        "paused",
        "pending",
        "rung",
        "safe",
        "seq",
        "session",
        "taken",
        "vouched",
        "wire",
    )

    def __init__(self, wire: Wire, bell: Bell, figures: Figures, address: str = "", opened: float = 0.0) -> None:
        """`address`: where the client is, for the log; `opened`: when it came, in seconds of a clock that never goes back."""
        self.wire = wire
        self.bell = bell
        self.figures = figures
        self.address = address
        self.opened = opened
        self.session: Session | None = None
        self.out: list[FromServer] = []
        self.safe: list[int] = []
        self.rung = False
        self.vouched = False
        """Whether the kernel tells of a client that acknowledges nothing any more: no proxy is known to stand between."""
        self.seq = 0
        self.pages = 0
        """Pages of searches that this turn has answered."""
        self.pending = 0
        """Messages of this client's that it was not told of yet."""
        self.paused = False
        """Whether it is not read because of what is `unsettled`, or because its client reads nothing itself."""
        self.clogged_at = 0.0
        """Since when its client has not taken a byte of what waits; 0 when it takes all of it."""
        self.taken = 0
        """What the wire said of that when it was looked at last."""

    @property
    def unsettled(self) -> int:
        """Messages of this client's that may still be lost."""
        return self.pending - len(self.safe)

    def say(self, packet: FromServer) -> None:
        """Have a packet written this turn."""
        self.out.append(packet)
        if not self.rung:
            self.rung = True
            self.bell.ring(self)

    def write_early(self) -> None:
        """Write what waits before the turn is over; what the turn has counted stays counted until its end."""
        pages = self.pages
        self.wire.write_all()
        self.pages = pages
        if not self.rung:
            self.rung = True
            self.bell.ring(self)

    def accept(self, seq: int) -> None:
        """See `Origin`; told in one packet with the others of this turn, or of a few milliseconds when much is going on."""
        if not self.safe and not self.rung:
            self.bell.ring_later(self)
        self.safe.append(seq)
        if self.paused:
            self.relieve()

    def reject(self, seq: int, code: str, why: str) -> None:
        """See `Origin`."""
        self.pending -= 1
        self.figures.rejected += 1
        if self.paused:
            self.relieve()
        self.say(Rejected(seq, code, why))

    def relieve(self) -> None:
        """Read on once half of what was too much is settled, and the client reads."""
        if self.session is None or (not self.clogged_at and self.unsettled <= self.session.limits.under_way >> 1):
            self.paused = False
            self.wire.proceed()

    def drain(self) -> list[bytes]:
        """Everything that waits, as one WebSocket message, or as several when one would be longer than clients take."""
        self.rung = False
        self.pages = 0
        out, safe = self.out, self.safe
        if safe:
            self.pending -= len(safe)
            self.figures.accepted += len(safe)
            out.append(Accepted(tuple(safe)))
            safe.clear()
        elif not out:
            return []
        message = encode(out)
        found = [message] if len(out) == 1 or (len(message) <= MESSAGE_BYTES and len(out) <= PACKETS) else messages(out)
        out.clear()
        return found
