"""Each way to behave under too much is told from the others."""

from __future__ import annotations

import math
from typing import Any

import pytest

from watchkeeper.stress.analysis.beyond import Strain, behaviour

CALM = {
    "offered": 1500.0, "achieved": 1000.0, "best": 1010.0, "due": 15_000, "said_no": 0, "nobody": 0, "refused": 0,
    "dropped": 5000, "p95": 3.0, "usual": 0.01, "last_due": 4500, "last_done": 3000,
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({}, "queues"),
        ({"achieved": 1499.0, "dropped": 0, "p95": 0.011}, "absorbs"),
        ({"achieved": 1499.0, "dropped": 0, "p95": 0.4}, "queues"),
        ({"dropped": 100, "said_no": 4900, "p95": 0.02}, "sheds"),
        ({"achieved": 300.0}, "collapses"),
        ({"achieved": 700.0, "last_done": 0}, "hangs"),
        ({"achieved": 700.0, "last_done": 0, "refused": 900, "nobody": 1000}, "crashes"),
        ({"restarts": 1}, "crashes"),
        ({"achieved": 900.0, "dropped": 0, "refused": 4000, "nobody": 4100}, "refuses"),
        ({"p95": math.inf}, "queues"),
        ({"due": 0}, "unknown"),
    ],
)
def test_the_word_is_that_of_the_worst(given: dict[str, Any], word: str) -> None:
    """With a sentence to it."""
    found = behaviour(Strain(**(CALM | given)))
    assert found.word == word
    assert found.text
