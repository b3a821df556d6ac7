"""One channel's lane: the task that carries what waits for one channel, one message at a time.

The journal says what waits, `deciding` what to do, the leaf hands over; here it is done and written down: claimed before it
is sent, settled after. Each channel has a lane of its own, and each attempt and look an end, so no receiver holds up another
channel. What goes out of here in words (`why`, receipts, logs) has no secret in it. Where the journal cannot be written (a
full disk) a row that it has is sent all the same: told twice is better than not told, and the disk may be what it tells of.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Awaitable, Callable

import msgspec

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.errors import ConfigError, Failed
from watchkeeper.journal import Journal
from watchkeeper.journal.notifications import Queue, Queued
from watchkeeper.message.facts import subject
from watchkeeper.model import EventKind, Severity, new_id
from watchkeeper.notify import Leaf, deciding
from watchkeeper.notify.deciding import CIRCUIT, FallBack, GiveUp, Send, Standing, Wait
from watchkeeper.outward import NotTaken, hidden
from watchkeeper.telling import Notification

logger = logging.getLogger(__name__)

REST_SECONDS = 30.0
"""How long a lane rests at most before it looks into the journal again, though nobody rang."""
LOOK_EVERY = 1.0
LOOK_SECONDS = 5.0
"""A look is begun each second, and given up after five: one that hangs does not delay the next."""
PARTING_SECONDS = 5.0
"""How long an attempt that is under way may go on when the hub stops, so that it need not be repeated."""
JOURNAL_SECONDS = 1.0


class Tally(msgspec.Struct):
    """What a lane has done since the hub's start, and how it stands. Times in ms, 0: never."""

    sent: int = 0
    failed: int = 0
    given_up: int = 0
    queue: int = 0
    oldest_at: int = 0
    last_success_at: int = 0
    last_why: str = ""


class Ties(msgspec.Struct, frozen=True):
    """What a lane asks of its outbox. `happened` tells an event, `handed` rings another lane, `ended` tells of a row."""

    happened: Callable[[EventKind, str, Severity], None]
    handed: Callable[[str], None]
    ended: Callable[[str], None]
    chance: Callable[[], float]


