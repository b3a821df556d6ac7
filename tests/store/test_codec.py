"""Chunks: what is written comes back bit for bit, and what rots is told."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.errors import Failed
from watchkeeper.store.chunkfile import in_memory
from watchkeeper.store.codec import LONG, WIDE, encode
from watchkeeper.store.directory import open_chunk
from watchkeeper.store.unpacking import Unpacking, decode, unpack

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
    when, back = decode(in_memory(encode(times, values)))
    assert (when == times).all()
    assert (np.ascontiguousarray(back).view(np.int64) == values.view(np.int64)).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(columns, min_size=2, max_size=24), st.data())
def test_columns_come_singly_and_in_any_order(parts: list[list[float]], data: st.DataObject) -> None:
    """Asking for some columns gives those and no other."""
    values = as_matrix(parts)
    read = in_memory(encode(np.arange(len(values), dtype=np.int64), values))
    wanted = data.draw(st.lists(st.integers(0, values.shape[1] - 1), min_size=1, max_size=8, unique=True))
    got = unpack(read, open_chunk(read), wanted).T
    assert (np.ascontiguousarray(got).view(np.int64) == np.ascontiguousarray(values[:, wanted]).view(np.int64)).all()


def test_one_column_reads_a_small_part_of_the_chunk() -> None:
    """A query for one series does not pay for the others."""
    values = np.random.default_rng(1).integers(0, 10_000, (720, 300)).cumsum(axis=0).astype(float)
    blob = encode(np.arange(720, dtype=np.int64), values)
    asked = 0

    def read(offset: int, length: int) -> bytes:
        nonlocal asked
        asked += length
        return blob[offset : offset + length]

    unpack(read, open_chunk(read), [150])
    assert asked < len(blob) / 20


@pytest.mark.parametrize("shape", [(2, WIDE + 3), (LONG + 2, 3)])
def test_very_wide_and_very_long_chunks_come_back_too(shape: tuple[int, int]) -> None:
    """Beyond what two bytes count."""
    values = (np.arange(shape[0] * shape[1], dtype=np.float64).reshape(shape) * 7919 % 1013).round(1)
    read = in_memory(encode(np.arange(shape[0], dtype=np.int64), values))
    assert (decode(read)[1] == values).all()
    some = [shape[1] - 1, 0, 2]
    assert (values[:, some] == unpack(read, open_chunk(read), some).T).all()


def test_alike_and_quiet_columns_share_one_stream() -> None:
    """Where most of a group is the same again, pages of their own would be larger than all of them together."""
    along = np.arange(720)
    values = np.stack([(along % 90 == place).astype(float).cumsum() for place in range(64)], axis=1)
    blob = encode(along.astype(np.int64), values)
    assert (decode(in_memory(blob))[1] == values).all()
    assert len(blob) < 64 * 25


def test_columns_of_many_chunks_are_unpacked_together_as_one_by_one() -> None:
    """Of any lengths, more of them than are restored at a time; one that is damaged leaves the others as they are."""
    random = np.random.default_rng(4)
    unpacking, expected = Unpacking(), []
    for number in range(150):
        values = random.integers(0, 10 ** (1 + number % 9), (700 + number % 3, 12)).cumsum(axis=0) / 10
        values[5:9, 1] = np.nan
        blob = bytearray(encode(np.arange(len(values), dtype=np.int64), values))
        opened = open_chunk(in_memory(bytes(blob)))
        if number % 40 == 7:
            blob[-3] ^= 1
            with pytest.raises(Failed):
                unpacking.want(in_memory(bytes(blob)), opened.directory, range(12))
            continue
        wanted = [number % 12, 1]
        unpacking.want(in_memory(bytes(blob)), opened.directory, wanted)
        expected.append(np.ascontiguousarray(values[:, wanted].T))
    found = unpacking.figures()
    assert [one.tobytes() for one in found] == [one.tobytes() for one in expected]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.02, 0.3, 0.6, 0.99])
def test_a_rotten_byte_is_told_and_never_a_wrong_figure(share: float) -> None:
    """Each part of a chunk carries a checksum."""
    values = np.random.default_rng(2).standard_normal((100, 20)).round(1)
    blob = bytearray(encode(np.arange(100, dtype=np.int64), values))
    blob[int(len(blob) * share)] ^= 0x40
    with pytest.raises(Failed):
        decode(in_memory(bytes(blob)))


@pytest.mark.parametrize("length", [0, 10, 35, 200])
def test_a_chunk_cut_short_is_told(length: int) -> None:
    """An incomplete blob is no chunk."""
    blob = encode(np.arange(50, dtype=np.int64), np.random.default_rng(3).standard_normal((50, 9)))
    with pytest.raises(Failed):
        decode(in_memory(blob[:length]))
