"""Zstandard, level 1, from the standard library where Python has it (3.14), else from its backport.

`squeeze` and `stretch` are all that the store needs of it; sizes are kept beside what is squeezed, so a
hostile or rotten blob cannot unpack to more than it claims.
"""

from __future__ import annotations

import sys

from watchkeeper.errors import Failed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEVEL = 1
_OPTIONS: dict[int, int] = {zstd.CompressionParameter.compression_level: LEVEL, zstd.CompressionParameter.content_size_flag: 0}


def squeeze(plain: bytes) -> bytes:
    """Compress at level 1."""
    return zstd.ZstdCompressor(options=_OPTIONS).compress(plain, zstd.ZstdCompressor.FLUSH_FRAME)


def stretch(packed: bytes, size: int) -> bytes:
    """Decompress to exactly `size` bytes; raises Failed where it would be anything else."""
    decompressor = zstd.ZstdDecompressor()
    try:
        plain = decompressor.decompress(packed, max_length=size + 1)
    except zstd.ZstdError as fault:
        raise Failed(f"cannot be unpacked ({fault})", retry=False) from None
    if len(plain) != size:
        raise Failed("holds another number of bytes than it says", retry=False)
    return plain