class Lane:
    """One channel at work; `run` is its task."""

    def __init__(self, name: str, leaf: Leaf, journal: Journal, clock: Clock, ties: Ties) -> None:
        self.name = name
        self.leaf = leaf
        self.tally = Tally()
        self.standing = Standing()
        self.turned_at = clock.monotonic()
        """When it last came round (monotonic seconds): a lane that does not is stuck."""
        self._rows = journal.notifications
        self._clock = clock
        self._ties = ties
        self._rung = asyncio.Event()
        self._owed: dict[str, Callable[[], Awaitable[object]]] = {}
        self._flight: asyncio.Task[None] | None = None
        self._looks: set[asyncio.Task[None]] = set()
        self._looked_at = 0.0
        self._attempts = 0
        self._place: tuple[str, int] | None = None
        self._sent_at = 0

    def ring(self) -> None:
        """Something waits for it."""
        self._rung.set()

    async def run(self) -> None:
        """Carry until cancelled; what is under way then may end, for some seconds."""
        async with asyncio.TaskGroup() as group:
            try:
                await self._remember()
                self._look(group)  # so that it is known whether looks say anything of this receiver
                while True:
                    await self._turn(group)
            except asyncio.CancelledError:
                if self._flight is not None and not self._flight.done():
                    await asyncio.wait([self._flight], timeout=PARTING_SECONDS)
                for look in self._looks:
                    look.cancel()
                raise

    # -- the loop ---------------------------------------------------------------------------------

    async def _remember(self) -> None:
        """Take up where an earlier hub ended: when this channel was last used, and whether it was in trouble."""
        while True:
            try:
                record = await self._rows.record(self.name, self._now() - deciding.MINUTE)
                queue = await self._rows.queue(self.name)
                break
            except Failed:
                await asyncio.sleep(JOURNAL_SECONDS)
        self.tally.last_success_at = record.last_success_at
        tried = any(row.attempts and row.state == "waiting" for row in queue.rows)
        self.standing = Standing(failures=int(tried), used=record.attempts)

    async def _turn(self, group: asyncio.TaskGroup) -> None:
        self.turned_at = self._clock.monotonic()
        self._rung.clear()
        try:
            await self._pay()
            queue = await self._rows.queue(self.name)
        except Failed as fault:
            logger.warning("the channel %s waits for the journal: %s", self.name, fault.why)
            await asyncio.sleep(JOURNAL_SECONDS)
            return
        self.tally.queue, self.tally.oldest_at = queue.length, queue.oldest_at
        rows = [row for row in queue.rows if row.id not in self._owed]
        match deciding.next_step(rows, self.standing, self.leaf, self._now()):
            case Send(row):
                await self._fly(group, row)
            case FallBack(row, why):
                await self._fall_back(row, why, over=False)
            case GiveUp(row, why):
                await self._give_up(row, why)
            case Wait(until):
                await self._rest(group, queue, until)

    async def _rest(self, group: asyncio.TaskGroup, queue: Queue, until: int) -> None:
        """Sleep until `until`, a ring, or the next look."""
        seconds = REST_SECONDS
        if until:
            seconds = min(seconds, max(0.0, (until - self._now()) / 1000))
        if queue.rows and self.standing.failures:
            self._look(group)
            seconds = min(seconds, LOOK_EVERY)
        if self._owed:
            seconds = min(seconds, JOURNAL_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()

    # -- looks -------------------------------------------------------------------------------------

    def _look(self, group: asyncio.TaskGroup) -> None:
        """Begin another look, at most each second."""
        now = self._clock.monotonic()
        if now - self._looked_at >= LOOK_EVERY * 0.9:
            self._looked_at = now
            task = group.create_task(self._look_once(self._attempts), name=f"look at channel {self.name}")
            self._looks.add(task)
            task.add_done_callback(self._looks.discard)

    async def _look_once(self, attempts: int) -> None:
        there = False
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                if self._place is not None:
                    await _connect(*self._place)
                else:
                    await self.leaf.look()
            there = True
        except (Failed, ConfigError, OSError, TimeoutError):
            pass
        except Exception:  # noqa: BLE001  # the leaf's own bug must not end the hub: nothing was seen
            logger.error("the look of channel %s broke:\n%s", self.name, self._traceback())  # noqa: TRY400  # without secrets
        if attempts == self._attempts:  # else it saw what was before the last attempt
            before, self.standing = self.standing, deciding.after_look(self.standing, self._now(), there=there)
            if self.standing.recovered_at and not before.recovered_at:
                self.ring()

    # -- attempts ------------------------------------------------------------------------------------

    async def _fly(self, group: asyncio.TaskGroup, row: Queued) -> None:
        """One attempt, as a task of its own: the hub's end may come in the middle of it."""
        self._flight = group.create_task(self._attempt(row), name=f"channel {self.name} tells")
        await asyncio.shield(self._flight)

    async def _attempt(self, row: Queued) -> None:
        at = self._now()
        try:
            if not await self._rows.claim(row.id, at):
                return
        except Failed as fault:
            logger.warning("the channel %s sends what the journal cannot note down: %s", self.name, fault.why)
        self._attempts += 1
        self.standing = deciding.after_attempt(self.standing, at)
        try:
            receipt = await self._hand_over(row.id)
        except Failed as fault:
            await self._failed(row, fault)
        else:
            await self._delivered(row, hidden(receipt, self.leaf))

    async def _hand_over(self, notification: str) -> str:
        """The leaf's receipt; every fault as `Failed`."""
        try:
            one = await self._rows.one(notification)
        except Failed as fault:
            raise NotTaken(fault.why) from None
        if one is None:
            raise Failed("it is not in the journal any more", retry=False)
        try:
            self._sent_at = self._now()
            async with asyncio.timeout(self.leaf.timeout):
                return await self.leaf.send(one.bulletin, one.id)
        except TimeoutError:
            raise Failed(f"no answer within {self.leaf.timeout}") from None
        except ConfigError as fault:
            raise NotTaken(str(fault)) from None
        except Failed:
            raise
        except Exception:  # noqa: BLE001  # the leaf's own bug must not end the hub: a failed attempt, told with its traceback
            logger.error("the channel %s broke:\n%s", self.name, self._traceback())  # noqa: TRY400  # without secrets
            raise Failed("the channel itself broke; see the hub's log") from None

    async def _delivered(self, row: Queued, receipt: str) -> None:
        now = self._now()
        self.tally.sent += 1
        self.tally.last_success_at = now
        self.tally.last_why = ""
        if self.standing.failures >= CIRCUIT:
            self._ties.happened(EventKind.CHANNEL_RECOVERED, f"The channel {self.name} delivers again", "info")
        self.standing = deciding.after_success(self.standing, now)
        sent_at = self._sent_at
        await self._write(row.id, lambda: self._rows.delivered(row.id, now, receipt, sent_at=sent_at))

    async def _failed(self, row: Queued, fault: Failed) -> None:
        now = self._now()
        why = hidden(fault.why, self.leaf)
        attempts = row.attempts + 1
        self.tally.failed += 1
        self.tally.last_why = why
        logger.info("the channel %s has not delivered %s (attempt %d): %s", self.name, row.id, attempts, why)
        if not fault.retry:
            self.standing = deciding.after_refusal(self.standing)
            if isinstance(deciding.refused(row, self.leaf, why), FallBack):
                await self._fall_back(row, why, over=True)
            else:
                await self._give_up(row, why)
            return
        unsure = not isinstance(fault, NotTaken)
        self._place = fault.place if isinstance(fault, NotTaken) else None
        asked = fault.pause if isinstance(fault, NotTaken) else 0.0
        self.standing = deciding.after_failure(self.standing, now, unsure=unsure, asked=asked, chance=self._ties.chance())
        if self.standing.failures == CIRCUIT:
            self._ties.happened(EventKind.CHANNEL_FAILING, f"The channel {self.name} does not deliver: {why}", "warning")
        due = deciding.due_after(attempts, now, unsure=unsure, chance=self._ties.chance())
        await self._write(row.id, lambda: self._rows.again(row.id, due, why, unsure=unsure))

    async def _fall_back(self, row: Queued, why: str, *, over: bool) -> None:
        now = self._now()
        other = self.leaf.fallback
        logger.warning("the channel %s has not delivered %s: %s; %s is asked", self.name, row.id, why, other)
        try:
            if (one := await self._rows.one(row.id)) is not None:
                by = Notification(id=new_id(now), at=now, channel=other, bulletin=one.bulletin, due_at=now, after=one.id)
                await self._rows.replace(row.id, by, now, over=over, why=why)
        except Failed as fault:
            logger.warning("the channel %s waits for the journal: %s", self.name, fault.why)
            await asyncio.sleep(JOURNAL_SECONDS)
            return
        self._ties.handed(other)

    async def _give_up(self, row: Queued, why: str) -> None:
        now = self._now()
        self.tally.given_up += 1
        if row.kind != "test":
            text = f"{self.name} was not told “{await self._title(row.id)}”: {why}"
            self._ties.happened(EventKind.NOTIFICATION_FAILED, text, "critical")
        await self._write(row.id, lambda: self._rows.failed(row.id, now, why))

    async def _title(self, notification: str) -> str:
        try:
            one = await self._rows.one(notification)
        except Failed:
            one = None
        return subject(one.bulletin) if one else notification

    # -- writing down ----------------------------------------------------------------------------------

    async def _write(self, notification: str, write: Callable[[], Awaitable[object]]) -> None:
        """Write how it went; where the journal cannot, it is owed, and that row is left alone until then."""
        try:
            await write()
        except Failed as fault:
            logger.warning("the journal cannot note down how it went with %s: %s", notification, fault.why)
            self._owed[notification] = write
        self._ties.ended(notification)

    async def _pay(self) -> None:
        """Write what is owed; raises nothing: what cannot be written yet stays owed."""
        for notification, write in list(self._owed.items()):
            try:
                await write()
            except Failed:
                return
            del self._owed[notification]

    def _now(self) -> int:
        return milliseconds(self._clock.wall())

    def _traceback(self) -> str:
        """The present exception, its own words without the channel's secrets."""
        return "\n".join(hidden(line, self.leaf, 500) for line in traceback.format_exc().splitlines())


async def _connect(host: str, port: int) -> None:
    """See whether somebody listens there; raises OSError."""
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
