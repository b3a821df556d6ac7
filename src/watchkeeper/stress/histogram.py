"""How long things took, as counts in log-linear buckets: three digits, mergeable, exact in what they count.

The buckets are HdrHistogram's (G. Tene) for 64 ns to one hour, so every histogram travels and is stored in that project's own
compressed form ("V2") and any of its tools reads it. Recording is a `list.append`; `Recorder.fold` counts a whole list with
numpy, some 50 ns a value in all. No percentile is ever averaged: merge, then ask.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOWEST = 64
"""ns that one unit of the first bucket stands for: send-time errors are below a microsecond."""
HIGHEST = 3_600_000_000_000
"""ns; what is longer counts as this."""
DIGITS = 3
FOLD = 4096
"""Values that are counted at once: numpy's own cost per call is spread over them, and they are little memory."""

_UNIT = 6  # log2 of LOWEST
_HALF = 10  # log2 of half the sub-buckets: 2,048 of them keep three digits
_FIRST = ((1023 + _UNIT + _HALF) << _HALF) - (1 << _HALF)
BUCKETS = 27 << _HALF
_PLAIN = 0x1C849313
_PACKED = 0x1C849314
_HEADER = struct.Struct(">iiiiqqd")
_ENVELOPE = struct.Struct(">ii")
_MOST_PLAIN = 4 << 20
"""Bytes that a histogram may unpack to: a full one has less than 9 for each bucket."""


class Histogram:
    """Counts of durations in ns. `counts`: int64[BUCKETS]; `total` values, of which the longest was `longest`."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        """Empty."""
        self.counts: NDArray[np.int64] = np.zeros(BUCKETS, np.int64)
        self.total = 0

    def take(self, values: Sequence[int] | NDArray[np.int64]) -> None:
        """Count these values (ns)."""
        if len(values):
            np.add.at(self.counts, place(np.asarray(values, np.int64)), 1)
            self.total += len(values)

    def merge(self, other: Histogram) -> Histogram:
        """Count what another one has counted; returns itself."""
        self.counts += other.counts
        self.total += other.total
        return self

    def add(self, places: NDArray[np.intp], counts: NDArray[np.int64]) -> None:
        """Count `counts[i]` values in the bucket `places[i]`, each bucket named once."""
        self.counts[places] += counts
        self.total += int(counts.sum())

    def clear(self) -> None:
        """Empty again."""
        self.counts[:] = 0
        self.total = 0

    def quantile(self, share: float) -> float:
        """The duration (ns) that `share` (0 to 1) of the values do not exceed: the upper end of its bucket; NaN when empty."""
        if not self.total:
            return float("nan")
        rank = max(1, int(np.ceil(share * self.total - 1e-9)))
        return float(upper(int(np.searchsorted(np.cumsum(self.counts), rank))))

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Several at once."""
        if not self.total:
            return [float("nan")] * len(shares)
        ranks = np.maximum(1, np.ceil(np.asarray(shares) * self.total - 1e-9))
        found = np.searchsorted(np.cumsum(self.counts), ranks)
        return [float(upper(int(index))) for index in found]

    @property
    def longest(self) -> float:
        """The upper end of the last bucket that has a value (ns); NaN when empty."""
        return self.quantile(1.0)

    @property
    def mean(self) -> float:
        """The mean of the buckets' middles (ns); NaN when empty. For Little's law, never for a verdict."""
        if not self.total:
            return float("nan")
        used = np.flatnonzero(self.counts)
        middles = np.array([(lower(int(index)) + upper(int(index))) / 2 for index in used])
        return float((middles * self.counts[used]).sum() / self.total)

    def at_most(self, nanoseconds: float) -> int:
        """How many values are in buckets up to the one that holds `nanoseconds`."""
        last = int(place(np.array([int(nanoseconds)], np.int64))[0])
        return int(self.counts[: last + 1].sum())

    def packed(self) -> bytes:
        """Its compressed form, as HdrHistogram's logs hold it before base64; empty bytes for an empty one."""
        if not self.total:
            return b""
        payload = _pack(self.counts)
        plain = _HEADER.pack(_PLAIN, len(payload), 0, DIGITS, LOWEST, HIGHEST, 1.0) + payload
        squeezed = zlib.compress(plain, 6)
        return _ENVELOPE.pack(_PACKED, len(squeezed)) + squeezed


