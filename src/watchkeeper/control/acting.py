"""What the agent does to a server by itself: never without its reason, never more often than it may, evidence first.

Each deed is an `Action` by ``watchkeeper``, told as two events through the spool, so that the journal has it although the
hub may be away. When a server has had as many within an hour as it may, a person is asked instead, until the hour has passed or
somebody acts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.control import lifecycle
from watchkeeper.control.archive import Archive
from watchkeeper.control.limits import HOUR, spent
from watchkeeper.control.remembered import Memory
from watchkeeper.control.server import KeptServer
from watchkeeper.model import OURSELVES, Event, EventKind, ServerState, Severity, new_id
from watchkeeper.quantities import Duration

logger = logging.getLogger(__name__)

AT_ONCE = 4
"""So many servers are looked at together; when more fail at once, the rest are helped without evidence rather than late."""
RUNNING_SECONDS = 60.0


class Acting:
    """Carries out what was decided."""

    def __init__(
        self, archive: Archive, memory: Memory, clock: Clock, emit: Callable[[Event], None], changed: Callable[[str], None]
    ) -> None:
        """`changed(server)` is called when what a person must know of it is another."""
        self.most = 6
        """Deeds to one server within an hour; may be set anew at any time."""
        self.asks: dict[str, str] = {}
        """What a person must decide, by server."""
        self._archive = archive
        self._memory = memory
        self._clock = clock
        self._emit = emit
        self._changed = changed
        self._looking = asyncio.Semaphore(AT_ONCE)

    async def restart(
        self,
        server: KeptServer,
        given: lifecycle.Hung | lifecycle.Restart,
        why: str,
        *,
        sure: Callable[[], bool] = lambda: True,
    ) -> None:
        """Save evidence, then end it and start it again; `sure()` is asked once more after that, which takes a moment."""
        if server.life.paused or not self._may(server.name, why):
            return
        identity = await self.look(server, why)
        if server.life.state is not ServerState.RUNNING or not sure():
            self.tell(EventKind.SERVER_LIVES, server.name, f"{server.name} is left alone: it answers again")
            return
        now = self._clock.wall()
        times = (*spent(self._memory.now.acted.get(server.name, ()), now), now)
        self._memory.keep(msgspec.structs.replace(self._memory.now, acted=self._memory.now.acted | {server.name: times}))
        await self.carry_out(server, given, why, identity)

    async def carry_out(self, server: KeptServer, given: lifecycle.Input, why: str, identity: str = "") -> None:
        """A restart as an action of its own, from its request to its outcome; `identity` is that of its evidence."""
        action = new_id(milliseconds(self._clock.wall()))
        facts = {"action": action, "verb": "restart", "by": OURSELVES, "reason": why} | (
            {"evidence": identity} if identity else {}
        )
        self.tell(
            EventKind.ACTION_REQUESTED, server.name, f"{server.name} is restarted by watchkeeper: {why}", "warning", facts
        )
        before = server.process
        server.give(given)
        try:
            async with asyncio.timeout(RUNNING_SECONDS):
                await server.wait_until(
                    # Settled alone: a process is there before it is told that it runs.
                    lambda: server.idle and server.process is not before and server.life.state is not ServerState.STARTING
                )
        except TimeoutError:
            pass
        runs = server.process is not None and server.process is not before
        how = (
            f"{server.name} was restarted and runs (pid {server.process.pid})"
            if runs and server.process
            else f"{server.name} does not run after its restart: {server.life.reason}"
        )
        self.tell(EventKind.ACTION_ENDED, server.name, how, "info" if runs else "warning", facts | {"ok": str(runs).lower()})

    async def look(self, server: KeptServer, why: str) -> str:
        """Gather and keep evidence; returns its id, empty when there is none. Bounded in time, raises nothing."""
        from watchkeeper.control.evidence import LOG_LINES, gather  # noqa: PLC0415  # rarely needed, and the agent's memory is counted

        process = server.process
        if process is None or self._looking.locked():
            if process is not None:
                self.tell(
                    EventKind.EVIDENCE_SAVED,
                    server.name,
                    f"no evidence of {server.name} was taken: too many fail at once",
                    "warning",
                )
            return ""
        async with self._looking:
            lines = [line async for part in server.log.tail(LOG_LINES, follow=False) for line in part]
            found = await gather(server.name, process.pid, why, lines, self._clock)
        try:
            size = await asyncio.to_thread(self._archive.save, found)
        except OSError as fault:
            logger.error("evidence of %s cannot be kept: %s", server.name, fault.strerror)  # noqa: TRY400  # the disk's fault, not ours
            return ""
        facts = {
            "evidence": found.id,
            "bytes": str(size),
            "pid": str(process.pid),
            "seconds": f"{found.seconds:.3f}",
            "why": why,
        }
        text = f"what {server.name} was doing was saved within {found.seconds:.2f} s, before anything was done to it"
        self.tell(EventKind.EVIDENCE_SAVED, server.name, text, facts=facts)
        return found.id

    def person_has_acted(self, server: str) -> None:
        """Somebody has seen to it: what was asked is answered, and the hour begins anew."""
        acted = dict(self._memory.now.acted)
        if self.asks.pop(server, None) is not None or acted.pop(server, None) is not None:
            acted.pop(server, None)
            self._memory.keep(msgspec.structs.replace(self._memory.now, acted=acted))
            self._changed(server)

    def tell(
        self, kind: EventKind, server: str, text: str, severity: Severity = "info", facts: dict[str, str] | None = None
    ) -> None:
        """An event of a server's."""
        at = milliseconds(self._clock.wall())
        self._emit(Event(new_id(at), at, kind, text, server=server, severity=severity, facts=facts or {}))

    def _may(self, server: str, why: str) -> bool:
        now = self._clock.wall()
        times = spent(self._memory.now.acted.get(server, ()), now)
        if len(times) < self.most:
            if self.asks.pop(server, None) is not None:
                self._changed(server)
            return True
        if server not in self.asks:
            again = f", or wait {Duration(round(max(1.0, HOUR - (now - min(times)))))}" if times else ""
            count = (
                f"watchkeeper has acted {len(times)} times within the hour" if times else "watchkeeper may not act by itself"
            )
            self.asks[server] = f"{count} and leaves it to you now: start, stop or restart it{again} ({why})"
            self.tell(EventKind.PERSON_NEEDED, server, f"{server} needs a person: {self.asks[server]}", "critical")
            self._changed(server)
        return False
