"""What the agent does to a server by itself: never without its reason, never more often than it may, evidence first.

Each deed is an `Action` by ``watchkeeper``, told as two events through the spool, so that the journal has it although the
hub may be away. When a server has had as many within an hour as it may, a person is asked instead, until the hour has passed or
somebody acts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.control import lifecycle
from watchkeeper.control.archive import Archive
from watchkeeper.control.aside import Aside
from watchkeeper.control.enduring import told
from watchkeeper.control.limits import HOUR, spent
from watchkeeper.control.remembered import Memory
from watchkeeper.control.server import KeptServer
from watchkeeper.errors import Failed
from watchkeeper.model import OURSELVES, Event, EventKind, ServerState, Severity, new_id
from watchkeeper.quantities import Duration

logger = logging.getLogger(__name__)

AT_ONCE = 4
"""So many servers are looked at together; when more fail at once, the rest are helped without evidence rather than late."""
RUNNING_SECONDS = 60.0
LOG_SECONDS = 1.0
"""So long whoever has a server's output may take to give it; evidence is then taken without."""
SAVE_SECONDS = 5.0
LOOK_SECONDS = 10.0
"""No look takes longer, whatever hangs: what is to be done to a server is then done without evidence."""


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
        self._looks: set[asyncio.Task[str]] = set()
        self._saving = Aside()

    async def see_through(self, server: str, deed: Coroutine[Any, Any, None]) -> None:
        """Do `deed` to a server; a fault of our own in it is told, and ends neither who decided it nor the care for others."""
        try:
            await deed
        except Exception as fault:
            logger.exception("what was to be done to %s broke", server)
            self.tell(EventKind.SERVER_WARNED, server, f"what was to be done to {server} broke: {told(fault)}", "critical")

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
        if server.process is None:
            return ""
        looking = asyncio.create_task(self._look(server, server.process.pid, why), name=f"evidence of {server.name}")
        self._looks.add(looking)
        looking.add_done_callback(self._looks.discard)
        try:
            # Not awaited itself: one that is stuck would heed no cancelling either.
            await asyncio.wait({looking}, timeout=LOOK_SECONDS)
            if looking.done():
                return looking.result()
            fault = f"it took longer than {LOOK_SECONDS:.0f} s"
        except Failed as failed:
            fault = failed.why
        except Exception as broken:
            logger.exception("evidence of %s could not be taken", server.name)
            fault = told(broken)
        finally:
            looking.cancel()
        self.tell(EventKind.EVIDENCE_SAVED, server.name, f"no evidence of {server.name} was taken: {fault}", "warning")
        return ""

    async def _look(self, server: KeptServer, pid: int, why: str) -> str:
        """See `look`; raises Failed with why there is no evidence, and may break."""
        from watchkeeper.control.evidence import gather  # noqa: PLC0415  # rarely needed, and the agent's memory is counted

        if self._looking.locked():
            raise Failed("too many fail at once")
        async with self._looking:
            began = asyncio.get_running_loop().time()
            lines = await self._last_lines(server)
            spent = asyncio.get_running_loop().time() - began
            found = await gather(server.name, pid, why, lines, self._clock, spent=spent)
        if self._saving.unanswered >= AT_ONCE:
            raise Failed("the disk for it does not answer")
        try:
            async with asyncio.timeout(SAVE_SECONDS):
                size = await self._saving.ask(found.id, lambda: self._archive.save(found))
        except TimeoutError:
            raise Failed(f"the disk for it has not answered within {SAVE_SECONDS:.0f} s") from None
        except OSError as fault:
            raise Failed(f"it cannot be kept: {fault.strerror}") from None
        facts = {
            "evidence": found.id,
            "bytes": str(size),
            "pid": str(pid),
            "seconds": f"{found.seconds:.3f}",
            "why": why,
        }
        text = f"what {server.name} was doing was saved within {found.seconds:.2f} s, before anything was done to it"
        self.tell(EventKind.EVIDENCE_SAVED, server.name, text, facts=facts)
        return found.id

    @staticmethod
    async def _last_lines(server: KeptServer) -> list[str]:
        """What it has printed last; what cannot be had costs no more than itself, and is said in its place."""
        from watchkeeper.control.evidence import LOG_LINES  # noqa: PLC0415  # as above

        lines: list[str] = []
        try:
            async with asyncio.timeout(LOG_SECONDS):
                async for part in server.log.tail(LOG_LINES, follow=False):
                    lines += part
        except TimeoutError:
            lines.append(f"(the rest was not given within {LOG_SECONDS:.0f} s)")
        except Exception as fault:  # noqa: BLE001  # whatever keeps it: evidence says what broke
            lines.append(f"(it cannot be read: {str(fault) or type(fault).__name__})")
        return lines

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
