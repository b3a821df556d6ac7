"""A WriteRequest message of Prometheus' remote write 1.0, read: series as the bytes of their labels, samples as columns.

The labels of a series are the same bytes in each request, so they are not taken apart here: who knows
them goes by the bytes, and only fresh ones are read by `series`. Whatever is no such message is Refused
(``bad-data``), with the reason; nothing is read beyond the end, however the lengths lie.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from watchkeeper.errors import Refused
from watchkeeper.model import NAN_BITS, STALE_BITS, Family, Kind, Series
from watchkeeper.store.remotewrite import field

MOST_LABELS = 128
MOST_LABEL_BYTES = 16 * 1024
_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5
_LABEL, _SAMPLE, _HISTOGRAM = 1, 2, 4
_USUAL = b"\x12\x10\x09"
_SIX_BYTES, _MORE = 0x808080808080, 0x008080808080
"""Which bytes of a number of six say that more follow: all but the last."""
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_KINDS: dict[int, Kind] = {1: "counter", 2: "gauge", 6: "info"}
"""MetricMetadata.MetricType; histograms and summaries are several series of several kinds."""


class Written(NamedTuple):
    """What a request holds. `counts[i]` samples belong to `labels[i]`, one series' after another's.

    `times`: ms; `values`: float64[samples], every NaN that is no stale marker in Prometheus' own bits.
    """

    labels: list[bytes]
    counts: list[int]
    times: list[int]
    values: NDArray[np.float64]
    families: list[Family]
    histograms: int


def read_request(raw: bytes) -> Written:
    """Take a message apart; raises Refused (``bad-data``)."""
    labels: list[bytes] = []
    counts: list[int] = []
    times: list[int] = []
    figures: list[bytes] = []
    families: list[Family] = []
    histograms = 0
    for number, kind, start, end in fields(raw, 0, len(raw)):
        if kind != _LENGTH:
            continue
        if number == 1:
            before = len(times)
            of_series, native = _time_series(raw, start, end, times, figures)
            histograms += native
            if len(times) > before:
                labels.append(of_series)
                counts.append(len(times) - before)
        elif number == 3:
            families += _metadata(raw, start, end)
    values = np.frombuffer(b"".join(figures), "<f8").copy()
    bits = values.view(np.int64)
    bits[np.isnan(values) & (bits != STALE_BITS)] = NAN_BITS
    return Written(labels, counts, times, values, families, histograms)


def series(labels: bytes) -> Series:
    """Labels as they stand in a message (fields 1 of a TimeSeries) as a series; raises Refused (``bad-data``)."""
    if len(labels) > MOST_LABEL_BYTES:
        raise _bad(f"a series has {len(labels)} bytes of labels; it may have {MOST_LABEL_BYTES}")
    found: dict[str, str] = {}
    for _, _, start, end in fields(labels, 0, len(labels)):
        pair = ["", ""]
        for number, kind, first, last in fields(labels, start, end):
            if kind == _LENGTH and number in {1, 2}:
                pair[number - 1] = _text(labels[first:last])
        name, value = pair
        if name in found:
            raise _bad(f"a series has the label {name[:80]!r} twice")
        if not _NAME.fullmatch(name):
            raise _bad(f"{name[:80]!r} is not a label's name")
        found[name] = value
    metric = found.pop("__name__", "")
    if not _METRIC.fullmatch(metric):
        raise _bad(f"{metric[:80]!r} is not a metric's name" if metric else "a series has no name")
    if len(found) > MOST_LABELS:
        raise _bad(f"a series of {metric} has {len(found)} labels; it may have {MOST_LABELS}")
    return Series(metric, tuple(sorted((name, value) for name, value in found.items() if value)))


def fields(raw: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Each field of the message in ``raw[at:end]``: its number, its wire type, and where its content starts and ends."""
    while at < end:
        tag, at = _varint(raw, at, end)
        kind = tag & 7
        if kind == _LENGTH:
            length, at = _varint(raw, at, end)
            stop = at + length
        elif kind == _VARINT:
            _, stop = _varint(raw, at, end)
        elif kind in {_EIGHT, _FOUR}:
            stop = at + (8 if kind == _EIGHT else 4)
        else:
            raise _bad(f"a field of the unknown wire type {kind}")
        if stop > end:
            raise _bad("it ends within a field")
        yield tag >> 3, kind, at, stop
        at = stop


