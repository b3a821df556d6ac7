"""Many conditions at once: registers of figures, and steps that each work on a slice of them in one numpy call.

`compiling` makes a program of all rules for one layout; `court` runs it on each frame that comes in. A register holds a
figure and whether there is one, as PromQL has it. A thousand rules cost some fifty calls, whatever they ask.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from watchkeeper.model import ABSENT_BITS, STALE_BITS, Labels
from watchkeeper.query.pointwise import MATHS, compare, operate, rounded
from watchkeeper.query.signatures import COMPARISONS

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Places = NDArray[np.intp]


class Registers(NamedTuple):
    """`values` and `present` of every register: float64[registers], bool[registers]."""

    values: Floats
    present: Bools


class Step(NamedTuple):
    """One call: registers ``low <= r < high`` become `op` of those at `left` and `right`; `starts` part them for reductions."""

    op: str
    low: int
    high: int
    left: Places
    right: Places
    starts: Places


class Out(NamedTuple):
    """What comes out for one rule and one set of labels. `kind`: ``holds``, ``clear`` or ``figure``; `register` is where."""

    rule: int
    kind: str
    labels: Labels
    register: int


class Program:
    """Steps for one layout. `columns` are the layout's that it reads, put into the first registers."""

    def __init__(self, columns: Places, constants: Floats, clock: int, size: int, steps: list[Step], outs: list[Out]) -> None:
        """Registers: `columns`, then `constants`, the `clock` among them (-1: not read), then what the steps make."""
        self.columns = columns
        self.steps = steps
        self.outs = outs
        self._clock = clock
        self._first = len(columns)
        self._values = np.zeros(size)
        self._values[self._first : self._first + len(constants)] = constants
        self._present = np.zeros(size, np.bool_)
        self._present[self._first : self._first + len(constants)] = True
        self.holding = np.array([out.register for out in outs if out.kind == "holds"], np.intp)
        self.holders = [out for out in outs if out.kind == "holds"]
        self.others = {(out.rule, out.kind, out.labels): out.register for out in outs if out.kind != "holds"}

    def run(self, figures: Floats, at: int) -> Registers:
        """The registers for a layout's newest `figures` at an instant (ms); good until the next run."""
        values, present = self._values, self._present
        chosen = figures[self.columns]
        bits = chosen.view(np.int64)
        values[: self._first] = chosen
        present[: self._first] = (bits != ABSENT_BITS) & (bits != STALE_BITS)
        if self._clock >= 0:
            values[self._clock] = at / 1000
        with np.errstate(all="ignore"):
            for step in self.steps:
                _work(step, values, present)
        return Registers(values, present)


def _work(step: Step, values: Floats, present: Bools) -> None:  # noqa: C901  # a table of operations
    op, low, high, left, right, starts = step
    if op in REDUCTIONS:
        values[low:high], present[low:high] = REDUCTIONS[op](values[left], present[left], starts)
        return
    if op in UNARY:
        values[low:high] = UNARY[op](values[left])
        present[low:high] = present[left]
        return
    a, b, there, other = values[left], values[right], present[left], present[right]
    match op:
        case "and":
            values[low:high], present[low:high] = a, there & other
        case "unless":
            values[low:high], present[low:high] = a, there & ~other
        case "any":
            present[low:high] = there | other
        case "pick":
            values[low:high], present[low:high] = np.where(there, a, b), there | other
        case "least":
            values[low:high], present[low:high] = np.minimum(b, a), there & other
        case "most":
            values[low:high], present[low:high] = np.maximum(b, a), there & other
        case "round":
            values[low:high], present[low:high] = rounded(a, b), there & other
        case _ if op in COMPARISONS:
            values[low:high], present[low:high] = a, there & other & compare(op, a, b)
        case _ if op.startswith("bool"):
            values[low:high], present[low:high] = compare(op[4:], a, b), there & other
        case _:
            values[low:high], present[low:high] = operate(op, a, b), there & other


def _sum(values: Floats, present: Bools, starts: Places) -> tuple[Floats, Bools]:
    return np.add.reduceat(np.where(present, values, 0.0), starts), np.logical_or.reduceat(present, starts)


def _count(_: Floats, present: Bools, starts: Places) -> tuple[Floats, Bools]:
    return np.add.reduceat(present.astype(np.float64), starts), np.logical_or.reduceat(present, starts)


def _avg(values: Floats, present: Bools, starts: Places) -> tuple[Floats, Bools]:
    total, there = _sum(values, present, starts)
    return total / _count(values, present, starts)[0], there


def _group(_: Floats, present: Bools, starts: Places) -> tuple[Floats, Bools]:
    there = np.logical_or.reduceat(present, starts)
    return np.ones(len(starts)), there


def _extreme(ufunc: np.ufunc, worst: float) -> Callable[[Floats, Bools, Places], tuple[Floats, Bools]]:
    """Least or most; NaN counts only where there is nothing else, as in Prometheus."""

    def found(values: Floats, present: Bools, starts: Places) -> tuple[Floats, Bools]:
        sound = present & ~np.isnan(values)
        best = ufunc.reduceat(np.where(sound, values, worst), starts)
        return np.where(np.logical_or.reduceat(sound, starts), best, np.nan), np.logical_or.reduceat(present, starts)

    return found


REDUCTIONS = {
    "sum": _sum,
    "avg": _avg,
    "count": _count,
    "group": _group,
    "min": _extreme(np.minimum, np.inf),
    "max": _extreme(np.maximum, -np.inf),
}
"""Aggregations that programs have."""
UNARY = dict(MATHS)
"""Functions of one figure that programs have."""