def unpacked(written: bytes) -> Histogram:
    """The histogram that `packed` wrote; raises ValueError for anything else, or other buckets than ours."""
    found = Histogram()
    if not written:
        return found
    try:
        cookie, length = _ENVELOPE.unpack_from(written)
        reader = zlib.decompressobj()
        plain = reader.decompress(written[_ENVELOPE.size : _ENVELOPE.size + length], _MOST_PLAIN)
        inner, size, offset, digits, lowest, highest, _ = _HEADER.unpack_from(plain)
    except (struct.error, zlib.error) as fault:
        raise ValueError(f"not a packed histogram: {fault}") from None
    if not reader.eof or cookie != _PACKED or inner != _PLAIN or len(plain) != _HEADER.size + size:
        raise ValueError("not a packed histogram")
    if (offset, digits, lowest, highest) != (0, DIGITS, LOWEST, HIGHEST):
        raise ValueError("a histogram with other buckets than ours")
    _unpack(plain[_HEADER.size :], found.counts)
    found.total = int(found.counts.sum())
    return found


class Recorder:
    """Where one kind of duration is recorded: `values` takes them (ns, by `append`), `fold` counts them."""

    __slots__ = ("histogram", "values")

    def __init__(self) -> None:
        """Nothing recorded; the buckets are made at the first fold."""
        self.values: list[int] = []
        self.histogram: Histogram | None = None

    def fold(self) -> None:
        """Count what was appended. The list stays the same object, so that its `append` may be kept."""
        if self.values:
            if self.histogram is None:
                self.histogram = Histogram()
            self.histogram.take(self.values)
            self.values.clear()

    def drain(self) -> tuple[bytes, bytes] | None:
        """What was recorded since the last time, as places and counts for `poured`; None if nothing was."""
        self.fold()
        found = self.histogram
        if found is None or not found.total:
            return None
        used = np.flatnonzero(found.counts)
        drained = used.astype("<u2").tobytes(), found.counts[used].astype("<u4").tobytes()
        found.counts[used] = 0
        found.total = 0
        return drained


def poured(into: Histogram, drained: tuple[bytes, bytes] | None, sign: int = 1) -> None:
    """Count what `Recorder.drain` gave, in another process; with a `sign` of -1 it is taken away again."""
    if drained is not None:
        places, counts = np.frombuffer(drained[0], "<u2"), np.frombuffer(drained[1], "<u4")
        into.add(places.astype(np.intp), sign * counts.astype(np.int64))


def place(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The bucket of each value (ns); what is below nothing counts as nothing, what is above the highest as that."""
    held = np.clip(values, 0, HIGHEST)
    # A float64's exponent and first ten bits of mantissa are a log-linear bucket already; below 2**16 ns the scale is linear.
    found: NDArray[np.int64] = held.astype(np.float64).view(np.int64)
    found >>= 52 - _HALF
    found -= _FIRST
    held >>= _UNIT
    np.minimum(held, 1 << _HALF, out=held)
    return np.maximum(found, held, out=found)


def lower(index: int) -> int:
    """The least value (ns) that is counted in a bucket."""
    bucket, inside = (index >> _HALF) - 1, (index & ((1 << _HALF) - 1)) + (1 << _HALF)
    return (inside << (bucket + _UNIT)) if bucket >= 0 else index << _UNIT


def upper(index: int) -> int:
    """The greatest one."""
    return lower(index) + (1 << (max((index >> _HALF) - 1, 0) + _UNIT)) - 1


def _pack(counts: NDArray[np.int64]) -> bytes:
    """ZigZag LEB128: a count for each bucket up to the last that has one, several empty ones as one negative number."""
    out = bytearray()
    at = 0
    used = np.flatnonzero(counts)
    for index, count in zip(used.tolist(), counts[used].tolist(), strict=True):
        gap = index - at
        if gap == 1:
            out.append(0)
        elif gap:
            _write(out, 2 * gap - 1)
        _write(out, 2 * count)
        at = index + 1
    return bytes(out)


def _write(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _unpack(payload: bytes, counts: NDArray[np.int64]) -> None:
    raw = np.frombuffer(payload, np.uint8)
    if not len(raw):
        return
    ends = np.flatnonzero(raw < 0x80)
    if not len(ends) or ends[-1] != len(raw) - 1:
        raise ValueError("a packed histogram ends within a number")
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > 8:
        raise ValueError("a packed histogram has a number that is too large")
    shifts = (np.arange(len(raw)) - np.repeat(starts, lengths)) * 7
    numbers = np.add.reduceat((raw & 0x7F).astype(np.int64) << shifts, starts)
    numbers = (numbers >> 1) ^ -(numbers & 1)
    widths = np.where(numbers < 0, -numbers, 1)
    places = np.cumsum(widths) - widths
    has = numbers > 0
    if widths.max() > BUCKETS or (has.any() and places[has][-1] >= BUCKETS):
        raise ValueError("a packed histogram has more buckets than ours")
    counts[places[has]] = numbers[has]
