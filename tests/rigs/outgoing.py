"""An outbox over a real journal, with everything that it tells as events at hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from watchkeeper.clock import SystemClock
from watchkeeper.journal import Journal, open_journal
from watchkeeper.journal.notifications import OPEN, Sought
from watchkeeper.links import Links
from watchkeeper.model import EventKind, Severity
from watchkeeper.notify import Leaf
from watchkeeper.notify.outbox import Outbox
from watchkeeper.quantities import Secret
from watchkeeper.telling import Notification

KEY = "k" * 43


class Office:
    """An outbox at work."""

    def __init__(self, journal: Journal, channels: Mapping[str, Leaf]) -> None:
        self.journal = journal
        self.events: list[tuple[EventKind, str, Severity]] = []
        self.links = Links("https://watch.example.org", KEY)
        clock = SystemClock()
        self.outbox = Outbox(channels, journal, clock, self.links, lambda *told: self.events.append(told), lambda: 0.0)

    async def rows(self, **sought: str) -> list[Notification]:
        """What the journal has, oldest first."""
        return list(await self.journal.notifications.page(Sought(**sought)))[::-1]

    async def settled(self, seconds: float = 20) -> list[Notification]:
        """All rows once none is open any more."""
        async with asyncio.timeout(seconds):
            while any(row.state in OPEN for row in await self.rows()):
                await asyncio.sleep(0.01)
        return await self.rows()

    def kinds(self) -> list[str]:
        """The events' kinds."""
        return [kind.value for kind, _, _ in self.events]


@asynccontextmanager
async def at_work(folder: Path, channels: Mapping[str, Leaf]) -> AsyncIterator[Office]:
    """An outbox over the journal in `folder`, for the length of an ``async with``."""
    async with open_journal(folder / "journal.db") as journal:
        office = Office(journal, channels)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(office.outbox.run())
            try:
                yield office
            finally:
                task.cancel()


def kept(folder: Path, text: str) -> Secret:
    """A secret of this text."""
    file = folder / f"secret-{abs(hash(text)):x}"
    file.write_text(text)
    return Secret(file=str(file))
