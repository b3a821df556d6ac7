"""The outbox: everything that is to be told goes through here, once for each channel, and leaves by that channel's lane.

Whoever has something to tell calls `tell`, or `write` within a transaction of its own and `told` after it, so that an
incident and its messages are one fact: after that the message goes out, whatever dies. It begins at a `Bulletin` and names of
channels; who is told of what is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
from sqlalchemy import Connection

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.config import nearest
from watchkeeper.errors import Failed, Refused
from watchkeeper.journal import Journal
from watchkeeper.journal.notifications import OPEN, count_open, insert_rows, written_before
from watchkeeper.links import Links
from watchkeeper.message.facts import subject
from watchkeeper.model import EventKind, Family, Labels, Severity, new_id
from watchkeeper.notify import Leaf
from watchkeeper.notify.lane import Lane, Ties
from watchkeeper.telling import Alert, AlertState, Bulletin, BulletinAlert, Notification

MOST_WAITING = 10_000
"""How many messages may wait for one channel: nobody reads more, and the journal must end somewhere."""
STUCK_SECONDS = 60.0

FAMILIES = (
    Family(
        "watchkeeper_channel_last_success_timestamp_seconds", "gauge", "When the `channel` last delivered; no value: never."
    ),
    Family("watchkeeper_channel_sent_total", "counter", "Messages that the `channel` delivered."),
    Family("watchkeeper_channel_failed_total", "counter", "Attempts of the `channel` that failed."),
    Family("watchkeeper_channel_given_up_total", "counter", "Messages that the `channel` does not try any more."),
    Family("watchkeeper_channel_failures", "gauge", "Attempts of the `channel` that failed since its last success."),
    Family("watchkeeper_channel_queue", "gauge", "Messages that wait for the `channel`."),
    Family("watchkeeper_channel_oldest_seconds", "gauge", "How long the oldest of them has waited."),
)

Happened = Callable[[EventKind, str, Severity], None]
"""Tell an event of the hub's own; called on the event loop."""


