"""How well the kernel's clock is kept.

Its offset from the time servers, its greatest error, whether anything sets it (adjtimex(2)).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from watchkeeper.config import Duration, Timed
from watchkeeper.errors import Failed
from watchkeeper.model import Family, Series

_FAMILIES = (
    Family("node_timex_offset_seconds", "gauge", "Time offset in between local system and reference clock."),
    Family("node_timex_maxerror_seconds", "gauge", "Maximum error in seconds."),
    Family("node_timex_estimated_error_seconds", "gauge", "Estimated error in seconds."),
    Family("node_timex_sync_status", "gauge", "Is clock synchronized to a reliable server (1 = yes, 0 = no)."),
)
_UNSYNCHRONISED = 0x0040
_ERROR = 5
"""The call's own word for a clock that nobody keeps (include/uapi/linux/timex.h)."""
_NANOSECONDS = 0x2000


class Timex(Timed, frozen=True, kw_only=True):
    """``[collect.timex]``: how well the clock is kept; every 30 s unless `period` says otherwise."""

    enabled: bool = True
    period: Duration | None = Duration(30)

    def families(self) -> tuple[Family, ...]:
        """See `seams.Collector`."""
        return _FAMILIES

    def open(self, root: Path) -> TimexReader:  # noqa: ARG002  # the kernel is asked, not a file
        """See `seams.Collector`."""
        return TimexReader()


class TimexReader:
    """Asks the kernel, and changes nothing."""

    def __init__(self) -> None:
        """Raises Failed where the system has no such call."""
        import ctypes  # noqa: PLC0415  # nobody else in the agent needs it

        class Timeval(ctypes.Structure):
            _fields_ = (("sec", ctypes.c_long), ("usec", ctypes.c_long))

        class Buffer(ctypes.Structure):
            """`struct timex` of <sys/timex.h>; `modes` 0: read only."""

            _fields_ = (
                ("modes", ctypes.c_uint),
                ("offset", ctypes.c_long),
                ("freq", ctypes.c_long),
                ("maxerror", ctypes.c_long),
                ("esterror", ctypes.c_long),
                ("status", ctypes.c_int),
                ("constant", ctypes.c_long),
                ("precision", ctypes.c_long),
                ("tolerance", ctypes.c_long),
                ("time", Timeval),
                ("rest", ctypes.c_byte * 256),
            )

        self.series: tuple[Series, ...] = tuple(Series(family.name) for family in _FAMILIES)
        self._buffer = Buffer()
        self._errno = ctypes.get_errno
        try:
            self._ask = ctypes.CDLL(None, use_errno=True).adjtimex
        except (OSError, AttributeError):
            raise Failed("this system has no adjtimex", retry=False) from None
        self._pointer = ctypes.byref(self._buffer)

    def read(self) -> Sequence[float]:
        """See `seams.Reader`."""
        self._buffer.modes = 0
        state = self._ask(self._pointer)
        if state < 0:
            raise OSError(self._errno(), os.strerror(self._errno()))
        told = self._buffer
        unit = 1e9 if told.status & _NANOSECONDS else 1e6
        is_kept = state != _ERROR and not told.status & _UNSYNCHRONISED
        return [told.offset / unit, told.maxerror / 1e6, told.esterror / 1e6, float(is_kept)]

    def close(self) -> None:
        """See `seams.Reader`."""