def _time_series(raw: bytes, start: int, end: int, times: list[int], figures: list[bytes]) -> tuple[bytes, int]:
    """Add a series' samples to the columns; its labels' bytes, and how many native histograms it has."""
    pieces: list[bytes] = []
    at = start
    while at + 1 < end and raw[at] == 0x0A:  # labels stand in front, one behind the other: hop over them
        length = raw[at + 1]
        if length < 0x80:
            at += 2 + length
        else:
            length, at = _varint(raw, at + 1, end)
            at += length
    if at > end:
        raise _bad("it ends within a label")
    if at > start:
        pieces.append(raw[start:at])
    # Then what all senders write: samples of eight bytes of value and six of time.
    while at + 18 <= end and raw[at : at + 3] == _USUAL and raw[at + 11] == 0x10 and (when := _six(raw, at + 12)):
        figures.append(raw[at + 3 : at + 11])
        times.append(when)
        at += 18
    histograms = 0
    for number, kind, first, last in fields(raw, at, end):
        if number == _SAMPLE and kind == _LENGTH:
            _sample(raw, first, last, times, figures)
        elif number == _LABEL and kind == _LENGTH:
            pieces.append(field(_LABEL, raw[first:last]))
        elif number == _HISTOGRAM:
            histograms += 1
    return b"".join(pieces), histograms


def _six(raw: bytes, at: int) -> int:
    """A varint of exactly six bytes; 0 where it is none."""
    word = int.from_bytes(raw[at : at + 6], "little")
    if word & _SIX_BYTES != _MORE:
        return 0
    return (
        word & 0x7F
        | word >> 1 & 0x7F << 7
        | word >> 2 & 0x7F << 14
        | word >> 3 & 0x7F << 21
        | word >> 4 & 0x7F << 28
        | word >> 5 & 0x7F << 35
    )


def _sample(raw: bytes, start: int, end: int, times: list[int], figures: list[bytes]) -> None:
    """A sample field by field: what is nought is left out by some."""
    at, value = 0, b"\0" * 8
    for number, kind, first, last in fields(raw, start, end):
        if number == 1 and kind == _EIGHT:
            value = raw[first:last]
        elif number == 2 and kind == _VARINT:
            at = _varint(raw, first, last)[0]
    times.append(at - (1 << 64) if at >> 63 else at)
    figures.append(value)


def _metadata(raw: bytes, start: int, end: int) -> Iterator[Family]:
    """A MetricMetadata: type, name, help."""
    kind: Kind = "untyped"
    name = sentence = ""
    for number, wire, first, last in fields(raw, start, end):
        if number == 1 and wire == _VARINT:
            kind = _KINDS.get(_varint(raw, first, last)[0], "untyped")
        elif number == 2 and wire == _LENGTH:
            name = _text(raw[first:last])
        elif number == 4 and wire == _LENGTH:
            sentence = _text(raw[first : min(last, first + 1000)], errors="replace")
    if _METRIC.fullmatch(name):
        yield Family(name, kind, sentence)


def _varint(raw: bytes, at: int, end: int) -> tuple[int, int]:
    """A number, and where it ends."""
    found = shift = 0
    while at < end and shift < 70:
        byte = raw[at]
        at += 1
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            return found & (1 << 64) - 1, at
        shift += 7
    raise _bad("it ends within a number" if at >= end else "a number has more than ten bytes")


def _text(raw: bytes, errors: str = "strict") -> str:
    try:
        return raw.decode(errors=errors)
    except UnicodeDecodeError:
        raise _bad("a text in it is not UTF-8") from None


def _bad(why: str) -> Refused:
    return Refused(f"this is no write request: {why}", code="bad-data")
