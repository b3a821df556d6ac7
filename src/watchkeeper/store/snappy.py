"""Snappy's block format, in which remote write travels: packed, and unpacked to no more than was agreed.

The length stands in front of what is packed, so a body that would swell beyond its bounds is refused
before a byte of it is unpacked.
"""

from __future__ import annotations

import cramjam

from watchkeeper.errors import Refused


def pack(plain: bytes) -> bytes:
    """Compress."""
    return bytes(cramjam.snappy.compress_raw(plain))


def unpack(packed: bytes, most: int) -> bytes:
    """Decompress to at most `most` bytes; raises Refused (``too-large``, ``bad-snappy``)."""
    try:
        size = cramjam.snappy.decompress_raw_len(packed)
        if size > most:
            raise Refused(f"the body unpacks to {size} bytes, more than the {most} that it may", code="too-large")
        return bytes(cramjam.snappy.decompress_raw(packed))
    except cramjam.DecompressionError as fault:
        raise Refused(f"the body is not packed with {fault}", code="bad-snappy") from None
