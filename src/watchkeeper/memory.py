"""What a question lets go, the next one finds again: how the C library keeps freed memory.

It gives large pieces back to the system as soon as they are free, and the next question then fetches and clears them page
by page, which costs more than what is worked out in them: a third of the CPU of an average over a fleet. The C library
widens its bounds by itself once something large was freed; here they are at once where it would come to after 16 MiB.
"""

from __future__ import annotations

import ctypes
import sys

PIECE = 16 << 20
"""Pieces up to so many bytes are kept rather than given back one by one."""
KEPT = 2 * PIECE
"""Free bytes at the end of a heap, of which each busy thread has one, above which they are given back."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def keep_freed() -> bool:
    """Set the bounds for this process; False where the C library is not glibc and keeps to its own rules."""
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(_M_MMAP_THRESHOLD, PIECE)) and bool(library.mallopt(_M_TRIM_THRESHOLD, KEPT))
