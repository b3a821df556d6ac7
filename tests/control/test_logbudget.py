"""The budget over all logs: what goes, in which order, and that it does on a real folder."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.clock import SystemClock
from watchkeeper.control.logbudget import LogsSettings, Rotated, choose, rotated
from watchkeeper.control.logging import Logging
from watchkeeper.quantities import Duration, Size


def file(server: str, number: int, size: int, at: float) -> Rotated:
    """One older file."""
    return Rotated(Path(f"{server}.log.{number}"), server, number, size, at)


def test_the_oldest_goes_first_whoever_wrote_it() -> None:
    """Over the budget, files go by age across servers until the rest fits."""
    files = [file("a", 1, 10, 400), file("a", 2, 10, 100), file("b", 1, 10, 300), file("b", 2, 10, 200)]
    assert [(one.server, one.number) for one in choose(files, 20, 1e9, 500)] == [("a", 2), ("b", 2)]
    assert choose(files, 40, 1e9, 500) == []


def test_what_is_too_old_goes_though_there_is_room() -> None:
    """Age counts without a want of space."""
    files = [file("a", 1, 10, 400), file("a", 2, 10, 100)]
    assert [one.number for one in choose(files, 1000, 350, 500)] == [2]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 100), st.floats(0, 1000)), max_size=20), st.integers(0, 500))
def test_numbers_stay_without_a_gap(drawn: list[tuple[str, int, float]], space: int) -> None:
    """Whatever the files' times, the rest fits, and of each server the newest numbers are left."""
    counts: dict[str, int] = {}
    files = []
    for server, size, at in drawn:
        counts[server] = counts.get(server, 0) + 1
        files.append(file(server, counts[server], size, at))
    left = [one for one in files if one not in choose(files, space, 1e9, 1000)]
    assert sum(one.size for one in left) <= space
    for server in counts:
        numbers = sorted(one.number for one in left if one.server == server)
        assert numbers == list(range(1, len(numbers) + 1))


async def test_a_folder_is_held_within_its_budget(tmp_path: Path) -> None:
    """Also of servers that are no more; live files and others' are not touched."""
    for name, age in (("gone.log.2", 900), ("gone.log.1", 800), ("web.log.1", 100), ("web.log", 5000), ("notes.txt", 9000)):
        (tmp_path / name).write_bytes(b"x" * (600 << 10))
        os.utime(tmp_path / name, (time.time() - age, time.time() - age))
    logs = Logging(tmp_path, SystemClock(), lambda _: None)
    logs.settings = LogsSettings(space=Size(1 << 20))
    await logs.look({})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "web.log", "web.log.1"]
    assert [one.server for one in rotated(tmp_path)] == ["web"]


def test_a_budget_that_leaves_nothing_is_refused() -> None:
    """Too small a space, too short an age."""
    with pytest.raises(ValueError, match="space"):
        LogsSettings(space=Size(10))
    with pytest.raises(ValueError, match="age"):
        LogsSettings(age=Duration(10))
