"""What a protocol's leaf and the worker know of each other: lanes, tallies, the floor and the ground.

A *lane* is one connection (one user of the target), a leaf's own. The worker's *floor* starts operations on lanes and is told
when a lane has room again; what an operation came to is written on the *tally* it was started under. Calls are plain and
synchronous: at a hundred thousand a second there is no room for a future or a task each. Leaves import this room and
`faults`, and no other of the stress lab.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, NamedTuple, Protocol, runtime_checkable

import msgspec

from watchkeeper.config import Part
from watchkeeper.quantities import Duration
from watchkeeper.stress.histogram import Recorder

NO_PORT_YET = 24
"""IP_BIND_ADDRESS_NO_PORT (linux/in.h): a source address without a port is bound, so that each target gets all ports anew."""


class Operation(Part, frozen=True, kw_only=True):
    """What every operation of a mix has: a `name`, its `weight` beside the others, and how long a user thinks (`think`)
    after it before the next (closed model).
    """  # noqa: D205  # one sentence

    name: str
    weight: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 1.0
    think: Duration = Duration(0)

    @property
    def visits(self) -> bool:
        """Whether it opens connections of its own, beside its lane's."""
        return False

    @property
    def numbers(self) -> bool:
        """Whether its messages are numbered, so that it is known what is lost, doubled, out of order or changed."""
        return False


def weights(operations: Sequence[Operation], named: Sequence[str]) -> list[float]:
    """What each operation weighs where these are `named` (none: all): one of no weight runs where it is, as one of one."""
    return [(one.weight or float(one.name in named)) if not named or one.name in named else 0.0 for one in operations]


class Tally:
    """What became of one operation of one stage at one worker since it was last told.

    `took`, `served`, `gave_up` take durations in ns (bound `append`s, for speed): from the intended start, from the actual
    one, and, of what failed, from the intended one.
    """

    __slots__ = (
        "counts",
        "done",
        "dropped",
        "errors",
        "failed",
        "fresh",
        "gave_up",
        "gone_wrong",
        "late",
        "latency",
        "name",
        "operation",
        "received",
        "scheduled",
        "seen",
        "sent",
        "served",
        "service",
        "spans",
        "stage",
        "started",
        "starved",
        "thinking",
        "took",
        "unended",
    )

    def __init__(self, stage: int, operation: int, name: str) -> None:
        """Nothing has happened."""
        self.stage = stage
        self.operation = operation
        self.name = name
        self.scheduled = self.started = self.late = self.dropped = self.sent = self.received = self.done = 0
        self.unended = 0
        """Begun and not ended, but for what was done since the last fold."""
        self.thinking = 0
        """Of these, those in the midst of which a user thinks: the target has no part in them."""
        self.errors: dict[str, int] = {}
        self.counts: dict[str, int] = {}
        self.latency, self.service, self.failed, self.starved = Recorder(), Recorder(), Recorder(), Recorder()
        self.seen = 0
        """Latencies that `mark` has looked at."""
        self.took = self.latency.values.append
        self.served = self.service.values.append
        self.gave_up = self.failed.values.append
        self.spans: dict[str, Recorder] = {}
        self.gone_wrong: set[str] = set()
        self.fresh: list[tuple[str, str]] = []
        """Codes that were seen for the first time, each with a sample."""

    def begin(self) -> None:
        """An operation is begun."""
        self.started += 1
        self.unended += 1

    def fail(self, code: str, waited: int, text: str = "") -> None:
        """An operation that was started has ended with `code`, `waited` ns after its intended start; `text` says more."""
        self.errors[code] = self.errors.get(code, 0) + 1
        self.gave_up(waited)
        self.unended -= 1
        if code not in self.gone_wrong:
            self.gone_wrong.add(code)
            self.fresh.append((code, text[:500]))

    def count(self, name: str, many: int = 1) -> None:
        """Something that a protocol counts beside."""
        self.counts[name] = self.counts.get(name, 0) + many

    def span(self, name: str) -> Callable[[int], None]:
        """Where a part of an operation is recorded, in ns."""
        found = self.spans.get(name)
        if found is None:
            found = self.spans[name] = Recorder()
        return found.values.append

    def mark(self, *, starved: bool) -> None:
        """What has ended since the last look did so while the generator was `starved`, or not."""
        if starved:
            self.starved.values += self.latency.values[self.seen :]
        self.seen = len(self.latency.values)

    def fold(self) -> None:
        """Count what was recorded; `mark` first."""
        ended = len(self.latency.values)
        self.done += ended
        self.unended -= ended
        self.seen = 0
        for recorder in (self.latency, self.service, self.failed, self.starved, *self.spans.values()):
            recorder.fold()

    @property
    def in_flight(self) -> int:
        """Begun and not ended."""
        return self.unended - len(self.latency.values)


