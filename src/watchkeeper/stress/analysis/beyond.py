"""What it does with more than it can take: absorbs, queues, sheds, collapses, hangs or crashes. Pure; a word and why.

The order is that of harm: what crashed has also queued, and nobody asks for that any more.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import msgspec

Word = Literal["absorbs", "sheds", "queues", "refuses", "collapses", "hangs", "crashes", "unknown"]

KEPT_UP = 0.97
HARDLY = 0.01
COLLAPSE = 0.7
"""Of the most that it ever did: what does less under more load has lost some of its strength to the load itself."""
SHED = 0.5
"""Of what was not done: refused by word of its own, and not by silence."""


class Strain(NamedTuple):
    """An overload as it was seen. Rates a second; counts of operations; times in seconds.

    `best` is the most that it did at any level, `usual` the p95 before; `last_done` what was done in the last three seconds
    in which something was due (`last_due`). `behind` is the share of what was due that had failed or was a growing queue at
    its end; None: what was not done by then counts. `wanted` is what the plan asked for, where the load was held down; else 0.
    """

    offered: float
    achieved: float
    best: float
    due: int
    said_no: int
    nobody: int
    refused: int
    dropped: int
    p95: float
    usual: float
    last_due: int
    last_done: int
    restarts: int = 0
    hangs: int = 0
    behind: float | None = None
    wanted: float = 0.0

    @property
    def keeps_up(self) -> bool:
        """Whether it did what was due, however long that took."""
        if self.behind is not None:
            return self.behind <= 1 - KEPT_UP
        return self.achieved >= KEPT_UP * self.offered


class Behaviour(msgspec.Struct, frozen=True):
    """The word, and a sentence."""

    word: Word
    text: str


def behaviour(strain: Strain) -> Behaviour:  # noqa: PLR0911  # one for each word
    """What it did under this strain."""
    if not strain.due:
        return Behaviour("unknown", "nothing was due")
    undone = strain.said_no + strain.nobody + strain.dropped
    did = f"{strain.achieved:,.0f}/s done of {strain.offered:,.0f}/s due"
    if strain.restarts:
        return Behaviour("crashes", f"the server was started again {strain.restarts} times")
    if strain.last_due and not strain.last_done:
        whose = "its supervisor flagged a hang" if strain.hangs else "nothing more was done at the end of it"
        if strain.refused > strain.nobody / 2 and strain.refused:
            return Behaviour("crashes", f"{strain.refused} connections were refused, and {whose}")
        return Behaviour("hangs", f"{whose}: {did}")
    if strain.keeps_up and undone <= HARDLY * strain.due:
        return _done(strain, did)
    if strain.best and strain.achieved < COLLAPSE * strain.best:
        return Behaviour("collapses", f"{did}, while it did {strain.best:,.0f}/s under less load")
    if undone and strain.said_no >= SHED * undone:
        return Behaviour("sheds", f"{did}; {strain.said_no / strain.due:.1%} were refused in its own words, {_slower(strain)}")
    if strain.refused and strain.refused >= SHED * undone:
        return Behaviour("refuses", f"{did}; {strain.refused} connections were refused")
    left = strain.nobody + strain.dropped
    return Behaviour("queues", f"{did}, {_slower(strain)}; {left / strain.due:.1%} were given up unanswered")


def _done(strain: Strain, did: str) -> Behaviour:
    """What it did where it did everything."""
    if strain.usual > 0 and strain.p95 > 3 * strain.usual and strain.p95 > strain.usual + 0.01:
        return Behaviour("queues", f"everything was done, later: {_slower(strain)}")
    if strain.wanted:
        why = f"the {strain.wanted:,.0f}/s that were wanted were held down to what safety and generator allow"
        return Behaviour("unknown", f"{did}: it was no overload to it, as {why}")
    return Behaviour("absorbs", f"{did}: it was no overload to it")


def _slower(strain: Strain) -> str:
    if not math.isfinite(strain.p95):
        return "most were never answered"
    if strain.usual > 0:
        return f"p95 {_time(strain.p95)} where it was {_time(strain.usual)}"
    return f"p95 {_time(strain.p95)}"


def _time(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"
