"""The write-ahead log: what was appended comes back, what was torn is dropped and told."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from watchkeeper.errors import Failed
from watchkeeper.store.log import SEGMENT_SECONDS, Entry, Log


def entries(count: int, seed: int = 1) -> list[Entry]:
    """Frames of three streams, most figures standing still."""
    chance = np.random.default_rng(seed)
    found = []
    for number in range(count):
        values = np.where(chance.random(40) < 0.2, chance.standard_normal(40), 7.0)
        found.append(Entry(number % 3, 11 + (number > count // 2), 1000 + number, values))
    return found


def replayed(folder: Path) -> tuple[list[Entry], list[str]]:
    """What a fresh log finds."""
    log = Log(folder)
    found = list(log.replay())
    return found, log.repairs


def agree(found: list[Entry], wanted: list[Entry]) -> bool:
    """Whether both are the same, bit for bit."""
    return len(found) == len(wanted) and all(
        one[:3] == other[:3] and one.values.tobytes() == other.values.tobytes()
        for one, other in zip(found, wanted, strict=True)
    )


def test_what_was_appended_comes_back_in_order(tmp_path: Path) -> None:
    """Over batches, layouts and segments."""
    log = Log(tmp_path)
    wanted = entries(90)
    for start in range(0, 90, 9):
        log.append(wanted[start : start + 9], now=start * SEGMENT_SECONDS / 30)
    log.close()
    assert len(list(tmp_path.glob("*.log"))) > 2
    found, repairs = replayed(tmp_path)
    assert agree(found, wanted)
    assert not repairs


@pytest.mark.parametrize("seed", range(12))
def test_a_torn_tail_costs_the_last_batch_alone(tmp_path: Path, seed: int) -> None:
    """Cut anywhere or filled with noise, everything before the last batch is there, and the repair is told once."""
    chance = random.Random(seed)
    log = Log(tmp_path)
    wanted = entries(30, seed)
    for start in range(0, 30, 5):
        if start == 25:
            whole = next(tmp_path.glob("*.log")).stat().st_size
        log.append(wanted[start : start + 5], now=0)
    log.close()
    path = next(tmp_path.glob("*.log"))
    length = chance.randrange(whole + 1, path.stat().st_size)
    os.truncate(path, length)
    if seed % 2:
        with path.open("r+b") as file:
            file.seek(chance.randrange(whole, length))
            file.write(chance.randbytes(40))
    found, repairs = replayed(tmp_path)
    assert agree(found, wanted[:25])
    assert len(repairs) == 1
    assert agree(replayed(tmp_path)[0], wanted[:25])
    assert not replayed(tmp_path)[1]


def test_segments_go_when_all_in_them_is_sealed(tmp_path: Path) -> None:
    """And not a frame earlier."""
    log = Log(tmp_path)
    wanted = entries(30)
    for start in range(0, 30, 10):
        log.append(wanted[start : start + 10], now=start * SEGMENT_SECONDS)
    assert log.drop({0: 1008, 1: 1008, 2: 1008}) == 0
    assert log.drop({0: 1009, 1: 1009, 2: 1009}) == 1
    assert log.drop({0: 5000, 1: 5000, 2: 5000}) == 1, "the open segment stays"
    log.close()
    assert agree(replayed(tmp_path)[0], wanted[20:])


def test_a_refused_write_leaves_whole_batches_and_goes_on(tmp_path: Path) -> None:
    """A file-size limit stands in for a full disk: the batch is refused whole, the next one lands in a new segment."""
    import resource  # noqa: PLC0415  # not on Windows
    import signal  # noqa: PLC0415  # only needed here

    log = Log(tmp_path)
    wanted = entries(30)
    log.append(wanted[:10], now=0)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.size + 100, limit[1]))
    try:
        with pytest.raises(Failed):
            log.append(wanted[10:20], now=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    log.append(wanted[10:], now=0)
    log.close()
    found, repairs = replayed(tmp_path)
    assert agree(found, wanted)
    assert not repairs
