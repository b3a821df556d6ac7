"""Chunks of the first kind, which stores from before still have: read as they were, written anew when they are joined."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from rigs.store import BEGIN, Bench, layout_of
from watchkeeper.errors import Failed
from watchkeeper.model import Matcher
from watchkeeper.store import older
from watchkeeper.store.chunkfile import in_memory
from watchkeeper.store.codec import MAGIC
from watchkeeper.store.directory import open_chunk
from watchkeeper.store.unpacking import decode, unpack

BLOB = base64.b64decode((Path(__file__).parent / "data" / "chunk-of-the-first-kind.base64").read_text("ascii"))
TICKS = 40


def figures() -> np.ndarray:
    """What was packed into it: constants, integers of all widths, gaps, floats; float64[ticks, series]."""
    along = np.arange(TICKS, dtype=np.float64)
    columns = [np.full(TICKS, one) for one in (0.0, 1.5, -0.0, np.nan, 65535.0)]
    columns += [np.floor(along * along * (number + 1) * 7) % (97 + number * 50) for number in range(20)]
    columns += [np.round((along * 37 % 101) / 10, 1), along * 1e9 + np.floor(along * along * 1e7), along * 4096 * (along % 3)]
    columns += [np.sqrt(along + 2), np.cumsum(along % 5) * 2.0**40]
    values = np.stack(columns, axis=1)
    values[7:11, 6] = values[0, 9] = values[39, 25] = np.nan
    return values


def bits(values: np.ndarray) -> list[list[int]]:
    """All of them, NaN too."""
    return np.ascontiguousarray(values).view(np.int64).tolist()


def test_it_is_read_as_it_was() -> None:
    """Whole, and column by column in any order; its times too."""
    times, values = decode(in_memory(BLOB))
    assert BLOB[:4] == older.MAGIC
    assert times.tolist() == [BEGIN + tick * 10_000 + tick % 3 for tick in range(TICKS)]
    assert bits(values) == bits(figures())
    opened = open_chunk(in_memory(BLOB))
    wanted = [28, 6, 0, 9, 27, 3]
    assert bits(unpack(in_memory(BLOB), opened, wanted).T) == bits(figures()[:, wanted])
    assert opened.bytes > 0


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.99])
def test_a_rotten_byte_is_told(share: float) -> None:
    """Its checksums are looked at as well."""
    blob = bytearray(BLOB)
    blob[int(len(blob) * share)] ^= 0x40
    with pytest.raises(Failed):
        decode(in_memory(bytes(blob)))


def test_a_store_that_has_some_goes_on(bench: Callable[..., Bench]) -> None:
    """Old chunks beside new ones are answered as one, and joined into a new one."""
    one = bench()
    layout = layout_of("a", len(figures()[0]))
    times = BEGIN + np.arange(2 * TICKS) * 10_000 + np.arange(2 * TICKS) % TICKS % 3
    one.put("a", layout, times[:TICKS], figures())
    one.store.seal_everything()
    one.store.close()
    (path,) = one.folder.glob("t0-*.db")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("update chunk set blob = ?", (BLOB,))
    one.open()
    one.put("a", layout, times[TICKS:], figures())
    matchers = [Matcher("machine", "=", "a"), Matcher("__name__", "=~", "m(6|26|28)")]
    expected = bits(np.concatenate((figures(), figures()))[:, [6, 26, 28]])
    (block,) = one.store.select(matchers, 0, int(times[-1]))
    assert bits(block.values) == expected
    one.clock.set_wall(BEGIN / 1000 + 2 * 86400)
    one.store.seal_everything()
    (block,) = one.store.select(matchers, 0, int(times[-1]))
    assert bits(block.values) == expected
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("select substr(blob, 1, 4), ticks from chunk").fetchall() == [(MAGIC, 2 * TICKS)]
