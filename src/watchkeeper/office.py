"""The office: all that goes out to people and programs, and the signs of life that come in, put together for the hub.

It reads the hub's tables `[channel.NAME]`, `[heartbeat]` and `[expected.NAME]`, makes outbox, dead man's switch and
heartbeats of them, and runs them as one task of the hub. The web asks through it; whoever judges tells through `outbox` and
lets the Watchdog `beat`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.config import Document, Part
from watchkeeper.heartbeat.incoming import Heartbeats
from watchkeeper.heartbeat.outgoing import DeadMan
from watchkeeper.heartbeat.settings import Expected, HeartbeatSettings
from watchkeeper.journal import Journal
from watchkeeper.keyfile import kept_secret
from watchkeeper.links import Links
from watchkeeper.model import Event, EventKind, Family, Labels, Severity, new_id
from watchkeeper.notify import Leaf
from watchkeeper.notify.outbox import Outbox
from watchkeeper.telling import Bulletin


class OfficeSettings(Part, frozen=True, kw_only=True):
    """The tables that the office owns."""

    channel: dict[str, Leaf] = {}
    heartbeat: HeartbeatSettings = HeartbeatSettings()
    expected: dict[str, Expected] = {}


def read_tables(document: Document) -> dict[str, Any]:
    """The office's part of a configuration, by table; raises ConfigError."""
    return {
        "channel": channels(document),
        "heartbeat": document.part("heartbeat", HeartbeatSettings),
        "expected": document.named("expected", Expected),
    }


def channels(document: Document) -> dict[str, Leaf]:
    """The channels by name; raises ConfigError, also for a fall-back that is not there or leads in a circle."""
    found: dict[str, Leaf] = document.named("channel", Leaf)
    for name, leaf in found.items():
        seen = [name]
        while fallback := leaf.fallback:
            place = ("channel", seen[-1], "fallback")
            if fallback not in found:
                raise document.fault(place, f"there is no channel {fallback!r} to fall back to")
            if fallback in seen:
                raise document.fault(place, f"the fall-backs lead in a circle: {' → '.join((*seen, fallback))}")
            seen.append(fallback)
            leaf = found[fallback]  # noqa: PLW2901  # one walks along the chain
    return found


class Office:
    """All of it at work. Made by `open_office`."""

    def __init__(
        self,
        settings: OfficeSettings,
        journal: Journal,
        clock: Clock,
        links: Links,
        tell: Callable[[Event], None],
        trouble: Callable[[], str] = lambda: "",
    ) -> None:
        """`tell` takes an event of the hub's own; `trouble` says why nothing can be kept at present."""
        self.links = links
        self.channels = settings.channel
        self._clock = clock
        self._tell = tell
        self.outbox = Outbox(settings.channel, journal, clock, links, self._happened)
        self.heartbeats = Heartbeats(settings.expected, journal, clock, tell)
        self.dead_man = DeadMan(settings.heartbeat, clock, self.outbox.stuck, trouble)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.outbox.run(), name="outbox")
            group.create_task(self.heartbeats.run(), name="expected heartbeats")
            group.create_task(self.dead_man.run(), name="dead man's switch")

    async def tell(self, bulletin: Bulletin, channels: Sequence[str]) -> None:
        """Have these channels tell it, or all there are where none is named; durable on return. Raises `Failed`."""
        await self.outbox.tell(bulletin, channels or self.channels)

    def figures(self) -> list[tuple[Family, list[tuple[Labels, float]]]]:
        """All figures of telling and of heartbeats."""
        return [*self.outbox.figures(), *self.heartbeats.figures(), *self.dead_man.figures()]

    def _happened(self, kind: EventKind, text: str, severity: Severity) -> None:
        at = milliseconds(self._clock.wall())
        self._tell(Event(new_id(at), at, kind, text, severity=severity))


def empty_office(journal: Journal, clock: Clock, tell: Callable[[Event], None]) -> Office:
    """An office without channels and heartbeats, whose links nobody can sign: for a hub that is not open yet."""
    return Office(OfficeSettings(), journal, clock, Links("", secrets.token_hex(32)), tell)


async def open_office(
    settings: OfficeSettings,
    data: Path,
    address: str,
    journal: Journal,
    clock: Clock,
    tell: Callable[[Event], None],
    trouble: Callable[[], str],
) -> Office:
    """An office that knows what it knew before. `data` holds the key of its links, `address` is what they begin with.

    Raises `Failed`.
    """
    links = Links(address, await asyncio.to_thread(kept_secret, data / "link-key"))
    office = Office(settings, journal, clock, links, tell, trouble)
    await office.heartbeats.open()
    return office
