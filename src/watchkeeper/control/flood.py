"""Whether a server floods its log: more bytes a second than it may, for a while. Pure; told once, and once when it is over."""

from __future__ import annotations

from typing import NamedTuple

HELD_SECONDS = 30.0
"""So long it must write too much before it is told: a start, or one long trace, is no flood."""
CALM_SECONDS = 60.0
"""And so long it must be calm before that is told."""


class Flow(NamedTuple):
    """What is known of one server's output: bytes written until `at` (monotonic), and since when it is above or below.

    `told`: it was said that it floods. `rate` is of the last look, in bytes a second.
    """

    written: int
    at: float
    turned: float
    above: bool = False
    told: bool = False
    rate: float = 0.0


def flow(before: Flow | None, written: int, most: float, now: float) -> Flow:
    """The flow after another look; `most` in bytes a second. A change of `told` is what is to be said."""
    if before is None or written < before.written:
        return Flow(written, now, now)
    seconds = now - before.at
    if seconds <= 0:
        return before
    rate = (written - before.written) / seconds
    above = rate > most
    turned = before.turned if above == before.above else before.at
    told = before.told
    if above and now - turned >= HELD_SECONDS:
        told = True
    elif not above and now - turned >= CALM_SECONDS:
        told = False
    return Flow(written, now, turned, above, told, rate)
