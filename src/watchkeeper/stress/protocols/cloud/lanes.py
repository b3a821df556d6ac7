"""One client of a worker: what it sends and takes.

Messages (``pair``, ``fan-out``) are plain callbacks: thousands a second. What takes several steps (logins, mail for the
absent, coming back) is in `visits`, as coroutines.
"""

from __future__ import annotations

from collections.abc import Callable

from cloudnet.keys import Identity, profile_text
from cloudnet.packets import (
    Accepted,
    Deliver,
    Done,
    Find,
    Found,
    FromClient,
    FromServer,
    Ping,
    Pong,
    Presence,
    Profile,
    Refusal,
    Register,
    Rejected,
    Send,
    Watch,
)
from watchkeeper.stress.faults import Code
from watchkeeper.stress.lane import Floor, Tally
from watchkeeper.stress.protocols.cloud import VISITS, CloudOperation, seed_of, streams
from watchkeeper.stress.protocols.cloud.client import Connection
from watchkeeper.stress.protocols.cloud.crowd import Clients, Flight, Key
from watchkeeper.stress.protocols.cloud.streams import DATA
from watchkeeper.stress.protocols.cloud.visits import Visits


class CloudLane:
    """One client."""

    keeps = True

    def __init__(self, clients: Clients, floor: Floor, number: int, *, reads: bool) -> None:
        self.room = 0
        self.is_up = False
        self.listed = False
        self.clients = clients
        self.floor = floor
        self.clock = floor.clock
        self.number = number
        self.reads = reads
        self.identity = Identity(seed_of(clients.ground.url, clients.ground.worker, number, 0))
        self.connection: Connection | None = None
        self.since = 0
        """When its present connection was made (ns)."""
        self.visits = Visits(self)
        self.watched: dict[bytes, Callable[[str], None]] = {}
        """Who is to be told that a key has come or gone."""
        self._sent_bytes = self._received_bytes = self._most = 0
        self._seq = self._ask = 0
        self._by_seq: dict[int, tuple[Key, Flight] | None] = {}
        """What was sent and neither accepted nor rejected."""
        self._asks: dict[int, Flight] = {}
        self._under_way: dict[Flight, None] = {}
        """In the order of their beginning."""
        self._code = ""

    # -- the floor's side -----------------------------------------------------------------------------

    def start(self, tally: Tally, intended: int, now: int) -> None:
        """See `Lane`."""
        self.room -= 1
        operation = self.clients.mix[tally.operation]
        does = operation.does
        flight = Flight(self, tally, intended, now, operation.until, 1)
        self._under_way[flight] = None
        if does == "pair":
            self.clients.tallies[tally.operation] = tally
            self._message(flight, tally, self._partner(self.number, reads=operation.to == "readers"), intended)
        elif does == "fan-out":
            self.clients.tallies[tally.operation] = tally
            flight.left = min(operation.recipients, max(1, len(self.clients.lanes) - 1))
            flight.until = "delivered"
            recipient = self.number
            for _ in range(flight.left):
                recipient = self._partner(recipient)
                self._message(flight, tally, recipient, intended)
        elif does in VISITS:
            self.floor.spawn(self.visits.make(flight, operation), does)
        else:
            self._question(flight, operation)

    async def connect(self) -> None:
        """See `Lane`."""
        began = self.since = self.clock()
        clients = self.clients
        connection = Connection(self.identity, self._take, self._ended)
        self._seq = 0
        self._by_seq = {}
        welcome = await connection.open(clients.ground, self.number, clients.server_key, reads=self.reads)
        self.connection = connection
        self._code = ""
        self.floor.idle.span("login")(self.clock() - began)
        self._most = min(clients.cloud.in_flight, welcome.limits.under_way)
        self.room = self._most if self.reads else 0
        for key in self.watched:
            connection.say(Watch(0, (key,)))

    def sweep(self, before: int) -> None:
        """See `Lane`."""
        while self._under_way:
            flight = next(iter(self._under_way))
            if flight.began >= before:
                return
            self.crash(flight, Code.TIMEOUT, f"not ended within {self.clients.ground.timeout:g} s", self.clock())

    def cut(self, code: str) -> None:
        """See `Lane`."""
        self._code = code
        self.visits.cancel(code)
        if self.connection is not None:
            self.connection.cut()

    def read(self, *, reads: bool) -> None:
        """Stop to read, or begin again; nothing of its own is under way then."""
        if reads == self.reads:
            return
        self.reads = reads
        if self.connection is not None:
            self.connection.read(reads=reads)
            self.room = self._most - len(self._under_way) if reads else 0

    # -- messages -------------------------------------------------------------------------------------

    def unsettle(self, *, of_readers: bool = False) -> None:
        """Nobody is bound to deliver what is neither accepted nor rejected now: if it does not come, that is no loss.

        `of_readers`: those messages alone whose recipient reads.
        """
        left: dict[int, tuple[Key, Flight] | None] = {}
        for seq, found in self._by_seq.items():
            if found is None:
                continue
            sender, recipient, number = found[0]
            if of_readers and not self.clients.reads(recipient):
                left[seq] = found
            else:
                self.clients.stream(sender, recipient).unsettled.add(number)
        self._by_seq = left

    def send(self, recipient: int, body: bytes, flight: tuple[Key, Flight] | None) -> None:
        """Send a body to another client of this worker."""
        connection = self.connection
        if connection is None:
            if flight is not None:
                self.clients.stream(self.number, recipient).unsettled.add(flight[0][2])
            return
        self._seq += 1
        self._by_seq[self._seq] = flight
        to = self.clients.lanes[recipient].identity.key
        connection.say(Send(self._seq, to, (next(self.clients.ids) & ((1 << 128) - 1)).to_bytes(16, "big"), body))

    def land(self, flight: Flight, now: int) -> None:
        """One message of an operation has done its part; the last one ends it."""
        if flight not in self._under_way:
            return
        flight.left -= 1
        if not flight.first:
            flight.first = now
        if flight.left:
            return
        del self._under_way[flight]
        tally = flight.tally
        if now != flight.first:
            tally.span("first")(flight.first - flight.intended)
            tally.span("skew")(now - flight.first)
        tally.took(now - flight.intended)
        tally.served(now - flight.began)
        self._done(tally, now)

    def crash(self, flight: Flight, code: str, text: str, now: int) -> None:
        """An operation has ended otherwise than well; what still comes of it belongs to nothing."""
        if self._under_way.pop(flight, flight) is flight:
            return
        for key in flight.keys:
            self.clients.flights.pop(key, None)
        flight.tally.fail(code, now - flight.intended, text)
        self._done(flight.tally, now)

    def _done(self, tally: Tally, now: int) -> None:
        connection = self.connection
        if connection is not None:
            self.room += 1
            tally.sent += connection.sent - self._sent_bytes
            self._sent_bytes = connection.sent
        self.floor.free(self, tally, now)

    def _partner(self, after: int, *, reads: bool = True) -> int:
        """The next client after one that reads, or does not; without any, the next one."""
        lanes = self.clients.lanes
        for step in range(1, len(lanes) + 1):
            number = (after + step) % len(lanes)
            if lanes[number].reads == reads:
                return number
        return (after + 1) % len(lanes)

    def _message(self, flight: Flight, tally: Tally, recipient: int, intended: int) -> None:
        clients = self.clients
        number = clients.stream(self.number, recipient).next(tally.operation)
        key = (self.number, recipient, number)
        flight.keys.append(key)
        clients.flights[key] = flight
        filler = clients.fillers[tally.operation]
        kind = DATA | tally.operation << 1
        self.send(recipient, streams.made(clients.mark, kind, self.number, recipient, number, intended, filler), (key, flight))

    # -- questions ------------------------------------------------------------------------------------

    def _question(self, flight: Flight, operation: CloudOperation) -> None:
        self._ask += 1
        ask = self._ask
        packet: FromClient
        if operation.does == "register":
            profile = Profile(self.identity.key, "device", "stress", f"stress {self.number}")
            signature = self.identity.sign(profile_text(profile, self.identity.key))
            packet = Register(ask, (Profile(profile.key, "device", "stress", profile.name, signature=signature),))
        elif operation.does == "discover":
            packet = Find(ask, type="stress", text=f"stress {self._partner(self.number)}", limit=10)
        else:
            packet = Ping(ask)
        self._asks[ask] = flight
        if self.connection is not None:
            self.connection.say(packet)

    # -- the server's side ----------------------------------------------------------------------------

    def _take(self, packet: FromServer) -> None:  # noqa: C901, PLR0912  # an arm for each packet
        match packet:
            case Deliver():
                self.clients.arrived(self, packet)
            case Accepted(seqs=seqs):
                now = self.clock()
                for seq in seqs:
                    if (found := self._by_seq.pop(seq, None)) is not None:
                        self._accepted(*found, now)
            case Rejected(seq=seq, code=code, why=why):
                if (found := self._by_seq.pop(seq, None)) is not None:
                    key, flight = found
                    self.clients.stream(key[0], key[1]).excuse(key[2])
                    self.crash(flight, f"rejected-{code}", why, self.clock())
            case Done(ask=ask) | Pong(ask=ask) | Found(ask=ask):
                if (asked := self._asks.pop(ask, None)) is not None:
                    self.land(asked, self.clock())
            case Refusal(ask=ask, code=code, why=why):
                if (asked := self._asks.pop(ask, None)) is not None:
                    self.crash(asked, f"rejected-{code}", why, self.clock())
            case Presence(key=who, state=state):
                if (told := self.watched.get(who)) is not None:
                    told(state)
            case _:
                pass

    def _accepted(self, key: tuple[int, int, int], flight: Flight, now: int) -> None:
        flight.tally.span("accepted")(now - flight.began)
        if flight.until == "accepted":
            self.clients.flights.pop(key, None)
            self.land(flight, now)

    def _ended(self, code: str) -> None:
        """The connection is gone: whatever was under way from here is not known to be safe."""
        why = self._code or code
        self.connection = None
        self.room = 0
        self._sent_bytes = 0
        self.unsettle()
        self._asks = {}
        self.floor.lost(self, why)
        now = self.clock()
        for flight in list(self._under_way):
            if not self.visits.owns(flight):
                self.crash(flight, why, "the client's connection ended", now)
