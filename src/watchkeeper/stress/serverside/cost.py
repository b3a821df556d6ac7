"""What one more connection and one more message cost the server. Pure: points in, a slope with its interval out.

Least squares over bins of some seconds, each bin one point: neighbouring seconds are no independent words. Where there is no
spread to draw a line through, the plain quotient is told with the reason why it is no more than that, or nothing at all.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from watchkeeper.stress.serverside.joined import Cost, Line

BIN = 5
"""Seconds of a point."""
LEAST_POINTS = 6
LEAST_CONNECTIONS = 50
SPREAD = 0.25
"""The highest level must be so much of itself above the lowest, or there is one level alone."""

_T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13)
"""Student's t, two-sided 95 %, for 1 to 15 degrees of freedom; above, 2 is near enough and on the safe side from 60 on."""


def per_message(done: Mapping[int, int], failed: Mapping[int, int], cpu: Mapping[int, float]) -> Cost:
    """Processor seconds of an operation that was done.

    `done` and `failed`: operations by second of the run; `cpu`: cores that the server used in that second. Seconds in which
    more than one in a hundred failed are left out: what is turned away costs something else.
    """
    sound = [second for second in sorted(done.keys() & cpu.keys()) if failed.get(second, 0) <= done[second] * 0.01]
    points = _binned([(float(done[second]), cpu[second]) for second in sound])
    if sum(many for many, _ in points) <= 0:
        return Cost(why="the server's processor time is not known for any second in which operations were done")
    if len(points) < LEAST_POINTS or _spread([many for many, _ in points]) < SPREAD:
        whole = sum(used for _, used in points) / sum(many for many, _ in points)
        why = "there was one level of load alone: all its processor time over all operations, its idle share included"
        return Cost(whole, whole, whole, len(points), why)
    return slope(points)


def per_connection(connections: Mapping[int, int], memory: Mapping[int, float]) -> Cost:
    """Bytes of resident memory of a connection: while they rose, as memory that was taken is hardly ever given back."""
    seconds = sorted(connections.keys() & memory.keys())
    if not seconds:
        return Cost(why="the server's memory is not known")
    most = max(connections[second] for second in seconds)
    rising = [second for second in seconds if second <= next(one for one in seconds if connections[one] == most)]
    least = min((connections[second] for second in rising), default=0)
    if most - least < LEAST_CONNECTIONS:
        return Cost(why=f"the number of connections rose by less than {LEAST_CONNECTIONS}")
    # One point for each number of connections: a level that was held for long says no more than one held for a second.
    by_level: dict[int, list[int]] = {}
    for second in rising:
        by_level.setdefault(round((connections[second] - least) / (most - least) * 40), []).append(second)
    points = []
    for level in by_level.values():
        many = sum(connections[second] for second in level) / len(level)
        points.append((many, sum(memory[second] for second in level) / len(level)))
    if len(points) < 3:
        (first, low), (last, high) = min(points), max(points)
        one = (high - low) / (last - first)
        return Cost(one, one, one, len(points), "from two levels alone: there is nothing to tell how sure it is")
    return slope(points)


def slope(points: Sequence[tuple[float, float]]) -> Cost:
    """The slope of a line through points, with its 95 % interval."""
    many = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / many, sum(y for _, y in points) / many
    square = sum((x - mean_x) ** 2 for x, _ in points)
    found = sum((x - mean_x) * (y - mean_y) for x, y in points) / square
    rest = sum((y - mean_y - found * (x - mean_x)) ** 2 for x, y in points)
    freedom = many - 2
    if freedom < 1:
        return Cost(found, found, found, many, "from two points alone")
    wide = math.sqrt(rest / freedom / square) * (_T95[freedom - 1] if freedom <= len(_T95) else 2.1 if freedom < 60 else 2.0)
    return Cost(found, found - wide, found + wide, many)


def by_second(lines: Sequence[Line], name: str, started_at: int) -> dict[int, float]:
    """A figure of the server's by second of the run, all its processes together. A reading speaks for the time before it."""
    found: dict[int, float] = {}
    for one in lines:
        if one.name == name:
            readings = list(zip(one.at, one.values, strict=True))
            for (before, _), (at, value) in itertools.pairwise(readings):
                if value is not None:
                    for second in range((before - started_at) // 1000, (at - started_at) // 1000):
                        found[second] = found.get(second, 0.0) + value
    return found


def _binned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    size = BIN if len(points) >= BIN * LEAST_POINTS else 1
    found = []
    for place in range(0, len(points) - size + 1, size):
        part = points[place : place + size]
        found.append((sum(x for x, _ in part) / size, sum(y for _, y in part) / size))
    return found


def _spread(levels: Sequence[float]) -> float:
    return (max(levels) - min(levels)) / max(levels) if levels and max(levels) > 0 else 0.0
