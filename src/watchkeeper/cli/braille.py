"""Lines over time in a terminal: braille dots, four rows and two columns of them to a character.

Pure: figures in, rows of characters and the line that each belongs to out. Colours and axes are whoever calls.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot of a character (Unicode 2800 to 28FF), by row and column."""
Points = Sequence[tuple[float, float]]


class Picture(NamedTuple):
    """`rows` of characters, top first; `owners` the number of the line that drew last in each, -1 for none."""

    rows: list[str]
    owners: list[list[int]]
    least: float
    most: float


def draw(lines: Sequence[Points], start: float, end: float, width: int, height: int, gap: float) -> Picture:
    """Lines of (time, value) from `start` to `end` on `width` by `height` characters, scaled from their least to their most.

    Neighbours that are not more than `gap` apart in time are joined. What is no finite figure is left out.
    """
    known = [[(at, value) for at, value in points if math.isfinite(value) and start <= at <= end] for points in lines]
    values = [value for points in known for _, value in points]
    least, most = (min(values), max(values)) if values else (0.0, 0.0)
    bits = [[0] * width for _ in range(height)]
    owners = [[-1] * width for _ in range(height)]
    right, bottom = width * 2 - 1, height * 4 - 1
    span = most / 2 - least / 2  # halves, since the whole may be beyond what a float holds

    def place(at: float, value: float) -> tuple[int, int]:
        across = (at - start) / (end - start) if end > start else 0.0
        up = (value / 2 - least / 2) / span if span > 0 else 0.5
        return round(across * right), bottom - round(up * bottom)

    for number, points in enumerate(known):
        before: tuple[float, tuple[int, int]] | None = None
        for at, value in points:
            here = place(at, value)
            begin = before[1] if before and at - before[0] <= gap else here
            for x, y in _between(begin, here):
                bits[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
                owners[y // 4][x // 2] = number
            before = (at, here)
    rows = ["".join(chr(0x2800 + one) if one else " " for one in row) for row in bits]
    return Picture(rows, owners, least, most)


def _between(begin: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    """All dots of a straight line, both ends among them."""
    (x, y), (across, down) = begin, (end[0] - begin[0], end[1] - begin[1])
    steps = max(abs(across), abs(down), 1)
    return [(x + round(across * step / steps), y + round(down * step / steps)) for step in range(steps + 1)]
