"""A difference is one when it is certain and when it matters; everything else is told as what it is."""

from __future__ import annotations

import pytest

from watchkeeper.stress.analysis.chance import Interval
from watchkeeper.stress.analysis.comparing import compared, difference, word


@pytest.mark.parametrize(
    ("low", "high", "better", "found"),
    [
        (1.10, 1.30, "less", "worse"),
        (1.10, 1.30, "more", "better"),
        (0.70, 0.90, "less", "better"),
        (0.70, 0.90, "more", "worse"),
        (0.99, 1.02, "less", "same"),  # certain, and too small to matter
        (1.01, 1.04, "less", "same"),
        (0.98, 1.20, "less", "unknown"),
        (0.50, 2.00, "more", "unknown"),
        (1.03, 1.10, "less", "unknown"),
    ],
)
def test_an_interval_and_a_threshold_make_a_word(low: float, high: float, better: str, found: str) -> None:
    """Five per cent matter."""
    assert word(Interval((low + high) / 2, low, high), better, 0.05) == found  # type: ignore[arg-type]  # one of two words


def test_a_sentence_over_all() -> None:
    """Worse wins over better, better over the same; what is not known is named."""
    slower = difference("p95", "s", (0.1, 0.13), Interval(1.3, 1.2, 1.4), "less")
    faster = difference("capacity", "1/s", (100, 150), Interval(1.5, 1.4, 1.6), "more")
    equal = difference("p50", "s", (0.1, 0.1), Interval(1.0, 0.99, 1.01), "less")
    vague = difference("p99", "s", (0.1, 0.11), Interval(1.1, 0.9, 1.4), "less")
    assert compared([slower, faster, equal], 0.05).word == "worse"
    assert "p95 +30.0%" in compared([slower, faster, equal], 0.05).text
    assert "and better: capacity +50.0%" in compared([slower, faster, equal], 0.05).text
    assert compared([faster, equal, vague], 0.05).word == "better"
    same = compared([equal, equal, vague], 0.05)
    assert same.word == "same"
    assert "not known: p99" in same.text
    assert compared([vague, vague, equal], 0.05).word == "unknown"
    assert compared([], 0.05).word == "unknown"


def test_no_interval_is_not_known_unless_both_are_equal() -> None:
    """Two runs without an error are the same in that; one of them alone is not enough to say more."""
    assert difference("errors", "ratio", (0.0, 0.0), None, "less").word == "same"
    found = difference("errors", "ratio", (0.0, 0.1), None, "less")
    assert found.word == "unknown"
    assert found.why
