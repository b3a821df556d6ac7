"""Durations and sizes read what people write, say no to the rest, and write themselves back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.quantities import Duration, Size


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("0s", 0), ("500ms", 0.5), ("30s", 30), ("5m", 300), ("1h30m", 5400), ("7d", 604800), ("1y", 31536000), ("1.5h", 5400)],
)
def test_durations_read_as_people_write_them(written: str, seconds: float) -> None:
    """Units from milliseconds to years, joined or alone."""
    assert Duration.parse(written) == seconds


@pytest.mark.parametrize("written", ["", "5", 5, True, "5 m", "m", "-5s", "5s!", "1h30", None])
def test_what_is_no_duration_is_refused(written: object) -> None:
    """A number without a unit is ambiguous, so it is refused with an example."""
    with pytest.raises(ValueError, match='"30s"'):
        Duration.parse(written)


@given(st.integers(0, 10**12))
def test_durations_write_themselves_back(milliseconds: int) -> None:
    """Any whole number of milliseconds survives being written and read."""
    assert round(Duration.parse(str(Duration(milliseconds / 1000))) * 1000) == milliseconds


@given(st.integers(0, 2**60))
def test_sizes_write_themselves_back(size: int) -> None:
    """Any size survives being written and read."""
    assert Size.parse(str(Size(size))) == size


@pytest.mark.parametrize("written", ["", "5 apples", "MiB", "-1KiB", True, None, 1.5])
def test_what_is_no_size_is_refused(written: object) -> None:
    """Unknown units and negatives are refused with an example."""
    with pytest.raises(ValueError, match='"10MiB"'):
        Size.parse(written)
