"""The journal: what happened and what was decided, in one SQLite file that survives kill -9.

Rooms: `events` (what happened), `alerts` and `incidents` (what was judged, what people said to it), `notifications` (what is to
be told), `drills` (proofs that it would be), `heartbeats` (others' signs of life), `actions` (orders and outcomes), `access`
(sessions, tokens, links), `people`, `audit` (who did what), `machines` (who has ever been there), on `tables` (schema and
migrations) and `ledger` (the file and its threads). The hub opens it; the web and the hub come in through `Journal`. A change
of state is a row here before it is a message anywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from watchkeeper.config import Duration, Part
from watchkeeper.journal.access import Access
from watchkeeper.journal.actions import Actions
from watchkeeper.journal.alerts import Alerts
from watchkeeper.journal.audit import Audit
from watchkeeper.journal.drills import Drills
from watchkeeper.journal.events import Events
from watchkeeper.journal.heartbeats import Heartbeats
from watchkeeper.journal.incidents import Incidents, Silences
from watchkeeper.journal.ledger import Ledger, open_ledger
from watchkeeper.journal.machines import Machines
from watchkeeper.journal.notifications import Notifications
from watchkeeper.journal.people import People

__all__ = ["Journal", "JournalSettings", "open_journal"]


class JournalSettings(Part, frozen=True, kw_only=True):
    """``[journal]``: `keep` is how long events and the audit are kept."""

    keep: Duration = Duration(365 * 86400)


class Journal:
    """An open journal, by rooms. Made by `open_journal`."""

    def __init__(self, ledger: Ledger) -> None:
        self.events = Events(ledger)
        self.actions = Actions(ledger)
        self.access = Access(ledger)
        self.people = People(ledger)
        self.audit = Audit(ledger)
        self.machines = Machines(ledger)
        self.notifications = Notifications(ledger)
        self.heartbeats = Heartbeats(ledger)
        self.alerts = Alerts(ledger)
        self.incidents = Incidents(ledger)
        self.silences = Silences(ledger)
        self.drills = Drills(ledger)

    async def prune(self, settings: JournalSettings, now: int) -> int:
        """Forget what is older than the retention, and what has ended; for once an hour or so. Returns the events dropped."""
        oldest = now - round(settings.keep * 1000)
        await self.access.drop_ended(now)
        await self.audit.drop_older(oldest)
        await self.notifications.drop_older(oldest)
        await self.alerts.drop_older(oldest)
        await self.incidents.drop_older(oldest)
        await self.silences.drop_older(oldest)
        await self.drills.drop_older(oldest)
        return await self.events.drop_older(oldest)


@asynccontextmanager
async def open_journal(path: Path) -> AsyncIterator[Journal]:
    """The journal in this file (made if absent) for the length of an ``async with``; its end writes all that was asked for.

    Raises `Failed` when the file cannot be used (damaged, locked, full disk), ConfigError when a newer Watchkeeper wrote it.
    """
    ledger = await asyncio.to_thread(open_ledger, path)
    try:
        yield Journal(ledger)
    finally:
        await asyncio.to_thread(ledger.close)
