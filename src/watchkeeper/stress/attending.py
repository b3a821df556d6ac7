"""What goes on beside the stages, for the length of a run: rows are written, guards are asked, the target's side is read.

A guard that says no, an operator's word and a hub's critical alert all end the run the same way: by `Abort`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from watchkeeper.errors import Failed, Refused
from watchkeeper.stress.desk import Abort, Desk, EndWord, Guard, Request, Side
from watchkeeper.stress.distant import AGAIN_SECONDS
from watchkeeper.stress.run import Figures
from watchkeeper.stress.serverside.figures import changed
from watchkeeper.stress.serverside.nearby import nearby
from watchkeeper.stress.staging import Staging
from watchkeeper.stress.target import Target

TURN = 0.25
"""Seconds between two looks at what can be written, and at the guards."""
ASK_SECONDS = 2.0
"""How often a hub is asked whether the target's machine is in need."""


@asynccontextmanager
async def attending(desk: Desk, staging: Staging, found: Target) -> AsyncIterator[None]:
    """Write, ask and read, for the length of this."""
    request = desk.request
    with contextlib.ExitStack() as stack:
        sides: list[Side] = list(request.sides)
        if found.is_local:
            for one in nearby(found.address, request.supervised.pages if request.supervised else ()):
                stack.callback(one.close)
                sides.append(one)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_look(desk, staging), name="guards"),
                group.create_task(_abort(desk), name="abort"),
                *(group.create_task(_read(desk, side), name=f"figures of {side.source}") for side in sides),
            ]
            if request.guard is not None and desk.plan.safety.alerts:
                machines = guarded(request, found)
                tasks.append(group.create_task(_ask(desk, request.guard, machines), name="critical alerts"))
            if desk.crew.distant:
                tasks.append(group.create_task(_compare(desk), name="clocks"))
            yield
            for task in tasks:
                task.cancel()


def guarded(request: Request, found: Target) -> tuple[str, ...]:
    """The machines whose need ends a run: the target's, and the one that the load comes from."""
    of_target = request.supervised.machine if request.supervised else request.here if found.is_local else ""
    return tuple(name for name in dict.fromkeys((of_target, request.here)) if name)


async def needed(guard: Guard | None, machines: Sequence[str]) -> str:
    """Why nothing should be begun now; empty for nothing, and where nobody can tell."""
    if guard is None:
        return ""
    with contextlib.suppress(Failed, Refused):
        for machine in machines:
            if why := await guard.look(machine):
                return why
    return ""


async def _look(desk: Desk, staging: Staging) -> None:
    while True:
        desk.gathering.write(int(desk.now))
        if why := staging.guard():
            raise Abort(why)
        await asyncio.sleep(TURN)


async def _abort(desk: Desk) -> None:
    await desk.abort.wait()
    raise Abort(f"{getattr(desk.abort, 'whose', EndWord.whose)} has ended it")


async def _ask(desk: Desk, guard: Guard, machines: Sequence[str]) -> None:
    is_told = False
    while True:
        try:
            for machine in machines:
                if why := await guard.look(machine):
                    raise Abort(why)
        except (Failed, Refused) as fault:
            if not is_told:
                is_told = True
                desk.note("note", f"whether alerts fire cannot be asked: {fault}")
        await asyncio.sleep(ASK_SECONDS)


async def _compare(desk: Desk) -> None:
    """Ask the clocks of other machines again: two that run apart over hours are told."""
    while True:
        await asyncio.sleep(AGAIN_SECONDS)
        for distant in desk.crew.distant:
            distant.ask()


async def _read(desk: Desk, side: Side) -> None:
    """One side, each second. A reading's instant is when it was asked for; a slow one is written late and not thrown away."""
    before: dict[str, float] = {}
    trouble = ""
    while True:
        at = round(desk.now, 3)
        values = await side.figures()
        if rows := changed(before, values):
            desk.recording.figures(Figures(at, side.source, rows))
        before = values
        told = getattr(side, "trouble", "")
        if told and told != trouble:
            trouble = told
            desk.note("note", f"{side.source}: {told}")
        await asyncio.sleep(1 - desk.now % 1)
