"""The same plan several times: how much its key figures differ from run to run. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from watchkeeper.stress.analysis.chance import interval
from watchkeeper.stress.report.digest import Digest, Spell, calls
from watchkeeper.stress.report.document import Repeats, Spread

STEADY = ("plateau", "soak", "constant")


def repeats(digests: Sequence[Digest]) -> Repeats:
    """All runs, the first one first."""
    wanted: list[tuple[str, str, Callable[[Digest], float]]] = [
        ("sustained", "1/s", _sustained),
        ("most done a second", "1/s", _most),
    ]
    for name in _shared(digests):
        wanted += [(f"{quantile} in {name}", "s", _quantile(name, quantile)) for quantile in ("p50", "p95", "p99")]
    for place, recovery in enumerate(digests[0].run.recoveries):
        wanted.append((f"back after {recovery.after}", "s", _recovery(place)))
    figures = []
    for what, unit, read in wanted:
        values = np.array([read(digest) for digest in digests], np.float64)
        seen = values[np.isfinite(values)]
        if len(seen) == len(values):
            figures.append(
                Spread(
                    what,
                    unit,
                    tuple(seen.tolist()),
                    float(np.median(seen)),
                    float(seen.min()),
                    float(seen.max()),
                    interval(seen),
                )
            )
    runs = tuple(digest.run.id for digest in digests)
    return Repeats(runs, tuple(digest.run.verdict or digest.run.state for digest in digests), tuple(figures))


def _shared(digests: Sequence[Digest]) -> list[str]:
    """Even stages that all runs have, by name."""
    first = [name for name, spell in calls(digests[0]) if spell.stage.kind in STEADY]
    return [name for name in first if all(_stage(one, name) is not None for one in digests)]


def _stage(digest: Digest, name: str) -> Spell | None:
    return next((spell for called, spell in calls(digest) if called == name and spell.ended is not None), None)


def _sustained(digest: Digest) -> float:
    return digest.run.knees[-1].sustained if digest.run.knees else math.nan


def _most(digest: Digest) -> float:
    return max((spell.ended.achieved for spell in digest.spells if spell.ended is not None), default=math.nan)


def _quantile(name: str, quantile: str) -> Callable[[Digest], float]:
    def read(digest: Digest) -> float:
        spell = _stage(digest, name)
        if spell is None or spell.ended is None:
            return math.nan
        return spell.ended.clean.get(quantile, spell.ended.quantiles.get(quantile, math.nan))

    return read


def _recovery(place: int) -> Callable[[Digest], float]:
    def read(digest: Digest) -> float:
        found = digest.run.recoveries[place].seconds if place < len(digest.run.recoveries) else None
        return math.nan if found is None else found

    return read
