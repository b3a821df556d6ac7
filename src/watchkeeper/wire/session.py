"""The link's rules as two state machines without any I/O: bytes in, packets out, a reason for every no.

`AgentSession` numbers what it sends and knows what is acknowledged; `HubSession` takes the
greeting first, insists on rising numbers and says what may be acknowledged. Both are told `now`
(monotonic seconds) and say when the other side has been silent for too long. A broken rule is
`Refused`: whoever holds the socket sends `Bye` with it and closes.
"""

from __future__ import annotations

from watchkeeper.errors import Refused
from watchkeeper.model import Dictionary, Event, Frame, Machine
from watchkeeper.wire import packets
from watchkeeper.wire.packets import Ack, Bye, Figures, FromAgent, FromHub, Happened, Hello, Welcome

GREETING_SECONDS = 10.0
"""How long either side waits for the other's first packet."""

IN_FLIGHT = 512
"""Numbered packets an agent may have unacknowledged on one connection: bounds what a hub must hold for it."""


class AgentSession:
    """The agent's end of one connection."""

    def __init__(self, machine: Machine, now: float) -> None:
        """Start a connection that was opened at `now`."""
        self._machine = machine
        self._opened = now
        self._sent = 0
        self._acked = 0
        self._defined: set[int] = set()
        self.welcomed = False

    def hello(self, wall_ms: int = 0) -> bytes:
        """The first message; `wall_ms` lets the hub tell a skewed clock from late figures."""
        return packets.encode(Hello(packets.VERSION, self._machine, wall_ms))

    def room(self) -> int:
        """How many more numbered packets may be sent before an acknowledgement."""
        return IN_FLIGHT - (self._sent - self._acked) if self.welcomed else 0

    def lacks(self, dictionary: int) -> bool:
        """Whether this connection has yet to be told what a dictionary's columns mean."""
        return dictionary not in self._defined

    def define(self, layout: Dictionary) -> bytes:
        """The message that tells it."""
        self._defined.add(layout.id)
        return packets.encode(packets.Define(layout))

    def number(self, record: Frame | Event) -> bytes:
        """The next numbered message."""
        self._sent += 1
        return packets.encode(Figures(self._sent, record) if isinstance(record, Frame) else Happened(self._sent, record))

    def receive(self, message: bytes) -> tuple[FromHub, int]:
        """Take one message; returns the packet and how many more records are now acknowledged."""
        packet = packets.from_hub(message)
        match packet:
            case Welcome(version=version):
                if version != packets.VERSION:
                    raise Refused(f"the hub speaks link version {version}, this agent {packets.VERSION}", code="version")
                self.welcomed = True
            case Ack(upto=upto):
                if not self._acked <= upto <= self._sent:
                    raise Refused(f"the hub acknowledged {upto}, of {self._sent} sent", code="malformed-packet")
                fresh, self._acked = upto - self._acked, upto
                return packet, fresh
            case Bye():
                return packet, 0
            case _ if not self.welcomed:
                raise Refused("the hub spoke before it welcomed", code="malformed-packet")
        return packet, 0

    def overdue(self, now: float) -> bool:
        """Whether the hub should have welcomed us by now."""
        return not self.welcomed and now - self._opened > GREETING_SECONDS


class HubSession:
    """The hub's end of one connection."""

    def __init__(self, now: float) -> None:
        """Start a connection that was opened at `now`."""
        self._opened = now
        self._taken = 0
        self._acked = 0
        self.machine: Machine | None = None

    def receive(self, message: bytes) -> FromAgent:
        """Take one message from the agent."""
        packet = packets.from_agent(message)
        if isinstance(packet, Hello):
            if self.machine is not None:
                raise Refused("greeted twice", code="malformed-packet")
            if packet.version != packets.VERSION:
                why = f"the agent speaks link version {packet.version}, this hub {packets.VERSION}; upgrade the older one"
                raise Refused(why, code="version")
            self.machine = packet.machine
        elif self.machine is None:
            raise Refused("spoke before it greeted", code="malformed-packet")
        elif isinstance(packet, (Figures, Happened)):
            if packet.seq != self._taken + 1:
                raise Refused(f"packet {packet.seq} after {self._taken}: one is missing", code="malformed-packet")
            self._taken = packet.seq
        return packet

    def welcome(self, wall_ms: int) -> bytes:
        """The answer to the greeting."""
        return packets.encode(Welcome(packets.VERSION, wall_ms))

    @property
    def taken(self) -> int:
        """The number of the last numbered packet that was received."""
        return self._taken

    def acknowledge(self, upto: int) -> bytes | None:
        """The message that says all up to `upto` are durable; None when that was said before."""
        if upto <= self._acked:
            return None
        self._acked = upto
        return packets.encode(Ack(upto))

    def overdue(self, now: float) -> bool:
        """Whether the agent should have greeted by now."""
        return self.machine is None and now - self._opened > GREETING_SECONDS
