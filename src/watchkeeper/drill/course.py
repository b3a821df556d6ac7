"""The course of one drill, the frame of all scenarios: build, inject, follow, revert, follow, take down. Read from `run`.

    preparing ──fault──▸ running ──delivered──▸ (acknowledged) ──▸ reverted ──told──▸ passed | failed

Whatever goes wrong, the fault is undone and the certificate says how far it came. The guardian undoes it when we do not live
to.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

import msgspec

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.drill import Leaf
from watchkeeper.drill.following import Look, chosen, first_told, follow, is_through, undelivered
from watchkeeper.drill.scene import Stage
from watchkeeper.errors import Failed, Refused
from watchkeeper.journal import Journal
from watchkeeper.journal.events import Sought
from watchkeeper.journal.notifications import Sought as SoughtRows
from watchkeeper.telling import Drill, DrillLeg

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
"""How often the journal is looked at: legs have their instants from its rows, so this delays the next step alone."""
BUILD_SECONDS = 60.0
SETTLE_SECONDS = 2.5
"""How long a machine that has just been built is left alone, so that rules have seen it well."""


class Terms(NamedTuple):
    """How long each part may take, in seconds."""

    fires: float
    delivered: float = 90.0
    acknowledged: float = 0.0
    told: float = 120.0
    longest: float = 1800.0


class Course:
    """One drill under way. `drill` is it as it is now; `keep` writes it, and is called at each leg."""

    def __init__(
        self,
        drill: Drill,
        leaf: Leaf,
        stage: Stage,
        journal: Journal,
        clock: Clock,
        terms: Terms,
        keep: Callable[[Drill], Awaitable[None]],
    ) -> None:
        """Nothing is done before `run`."""
        self.drill = drill
        self._leaf = leaf
        self._stage = stage
        self._journal = journal
        self._clock = clock
        self._terms = terms
        self._keep = keep
        self._own: list[DrillLeg] = []
        self._fault_at = 0
        self._look = Look()

    async def run(self) -> Drill:
        """Do all of it; returns the drill as it ended. Cancelling undoes the fault too."""
        why = ""
        reverted = False
        try:
            async with asyncio.timeout(self._terms.longest):
                await self._prepare()
                await self._inject()
                await self._until_delivered()
                await self._until_acknowledged()
                await self._revert()
                reverted = True
                await self._until_told()
        except TimeoutError:
            why = f"it was not over after {self._terms.longest:.0f} s"
        except Failed as fault:
            why = fault.why
        except asyncio.CancelledError:
            why = "it was called off"
            raise
        except Exception:
            # A scenario's own bug must not end the hub: the fault is undone, and the drill has failed.
            logger.exception("the drill %s broke", self._leaf.NAME)
            why = "the drill itself broke; see the hub's log"
        finally:
            if not reverted and self._fault_at:
                with suppress(Failed):
                    await self._revert()
            await self._stage.close()
            await self._end(why)
        return self.drill

    @property
    def is_real(self) -> bool:
        """Whether it is done to a real server."""
        return self._stage.is_real

    # -- the steps ---------------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        await self._write()
        if self._stage.is_real:
            if not self._stage.is_ready():
                raise Failed(
                    f"{self._stage.server} on {self._stage.machine} is not well, so nothing is done to it", retry=False
                )
            return
        await self._stage.guard(self._terms.longest + 60)
        wrapper = getattr(self._leaf, "wrapper", lambda _: ())
        await self._stage.open(
            lambda: self._leaf.tables(self._stage), lambda: wrapper(self._stage), min(BUILD_SECONDS, self._terms.longest)
        )
        await asyncio.sleep(SETTLE_SECONDS)

    async def _inject(self) -> None:
        self._fault_at = self._now()
        fault = await self._leaf.inject(self._stage)
        self._own.append(DrillLeg("fault", self._fault_at, fault))
        await self._write(state="running", fault=fault)

    async def _until_delivered(self) -> None:
        if not await self._wait(lambda: bool(self._look.alert and self._look.alert.fired_at), self._terms.fires):
            names = ", ".join(self._leaf.RULES)
            raise Failed(f"no alert fired within {self._terms.fires:.0f} s ({names} was expected)", retry=False)
        if not await self._wait(lambda: is_through(self._rows()), self._terms.delivered) and not self._rows():
            raise Failed(self._untold(), retry=False)
        if why := undelivered(self._rows()):
            raise Failed(why, retry=False)

    async def _until_acknowledged(self) -> None:
        wanted = self._terms.acknowledged
        if wanted and not await self._wait(lambda: bool(self._look.incident and self._look.incident.acknowledged_at), wanted):
            raise Failed(f"it arrived, and nobody has acknowledged it within {wanted:.0f} s", retry=False)

    async def _revert(self) -> None:
        at = self._now()
        await self._leaf.revert(self._stage)
        self._own.append(DrillLeg("reverted", at, "the fault was undone"))
        await self._write()

    async def _until_told(self) -> None:
        rows = self._rows
        if not await self._wait(lambda: bool(self._look.alert and self._look.alert.resolved_at), self._terms.told):
            raise Failed(f"its end was not seen within {self._terms.told:.0f} s", retry=False)
        await self._wait(lambda: is_through(rows(resolved=True)), self._terms.told)
        if why := undelivered(rows(resolved=True)):
            raise Failed(f"of its end: {why}", retry=False)

    async def _end(self, why: str) -> None:
        with suppress(Failed):
            await self._see()
            state = "failed" if why else "passed"
            await self._write(state=state, why=why, ended_at=self._now())

    # -- looking -------------------------------------------------------------------------------------------

    async def _wait(self, holds: Callable[[], bool], seconds: float) -> bool:
        ends = self._clock.monotonic() + seconds
        while True:
            await self._see()
            if holds():
                return True
            if self._clock.monotonic() >= ends:
                return False
            await asyncio.sleep(LOOK_SECONDS)

    async def _see(self) -> None:
        """Look once, and write down what is new."""
        if not self._fault_at:
            return
        self._look = await self._gather()
        legs = ordered((*self._own, *follow(self._look, self._fault_at)))
        if legs != self.drill.legs:
            await self._write()

    async def _gather(self) -> Look:
        journal, machine = self._journal, self._stage.machine
        events = await journal.events.page(Sought(machine, since=self._fault_at), 200)
        going = [one.alert for one in await journal.alerts.standing()]
        ended = await journal.alerts.page(machine, limit=50)
        alerts = {one.id: one for one in (*going, *ended) if self._is_mine(one.labels)}
        alert = chosen(list(alerts.values()), self._fault_at, self._leaf.RULES)
        if self._look.alert is not None:
            alert = alerts.get(self._look.alert.id, alert) if self._look.alert.incident else alert
        if alert is None:
            return Look(events[::-1])
        changes = await journal.alerts.history(alert.id)
        if not alert.incident:
            return Look(events[::-1], alert, changes)
        rows = await journal.notifications.page(SoughtRows(incident=alert.incident), 200)
        incident = None
        with suppress(Refused):  # it is written right after its alert
            incident = await journal.incidents.one(alert.incident)
        fresh = [row for row in rows[::-1] if row.at >= self._fault_at]
        return Look(events[::-1], alert, changes, fresh, incident)

    def _is_mine(self, labels: dict[str, str]) -> bool:
        is_there = labels.get("machine", "") == self._stage.machine
        return is_there and (not self._stage.is_real or labels.get("server", "") == self._stage.server)

    def _rows(self, *, resolved: bool = False) -> list:  # type: ignore[type-arg]  # of notifications, as `Look` has them
        return first_told(self._look.rows, resolved=resolved)

    def _untold(self) -> str:
        alert = self._look.alert
        if alert is not None and alert.suppressed:
            return f"it fired, and nobody was told: {alert.suppressed}"
        return "it fired, and nobody was told: no route takes it"

    async def _write(self, **changes: object) -> None:
        alert = self._look.alert
        told: dict[str, object] = {"legs": ordered((*self._own, *follow(self._look, self._fault_at)))} if self._fault_at else {}
        if alert is not None:
            summary = alert.annotations.get("summary", "")
            told |= {"rule": alert.rule, "summary": summary, "incident": alert.incident}
        self.drill = msgspec.structs.replace(self.drill, **told | changes)
        await self._keep(self.drill)

    def _now(self) -> int:
        return milliseconds(self._clock.wall())


WAY = (
    "fault", "detected", "pending", "firing", "claimed", "handed-over", "delivered", "acknowledged", "reverted", "resolved",
    "told",
)  # fmt: skip


def ordered(legs: tuple[DrillLeg, ...]) -> tuple[DrillLeg, ...]:
    """In the order of the way, those of one channel together in time."""
    return tuple(sorted(legs, key=lambda one: (WAY.index(one.name), one.at, one.channel)))
