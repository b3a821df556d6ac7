"""Is it the world that is silent, or are we cut off? A decider over the answers of witnesses. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Standing(msgspec.Struct, frozen=True):
    """What is held of one witness: misses in a row, and what it said last."""

    misses: int = 0
    why: str = "not asked yet"


def heard(before: Standing, why: str) -> Standing:
    """One more asking; `why` is empty when it has answered."""
    return Standing(0, "it answers") if not why else Standing(before.misses + 1, why)


def is_blind(witnesses: Mapping[str, Standing], misses: int) -> bool:
    """Whether all of them are gone: one that answers is enough to see, and without any nothing can be said."""
    return bool(witnesses) and all(one.misses >= misses for one in witnesses.values())
