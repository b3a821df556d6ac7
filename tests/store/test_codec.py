"""Chunks: bit for bit, column by column, and damage told."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.errors import Failed
from watchkeeper.store import codec
from watchkeeper.store.chunkfile import in_memory

ODD = (
    0.0,
    -0.0,
    1.0,
    float("inf"),
    float("-inf"),
    float("nan"),
    2.0**53,
    2.0**52,
    -(2.0**53),
    5e-324,
    1.7e308,
    0.1,
    1e-6,
    1e15,
)
ODD_NAN = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_DEAD_BEEF))[0]

columns = st.one_of(
    st.lists(st.sampled_from([*ODD, ODD_NAN]), min_size=1, max_size=60),
    st.lists(st.floats(width=64), min_size=1, max_size=60),
    st.lists(st.integers(-(10**9), 10**9).map(float), min_size=1, max_size=60),
    st.lists(st.integers(0, 5).map(lambda number: number / 10), min_size=1, max_size=60),
    st.lists(st.one_of(st.just(float("nan")), st.integers(0, 9).map(float)), min_size=1, max_size=60),
    st.lists(st.integers(0, 2**40).map(lambda number: number * 4096.0), min_size=1, max_size=60),
)


def as_matrix(parts: list[list[float]]) -> np.ndarray:
    """Columns cut to the shortest."""
    ticks = min(map(len, parts))
    return np.array([part[:ticks] for part in parts], np.float64).T.copy()


@settings(max_examples=150, deadline=None)
@given(st.lists(columns, min_size=1, max_size=24))
def test_any_chunk_comes_back_bit_for_bit(parts: list[list[float]]) -> None:
    """Whatever floats there are, and however hostile, the same bits come out."""
    values = as_matrix(parts)
    times = np.arange(len(values), dtype=np.int64) * 1000
    when, back = codec.decode(in_memory(codec.encode(times, values)))
    assert (when == times).all()
    assert (np.ascontiguousarray(back).view(np.int64) == values.view(np.int64)).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(columns, min_size=2, max_size=24), st.data())
def test_columns_come_singly_and_in_any_order(parts: list[list[float]], data: st.DataObject) -> None:
    """Asking for some columns gives those and no other."""
    values = as_matrix(parts)
    read = in_memory(codec.encode(np.arange(len(values), dtype=np.int64), values))
    wanted = data.draw(st.lists(st.integers(0, values.shape[1] - 1), min_size=1, max_size=8, unique=True))
    got = codec.read_columns(read, codec.read_directory(read), wanted)
    assert (np.ascontiguousarray(got).view(np.int64) == np.ascontiguousarray(values[:, wanted]).view(np.int64)).all()


def test_one_column_reads_a_small_part_of_the_chunk() -> None:
    """A query for one series does not pay for the others."""
    values = np.random.default_rng(1).integers(0, 10_000, (720, 300)).cumsum(axis=0).astype(float)
    blob = codec.encode(np.arange(720, dtype=np.int64), values)
    asked = 0

    def read(offset: int, length: int) -> bytes:
        nonlocal asked
        asked += length
        return blob[offset : offset + length]

    codec.read_columns(read, codec.read_directory(read), [150])
    assert asked < len(blob) / 8


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6, 0.99])
def test_a_rotten_byte_is_told_and_never_a_wrong_figure(share: float) -> None:
    """Each part of a chunk carries a checksum."""
    values = np.random.default_rng(2).standard_normal((100, 20)).round(1)
    blob = bytearray(codec.encode(np.arange(100, dtype=np.int64), values))
    blob[int(len(blob) * share)] ^= 0x40
    with pytest.raises(Failed):
        codec.decode(in_memory(bytes(blob)))


@pytest.mark.parametrize("length", [0, 10, 35, 200])
def test_a_chunk_cut_short_is_told(length: int) -> None:
    """An incomplete blob is no chunk."""
    blob = codec.encode(np.arange(50, dtype=np.int64), np.random.default_rng(3).standard_normal((50, 9)))
    with pytest.raises(Failed):
        codec.decode(in_memory(blob[:length]))
