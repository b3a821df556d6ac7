"""Two runs: what differs by a known amount is found, what does not is the same, and what cannot be told is not."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from rigs.recorded import Piece, recorded
from watchkeeper.stress.report.contrast import contrast
from watchkeeper.stress.report.digest import Digest
from watchkeeper.stress.report.reading import read
from watchkeeper.stress.run import Knee


def made(folder: Path, scale: float = 1.0, seed: int = 1, **more: object) -> Digest:
    """A run whose steady stages take so many times as long."""
    pieces = [Piece("plateau", "plateau", 0, 12, 800, 0.0125 * scale), Piece("soak", "soak", 1, 12, 500, 0.007 * scale)]
    knees = (Knee(1000.0, 1040.0, 800.0, 1000.0),)
    return read(recorded(folder / f"{scale}-{seed}", pieces, "run", seed, knees=knees, environment={"cores": "2"}, **more))


def test_a_fifth_slower_is_worse(tmp_path: Path) -> None:
    """In p50, p95 and p99 of plateau and soak, by about a fifth."""
    told = contrast([made(tmp_path)], [made(tmp_path, 1.2, 2)])
    assert told.word == "worse"
    p95 = next(one for one in told.differences if one.what == "p95 in plateau")
    assert p95.word == "worse"
    assert p95.ratio is not None
    assert p95.ratio.value == pytest.approx(1.2, abs=0.03)
    assert any("one run of each" in one for one in told.unlike)


def test_a_fifth_faster_is_better(tmp_path: Path) -> None:
    """The other way round."""
    assert contrast([made(tmp_path, 1.2)], [made(tmp_path, 1.0, 2)]).word == "better"


def test_the_same_twice_is_not_worse(tmp_path: Path) -> None:
    """Two pairs of the same kind: never worse, never better."""
    for seed in (1, 2):
        told = contrast([made(tmp_path, 1.0, seed)], [made(tmp_path, 1.0, seed + 20)])
        assert told.word in {"same", "unknown"}, told.text


def test_a_threshold_makes_a_small_difference_none(tmp_path: Path) -> None:
    """A fifth is worse at 5 % and the same at 40 %."""
    pair = [made(tmp_path)], [made(tmp_path, 1.2, 2)]
    assert contrast(*pair, 0.05).word == "worse"
    found = contrast(*pair, 0.6)
    assert {one.word for one in found.differences if one.what.startswith("p95 in plateau")} == {"same"}


def test_several_runs_of_a_side_are_one_sample(tmp_path: Path) -> None:
    """Three against three."""
    first = [made(tmp_path, 1.0, seed) for seed in (1, 2, 3)]
    second = [made(tmp_path, 1.3, seed) for seed in (4, 5, 6)]
    told = contrast(first, second)
    assert told.word == "worse"
    assert not any("one run of each" in one for one in told.unlike)


def test_unlike_machines_and_plans_are_named(tmp_path: Path) -> None:
    """The reader must know that it is no comparison of like with like."""
    one = made(tmp_path)
    other = made(tmp_path, 1.0, 2)
    environment = {"cores": "64", "python": "CPython 3.12"}
    other.run = msgspec.structs.replace(other.run, plan_hash="cd" * 32, environment=environment)
    told = contrast([one], [other])
    assert any("cores: 2 and 64" in text for text in told.unlike)
    assert any("plans are not the same" in text for text in told.unlike)
