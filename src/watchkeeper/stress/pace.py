"""Being there when a hit is due, and never before.

A timer descriptor (Linux) is armed for the next due start; event loops' own timers are off by half a millisecond, and
uvloop's fire early in a third of cases. With `spin` the loop is kept turning for the last moments: within a microsecond or
so, at the price of a core. Elsewhere the loop's timers must do, looked at twice, so that they too are never early.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable

SHORTEST = 50_000
"""ns: two wakes are never nearer to each other than this; what comes due in between is started together."""
COARSE = 500_000
"""ns by which loops' own timers are off."""

_ABSOLUTE = 1


class _Spec(ctypes.Structure):
    """``struct itimerspec``."""

    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


class Alarm:
    """Calls `ring` once the monotonic clock has reached what it was set to. One time at once; setting again replaces it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None], spin: int = 0) -> None:
        """`spin`: for so many ns before the time, the loop is kept turning rather than put to sleep."""
        self._loop = loop
        self._ring = ring
        self._spin = spin
        self._due = 0
        self._handle: asyncio.Handle | None = None
        self._file = -1
        if sys.platform == "linux":
            libc = ctypes.CDLL(None, use_errno=True)
            self._file = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
            if self._file < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            self._settime = libc.timerfd_settime
            self._spec = _Spec(0, 0, 0, 0)
            self._where = ctypes.byref(self._spec)
            loop.add_reader(self._file, self._readable)

    def set(self, due: int) -> None:
        """Ring at `due` (ns of the monotonic clock), or at once if that is over."""
        self._due = due
        self._drop()
        self._wait()

    def stop(self) -> None:
        """Do not ring."""
        self._due = 0
        self._drop()
        if self._file >= 0:
            self._arm(0)

    def close(self) -> None:
        """Give the descriptor back."""
        self.stop()
        if self._file >= 0:
            self._loop.remove_reader(self._file)
            os.close(self._file)
            self._file = -1

    def _wait(self) -> None:
        left = self._due - time.monotonic_ns()
        if left <= self._spin:
            self._handle = self._loop.call_soon(self._look)
        elif self._file >= 0:
            self._arm(self._due - self._spin)
        else:
            self._handle = self._loop.call_later(max(left - self._spin - COARSE, 0) / 1e9, self._look)

    def _arm(self, at: int) -> None:
        self._spec.seconds, self._spec.nanoseconds = divmod(at, 1_000_000_000)
        self._settime(self._file, _ABSOLUTE, self._where, None)

    def _readable(self) -> None:
        try:
            os.read(self._file, 8)
        except BlockingIOError:  # it was set anew in the same turn
            return
        if self._due:
            self._look()

    def _look(self) -> None:
        self._handle = None
        left = self._due - time.monotonic_ns()
        if left <= 0:
            self._due = 0
            self._ring()
        elif left <= self._spin or self._file < 0:
            self._handle = self._loop.call_soon(self._look)
        else:
            self._wait()

    def _drop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
