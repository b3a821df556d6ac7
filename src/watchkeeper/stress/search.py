"""The search for the knee: which level comes next, from what came of those before. Pure, replayed from the results each time.

It rises by a factor until a level breaks (or sinks from the first until one holds), halves between the two until they are
near enough, and fills in levels below, so that a curve can be drawn. The rules are generators: a level out, what came of
it in.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from watchkeeper.stress.phases import Steps
from watchkeeper.stress.run import Ended, Knee, Stage

LOWEST = 1.0
"""A search whose first level breaks goes down to this, no further."""
DOUBTS = 3
"""How often a level is run again because the generator was not good enough to tell."""
MOST = 60
"""Results of one search after which it ends, whatever they say."""

Word = Literal["held", "broken", "unsure"]


class Result(NamedTuple):
    """A stage that has ended. `p95s`: of each of its seconds, for later comparison."""

    stage: Stage
    ended: Ended
    p95s: tuple[float, ...] = ()


class Bracket(NamedTuple):
    """Where the knee is: the highest level that held (0: none), the lowest that broke (inf: none), and why there is no more."""

    good: float
    bad: float
    why: str = ""


Levels = Generator[float, Word, Bracket]


def word_of(ended: Ended) -> Word:
    """What a decision comes to: ``held``, ``broken`` or ``unsure`` (the generator was not good enough)."""
    word = ended.decision.partition(":")[0]
    return "broken" if word == "broken" else "unsure" if word == "unsure" else "held"


def search(phase: Steps, results: Sequence[Result], top: float) -> float | Knee:
    """The next level of a search, or what it has found. `top`: the highest level that may be run."""
    levels = _levels(phase, top)
    left = list(results[:MOST])
    level = next(levels)
    try:
        while True:
            word = _take(left, phase.tries)
            if word is None:
                if len(results) < MOST:
                    return level
                word = "unsure"
            level = levels.send(word)
    except StopIteration as end:
        return _found(results, end.value)


def _take(left: list[Result], tries: int) -> Word | None:
    """What came of a level, taken off the results: held once is enough, broken it must be each time; None: run it (again)."""
    broken = unsure = 0
    while broken < tries and unsure < max(tries, DOUBTS):
        if not left:
            return None
        word = word_of(left.pop(0).ended)
        if word == "held":
            return word
        broken += word == "broken"
        unsure += word == "unsure"
    return "broken" if broken >= tries else "unsure"


def _levels(phase: Steps, top: float) -> Levels:
    run: set[float] = set()
    found = yield from _noted(_rise(phase, top), run)
    if not found.why:
        found = yield from _noted(_halve(found, phase.precision), run)
    while found.good and len(run) < phase.levels:
        level = _widest_gap(run, found.good)
        run.add(level)
        yield level
    return found


def _widest_gap(run: set[float], good: float) -> float:
    """The middle of the widest gap between nothing and the knee."""
    edges = sorted({0.0, good} | {level for level in run if level < good})
    width, place = max((upper - lower, place) for place, (lower, upper) in enumerate(pairwise(edges)))
    return edges[place] + width / 2


def _noted(levels: Levels, run: set[float]) -> Levels:
    """The same levels, written down."""
    try:
        level = next(levels)
        while True:
            run.add(level)
            level = levels.send((yield level))
    except StopIteration as end:
        found: Bracket = end.value
        return found


def _rise(phase: Steps, top: float) -> Levels:
    level = min(phase.begin, top)
    good, bad = 0.0, math.inf
    while True:
        word = yield level
        if word == "unsure":
            return Bracket(good, bad, f"the generator was the limit at {level:.6g}")
        if word == "held":
            good = level
            if bad < math.inf:
                return Bracket(good, bad)
            if level >= top:
                why = f"nothing broke up to {level:.6g}, the highest that plan, safety and generator allow"
                return Bracket(good, bad, why)
            level = min(level * phase.factor, top)
        else:
            bad = level
            if good:
                return Bracket(good, bad)
            if level <= LOWEST:
                return Bracket(good, bad, f"already {bad:.6g} is too much")
            level = max(level / phase.factor**2, LOWEST)


def _halve(found: Bracket, precision: float) -> Levels:
    good, bad, doubt = found
    while bad / good - 1 > precision:
        level = (good + bad) / 2
        word = yield level
        if word == "held":
            good = level
        else:
            bad = level
            doubt = f"at {level:.6g} the generator was not good enough to tell" if word == "unsure" else ""
    return Bracket(good, bad, doubt)


def _found(results: Sequence[Result], found: Bracket) -> Knee:
    at_good = [one.ended.achieved for one in results if one.stage.level == found.good and word_of(one.ended) == "held"]
    powers = [
        (one.ended.achieved / one.ended.quantiles["p50"], one.stage.level) for one in results if one.ended.quantiles.get("p50")
    ]
    return Knee(
        sustained=found.good,
        broken=found.bad if found.bad < math.inf else 0.0,
        power=max(powers)[1] if powers else 0.0,
        achieved=at_good[-1] if at_good else 0.0,
        why=found.why,
    )
