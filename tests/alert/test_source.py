"""One source's newest figures, all of its streams side by side."""

from __future__ import annotations

import math

import numpy as np

from watchkeeper.alert.compiling import PLACEHOLDER
from watchkeeper.alert.source import LOOKBACK, Source, canonical
from watchkeeper.model import Series, dictionary

A, B, C = Series("a"), Series("b"), Series("c")
FAST, SLOW = dictionary((A, B)), dictionary((C,))


def told(source: Source, at: int) -> list[float | None]:
    """The figures; nothing where there is none."""
    return [None if math.isnan(value) else value for value in source.figures(at)]


def filled() -> Source:
    """Two streams, each with a frame."""
    source = Source("box")
    assert source.take("1s", FAST, 1000, np.array([1.0, 2.0]))
    assert source.take("5s", SLOW, 1000, np.array([3.0]))
    return source


def test_streams_stand_side_by_side() -> None:
    """A frame replaces its own stream's figures alone."""
    source = filled()
    assert not source.take("1s", FAST, 2000, np.array([4.0, 5.0]))
    assert told(source, 2000) == [4.0, 5.0, 3.0]


def test_a_silent_stream_has_no_figures() -> None:
    """After the look-back, as in Prometheus; the other one's stay."""
    source = filled()
    source.take("1s", FAST, 1001 + LOOKBACK, np.array([4.0, 5.0]))
    assert told(source, 1001 + LOOKBACK) == [4.0, 5.0, None]
    source.take("5s", SLOW, 2000 + LOOKBACK, np.array([6.0]))
    assert told(source, 2000 + LOOKBACK) == [4.0, 5.0, 6.0]


def test_what_is_laid_over_lasts_until_a_younger_frame() -> None:
    """One that was read before says nothing of what has happened since."""
    source = filled()
    assert source.overlay({A: 9.0, Series("unknown"): 1.0}, 2500)
    source.take("1s", FAST, 2000, np.array([4.0, 5.0]))
    assert told(source, 2600) == [9.0, 5.0, 3.0]
    source.take("1s", FAST, 3000, np.array([4.0, 5.0]))
    assert told(source, 3000) == [4.0, 5.0, 3.0]
    assert not source.overlay({Series("unknown"): 1.0}, 3000)


def test_a_new_layout_keeps_the_others_figures_and_what_is_laid_over_them() -> None:
    """A series that has moved from one stream to another counts where it came last."""
    source = filled()
    source.overlay({C: 9.0}, 5000)
    assert source.take("1s", dictionary((A, B, Series("d"))), 2000, np.array([4.0, 5.0, 6.0]))
    assert told(source, 2000) == [4.0, 5.0, 6.0, 9.0]
    assert source.take("5s", dictionary((C, A)), 2000, np.array([7.0, 8.0]))
    assert source.columns(frozenset({"a"}))[0] is None
    assert source.columns(frozenset({"a"}))[-1] == A


def test_machines_of_one_kind_share_a_program() -> None:
    """Where its own name stands as its machine, the placeholder does; the same text elsewhere is left alone."""
    series = Series("a", (("machine", "box"), ("mode", "box")))
    assert canonical(series, "box") == Series("a", (("machine", PLACEHOLDER), ("mode", "box")))
    assert Source("box").real((("machine", PLACEHOLDER),)) == (("machine", "box"),)
