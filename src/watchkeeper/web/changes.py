"""What has just changed, told by the hub and heard by every open page: bounded, and coalesced.

The hub calls `frame`, `status`, `event` and `action` as things happen (synchronous, a few hundred
nanoseconds a listener, never waiting for one). A listener takes a `Batch` when it is ready for it, so a
slow page gets fewer and fuller batches, never a growing queue. Nothing here reads a store or a journal.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from watchkeeper.journal.actions import ActionRow
from watchkeeper.model import Event
from watchkeeper.telling import Alert
from watchkeeper.web.shapes import StressNews

WAITING = 500
"""How many events, and how many actions, a listener may have waiting; older ones are dropped and counted."""


@dataclass(frozen=True)
class Batch:
    """All that changed since the last batch. `urgent`: more than figures; `missed`: news dropped for a slow listener."""

    machines: frozenset[str]
    events: tuple[Event, ...]
    actions: tuple[ActionRow, ...]
    alerts: tuple[Alert, ...] = ()
    stress: tuple[StressNews, ...] = ()
    urgent: bool = False
    missed: int = 0


class Listener:
    """One reader of changes; made by `Changes.listen`."""

    def __init__(self) -> None:
        self.heeded: frozenset[str] | None = None
        """Machines whose frames are a change worth waking for; None: all. Other frames are told with what comes next."""
        self._machines: set[str] = set()
        self._events: deque[Event] = deque(maxlen=WAITING)
        self._actions: deque[ActionRow] = deque(maxlen=WAITING)
        self._alerts: dict[str, Alert] = {}
        self._stress: deque[StressNews] = deque(maxlen=WAITING)
        self._urgent = False
        self._missed = 0
        self._rung = asyncio.Event()
        self.farewell = ""
        """Why no more will come, once the hub stops; empty before."""

    async def wait_batch(self) -> Batch:
        """Wait for the next change, then return all there are; at once, and empty, after the farewell.

        Cancelling loses nothing: what was not returned stays for the next call.
        """
        await self._rung.wait()
        told = tuple(self._events), tuple(self._actions), tuple(self._alerts.values()), tuple(self._stress)
        batch = Batch(frozenset(self._machines), *told, self._urgent, self._missed)
        self._machines.clear()
        self._events.clear()
        self._actions.clear()
        self._stress.clear()
        self._alerts.clear()
        self._urgent = False
        self._missed = 0
        if not self.farewell:
            self._rung.clear()
        return batch

    def ring(self) -> None:
        """Have the next batch come now, whatever is in it."""
        self._urgent = True
        self._rung.set()

    def _touch(self, machine: str, *, urgent: bool) -> None:
        self._machines.add(machine)
        self._urgent |= urgent
        if urgent or self.heeded is None or machine in self.heeded:
            self._rung.set()

    def _event(self, event: Event) -> None:
        self._missed += len(self._events) == WAITING
        self._events.append(event)
        self._urgent = True
        self._rung.set()

    def _action(self, row: ActionRow) -> None:
        self._missed += len(self._actions) == WAITING
        self._actions.append(row)
        self._urgent = True
        self._rung.set()

    def _alert(self, alert: Alert) -> None:
        if len(self._alerts) < WAITING or alert.id in self._alerts:
            self._alerts[alert.id] = alert  # of one alert the newest word alone counts
        else:
            self._missed += 1
        self._urgent = True
        self._rung.set()

    def _stressed(self, news: StressNews) -> None:
        self._stress.append(news)
        self._rung.set()

    def _close(self, reason: str) -> None:
        self.farewell = reason
        self._rung.set()


class Changes:
    """The hub's side: say what happened; whoever listens hears it. All calls belong to the hub's event loop."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._farewell = ""
        self.turns = 0
        """How often something other than figures changed: what was read before a turn is out of date."""
        self.stirred: Counter[str] = Counter()
        """How often something came in of a machine: what was read of it before is out of date."""

    def frame(self, machine: str) -> None:
        """A frame of this machine was taken by the store."""
        self.stirred[machine] += 1
        for listener in self._listeners:
            listener._touch(machine, urgent=False)  # noqa: SLF001  # listener and teller are one mechanism in one room

    def status(self, machine: str) -> None:
        """A machine came or went, or one of its servers changed."""
        self.turns += 1
        self.stirred[machine] += 1
        for listener in self._listeners:
            listener._touch(machine, urgent=True)  # noqa: SLF001  # as above

    def event(self, event: Event) -> None:
        """An event is in the journal (a row before it is a message: call this after it was added)."""
        self.turns += 1
        for listener in self._listeners:
            listener._event(event)  # noqa: SLF001  # as above

    def action(self, row: ActionRow) -> None:
        """An action's row was written or has changed."""
        self.turns += 1
        for listener in self._listeners:
            listener._action(row)  # noqa: SLF001  # as above

    def alert(self, alert: Alert) -> None:
        """An alert's row was written or has changed."""
        self.turns += 1
        for listener in self._listeners:
            listener._alert(alert)  # noqa: SLF001  # as above

    def stress(self, news: StressNews) -> None:
        """A stress run has gone on."""
        for listener in self._listeners:
            listener._stressed(news)  # noqa: SLF001  # as above

    def close(self, reason: str) -> None:
        """Tell every listener, present and to come, that no more will come, and why."""
        self._farewell = reason
        for listener in self._listeners:
            listener._close(reason)  # noqa: SLF001  # as above

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        """Hear all changes from now on, for the length of a ``with`` block."""
        listener = Listener()
        if self._farewell:
            listener._close(self._farewell)  # noqa: SLF001  # as above
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
