"""Two runs: what differs by a known amount is found, what does not is the same, and what cannot be told is not."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from rigs.recorded import Piece, recorded
from watchkeeper.stress.histogram import Histogram
from watchkeeper.stress.report.contrast import contrast
from watchkeeper.stress.report.digest import Digest
from watchkeeper.stress.report.reading import read
from watchkeeper.stress.report.repeats import repeats
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


def test_a_second_stage_of_a_name_is_compared_with_the_second(tmp_path: Path) -> None:
    """Where the first ones are alike and the second is nine times as slow, that is told, of the second."""

    def two(mean: float, seed: int) -> Digest:
        pieces = [Piece("constant", "constant", 0, 12, 500, 0.005), Piece("constant", "constant", 1, 12, 600, mean)]
        return read(recorded(tmp_path / f"{mean}-{seed}", pieces, "run", seed, environment={"cores": "2"}))

    told = contrast([two(0.005, 1)], [two(0.045, 2)])
    assert told.word == "worse"
    assert {one.what for one in told.differences if one.word == "worse"} == {
        "p50 in constant (2)",
        "p95 in constant (2)",
        "p99 in constant (2)",
    }
    assert any(one.what == "p50 in constant" for one in told.differences)
    spread = {one.what: one.values for one in repeats([two(0.005, 3), two(0.045, 4)]).figures}
    assert spread["p50 in constant"][1] == pytest.approx(spread["p50 in constant"][0], rel=0.1)
    assert spread["p50 in constant (2)"][1] > 5 * spread["p50 in constant (2)"][0]


@pytest.mark.parametrize("runs", [1, 2])
def test_a_rate_of_few_runs_has_the_interval_of_their_blocks(tmp_path: Path, runs: int) -> None:
    """Rates that vary from second to second leave room around the ratio of their means; too few blocks leave it unknown."""

    def swinging(low: int, high: int, seed: int, seconds: int = 24) -> Digest:
        digest = read(recorded(tmp_path / f"{low}-{seed}", [Piece("constant", "c", 0, seconds, 800, 0.005)], "run", seed))
        spell = digest.spells[0]
        assert spell.ended is not None
        spell.ended = msgspec.structs.replace(spell.ended, achieved=(low + high) / 2)
        for place in range(len(spell.blocks)):
            block = Histogram()
            block.take([1_000_000] * int((low, high)[place % 2] * spell.block_seconds))
            spell.blocks[place] = block.packed()
        return digest

    first, second = ([swinging(low, high, low + seed) for seed in range(runs)] for low, high in ((400, 800), (500, 740)))
    rate = next(one for one in contrast(first, second).differences if one.what == "done a second in c")
    assert rate.ratio is not None
    assert rate.ratio.low < 0.95 < rate.ratio.value < 1.15 < rate.ratio.high
    assert rate.word == "unknown"
    for one in first:
        del one.spells[0].blocks[3:]
    short = next(one for one in contrast(first, second).differences if one.what == "done a second in c")
    assert (short.ratio, short.word) == (None, "unknown")


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"verdict": "invalid"}, "is invalid"), ({"state": "aborted"}, "did not come to its end (aborted)")],
)
def test_what_a_side_cannot_vouch_for_is_not_known(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    """A run that is invalid, or did not end, is neither better nor worse than another, and the reader learns why."""
    one, other = made(tmp_path, 1.2, 1, verdict="pass"), made(tmp_path, 1.0, 2)
    other.run = msgspec.structs.replace(other.run, **{"verdict": "pass", **changes})
    told = contrast([one], [other])
    assert told.word == "unknown"
    assert said in told.text
    assert {one.word for one in told.differences} == {"unknown"}
    name, value = next(iter(changes.items()))
    assert any(text.startswith(f"{name}: ") and value in text for text in told.unlike)


def test_unlike_machines_and_plans_are_named(tmp_path: Path) -> None:
    """The reader must know that it is no comparison of like with like."""
    one = made(tmp_path)
    other = made(tmp_path, 1.0, 2)
    environment = {"cores": "64", "python": "CPython 3.12"}
    other.run = msgspec.structs.replace(other.run, plan_hash="cd" * 32, environment=environment)
    told = contrast([one], [other])
    assert any("cores: 2 and 64" in text for text in told.unlike)
    assert any("plans are not the same" in text for text in told.unlike)