class Floor(Protocol):
    """The worker's side, as lanes see it."""

    clock: Callable[[], int]
    """Nanoseconds of the machine's monotonic clock."""
    lanes: list[Lane]
    """All of this worker's, by number."""

    @property
    def idle(self) -> Tally:
        """For what belongs to no operation: pushes, connections that came and went."""
        ...

    def free(self, lane: Lane, tally: Tally, now: int) -> None:
        """An operation of `tally` has ended on this lane and was recorded: the lane can take one more."""
        ...

    def down(self, lane: Lane, tally: Tally | None, code: str, text: str = "") -> None:
        """This lane could not be connected, for an operation (recorded already) or for its own sake: let it rest a moment."""
        ...

    def up(self, lane: Lane) -> None:
        """This lane's connection is made."""
        ...

    def lost(self, lane: Lane, code: str) -> None:
        """This lane's connection has ended; what was under way was recorded. One that `keeps` gets it back by `connect`."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run a task that the floor owns: it ends with the worker at the latest."""
        ...


class Lane(Protocol):
    """One connection of a leaf.

    The floor calls `start` on a lane that has room only, and sweeps it for what is overdue. Whatever it was asked to start, a
    lane ends exactly once: by `tally.took` and `served`, or by `tally.fail`; then it tells the floor that it is `free`. When
    it is not connected it connects first, and that counts.
    """

    room: int
    """How many more operations it can take now. The lane counts them off itself."""
    keeps: bool
    """Whether its connection should be there also when nothing is under way."""
    is_up: bool
    """Whether it is connected: the floor's mark, set by `Floor.up`, `down` and `lost`."""
    listed: bool
    """Whether it waits for work: the floor's mark too."""

    def start(self, tally: Tally, intended: int, now: int) -> None:
        """Begin an operation of `tally`, which was due at `intended`; `now` is when it is begun (both ns)."""
        ...

    async def connect(self) -> None:
        """Have a connection; raises what the network raises (the floor turns it into a code)."""
        ...

    def sweep(self, before: int) -> None:
        """End what was started before this instant, as timed out."""
        ...

    def cut(self, code: str) -> None:
        """Drop the connection at once; what is under way ends with `code`. The floor is told as of any loss."""
        ...


class Maker(Protocol):
    """A leaf made ready in one worker."""

    def lane(self, number: int, floor: Floor) -> Lane:
        """The `number`-th lane of this worker, not connected yet."""
        ...

    def settle(self, stage: int) -> None:
        """A stage has drained: what could only be known now (what is lost) is to be counted on its tallies."""
        ...


@runtime_checkable
class SlowMaker(Maker, Protocol):
    """One whose clients can stop to read, and begin again."""

    def read(self, share: float) -> None:
        """Have such a share of the lanes read (0: as the settings say): one that does not has no room."""
        ...


class LoadProtocol(Protocol):
    """A leaf of `protocols`: its settings, and what it makes of them."""

    def mix(self, url: str) -> Sequence[Operation]:
        """All operations, in an order that stays; `url` is the target's."""
        ...

    def prepare(self, ground: Ground) -> Maker:
        """Make payloads and whatever all lanes share. Raises ConfigError for what cannot work."""
        ...


class Ground(NamedTuple):
    """What a worker gives to its leaf: where the target is and how it is reached."""

    url: str
    address: tuple[str, int]
    """Host and port that the name led to before the run."""
    tls: ssl.SSLContext | None
    server_name: str
    timeout: float
    """Seconds for an answer, and for a connection."""
    worker: int
    workers: int
    seed: int
    sources: tuple[str, ...] = ()
    """Addresses to connect from, in turn; none: the system's choice."""
    visits: int = 1 << 20
    """Connections that may be open at a time beside the lanes' own."""

    async def plug(self, number: int) -> socket.socket:
        """A connected socket for the `number`-th lane; raises OSError, or TimeoutError."""
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        plugged = socket.socket(family, socket.SOCK_STREAM)
        try:
            plugged.setblocking(False)
            plugged.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.sources:
                if sys.platform == "linux" and family == socket.AF_INET:
                    plugged.setsockopt(socket.IPPROTO_IP, NO_PORT_YET, 1)
                plugged.bind((self.sources[number % len(self.sources)], 0))
            async with asyncio.timeout(self.timeout):
                await asyncio.get_running_loop().sock_connect(plugged, self.address)
        except BaseException:
            plugged.close()
            raise
        return plugged
