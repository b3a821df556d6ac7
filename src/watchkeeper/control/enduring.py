"""Work that is begun again when a fault of our own breaks it: the care for one server must never end the care for the others.

What breaks is told with its words and logged with its trace; the pauses before it is begun again grow while it goes on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

FIRST_SECONDS = 1.0
MOST_SECONDS = 60.0
"""The pauses double from the first up to this; work that has gone on for longer than this has them begin anew."""


async def endure(what: str, work: Callable[[], Awaitable[None]], broke: Callable[[str], None]) -> None:
    """Do `work` until it ends or this is cancelled, again and again where it breaks; `broke(why)` tells of each time.

    `what` completes “could not go on with”. Nothing is raised but a cancellation.
    """
    task = asyncio.current_task()
    pause = FIRST_SECONDS
    while True:
        began = time.monotonic()
        try:
            await work()
        except Exception as fault:
            logger.exception("could not go on with %s", what)
            if task is not None and task.cancelling():
                raise asyncio.CancelledError from None  # both came at once, and who breaks has taken the other's place
            _tell(broke, told(fault))
        else:
            return
        pause = FIRST_SECONDS if time.monotonic() - began > MOST_SECONDS else pause
        await asyncio.sleep(pause)
        pause = min(2 * pause, MOST_SECONDS)


def told(fault: BaseException) -> str:
    """A fault in words, those of a group by their causes."""
    if isinstance(fault, BaseExceptionGroup):
        return "; ".join(told(one) for one in fault.exceptions)
    return f"{type(fault).__name__}: {fault}" if str(fault) else type(fault).__name__


def _tell(broke: Callable[[str], None], why: str) -> None:
    try:
        broke(why)
    except Exception:
        logger.exception("it could not even be told")
