"""The search of a report: its levels as a curve, and what they come to. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from watchkeeper.stress.analysis import capacity as found_in
from watchkeeper.stress.analysis import usl
from watchkeeper.stress.analysis.capacity import Level
from watchkeeper.stress.report.digest import Digest
from watchkeeper.stress.report.document import CapacityReport, LevelReport, StageReport
from watchkeeper.stress.search import word_of

DRAWN = 60
"""Points of a fitted line."""


def capacity(digest: Digest, stages: Sequence[StageReport]) -> CapacityReport | None:
    """What the last search came to; None where the plan has none, or none was begun."""
    ended = {spell.stage.index: spell.ended for spell in digest.spells}
    own = [stage for stage in stages if stage.kind == "steps" and ended[stage.index] is not None]
    if not own:
        return None
    own = [stage for stage in own if stage.phase == own[-1].phase]
    tries = []
    for stage in own:
        one = ended[stage.index]
        assert one is not None
        tries.append(_level(stage, word_of(one), one.behind))
    knee = digest.run.knees[-1] if digest.run.knees else None
    model = own[0].model
    beyond = [
        _level(stage, "overload", one.behind if (one := ended[stage.index]) else None)
        for stage in stages
        if stage.kind == "overload" and stage.model == model
    ]
    points = tuple(_point(level, tries) for level in sorted({one.level for one in tries}))
    seen = _points(model, tries, beyond)
    fitted = usl.fit([n for n, _ in seen], [x for _, x in seen])
    top = fitted.reached * 1.3
    n = np.linspace(top / DRAWN, top, DRAWN).tolist() if not fitted.refused else []
    x, low, high = usl.line(fitted, n) if n else ([], [], [])
    return CapacityReport(
        model=model,
        sustained=knee.sustained if knee else max((one.level for one in tries if one.word == "held"), default=0.0),
        broken=(knee.broken or None) if knee else min((one.level for one in tries if one.word == "broken"), default=None),
        achieved=knee.achieved if knee else 0.0,
        why=knee.why if knee else "the search did not come to its end",
        sureness=found_in.sureness(tries),
        power=found_in.power(tries),
        bend=found_in.bend(tries),
        ceiling=found_in.ceiling([*tries, *beyond]),
        breaking=found_in.breaking([*tries, *beyond]) if model == "open" else None,
        usl=fitted,
        usl_line={"n": [*n], "x": [*x], "low": [*low], "high": [*high]},
        usl_points=seen,
        levels=points,
    )


def _points(model: str, tries: Sequence[Level], beyond: Sequence[Level]) -> tuple[tuple[float, float], ...]:
    """N is what was under way (users, where there are such), X what was done. Tries of a level are one point."""
    merged: dict[float, list[tuple[float, float]]] = {}
    for one in (*tries, *beyond):
        n = one.level if model == "closed" else one.under_way
        merged.setdefault(one.level, []).append((n, one.achieved))
    points = [np.median(np.asarray(several, np.float64), axis=0) for several in merged.values()]
    return tuple((float(n), float(x)) for n, x in points if np.isfinite(n) and np.isfinite(x))


def _level(stage: StageReport, word: str, behind: float | None) -> Level:
    quantiles = stage.latency.quantiles
    due = stage.scheduled or stage.started or 1
    return Level(
        stage.level,
        stage.offered,
        stage.achieved,
        quantiles.get("p50", float("nan")),
        quantiles.get("p95", float("nan")),
        quantiles.get("p99", float("nan")),
        stage.censored.mean if stage.censored.mean is not None else float("nan"),
        (stage.failed + stage.dropped) / due,
        word,
        behind,
    )


def _point(level: float, tries: Sequence[Level]) -> LevelReport:
    """All tries of a level: the middle one's figures, and what they came to together."""
    own = [one for one in tries if one.level == level]
    words = {one.word for one in own}
    word = "held" if "held" in words else "broken" if "broken" in words else "unsure"

    def middle(name: str) -> float | None:
        values = np.array([getattr(one, name) for one in own], np.float64)
        values = values[np.isfinite(values)]
        return float(np.median(values)) if len(values) else None

    return LevelReport(
        level=level,
        offered=middle("offered") or 0.0,
        achieved=middle("achieved") or 0.0,
        p50=middle("p50"),
        p95=middle("p95"),
        p99=middle("p99"),
        under_way=middle("under_way"),
        failed=middle("failed") or 0.0,
        word=word,
        tries=len(own),
    )
