"""Is B other than A, and does it matter? A plain word from an interval and a threshold of practical difference. Pure.

A difference that is certain may be too small for anybody to care, and one that would matter may be within the noise: both
are asked. Wholly within the threshold is *the same*, wholly beyond it is *better* or *worse*, and what lies across is told
as what it is: not known. (Two one-sided tests; D. Schuirmann, 1987.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from watchkeeper.stress.analysis.chance import Interval

Word = Literal["better", "worse", "same", "unknown"]
Better = Literal["less", "more"]

THRESHOLD = 0.05
"""Relative difference that matters, unless said otherwise."""


class Difference(msgspec.Struct, frozen=True):
    """One figure of both. `ratio` is the second's over the first's; `better` which way is better; `why` for `unknown`."""

    what: str
    unit: str
    first: float
    second: float
    ratio: Interval | None
    better: Better
    word: Word
    why: str = ""


class Comparison(msgspec.Struct, frozen=True):
    """All of them, one word over all, and a sentence. `unlike`: what else differs between the two, in words."""

    word: Word
    text: str
    threshold: float
    differences: tuple[Difference, ...]
    unlike: tuple[str, ...] = ()


def word(ratio: Interval, better: Better, threshold: float) -> Word:
    """What a ratio (second over first) with its interval comes to."""
    least, most = 1 / (1 + threshold), 1 + threshold
    if ratio.low >= least and ratio.high <= most:
        return "same"
    if ratio.low > most:
        return "worse" if better == "less" else "better"
    if ratio.high < least:
        return "better" if better == "less" else "worse"
    return "unknown"


def difference(
    what: str, unit: str, pair: tuple[float, float], ratio: Interval | None, better: Better, threshold: float = THRESHOLD
) -> Difference:
    """A figure of both, judged. `ratio` None: there is none, so nothing is known unless both are equal."""
    first, second = pair
    if ratio is None:
        if first == second:
            return Difference(what, unit, first, second, Interval(1.0, 1.0, 1.0), better, "same")
        return Difference(what, unit, first, second, None, better, "unknown", "too little was seen of it for an interval")
    found = word(ratio, better, threshold)
    why = ""
    if found == "unknown":
        why = f"{_percent(ratio.low)} to {_percent(ratio.high)}: both no difference and one that matters lie in that"
    return Difference(what, unit, first, second, ratio, better, found, why)


def compared(differences: Sequence[Difference], threshold: float, unlike: Sequence[str] = ()) -> Comparison:
    """All figures together: worse where one is, better where one is and none is worse, else the same or unknown."""
    worse = [one for one in differences if one.word == "worse"]
    better = [one for one in differences if one.word == "better"]
    unknown = [one for one in differences if one.word == "unknown"]
    if not differences:
        return Comparison("unknown", "the two have nothing in common that could be compared", threshold, (), tuple(unlike))
    if worse:
        told: Word = "worse"
        text = f"the second is worse: {_told(worse)}"
        text += f"; and better: {_told(better)}" if better else ""
    elif better:
        told, text = "better", f"the second is better: {_told(better)}"
    elif len(unknown) * 2 > len(differences):
        told, text = "unknown", f"not known: of {len(differences)} figures {len(unknown)} vary more than would matter"
    else:
        told = "same"
        text = f"no difference beyond {threshold:.0%} in {len(differences) - len(unknown)} of {len(differences)} figures"
        text += f"; not known: {', '.join(one.what for one in unknown)}" if unknown else ""
    return Comparison(told, text, threshold, tuple(differences), tuple(unlike))


def _told(some: Sequence[Difference]) -> str:
    return ", ".join(
        f"{one.what} {_percent(one.ratio.value)}" if one.ratio is not None and math.isfinite(one.ratio.value) else one.what
        for one in some
    )


def _percent(ratio: float) -> str:
    return f"{ratio - 1:+.1%}"
