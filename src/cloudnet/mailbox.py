"""What absent clients have not seen yet, and who is known: one file, written by a thread in batched commits.

The relay calls from the event loop and never waits: a message that is `put` is settled, through `settled`, once the commit that
holds it has returned, or `refused` with the reason. How many messages and bytes wait for whom is known in memory, exactly, so
limits are checked before anything is written. Rows are numbered by time and node, and keep their order when mail moves to
another node. A disk that takes nothing refuses what is put; what can still be read is, and once a second it is tried again.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from cloudnet.mailfile import Change, Delete, File, Mail, Outcome, Turn, next_row, readable
from cloudnet.session import Flight

logger = logging.getLogger(__name__)
T = TypeVar("T")

TURNS = 64
"""How many turns of the event loop one commit may gather."""
ROW_BYTES = 350
"""What a message takes in the file beside its body: keys, id, times, and its places in the indices."""
AGAIN_SECONDS = 1.0
"""How long after a failure it is looked whether the disk takes something again."""


class Waiting:
    """How much waits for one recipient."""

    __slots__ = ("bytes", "messages")

    def __init__(self) -> None:
        """Nothing."""
        self.messages = 0
        self.bytes = 0


class Tally:
    """What the mailbox has done since the start."""

    __slots__ = ("commit_seconds", "commits", "deleted", "expired", "failed", "put", "read")

    def __init__(self) -> None:
        """Nothing yet."""
        self.put = self.deleted = self.read = self.expired = self.failed = self.commits = 0
        self.commit_seconds = 0.0


class Mailbox:
    """The keeper of one file; made and called on the event loop."""

    def __init__(
        self, path: Path, node: int, settled: Callable[[Flight], None], refused: Callable[[Flight, str], None]
    ) -> None:
        """Open or make the file; raises ConfigError. `node` (0 to 4095) tells nodes apart that pass rows to each other."""
        self._path = path
        self.node = node
        self._settled = settled
        self._refused = refused
        self._loop = asyncio.get_running_loop()
        self._file = File(path)
        self.connection = self._file.connection
        """For what is read at the start; later the writer's thread has it alone."""
        self._waiting: dict[bytes, Waiting] = {}
        self._sent: Counter[bytes] = Counter()
        """As `used`, by sender."""
        self.total_bytes = 0
        self.total_messages = 0
        with readable(path):
            self._row = self._file.last_row()
            for counted in self._file.counted():
                self._count(counted)
        self.trouble = ""
        """Why nothing can be written at the moment; empty when all is well."""
        self.tally = Tally()
        self._turn: Turn | None = None
        self._undeleted: list[Delete] = []
        self._is_probing = False
        self._queue: queue.SimpleQueue[Turn | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="mailbox", daemon=True)
        self._thread.start()

    # -- from the event loop ------------------------------------------------------------------------

    def waiting(self, recipient: bytes) -> Waiting | None:
        """How much waits for one; None for nothing."""
        return self._waiting.get(recipient)

    def used(self) -> int:
        """Bytes that all that waits takes: bodies, and `ROW_BYTES` for each."""
        return self.total_bytes + self.total_messages * ROW_BYTES

    def used_by(self, sender: bytes) -> int:
        """The same, of what one has sent."""
        return self._sent[sender]

    def recipients(self) -> list[bytes]:
        """All for whom something waits."""
        return list(self._waiting)

    def put(self, recipient: bytes, flight: Flight, expires: int) -> None:
        """Keep a message, and settle it once it is on the disk. `expires` in ms since the epoch.

        Its `row` is the `place` that it was given before, here or on another node, else it goes behind all.
        """
        flight.row = flight.place or self.next_row()
        message = flight.deliver
        if self._turn is not None and self._turn.deletes:  # of the same message, maybe: a turn puts before it deletes
            self._hand_over()
        turn = self._now()
        turn.puts.append(
            (flight.row, recipient, message.id, message.sender, message.to, message.at, expires, flight.size, message.body)
        )
        turn.flights.append(flight)
        self._count(Change(recipient, message.sender, 1, flight.size))

    def next_row(self) -> int:
        """The next place in the order of all nodes, for a message that may be put later, or elsewhere, than those behind it."""
        self._row = next_row(self._row, time.time_ns() // 1_000_000, self.node)
        return self._row

    def delete(self, recipient: bytes, flight: Flight) -> None:
        """It has been taken."""
        self._now().deletes.append(Delete(flight.row, flight.deliver.id, recipient, flight.deliver.sender, flight.size))
        self.tally.deleted += 1

    async def read(self, recipient: bytes, after: int, most: int, now: int) -> tuple[list[Mail], bool]:
        """The next messages of a recipient behind row `after`, oldest first, and whether there may be more.

        Sees everything put before; `most` messages and about `READ_BYTES` at a time. Raises Failed.
        """
        found, is_more = await self.do(lambda _: self._file.read(recipient, after, most, now))
        self.tally.read += len(found)
        return found, is_more

    async def expire(self, now: int) -> int:
        """Drop what is too old; returns how many. Raises Failed."""
        gone = await self.do(lambda _: self._file.expire(now))
        for change in gone:
            self._count(change)
        dropped = -sum(change.messages for change in gone)
        self.tally.expired += dropped
        return dropped

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in the writer's thread, within the next transaction; raises Failed when that fails."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._now().jobs.append((work, future))
        return await future

    async def flush(self) -> None:
        """Return once everything of before is on the disk; raises Failed."""
        await self.do(lambda _: None)

    def close(self) -> None:
        """Write what is to be written and give the file back."""
        self._hand_over()
        self._queue.put(None)
        self._thread.join()
        self.connection.close()

    def _now(self) -> Turn:
        if self._turn is None:
            self._turn = Turn()
            self._loop.call_soon(self._hand_over)
        return self._turn

    def _hand_over(self) -> None:
        if self._turn is not None:
            self._queue.put(self._turn)
            self._turn = None

    def _count(self, change: Change) -> None:
        found = self._waiting.get(change.recipient)
        if found is None:
            found = self._waiting[change.recipient] = Waiting()
        found.messages += change.messages
        found.bytes += change.size
        self.total_messages += change.messages
        self.total_bytes += change.size
        if not found.messages:
            del self._waiting[change.recipient]
        self._sent[change.sender] += change.size + change.messages * ROW_BYTES
        if not self._sent[change.sender]:
            del self._sent[change.sender]

    def _done(self, turns: list[Turn], outcome: Outcome) -> None:
        """A batch is on the disk, but for what its outcome says."""
        for change in outcome.changes:
            self._count(change)
        for flight, row in outcome.moved:
            flight.row = row
        if outcome.why:
            self._not_put(turns, outcome.why)
        else:
            if outcome.has_written:
                self.trouble = ""
            self.tally.commits += 1
            self.tally.commit_seconds += outcome.seconds
            for turn in turns:
                self.tally.put += len(turn.flights)
                for flight in turn.flights:
                    self._settled(flight)
        self._undeleted += outcome.undeleted
        self._answer(turns, outcome)
        if (self.trouble or self._undeleted) and not self._is_probing:
            self._is_probing = True
            self._loop.call_later(AGAIN_SECONDS, self._try_again)

    def _answer(self, turns: list[Turn], outcome: Outcome) -> None:
        """Tell those who have asked something within the batch."""
        futures = [future for turn in turns for _, future in turn.jobs]
        for future, answer in zip(futures, outcome.answers, strict=True):
            if not future.done():
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    def _not_put(self, turns: list[Turn], why: str) -> None:
        if not self.trouble:
            logger.error("%s", why)
        self.trouble = why
        for turn in turns:
            self.tally.failed += len(turn.flights)
            for flight, put in zip(turn.flights, turn.puts, strict=True):
                self._count(Change(put[1], put[3], -1, -flight.size))
                flight.row = 0
                self._refused(flight, why)

    def _try_again(self) -> None:
        """Delete what could not be deleted, and look whether there is room again: no client would come and find out."""
        self._is_probing = False
        turn = self._now()
        turn.deletes += self._undeleted
        self._undeleted = []
        future: asyncio.Future[Any] = self._loop.create_future()
        future.add_done_callback(lambda done: done.exception())  # it is in the batch for what it writes
        turn.jobs.append((lambda _: self._file.take_room(), future))

    # -- in the writer's thread -----------------------------------------------------------------------

    def _serve(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            turns = [first]
            last = False
            while len(turns) < TURNS:
                try:
                    turn = self._queue.get_nowait()
                except queue.Empty:
                    break
                if turn is None:
                    last = True
                    break
                turns.append(turn)
            began = time.monotonic()
            try:
                outcome = self._file.write(turns)
            except Exception as fault:  # the border of a thread without which nothing would be kept any more
                if not isinstance(fault, sqlite3.Error):
                    logger.exception("a batch of the mailbox broke")
                outcome = self._file.salvage(turns, f"the mailbox cannot be written: {fault}")
            outcome.seconds = time.monotonic() - began
            self._tell(self._done, turns, outcome)
            if last:
                return

    def _tell(self, call: Callable[..., None], *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)
