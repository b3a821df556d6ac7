"""``[query]``: what one PromQL question may cost, and how many may be worked on at once."""

from __future__ import annotations

from watchkeeper.config import Duration, Part
from watchkeeper.query.reading import Limits


class QuerySettings(Part, frozen=True, kw_only=True):
    """``[query]``: what one PromQL question may cost; beyond it the question is refused, with its size.

    `samples` and `series` are what may be read, `figures` (series times steps) any table on the way, `points` the
    answer. `timeout` is for waiting and working together, `lookback` how old a sample may be and still count. `at_once`
    questions are worked on at a time; of those beyond it, `waiting` may queue, all others hear 503.
    """

    samples: int = 50_000_000
    figures: int = 10_000_000
    series: int = 100_000
    points: int = 2_000_000
    timeout: Duration = Duration(30)
    lookback: Duration = Duration(300)
    at_once: int = 2
    waiting: int = 32

    def __post_init__(self) -> None:
        """Refuse what could never work while file and line are still known."""
        for name in ("samples", "figures", "series", "points", "at_once"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected 1 or more")
        if self.waiting < 0 or self.at_once > 64:
            raise ValueError("expected waiting of 0 or more, and at_once of 64 at most")
        if self.timeout <= 0 or self.lookback <= 0:
            raise ValueError("expected a timeout and a lookback of more than nothing")

    def limits(self, seconds: float | None = None, lookback: int | None = None) -> Limits:
        """The limits of one question that has so many seconds left, and a look-back of its own in ms if it names one."""
        return Limits(
            samples=self.samples,
            figures=self.figures,
            series=self.series,
            seconds=self.timeout if seconds is None else seconds,
            lookback=round(self.lookback * 1000) if lookback is None else lookback,
        )
