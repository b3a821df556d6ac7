"""The verbs: what each kind of part must be able to do, as small protocols.

A leaf is a frozen, tagged msgspec struct (its own configuration) that satisfies one of
these; the frames run any of them alike. No protocol here mentions a concrete part.
Importing this room loads no numpy: the store's arrays are named for type checkers alone.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

from watchkeeper.model import Block, Dictionary, Family, Frame, Matcher, Notes, Rollup, Seen, Series
from watchkeeper.telling import Bulletin

Admit = Callable[[int, int], None]
"""Hears how many samples of how many series are about to be read, more or less; raises `Refused` where that is too much."""


class Reader(Protocol):
    """A collector at work: kept file descriptors and a fixed layout.

    `series` is the layout; a *new tuple object* says that it changed (the round compares by
    identity, so an unchanged layout must keep its object). Reading is synchronous, quick and
    bounded; a fault is an OSError or `Failed`, and the round turns it into absence.
    """

    series: tuple[Series, ...]

    def read(self) -> Sequence[float]:
        """One value per series of the layout, in its order, as of now; may replace `series` first."""
        ...

    def close(self) -> None:
        """Give the descriptors back; the reader is not used again."""
        ...


class Collector(Protocol):
    """A leaf of `collect/`: what one aspect of this machine is doing."""

    def families(self) -> tuple[Family, ...]:
        """The metrics it may produce, each with kind and sentence: the source of HELP, TYPE and the docs."""
        ...

    def open(self, root: Path) -> Reader:
        """Start reading below `root` (``/`` on a real machine, a captured tree in tests).

        Raises `Failed(retry=False)` where this system does not have what the collector reads.
        """
        ...


class Probe(Protocol):
    """A leaf of `probe/`: one question to a server, answered or not.

    The frame measures the time, bounds it and isolates faults: the leaf only looks.
    """

    FAMILIES: ClassVar[tuple[Family, ...]]
    """The figures that its attempts may note, each with kind and sentence: the source of HELP, TYPE and the docs."""

    async def attempt(self, notes: Notes) -> None:
        """Ask once, and note figures by metric name (``probe_http_status_code``) as soon as they are known.

        What was noted is kept, whatever comes then. Raises `Failed(why)` when the answer is not what was asked for, or
        there is none; it may be cancelled at any time.
        """
        ...


class Driver(Protocol):
    """A leaf of `control/` at work on one server that runs elsewhere; its frame bounds each call, faults are `Failed`.

    What we start ourselves has a `control.parentage.Parent` instead.
    """

    log: Path | None
    """Where its output is, if that is a file; None: ask `tail`."""

    async def look(self) -> Seen:
        """How it stands now. Raises Failed when that cannot be told."""
        ...

    async def start(self) -> None:
        """Have it started; returns when that was taken, not when it runs."""
        ...

    async def stop(self) -> None:
        """Have it stopped; may take as long as the stop does."""
        ...

    async def renew(self) -> None:
        """Stop and start it in one go, as whoever keeps it does that."""
        ...

    async def signal(self, number: int) -> None:
        """Send all of it a signal; SIGKILL ends it."""
        ...

    def tail(self, lines: int, *, follow: bool) -> AsyncGenerator[tuple[str, ...], None]:
        """Its output, as `logfile.LogFile.tail` gives it."""
        ...

    async def close(self) -> None:
        """Give everything back; the server goes on."""
        ...


class LogSource(Protocol):
    """Where a server's output can be read back from."""

    def tail(self, lines: int, *, follow: bool) -> AsyncIterator[tuple[str, ...]]:
        """Yield the last `lines` lines and, when following, those that come after; bounded batches."""
        ...


class Channel(Protocol):
    """A leaf of `notify/`: one way to reach a person or another program.

    The frame (the outbox) claims, bounds the time, retries and writes down; the leaf only hands over.
    """

    async def send(self, bulletin: Bulletin, key: str) -> str:
        """Hand one message over and return what the receiver said (``250 2.0.0 queued``, ``204``).

        `key` is the same for every attempt of one notification, and goes along so that receivers can tell a duplicate. Raises
        `Failed(why, retry)`: never with a secret in `why`; it may be cancelled at any time.
        """
        ...

    async def look(self) -> None:
        """See cheaply whether the receiver is there, with nothing handed over; raises `Failed` as long as it is not.

        The frame asks each second while something waits, so that it goes out as soon as the receiver is back.
        """
        ...


class Store(Protocol):
    """Where figures are kept: frames in, aligned columns out.

    One writer. A frame counts as durable only once `commit` has returned after it was taken. `select`, `series` and
    `rollups` may wait for a disk or for another program, so they are asked in a thread; the rest is for the loop.
    Series come out with the hub's labels (``machine``) already on them.
    """

    def define(self, machine: str, stream: str, layout: Dictionary) -> None:
        """Make a layout known before frames refer to it; doing it again is harmless. `series` carry all labels."""
        ...

    def take(self, machine: str, frame: Frame) -> bool:
        """Put one frame into the head. False: its instant is not after the stream's last one (a resend), so it was dropped.

        Raises `Refused` when its dictionary is not defined or its length does not fit.
        """
        ...

    def amend(self, machine: str, frame: Frame) -> bool:
        """Put what this frame has into its stream's last one, which is of the same instant and layout.

        False: there is no such frame any more, and nothing was done. For what comes in parts, as remote write does.
        """
        ...

    async def commit(self) -> None:
        """Make every frame taken so far durable. Raises `Failed` (disk full): then none of them may be acknowledged."""
        ...

    def latest(self, matchers: Sequence[Matcher]) -> list[tuple[Series, int, float]]:
        """The newest value of each matching series that has one: series, time in ms, value."""
        ...

    def series(self, matchers: Sequence[Matcher], start: int = 0, end: int = 0) -> list[Series]:
        """The matching series; with a range, those that had a column in it."""
        ...

    def select(self, matchers: Sequence[Matcher], start: int, end: int, admit: Admit | None = None) -> list[Block]:
        """The raw samples with start <= time <= end (ms) of all matching series, a block per time axis.

        Before any is read `admit` hears how many there are. Raises what that raises, and `Refused` (``too-much``) with the
        number of samples when it is more than the store itself reads at once.
        """
        ...

    def recent(self, matchers: Sequence[Matcher], start: int, end: int) -> list[Block]:
        """What `select` gives of the last few rounds, from this process alone: for who must not wait for another one."""
        ...

    def rollups(self, matchers: Sequence[Matcher], start: int, end: int, step: int) -> list[Rollup]:
        """Windows of `step` ms with least, most, total and how many seen, from the coarsest tier that serves, else from raw."""
        ...
