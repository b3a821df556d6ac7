"""Heartbeats of others: taken at their address, watched for their absence, told as events and figures.

A heartbeat is durable before it is answered. A change of state is a row before it is an event; the event's id is made of it,
so after a kill it is told again and known as told. Who is expected comes from the configuration or from a command; both keep
their address in the journal.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

import msgspec

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.config import NAME, decode_hook, encode_hook, nearest
from watchkeeper.errors import Failed, Refused
from watchkeeper.heartbeat.settings import Expected
from watchkeeper.heartbeat.standing import Signal, Standing, heard, stand
from watchkeeper.journal import Journal
from watchkeeper.journal.heartbeats import Kept
from watchkeeper.model import Event, EventKind, Family, Labels, Severity

logger = logging.getLogger(__name__)

MOST = 1000
"""How many may be expected."""
BODY_BYTES = 10_000
"""How much of what a job says is kept: its end."""
REST_SECONDS = 60.0

FAMILIES = (
    Family("watchkeeper_heartbeat_up", "gauge", "Whether the expected `heartbeat` comes: 1 up or late, 0 down; no value: new."),
    Family("watchkeeper_heartbeat_late", "gauge", "Whether it is due and has not come, within its grace."),
    Family("watchkeeper_heartbeat_last_timestamp_seconds", "gauge", "When it last came, well or not."),
    Family("watchkeeper_heartbeat_due_timestamp_seconds", "gauge", "When its state changes if nothing comes."),
    Family("watchkeeper_heartbeat_duration_seconds", "gauge", "How long the last run took that told of its start."),
    Family("watchkeeper_heartbeat_exit_status", "gauge", "The exit status that the last run told."),
    Family("watchkeeper_heartbeat_pings_total", "counter", "How often it was heard of."),
)
_EVENTS: dict[str, tuple[EventKind, Severity, str]] = {
    "up": (EventKind.HEARTBEAT_UP, "info", "is there"),
    "late": (EventKind.HEARTBEAT_LATE, "warning", "is late"),
    "down": (EventKind.HEARTBEAT_DOWN, "critical", "is missing"),
}


class Seen(NamedTuple):
    """One expected heartbeat as it stands now."""

    kept: Kept
    expected: Expected
    standing: Standing


class Heartbeats:
    """All heartbeats that are expected."""

    def __init__(self, expected: Mapping[str, Expected], journal: Journal, clock: Clock, tell: Callable[[Event], None]) -> None:
        """`expected` are those of the configuration; `tell` takes an event to be kept."""
        self._configured = dict(expected)
        self._journal = journal
        self._clock = clock
        self._tell = tell
        self._kept: dict[str, Kept] = {}
        self._expected: dict[str, Expected] = {}
        self._names: dict[str, str] = {}
        self._rung = asyncio.Event()
        self._writing = asyncio.Lock()

    # -- what the web asks -------------------------------------------------------------------------

    async def ping(self, identity: str, signal: Signal, exit_status: int = 0, body: bytes = b"") -> None:
        """Take one signal; durable on return.

        Raises `Refused` (``unknown-heartbeat``), `Failed` when it cannot be kept.
        """
        name = self._names.get(identity)
        if name is None:
            raise Refused("no heartbeat is expected at this address", code="unknown-heartbeat")
        text = body[-BODY_BYTES:].decode(errors="replace")
        said = "".join(sign if sign.isprintable() or sign in "\n\t" else " " for sign in text)
        async with self._writing:
            if name in self._kept:
                await self._change(heard(self._kept[name], signal, exit_status, said, self._now()))
        self._rung.set()

    def seen(self) -> list[Seen]:
        """Every one as it stands now, by name."""
        now = self._now()
        return [
            Seen(kept, self._expected[name], stand(kept, self._expected[name], now))
            for name, kept in sorted(self._kept.items())
            if name in self._expected
        ]

    async def add(self, name: str, expected: Expected) -> Seen:
        """Expect one more from now on. Raises `Refused` where the name is taken, or there are too many."""
        if not NAME.fullmatch(name):
            raise Refused("a name has 1 to 63 letters, digits, dots, dashes or underscores", code="bad-name")
        async with self._writing:
            if name in self._expected:
                raise Refused(f"{name} is expected already", code="taken")
            if len(self._expected) >= MOST:
                raise Refused(f"{MOST} heartbeats are expected already", code="too-many")
            told = msgspec.json.encode(expected, enc_hook=encode_hook).decode()
            kept = Kept(name, secrets.token_urlsafe(16), self._now(), expected=told)
            await self._journal.heartbeats.keep(kept)
            self._enter(kept, expected)
        self._rung.set()
        return Seen(kept, expected, stand(kept, expected, self._now()))

    async def remove(self, name: str) -> None:
        """Expect one no more. Raises `Refused` where there is none, or the configuration says that it is expected."""
        async with self._writing:
            if name not in self._expected:
                raise Refused(
                    f"there is no heartbeat {name!r}{nearest(name, sorted(self._expected))}", code="unknown-heartbeat"
                )
            if name in self._configured:
                raise Refused(f"{name} is expected by the configuration: take [expected.{name}] out of it", code="configured")
            await self._journal.heartbeats.forget(name)
            self._names.pop(self._kept.pop(name).id, None)
            del self._expected[name]

    def figures(self) -> list[tuple[Family, list[tuple[Labels, float]]]]:
        """How each stands, by family."""
        told = [((("heartbeat", one.kept.name),), _values(one)) for one in self.seen()]
        return [
            (family, [(labels, values[number]) for labels, values in told]) for number, family in enumerate(FAMILIES) if told
        ]

    # -- at work ------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Read what is known and take in whom the configuration expects; before anything is asked. Raises `Failed`."""
        now = self._now()
        for kept in await self._journal.heartbeats.all():
            if kept.name in self._configured:
                self._enter(kept, self._configured[kept.name])
            elif kept.expected:
                self._enter(kept, msgspec.json.decode(kept.expected, type=Expected, dec_hook=decode_hook))
        for name, expected in self._configured.items():
            if name not in self._kept:
                kept = Kept(name, secrets.token_urlsafe(16), now)
                await self._journal.heartbeats.keep(kept)
                self._enter(kept, expected)
        for kept in self._kept.values():
            self._tell_of(kept)  # an earlier hub may have been killed between the row and the event

    async def run(self) -> None:
        """Notice what does not come, until cancelled."""
        while True:
            self._rung.clear()
            try:
                until = await self._look()
            except Failed as fault:
                logger.warning("heartbeats cannot be kept at the moment: %s", fault.why)
                until = self._now() + 1000
            seconds = min(REST_SECONDS, max(0.0, (until - self._now()) / 1000)) if until else REST_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._rung.wait()

    async def _look(self) -> int:
        """Write and tell what has changed by the clock; when the next change is due (ms), 0: none."""
        async with self._writing:
            for kept in list(self._kept.values()):
                await self._change(kept)
        seen = self.seen()
        if any(one.standing.state != one.kept.state for one in seen):
            return self._now()  # a slow disk: the next change has come while the last was written
        return min((one.standing.until for one in seen if one.standing.until), default=0)

    async def _change(self, kept: Kept) -> None:
        """Keep one as it is now, if anything is new in it, and tell a change of its state."""
        before = self._kept[kept.name]
        standing = stand(kept, self._expected[kept.name], self._now())
        if standing.state != before.state:
            changed = {"state": standing.state, "state_at": standing.since, "reason": standing.reason}
            kept = msgspec.structs.replace(kept, **changed)
        if kept is not before:
            await self._journal.heartbeats.keep(kept)
            self._kept[kept.name] = kept
        if kept.state != before.state:
            self._tell_of(kept)

    def _tell_of(self, kept: Kept) -> None:
        """The event of its last change of state."""
        if kept.state == "new":
            return
        kind, severity, said = _EVENTS[kept.state]
        identity = f"{kept.state_at:012x}-heartbeat-{kept.state}-{kept.name}"
        text = f"The heartbeat {kept.name} {said}" + (f": {kept.reason}" if kept.state != "up" else "")
        facts = {"heartbeat": kept.name, "exit_status": str(kept.exit_status)}
        self._tell(Event(identity, kept.state_at, kind, text, severity=severity, facts=facts))

    def _enter(self, kept: Kept, expected: Expected) -> None:
        self._kept[kept.name] = kept
        self._expected[kept.name] = expected
        self._names[kept.id] = kept.name

    def _now(self) -> int:
        return milliseconds(self._clock.wall())


def _values(one: Seen) -> tuple[float, ...]:
    kept, standing, nothing = one.kept, one.standing, float("nan")
    return (
        {"up": 1.0, "late": 1.0, "down": 0.0}.get(standing.state, nothing),
        float(standing.state == "late"),
        kept.last_at / 1000 if kept.last_at else nothing,
        standing.until / 1000 if standing.until else nothing,
        kept.lasted / 1000 if kept.lasted else nothing,
        float(kept.exit_status) if kept.last_at else nothing,
        float(kept.pings),
    )
