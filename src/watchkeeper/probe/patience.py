"""How long an answer is waited for before that is told: each half period anew, unless it was we who were late.

On a machine without a CPU to spare the agent itself is held up, and what has come in meanwhile is not read yet: then its
timers come late too, and a miss would be its own. The frame of the probes makes one for each attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

HELD_UP = 0.2
"""A timer that comes later than this part of half a period tells of our own lateness, not of the server's."""


class Patience:
    """One attempt's."""

    def __init__(self, period: float, timeout: float, tell: Callable[[float], None]) -> None:
        """Begin now; `tell(seconds)` is called with the time that has passed, until `end` or shortly before `timeout`."""
        self._half = period / 2
        self._most = 0.9 * timeout
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._wait(self._half)

    def end(self) -> None:
        """Nobody waits any more."""
        if self._timer is not None:
            self._timer.cancel()

    def is_ours(self, late: float) -> bool:
        """Whether something that came so many seconds late is our own lateness."""
        return late > HELD_UP * self._half

    def _wait(self, delay: float) -> None:
        self._due = self._loop.time() + delay
        is_soon = self._due - self._began <= self._most
        self._timer = self._loop.call_later(delay, self._see) if is_soon else None

    def _see(self) -> None:
        if self.is_ours(self._loop.time() - self._due):
            self._wait(self._half / 2)
            return
        self._tell(self._loop.time() - self._began)
        self._wait(self._half)
