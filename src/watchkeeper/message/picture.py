"""The last hour of a figure as a small PNG: mail clients show no SVG, and a drawing library would cost the hub 30 MiB.

A palette image of one byte a pixel: paper, grid, area, and the line in eight steps of cover so that it is smooth. What the
axes mean stands in words below it (`caption`), so there is no font.
"""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from collections.abc import Sequence
from datetime import datetime, tzinfo

from watchkeeper.message.facts import span

WIDTH, HEIGHT = 960, 240
"""Twice what it is shown at, for screens with fine pixels."""

MOST_POINTS = 10_000
_PAD = 12
_THICK = 4.0
_STEPS = 8
_PAPER, _GRID, _AREA, _LINE = 0, 1, 2, 3
_COLOURS = ((255, 255, 255), (232, 235, 239), (232, 240, 250))
_INK = (31, 95, 168)

Trend = Sequence[tuple[int, float]]


def chart(trend: Trend) -> bytes:
    """A PNG of the figure over time; empty where fewer than two of its values are numbers."""
    points = _finite(trend)
    if len(points) < 2 or points[0][0] == points[-1][0]:
        return b""
    empty = bytearray(HEIGHT)
    for line in range(1, 4):
        empty[_PAD + (HEIGHT - 2 * _PAD) * line // 4] = _GRID
    area = bytes([_AREA]) * HEIGHT
    pixels = bytearray()
    for top, bottom in _columns(points):
        column = bytearray(empty)
        first, last = max(0, math.floor(top)), min(HEIGHT, math.ceil(bottom))
        column[last:] = area[last:]
        for y in range(first, last):
            cover = min(y + 1.0, bottom) - max(float(y), top)
            column[y] = _LINE + min(_STEPS - 1, round(cover * (_STEPS - 1)))
        pixels += column
    return _png([bytes(pixels[y::HEIGHT]) for y in range(HEIGHT)])


def caption(trend: Trend, zone: tzinfo) -> str:
    """What the picture shows, in words: least and most, from when to when."""
    points = _finite(trend)
    if len(points) < 2:
        return ""
    values = [value for _, value in points]
    ends = [datetime.fromtimestamp(at / 1000, zone) for at in (points[0][0], points[-1][0])]
    length = span(points[-1][0] - points[0][0])
    return f"{ends[0]:%H:%M} to {ends[1]:%H:%M %Z} ({length}): from {min(values):.6g} to {max(values):.6g}"


def _finite(trend: Trend) -> list[tuple[int, float]]:
    points = sorted((at, value) for at, value in trend if math.isfinite(value))
    if len(points) > MOST_POINTS:
        points = points[:: len(points) // MOST_POINTS + 1]
    return points


def _columns(points: Sequence[tuple[int, float]]) -> list[tuple[float, float]]:
    """Where the line begins and ends in each column of pixels, from the top."""
    points = [(at, value / 4) for at, value in points]  # the widest of floats, too, have a difference then
    least, most = min(value for _, value in points), max(value for _, value in points)
    flat = most - least <= abs(most) * 1e-9
    width = points[-1][0] - points[0][0]
    heights: list[float] = []
    place = 0
    for x in range(WIDTH + 1):
        at = points[0][0] + width * x / WIDTH
        while place < len(points) - 2 and points[place + 1][0] < at:
            place += 1
        (before, low), (after, high) = points[place], points[place + 1]
        share = (at - before) / (after - before) if after > before else 1.0
        value = low + (high - low) * min(1.0, max(0.0, share))
        level = 0.5 if flat else min(1.0, max(0.0, (value - least) / (most - least)))
        heights.append(HEIGHT - _PAD - level * (HEIGHT - 2 * _PAD))
    half = _THICK / 2
    return [(min(a, b) - half, max(a, b) + half) for a, b in itertools.pairwise(heights)]


def _png(rows: Sequence[bytes]) -> bytes:
    """Pack palette rows as PNG (W3C, third edition: signature, IHDR, PLTE, IDAT, IEND)."""
    inks = [
        tuple(round(paper + (ink - paper) * step / (_STEPS - 1)) for paper, ink in zip(_COLOURS[0], _INK, strict=True))
        for step in range(_STEPS)
    ]
    palette = bytes(channel for colour in (*_COLOURS, *inks) for channel in colour)
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 3, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
