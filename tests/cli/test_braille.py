"""Braille: where dots fall."""

from __future__ import annotations

import math

import pytest

from watchkeeper.cli.braille import draw


def test_a_rising_line_goes_from_corner_to_corner() -> None:
    """Lowest at the left bottom, highest at the right top."""
    picture = draw([[(0, 0.0), (1, 1.0)]], 0, 1, 2, 1, 1)
    assert picture.rows == ["⡠⠊"]
    assert (picture.least, picture.most) == (0, 1)


def test_a_gap_is_not_bridged() -> None:
    """Points further apart than a gap stay points."""
    joined = draw([[(0, 1.0), (9, 1.0)]], 0, 9, 5, 1, 9).rows[0]
    apart = draw([[(0, 1.0), (9, 1.0)]], 0, 9, 5, 1, 8).rows[0]
    assert (joined.count(" "), apart.count(" ")) == (0, 3)


def test_what_is_no_figure_and_what_is_outside_is_left_out() -> None:
    """NaN, infinities, other times; nothing at all is an empty picture."""
    picture = draw([[(0, math.nan), (1, math.inf), (7, 5.0)]], 0, 2, 3, 2, 1)
    assert picture.rows == ["   ", "   "]
    assert picture.owners == [[-1] * 3] * 2


@pytest.mark.parametrize("values", [(3.0, 3.0), (-1.7e308, 1.7e308), (0.0, 5e-324), (1e-320, 2e-320)])
def test_any_figures_fit(values: tuple[float, float]) -> None:
    """A flat line, and the largest and smallest that there are."""
    picture = draw([list(enumerate(values))], 0, 1, 10, 5, 1)
    assert any(sign != " " for row in picture.rows for sign in row)


def test_a_character_belongs_to_the_line_that_drew_last() -> None:
    """So that it can have that line's colour."""
    picture = draw([[(0, 1.0), (1, 1.0)], [(0, 2.0), (1, 2.0)]], 0, 1, 2, 2, 1)
    assert picture.owners == [[1, 1], [0, 0]]
