"""Remote write's bytes, by the rules of protocol buffers; that Prometheus reads them is shown by tests/query."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.model import STALE, Block, Series
from watchkeeper.store.remotewrite import field, frame, labels, layout, samples, varint, write_request


def unpack(raw: bytes) -> int:
    """A varint's number."""
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(raw))


@given(st.integers(0, (1 << 64) - 1))
def test_varints_carry_seven_bits_a_byte(number: int) -> None:
    """All but the last have the high bit."""
    raw = varint(number)
    assert unpack(raw) == number
    assert all(byte & 0x80 for byte in raw[:-1])
    assert not raw[-1] & 0x80


def test_a_negative_number_takes_ten_bytes() -> None:
    """As protocol buffers have it: two's complement of 64 bits."""
    assert len(varint(-1)) == 10


@given(st.lists(st.tuples(st.integers(0, 1 << 43), st.floats(allow_nan=False)), max_size=5))
def test_samples_are_a_double_and_a_time_each(some: list[tuple[int, float]]) -> None:
    """Whether times take six bytes or not."""
    times = np.array([at for at, _ in some], np.int64)
    values = np.array([value for _, value in some])
    assert samples(times, values) == b"".join(
        field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(at)) for at, value in some
    )


def test_labels_are_in_order_with_the_name_among_them() -> None:
    """Capital letters come before the underscores of the name."""
    raw = labels(Series("m", (("A", "1"), ("b", "2"))))
    assert raw.index(b"A") < raw.index(b"__name__") < raw.index(b"b")


def test_what_is_absent_is_not_sent_and_a_stale_marker_is() -> None:
    """Bits are told as they are."""
    block = Block((Series("a"), Series("b")), np.array([1_760_000_000_000]), np.array([[STALE, np.nan]]))
    raw = write_request([block])
    assert struct.pack("<Q", 0x7FF0000000000002) in raw
    assert raw.count(b"__name__") == 1


@given(st.integers(0, 1 << 43), st.lists(st.one_of(st.floats(allow_nan=False), st.just(np.nan), st.just(STALE)), max_size=6))
def test_a_frame_is_written_as_a_request_of_it_is(at: int, row: list[float]) -> None:
    """By labels that were written before, at any time, with gaps."""
    names = tuple(Series(f"m{number}", (("long", "x" * 50 * number),)) for number in range(len(row)))
    values = np.array(row, np.float64)
    assert frame(layout(names), at, values) == write_request([Block(names, np.array([at]), values[None, :])])
