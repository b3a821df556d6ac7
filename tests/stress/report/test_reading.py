"""A digest has all of a record: totals add up, percentiles are those of all values, and it is as small as it should be."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from rigs.recorded import Piece, recorded, usual
from watchkeeper.errors import Refused
from watchkeeper.stress.histogram import Histogram, unpacked
from watchkeeper.stress.record import Record
from watchkeeper.stress.report import reading
from watchkeeper.stress.report.digest import kept, opened
from watchkeeper.stress.report.reading import BLOCKS, read


def merged(record: Record, stage: int, name: str) -> Histogram:
    """All of a stage's windows, added up the plain way."""
    found = Histogram()
    for window in record.windows():
        if window.stage == stage:
            found.merge(unpacked(getattr(window, name)))
    return found


def test_nothing_is_lost(tmp_path: Path) -> None:
    """Each stage's histograms and counts are the sums of its windows; blocks add up to the whole."""
    record = usual(tmp_path)
    digest = read(record)
    assert [spell.stage.name for spell in digest.spells] == [begun.stage.name for begun, _ in record.stages()]
    for spell in digest.spells:
        cell = spell.cells["get"]
        assert spell.ended is not None
        assert (cell.scheduled, cell.done, cell.errors) == (spell.ended.scheduled, spell.ended.done, spell.ended.errors)
        for name in ("latency", "service", "failed"):
            assert np.array_equal(unpacked(getattr(cell, name)).counts, merged(record, spell.stage.index, name).counts)
        together = Histogram()
        for block in spell.blocks:
            together.merge(unpacked(block))
        assert np.array_equal(together.counts, unpacked(cell.latency).counts)
        assert len(spell.blocks) <= BLOCKS
    assert sum(one for one in digest.moments["due"] if one) == sum(spell.cells["get"].scheduled for spell in digest.spells)
    assert digest.faults["timeout"].count == 150 * 3 + 1850 * 6
    assert digest.faults["timeout"].sample == "no answer <b>within</b> 2 s"
    assert {file.name for file in digest.files} >= {"plan.toml", "run.json", "windows.jsonl"}


def test_a_straggler_is_counted(tmp_path: Path) -> None:
    """A row of a stage long over, after rows of three others: it is in the stage's histogram, and moves no other."""
    record = usual(tmp_path)
    path = record.folder / "windows.jsonl"
    rows = path.read_bytes().splitlines(keepends=True)
    late = next(row for row in rows if json.loads(row)["stage"] == 2)
    before = read(record)
    path.write_bytes(b"".join([*rows, late]))
    after = read(Record(record.folder))
    grown = [b.cells["get"].done - a.cells["get"].done for a, b in zip(before.spells, after.spells, strict=True)]
    assert grown == [0, 0, 200, *[0] * (len(grown) - 3)]
    assert unpacked(after.spells[2].cells["get"].latency).total == after.spells[2].cells["get"].done


def test_a_kept_digest_is_the_same_again(tmp_path: Path) -> None:
    """With and without gzip; what is no digest is refused."""
    digest = read(usual(tmp_path))
    for name in ("run.json", "run.json.gz"):
        kept(digest, tmp_path / name)
        assert opened(tmp_path / name) == digest
    first = (tmp_path / "run.json.gz").read_bytes()
    kept(digest, tmp_path / "run.json.gz")
    assert (tmp_path / "run.json.gz").read_bytes() == first
    for name, content in (("no.json", b"{}"), ("no.json.gz", b"\x1f\x8bcut off"), ("later.json", first[:0] + b"[]")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Refused):
            opened(tmp_path / name)
    with pytest.raises(Refused, match="cannot be read"):
        opened(tmp_path / "absent.json")


def test_a_long_run_is_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 s in a chart of at most 30 points, with every start in it."""
    monkeypatch.setattr(reading, "POINTS", 30)
    digest = read(recorded(tmp_path, [Piece("soak", "soak", 0, 200, 20, 0.01)]))
    assert digest.step == 7
    assert len(digest.moments["at"]) <= 30
    assert sum((one or 0) * digest.step for one in digest.moments["due"]) == 200 * 20


def test_memory_stays_as_it_is(tmp_path: Path) -> None:
    """Three times the seconds, in as many blocks, take no more than some hundred bytes for each."""
    peaks = []
    for seconds in (90, 270):
        record = recorded(tmp_path / str(seconds), [Piece("soak", "soak", 0, seconds, 10, 0.01)])
        tracemalloc.start()
        read(record)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + (1 << 20)


def test_a_run_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """Kill -9 in the middle: half a line, no end of a stage, no verdict."""
    record = usual(tmp_path)
    for name in ("windows", "stages"):
        path = record.folder / f"{name}.jsonl"
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * 0.7)])
    digest = read(Record(record.folder))
    assert digest.spells[-1].ended is None
    assert digest.spells[0].cells["get"].done == 200
