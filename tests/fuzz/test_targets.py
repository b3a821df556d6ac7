"""Each fuzzing target runs, on its seeds and on pieces of them, without the fuzzer."""

from __future__ import annotations

import pytest

from fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_is_content_with_its_seeds(name: str) -> None:
    """As they are, cut and with bytes turned over: what the fuzzer begins with, and that the target itself works."""
    target, seeds = TARGETS[name]
    begun = seeds()
    assert begun
    for seed in begun:
        target(seed)
        for place in range(0, len(seed), max(1, len(seed) // 8)):
            target(seed[:place])
            target(seed[:place] + bytes((seed[place] ^ 0xFF,)) + seed[place + 1 :])
