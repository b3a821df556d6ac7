"""Where questions are worked on and charts drawn: a few threads beside the hub's event loop, and a bounded queue before them.

A route hands work in and waits; at most `at_once` are worked on, `waiting` may queue, whoever comes then is refused at
once. A place is given back when its work has really ended, not when whoever asked has gone. Threads end with the process:
a question must not hold up the hub's end.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from watchkeeper.errors import Refused
from watchkeeper.query.settings import QuerySettings

T = TypeVar("T")


class Workshop:
    """Runs work for one event loop; `work` is called from that loop alone."""

    def __init__(self, settings: QuerySettings, work: str = "query") -> None:
        """Nothing runs yet. `work` is what it does, for those who wait in vain."""
        self.settings = settings
        self._of = work
        self._room = asyncio.Semaphore(settings.at_once)
        self._inside = 0

    @property
    def inside(self) -> int:
        """Questions that are worked on or wait."""
        return self._inside

    async def work(self, wanted: Callable[[float], T], seconds: float | None = None) -> T:
        """Call `wanted(seconds left)` in a thread and return what it gives, or raise what it raises.

        `seconds` may be asked for less than the settings allow. Raises Refused: ``busy`` when the queue is full,
        ``timeout`` when the time is over, while it waits or while it is worked on.
        """
        budget = self.settings.timeout if seconds is None else min(seconds, self.settings.timeout)
        if self._inside >= self.settings.at_once + self.settings.waiting:
            raise Refused(f"{self._inside} others are being worked on or wait already; try again soon", code="busy")
        loop = asyncio.get_running_loop()
        due = loop.time() + budget
        result: asyncio.Future[T] = loop.create_future()
        is_begun = False
        self._inside += 1
        try:
            async with asyncio.timeout_at(due):
                await self._room.acquire()
                left = max(0.0, due - loop.time())
                threading.Thread(target=self._run, args=(loop, result, wanted, left), name=self._of, daemon=True).start()
                is_begun = True  # and `_end` gives the place back
                return await result
        except TimeoutError:
            where = "execution" if is_begun else "queue"
            raise Refused(f"{self._of} timed out in {self._of} {where}: it may take {budget:g} s", code="timeout") from None
        finally:
            if not is_begun:
                self._inside -= 1

    def _run(
        self, loop: asyncio.AbstractEventLoop, result: asyncio.Future[T], wanted: Callable[[float], T], left: float
    ) -> None:
        """The thread."""
        given: T | None = None
        fault: BaseException | None = None
        try:
            given = wanted(left)
        except BaseException as raised:  # noqa: BLE001  # handed to whoever waits, whatever it is
            fault = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it everybody who waited
            loop.call_soon_threadsafe(self._end, result, given, fault)

    def _end(self, result: asyncio.Future[T], given: T | None, fault: BaseException | None) -> None:
        self._inside -= 1
        self._room.release()
        if result.done():
            return
        if fault is not None:
            result.set_exception(fault)
        else:
            result.set_result(given)  # type: ignore[arg-type]  # what `wanted` gave, which is a T
