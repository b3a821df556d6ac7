"""Waiting with a bound, and for whoever forks servers: what a supervisor does before it knows what runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from watchkeeper.control.parentage import Found, Parent
from watchkeeper.errors import Failed

PARENT_SECONDS = 1.0
"""The pause before whoever forks servers is asked for again."""


async def opened(parent: Parent, tell: Callable[[str], None]) -> list[Found]:
    """What earlier agents have left, once there is a parent for it; `tell` is called once for each reason why there is none."""
    told = ""
    while True:
        try:
            return await parent.open()
        except Failed as fault:
            if fault.why != told:
                tell(f"no server can be started: {fault.why}; it is tried again")
            told = fault.why
            await asyncio.sleep(PARENT_SECONDS)


async def within(seconds: float, waiting: Awaitable[object]) -> bool:
    """Whether it came about in that time."""
    try:
        async with asyncio.timeout(seconds):
            await waiting
    except TimeoutError:
        return False
    return True