class Outbox:
    """All lanes. Made with the channels of the configuration; `run` carries."""

    def __init__(
        self,
        channels: Mapping[str, Leaf],
        journal: Journal,
        clock: Clock,
        links: Links,
        happened: Happened,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._links = links
        self._happened = happened
        self._waiting: dict[str, asyncio.Event] = {}
        ties = Ties(happened, self._ring, self._ended, chance)
        self.lanes = {name: Lane(name, leaf, journal, clock, ties) for name, leaf in channels.items()}

    # -- telling -------------------------------------------------------------------------------------

    async def tell(self, bulletin: Bulletin, channels: Iterable[str]) -> tuple[Notification, ...]:
        """Have each of these channels tell it; it is durable on return, and goes out from then on.

        One that was told before, by its id, is not told again. A channel that does not exist gets a row too, which has failed.
        Raises `Failed` with nothing kept.
        """
        names = tuple(dict.fromkeys(channels))
        rows = await self._journal.notifications.together(lambda connection: self.write(connection, bulletin, names))
        self.told(rows)
        return rows

    def write(self, connection: Connection, bulletin: Bulletin, channels: Iterable[str]) -> tuple[Notification, ...]:
        """The same within the caller's transaction, from any thread. After the commit, hand the rows to `told`."""
        now = milliseconds(self._clock.wall())
        rows = []
        for name in dict.fromkeys(channels):
            row = written_before(connection, bulletin, name)
            if row is None:
                row = self._row(connection, bulletin, name, now)
                insert_rows(connection, [row])
            rows.append(row)
        return tuple(rows)

    def told(self, rows: Sequence[Notification]) -> None:
        """These rows are durable: their lanes begin. On the event loop. Forgetting it costs half a minute, not the message."""
        for row in rows:
            if row.state == "failed":
                text = f"{row.channel} was not told “{subject(row.bulletin)}”: {row.why}"
                self._happened(EventKind.NOTIFICATION_FAILED, text, "critical")
            self._ring(row.channel)

    async def acknowledged(self, incident: str, by: str) -> int:
        """An incident is in somebody's hands: its reminders and escalations that still wait are not told. Returns how many."""
        now = milliseconds(self._clock.wall())
        return await self._journal.notifications.settle_incident(incident, now, f"acknowledged by {by}")

    async def test(self, channel: str, by: str = "") -> Notification:
        """Send a test message now, past the queue; how it went, once that is known or time is up.

        Raises `Refused` (``unknown-channel``).
        """
        lane = self.lane(channel)
        bulletin = test_bulletin(channel, by, milliseconds(self._clock.wall()), self._links)
        row = (await self.tell(bulletin, [channel]))[0]
        ended = self._waiting[row.id] = asyncio.Event()
        found: Notification | None = row
        try:
            async with asyncio.timeout(2 * float(lane.leaf.timeout) + 5):
                while found is not None and found.state in OPEN:
                    await ended.wait()
                    ended.clear()
                    found = await self._journal.notifications.one(row.id)
        except TimeoutError:
            found = await self._journal.notifications.one(row.id)
        finally:
            del self._waiting[row.id]
        return found or row

    # -- at work -----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Carry until cancelled."""
        await self._end_strays()
        async with asyncio.TaskGroup() as group:
            for lane in self.lanes.values():
                group.create_task(lane.run(), name=f"channel {lane.name}")

    def lane(self, channel: str) -> Lane:
        """One channel's; raises `Refused` (``unknown-channel``) with the nearest name."""
        if channel not in self.lanes:
            hint = nearest(channel, sorted(self.lanes)) or "; none is configured: see [channel.NAME]"
            raise Refused(f"there is no channel {channel!r}{hint}", code="unknown-channel")
        return self.lanes[channel]

    def stuck(self) -> str:
        """The first channel whose lane has not come round for longer than an attempt may take; empty: none."""
        now = self._clock.monotonic()
        late = (lane.name for lane in self.lanes.values() if now - lane.turned_at > lane.leaf.timeout + STUCK_SECONDS)
        return next(late, "")

    def figures(self) -> list[tuple[Family, list[tuple[Labels, float]]]]:
        """How each channel stands, by family."""
        now = milliseconds(self._clock.wall())
        told = [(((("channel", lane.name),)), _values(lane, now)) for lane in self.lanes.values()]
        return [
            (family, [(labels, values[number]) for labels, values in told])
            for number, family in enumerate(FAMILIES)
            if self.lanes
        ]

    async def _end_strays(self) -> None:
        """What waits for a channel that the configuration does not have any more is over, and is told as such."""
        while strays := await self._strays():
            now = milliseconds(self._clock.wall())
            for one in strays:
                why = f"there is no channel {one.channel} any more"
                await self._journal.notifications.failed(one.id, now, why)
                text = f"{one.channel} was not told “{subject(one.bulletin)}”: {why}"
                self._happened(EventKind.NOTIFICATION_FAILED, text, "critical")

    async def _strays(self) -> tuple[Notification, ...]:
        try:
            return await self._journal.notifications.strays(tuple(self.lanes))
        except Failed:  # the journal cannot be read now; the lanes say so themselves
            return ()

    def _row(self, connection: Connection, bulletin: Bulletin, channel: str, now: int) -> Notification:
        told = msgspec.structs.replace(bulletin, links=self._linked(bulletin, channel, now))
        row = Notification(id=new_id(now), at=now, channel=channel, bulletin=told, due_at=now)
        why = ""
        if channel not in self.lanes:
            why = f"there is no channel {channel!r}"
        elif count_open(connection, channel) >= MOST_WAITING:
            why = f"{MOST_WAITING} messages wait for this channel already"
        return msgspec.structs.replace(row, state="failed", ended_at=now, why=why) if why else row

    def _linked(self, bulletin: Bulletin, channel: str, now: int) -> dict[str, str]:
        """A bulletin's links, with those that are missing: to the page, and to acknowledge what is not over."""
        links = {"page": self._links.page(bulletin.incident)}
        if bulletin.incident and bulletin.kind != "resolved":
            links["acknowledge"] = self._links.acknowledge(bulletin.incident, channel, now)
        return links | bulletin.links

    def _ring(self, channel: str) -> None:
        if channel in self.lanes:
            self.lanes[channel].ring()

    def _ended(self, notification: str) -> None:
        if waits := self._waiting.get(notification):
            waits.set()


def test_bulletin(channel: str, by: str, at: int, links: Links) -> Bulletin:
    """What a channel's test tells."""
    said = f"This is a test of the channel {channel}" + (f", asked for by {by}" if by else "") + ". Nothing is wrong."
    labels = {"alertname": "ChannelTest", "severity": "info", "channel": channel, "test": "true"}
    alert = Alert(f"test-{at:x}", "ChannelTest", labels, {}, AlertState.FIRING, "info", float("nan"), at, at)
    return Bulletin(
        kind="test",
        at=at,
        title=f"Watchkeeper can reach you over {channel}",
        severity="info",
        incident="",
        thread=f"test-{channel}-{at:x}",
        group={"alertname": "ChannelTest"},
        alerts=(BulletinAlert(alert, said),),
        links={"page": links.page("")},
    )


def _values(lane: Lane, now: int) -> tuple[float, ...]:
    tally = lane.tally
    return (
        tally.last_success_at / 1000 if tally.last_success_at else float("nan"),
        tally.sent,
        tally.failed,
        tally.given_up,
        lane.standing.failures,
        tally.queue,
        max(0, now - tally.oldest_at) / 1000 if tally.oldest_at else 0.0,
    )
