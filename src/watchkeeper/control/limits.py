"""Limits of what a server may use, and how many actions the agent may take by itself. Pure deciders with their settings.

A figure over its limit for long enough is a breach, told once; `watch` does with it what the limit says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, NamedTuple

import msgspec

from watchkeeper.config import Part
from watchkeeper.quantities import Duration, Size

Then = Literal["alert", "restart"]
HOUR = 3600.0
AGAIN = 60.0
"""A restart that could not be done is asked for again so many seconds after the figure has been too high for as long anew."""


class Limit(Part, frozen=True, kw_only=True):
    """A figure that is higher than it may be for so long (`held`) is told (`then` = ``alert``) or ends in a ``restart``."""

    held: Duration = Duration(60)
    then: Then = "alert"


class MemoryLimit(Limit, frozen=True, kw_only=True):
    """``memory = { above = "1GiB" }``: its processes use more than `above` for as long as `held`; `then` is what is done."""

    above: Size


class CountLimit(Limit, frozen=True, kw_only=True):
    """``fds = { above = 900 }``: it has more than `above` for as long as `held`; `then` is what is done."""

    above: Annotated[int, msgspec.Meta(ge=1)]


class CpuLimit(Limit, frozen=True, kw_only=True):
    """``cpu = { above = 1.5 }``: it uses more cores than `above` for as long as `held`; `then` is what is done."""

    above: Annotated[float, msgspec.Meta(gt=0)]


class LimitSettings(Part, frozen=True, kw_only=True):
    """``[server.NAME.limits]``: what a server's processes may use together: `memory`, `fds`, `threads` and `cpu`.

    Each is ``{ above = …, held = "1m", then = "alert" }``: over that for so long is told (``alert``), or ends in a ``restart``.
    """

    memory: MemoryLimit | None = None
    fds: CountLimit | None = None
    threads: CountLimit | None = None
    cpu: CpuLimit | None = None

    def each(self) -> Iterator[tuple[str, MemoryLimit | CountLimit | CpuLimit]]:
        """Those that are set, by name."""
        for name in ("memory", "fds", "threads", "cpu"):
            if (limit := getattr(self, name)) is not None:
                yield name, limit


class Over(NamedTuple):
    """How a figure stands to its limit: over it since (inf: it is not), and when that was told (inf: never)."""

    since: float = float("inf")
    told: float = float("inf")


class Breach(NamedTuple):
    """A figure has been too high for too long, or (`over` false) is so no more."""

    over: bool
    text: str


def weigh(
    name: str, limit: MemoryLimit | CountLimit | CpuLimit, figure: float, before: Over, now: float
) -> tuple[Over, Breach | None]:
    """One more figure of a limit's; NaN is no figure. `now` in monotonic seconds."""
    if figure != figure:  # noqa: PLR0124  # NaN: not known at present
        return before, None
    if figure <= limit.above:
        ended = Breach(over=False, text=f"{_figure(name, figure)} again") if before.told != float("inf") else None
        return Over(), ended
    since = min(before.since, now)
    again = limit.then == "restart" and now - before.told >= limit.held + AGAIN
    if now - since >= limit.held and (before.told == float("inf") or again):
        text = f"{_figure(name, figure)} for {Duration(round(now - since))}, over the limit of {_written(name, limit.above)}"
        return Over(since, now), Breach(over=True, text=text)
    return Over(since, before.told), None


def figures(read: Mapping[str, float], before: Mapping[str, float], seconds: float) -> dict[str, float]:
    """The figures that limits are held against, from what a round has read (by metric) and the round before."""
    nan = float("nan")
    proportional = read.get("process_proportional_memory_bytes", nan)
    resident = read.get("process_resident_memory_bytes", nan)
    used = read.get("process_cpu_seconds_total", nan) - before.get("process_cpu_seconds_total", nan)
    return {
        "memory": proportional if proportional == proportional else resident,  # noqa: PLR0124  # NaN
        "fds": read.get("process_open_fds", nan),
        "threads": read.get("process_threads", nan),
        "cpu": used / seconds if seconds > 0 and used >= 0 else nan,
    }


def spent(times: tuple[float, ...], now: float) -> tuple[float, ...]:
    """Which of these actions were taken within the last hour; `now` and they in wall seconds.

    What lies in the future was written before the clock was set back: it counts as of now, and so not for ever.
    """
    return tuple(min(at, now) for at in times if now - at < HOUR)


def _figure(name: str, figure: float) -> str:
    verb = {"memory": "uses", "cpu": "uses"}.get(name, "has")
    return f"{verb} {_written(name, figure)}"


def _written(name: str, figure: float) -> str:
    match name:
        case "memory":
            return f"{figure / (1 << 20):.0f} MiB"
        case "cpu":
            return f"{figure:.2f} cores"
        case "fds":
            return f"{figure:.0f} open files"
    return f"{figure:.0f} threads"
