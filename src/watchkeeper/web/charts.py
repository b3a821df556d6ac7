"""From a store to a chart: reading a panel's figures, rates, windows; for the last instant as for years.

Short ranges are read raw: rates between neighbouring samples, lines at each sample, then the average, least and
most of each window. Long ones come from the store's rollups: of a gauge the average with its bounds, of a counter the
increase from window to window, in windows several times finer than what is drawn, so that its rate has bounds too: the least
and the most of those. Everything is numpy over arrays that are bounded before they are read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from watchkeeper.errors import Refused
from watchkeeper.model import Block, Matcher, Rollup
from watchkeeper.query.ranges import Times, aligned, increases, rates, windows
from watchkeeper.seams import Store
from watchkeeper.web.panels import Column, Panel, Term, Values
from watchkeeper.web.shapes import Chart, Line, Point

POINTS = 2000
"""The most points a chart may have."""
RAW_TICKS = 8000
"""How many rounds a chart may read raw (some 30 ms of CPU with 40 series); beyond it, rollups."""
FINER = 12
"""Of so many windows at most one drawn window of a rate is made."""
FINEST = 60
"""But never in windows shorter than so many seconds: slow collectors' samples are further apart than the agent's rounds."""
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800)
"""Window lengths in seconds that a chart may have: whole parts of one another, so that edges stay put while time goes on."""


Read = Callable[[Sequence[Matcher], int, int], Sequence[Block]]
"""`Store.select` or `Store.recent`."""


class Asked(NamedTuple):
    """What is to be drawn: a machine's or a server's panel over ``start <= t < end`` (ms) in about `points` windows."""

    panel: Panel
    machine: str
    server: str
    start: int
    end: int
    points: int


class Drawn(NamedTuple):
    """Lines over their times; `step` in ms is how far these stand apart."""

    times: Times
    step: int
    lines: list[Line]


def chart(store: Store, asked: Asked, period: float) -> Chart:
    """Draw it; `period` is the agent's round in seconds. Raises `Refused` (``bad-range``) on a range that is none.

    Reads what there is however long that takes: not for the hub's loop.
    """
    if not 0 <= asked.start < asked.end:
        raise Refused("a chart's start must be before its end", code="bad-range")
    drawn: Drawn | None = None
    if (asked.end - asked.start) / 1000 / max(period, 1) <= RAW_TICKS:
        try:
            drawn = _raw(store, asked, period)
        except Refused:
            drawn = None  # more than the store reads at once: its rollups tell the same, coarser
    if drawn is None:
        drawn = _rolled(store, asked, step_for(asked.end - asked.start, asked.points, period), period)
    panel = asked.panel
    times = drawn.times.tolist()
    return Chart(panel.name, panel.title, panel.unit, panel.about, asked.start, asked.end, drawn.step, times, drawn.lines)


def newest(store: Store, panel: Panel, machine: str, server: str, now: int, period: float) -> Point | None:
    """The panel's last point, from the newest two rounds or so; None when there is none that is fresh. Never waits."""
    reach = round(max(period, 1) * 3500)
    ticks, columns = _ticks(store.recent, panel, machine, server, now - reach, now + 1000)
    if not len(ticks):
        return None
    values = {}
    at = 0
    for name, line in panel.draw(columns).items():
        known = np.flatnonzero(~np.isnan(line))
        values[name] = float(line[known[-1]]) if len(known) else None
        at = max(at, int(ticks[known[-1]])) if len(known) else at
    return Point(panel.name, at or int(ticks[-1]), values) if values else None


def step_for(span: int, points: int, period: float) -> int:
    """The window in ms: the shortest of `STEPS` that keeps to `points` and is not shorter than a round."""
    wanted = max(span / 1000 / max(1, min(points, POINTS)), period)
    for step in STEPS:
        if step >= wanted:
            return step * 1000
    return math.ceil(wanted / STEPS[-1]) * STEPS[-1] * 1000


def matchers(term: Term, machine: str, server: str) -> list[Matcher]:
    """How the store is asked for a term's series."""
    found = [Matcher("__name__", "=", term.metric), Matcher("machine", "=", machine), *term.where]
    return [*found, Matcher("server", "=", server)] if server else found


def plain(values: Values) -> list[float | None]:
    """As JSON has it: null for what is not known. Six significant digits, which is more than a screen shows."""
    return [None if math.isnan(value) else float(f"{value:.6g}") for value in values.tolist()]


def _ticks(
    read: Read, panel: Panel, machine: str, server: str, start: int, end: int, longest: float = math.inf
) -> tuple[Times, dict[str, Column]]:
    """All terms of a panel on one axis, rates taken."""
    found = [aligned(read(matchers(term, machine, server), start, end)) for term in panel.terms]
    axes = [times for times, series, _ in found if series]
    if not axes:
        return np.zeros(0, np.int64), {}
    same = all(len(axis) == len(axes[0]) and (axis == axes[0]).all() for axis in axes)
    axis = axes[0] if same else np.unique(np.concatenate(axes))
    columns = {}
    for term, (times, series, figures) in zip(panel.terms, found, strict=True):
        values = rates(times, figures, longest) if term.counter else figures
        if len(times) != len(axis):
            spread = np.full((len(axis), len(series)), np.nan)
            spread[np.searchsorted(axis, times)] = values
            values = spread
        columns[term.metric] = Column(series, values)
    return axis, columns


