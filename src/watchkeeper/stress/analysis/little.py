"""Little's law: what is under way on average is throughput times time in the system, N = X · R, whatever the system is.

(J. Little: "A proof for the queuing formula L = λW", Operations Research 1961.) The three are measured apart, so where they
do not agree something was measured wrongly: operations that are counted twice or never, or a clock that lies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

TOLERANCE = 0.15
"""Of what is expected: within this the law holds whatever chance says, as one look a second is coarse."""
FEWEST = 5
LEAST = 0.5
"""Under way on average, below which a look a second almost always sees nothing."""


class Little(msgspec.Struct, frozen=True):
    """`expected` by the law, `seen` by looking, with the looks' own error (two standard ones). `holds` None: cannot be said."""

    expected: float | None
    seen: float | None
    error: float | None
    holds: bool | None
    why: str = ""


def check(throughput: float, seconds: float, looks: Sequence[float]) -> Little:
    """`throughput` ends a second, `seconds` the mean time each is under way, `looks` how many were so at instants."""
    expected = throughput * seconds
    seen = np.asarray(looks, np.float64)
    if len(seen) < FEWEST:
        return Little(
            expected if math.isfinite(expected) else None, None, None, None, f"{len(seen)} looks of {FEWEST} that it takes"
        )
    mean = float(seen.mean())
    error = 2 * float(seen.std(ddof=1)) / math.sqrt(len(seen))
    if not math.isfinite(expected):
        return Little(None, mean, error, None, "nothing was done")
    if max(expected, mean) < LEAST:
        return Little(expected, mean, error, None, "too little was under way at a time for a look a second to see it")
    holds = abs(mean - expected) <= max(TOLERANCE * expected, error)
    why = "" if holds else f"{mean:.3g} were under way, where {throughput:.6g}/s x {seconds * 1000:.4g} ms make {expected:.3g}"
    return Little(expected, mean, error, bool(holds), why)
