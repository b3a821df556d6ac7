"""Does it keep up? A queue that grows is told from answers that merely take their time. Pure.

When a stage ends something is always under way: as much as starts come in while one is answered, however many those are. So
what is under way at the end counts only by how much it has grown since the middle, as if it had grown so all the time.
"""

from __future__ import annotations

from watchkeeper.stress.objective import Totals
from watchkeeper.stress.run import Stage

KEPT_UP = 0.97
"""Of what was due must not have been left behind within a level's time, else a queue grows."""
FEW = 2
"""So many starts left behind are chance, at whichever rate."""


def left_behind(stage: Stage, totals: Totals) -> float:
    """Of the starts that were due: how many had failed, or were a queue that grew, when the stage's time was over.

    A stage too short for a middle is held against its quickest answer: so long everything takes. In the closed model, where
    nothing is due before something is done, it is 0.
    """
    if stage.model != "open" or not totals.scheduled:
        return 0.0
    under_way = totals.scheduled - totals.done_within - totals.failed_within
    quickest = totals.service.quantile(0.0) / 1e9 if totals.service.total else 0.0
    grown = under_way - quickest * stage.profile[-1].end
    if 0 < totals.midway_at < totals.seconds:
        grown = min(grown, (under_way - totals.midway) * totals.seconds / (totals.seconds - totals.midway_at))
    return totals.failed_within + max(0.0, min(grown, under_way))


def keeps_up(stage: Stage, totals: Totals) -> bool:
    """Whether nothing that matters was left behind."""
    return left_behind(stage, totals) <= (1 - KEPT_UP) * totals.scheduled + FEW