def _raw(store: Store, asked: Asked, period: float) -> Drawn:
    """Each round as it was where the points suffice, else windows of at least one and a half rounds, so that none is empty."""
    before = round(max(period, 1) * 2000)  # so that a rate has a sample to start from
    first = max(0, asked.start - before)
    ticks, columns = _ticks(store.select, asked.panel, asked.machine, asked.server, first, asked.end, max(period, 1) * 6)
    inside = ticks >= asked.start
    ticks = ticks[inside]
    figures = {name: line[inside] for name, line in asked.panel.draw(columns).items()} if len(ticks) else {}
    spacing = round(float(np.median(np.diff(ticks)))) if len(ticks) > 1 else round(period * 1000)
    if len(ticks) <= min(POINTS, asked.points * 1.5):
        ticks, figures = parted(ticks, figures, spacing * 3)
        return Drawn(ticks, spacing, [Line(name, plain(line)) for name, line in figures.items()])
    step = step_for(asked.end - asked.start, asked.points, spacing * 1.5 / 1000)
    edges = _edges(asked, step)
    return Drawn(edges, step, [Line(name, *map(plain, windows(ticks, line, edges, step))) for name, line in figures.items()])


def parted(ticks: Times, figures: dict[str, Values], gap: int) -> tuple[Times, dict[str, Values]]:
    """The same, with a value-less instant inside every gap longer than `gap` ms: a line must not run over silence."""
    holes = np.flatnonzero(np.diff(ticks) > gap)
    middle = (ticks[holes] + ticks[holes + 1]) // 2
    return np.insert(ticks, holes + 1, middle), {name: np.insert(line, holes + 1, np.nan) for name, line in figures.items()}


def _edges(asked: Asked, step: int) -> Times:
    start = asked.start // step * step
    return start + step * np.arange(-(-(asked.end - start) // step), dtype=np.int64)


def finer(step: int, period: float) -> int:
    """The window, ms, that a rate drawn every `step` ms is read in; `step` itself where no finer one is surely filled."""
    for seconds in STEPS:
        fine = seconds * 1000
        if fine < step <= fine * FINER and step % fine == 0 and seconds >= max(FINEST, 1.5 * period):
            return fine
    return step


def _rolled(store: Store, asked: Asked, step: int, period: float) -> Drawn:
    """Lines of rollups, with bounds; a rate's are read more finely, unless that is more than the store reads at once."""
    fine = finer(step, period) if any(term.counter for term in asked.panel.terms) else step
    if fine < step:
        try:
            drawn = _whole(store, asked, fine)
        except Refused:
            pass
        else:
            edges = _edges(asked, step)
            figures = [(line.name, np.array(line.average, np.float64)) for line in drawn.lines]
            lines = [Line(name, *map(plain, windows(drawn.times, values, edges, step))) for name, values in figures]
            return Drawn(edges, step, lines)
    return _whole(store, asked, step)


def _whole(store: Store, asked: Asked, step: int) -> Drawn:
    """Each window as it was rolled up. A gauge's bounds are those of its terms together: never narrower than the truth."""
    edges = _edges(asked, step)
    sides: list[dict[str, Column]] = [{}, {}, {}]
    bounded = not any(term.counter for term in asked.panel.terms)
    for term in asked.panel.terms:
        start = max(0, int(edges[0]) - (step if term.counter else 0))
        found = store.rollups(matchers(term, asked.machine, asked.server), start, asked.end, step)
        seen = [np.where(part.seen > 0, part.seen, np.nan) for part in found]
        averages = [increases(part) if term.counter else part.total / count for part, count in zip(found, seen, strict=True)]
        sides[0][term.metric] = _on(edges, found, averages)
        if bounded:
            sides[1][term.metric] = _on(edges, found, [np.where(part.seen > 0, part.least, np.nan) for part in found])
            sides[2][term.metric] = _on(edges, found, [np.where(part.seen > 0, part.most, np.nan) for part in found])
    average = asked.panel.draw(sides[0])
    if not bounded:
        return Drawn(edges, step, [Line(name, plain(line)) for name, line in average.items()])
    one, other = asked.panel.draw(sides[1]), asked.panel.draw(sides[2])
    lines = [
        Line(name, plain(line), plain(np.fmin(one[name], other[name])), plain(np.fmax(one[name], other[name])))
        for name, line in average.items()
    ]
    return Drawn(edges, step, lines)


def _on(edges: Times, found: Sequence[Rollup], values: Sequence[Values]) -> Column:
    blocks = [Block(part.series, part.times, figures) for part, figures in zip(found, values, strict=True)]
    times, series, figures = aligned(blocks)
    spread = np.full((len(edges), len(series)), np.nan)
    if len(times):
        places = np.searchsorted(edges, times)
        inside = (places < len(edges)) & (edges[np.minimum(places, len(edges) - 1)] == times)
        spread[places[inside]] = figures[inside]
    return Column(series, spread)
