"""The report of a known run: every block of it is there, and says what is known."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest

from rigs.recorded import Piece, recorded, usual, variant
from watchkeeper.stress.record import Record
from watchkeeper.stress.report.building import build
from watchkeeper.stress.report.digest import Digest
from watchkeeper.stress.report.document import Report
from watchkeeper.stress.report.reading import read
from watchkeeper.stress.run import Recovery


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Of the usual run."""
    return usual(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def digest(record: Record) -> Digest:
    """It, condensed."""
    return read(record)


@pytest.fixture(scope="module")
def report(digest: Digest) -> Report:
    """Its report."""
    return build(digest)


def named(report: Report, name: str):
    """A stage by its name."""
    return next(stage for stage in report.stages if stage.name == name)


def test_percentiles_are_those_that_were_put_in(report: Report) -> None:
    """Exponential times: p50 = mean ln 2, p95 = mean ln 20; 13,000 values are enough for p99.9, 300 are not."""
    plateau, soak = named(report, "plateau"), named(report, "soak")
    assert plateau.latency.quantiles["p50"] == pytest.approx(0.0125 * math.log(2), rel=0.05)
    assert plateau.latency.quantiles["p95"] == pytest.approx(0.0125 * math.log(20), rel=0.05)
    assert plateau.latency.mean == pytest.approx(0.0125, rel=0.03)
    assert "p99.9" in soak.latency.quantiles
    assert "p99.9" not in named(report, "steps 100/s").latency.quantiles
    assert plateau.p95 is not None
    assert plateau.p95.low <= 0.0125 * math.log(20) <= plateau.p95.high


def test_both_clocks_stand_side_by_side(report: Report) -> None:
    """Starts that waited 3 ms: latency has them, service has not."""
    soak = named(report, "soak")
    assert soak.latency.quantiles["p50"] - soak.service.quantiles["p50"] == pytest.approx(0.003, rel=0.05)
    assert soak.curve["latency"][50] - soak.curve["service"][50] == pytest.approx(0.003, rel=0.05)


def test_failed_ones_are_censored_not_forgotten(report: Report) -> None:
    """1,850 of 3,000 a second were given up after 2 s: the median of all is at least that."""
    strained = named(report, "three times")
    assert strained.latency.quantiles["p50"] < 0.6
    assert strained.censored.quantiles["p50"] == pytest.approx(2.0, rel=0.01)
    assert strained.behaviour is not None
    assert strained.behaviour.word == "queues"


def test_capacity_is_what_the_search_found(report: Report) -> None:
    """1,000 held, 1,300 broke, 1,150 were ever done."""
    found = report.capacity
    assert found is not None
    assert (found.sustained, found.broken) == (1000, 1300)
    assert found.sureness is not None
    assert (found.sureness.surely, found.sureness.surely_not) == (1000, 1300)
    assert found.ceiling is not None
    assert found.ceiling.value == 1150
    assert found.breaking is not None
    assert found.breaking.level == 1300
    assert [level.word for level in found.levels] == ["held"] * 6 + ["broken"]


def test_littles_law_holds_where_it_can_be_seen(report: Report) -> None:
    """What was under way is rate times time, as it was put in."""
    assert named(report, "plateau").little.holds is True
    assert named(report, "three times").little.holds is None


def test_the_six_questions_are_answered(report: Report) -> None:
    """In their order, each with its short answer."""
    assert [answer.answer for answer in report.answers] == [
        "PASS",
        "1,000/s",
        "p99 < 100ms at 1,300/s",
        "queues",
        "2 s",
        "one run",
    ]
    assert report.headline.startswith("http://127.0.0.1:1/ takes 1,000/s within its objectives and was as before 2 s")
    margins = {one.objective: one.margin for one in report.thresholds}
    assert margins["p99 < 100ms"] == pytest.approx(0.5)


def test_what_was_not_tested_follows_from_what_was(report: Report) -> None:
    """A storm was not run, TLS was not spoken; the search was."""
    text = " ".join(report.untested)
    assert "reconnect storm" in text
    assert "TLS" in text
    assert "no search" not in text
    assert any("warm-up" in one for one in report.caveats)
    assert any("shared this machine" in one for one in report.caveats)


def test_it_is_written_and_read_as_the_same(report: Report, digest: Digest) -> None:
    """No NaN, nothing that its own types do not hold; the same digest makes the same bytes."""
    written = msgspec.json.encode(report)
    assert msgspec.json.encode(msgspec.json.decode(written, type=Report)) == written
    assert msgspec.json.encode(build(digest)) == written


def test_repeats_show_their_spread(tmp_path: Path) -> None:
    """Three runs, one a fifth slower: the spread of p95 is a fifth."""
    digests = [read(usual(tmp_path, f"run-{place}", scale, place)) for place, scale in enumerate((1.0, 1.0, 1.2))]
    report = build(digests[0], digests[1:])
    assert report.repeats is not None
    p95 = next(one for one in report.repeats.figures if one.what == "p95 in plateau")
    assert len(p95.values) == 3
    assert (p95.high - p95.low) / p95.median == pytest.approx(0.2, abs=0.05)
    assert report.answers[-1].answer == "3 runs"


@pytest.mark.parametrize(
    ("more", "first", "answer"),
    [
        ({"verdict": "fail", "reasons": ("p99 < 100ms: missed",)}, "missed", "FAIL"),
        ({"verdict": "invalid", "reasons": ("the generator was late",)}, "No verdict on", "INVALID"),
        ({"verdict": "", "state": "aborted", "why": "an operator has ended it"}, "did not come to its end", "ABORTED"),
    ],
)
def test_other_verdicts_are_told_first(
    record: Record, tmp_path: Path, more: dict[str, object], first: str, answer: str
) -> None:
    """Fail, invalid, and none at all."""
    report = build(read(variant(record, tmp_path, **more)))
    assert first in report.headline or first in report.answers[0].detail or "failed" in report.headline
    assert report.answers[0].answer == answer


def test_a_failure_that_goes_on_is_named(record: Record, tmp_path: Path) -> None:
    """Metastable, in the headline and in the answer."""
    stuck = Recovery("three times", None, 30.0, 0.03, metastable=True, text="metastable: 30 s after three times, 0 were done")
    report = build(read(variant(record, tmp_path, verdict="fail", recoveries=(stuck,))))
    assert "stayed broken after the load had gone" in report.headline
    assert report.answers[4].answer == "it stays broken"


def test_a_run_of_one_phase_says_what_it_did_not_measure(tmp_path: Path) -> None:
    """A constant load alone: no capacity, no recovery, and it says so."""
    report = build(read(recorded(tmp_path, [Piece("constant", "constant", 0, 12, 100, 0.01)], verdict="pass")))
    assert report.capacity is None
    assert [answer.answer for answer in report.answers][1] == "not measured"
    assert report.answers[3].answer == report.answers[4].answer == "not measured"


def test_an_empty_run_is_a_report_as_well(tmp_path: Path) -> None:
    """Aborted before its first stage."""
    report = build(read(recorded(tmp_path, [])))
    assert report.stages == ()
    assert msgspec.json.encode(report)


def test_the_servers_side_is_read_where_it_is(record: Record, tmp_path: Path) -> None:
    """Lines, marks, and the first saturated resource; a leak of known slope is named."""
    record = variant(record, tmp_path)
    at = [record.run.started_at + second * 1000 for second in range(160)]
    memory = [100e6 + 1e6 * second for second in range(160)]
    line = {"name": "process_resident_memory_bytes", "labels": {"pid": "1"}, "unit": "bytes", "at": at, "values": memory}
    (record.folder / "server.json").write_bytes(msgspec.json.encode([line]))
    mark = {"at": record.run.started_at + 70_000, "kind": "alert-firing", "text": "CPU is full"}
    (record.folder / "marks.json").write_bytes(msgspec.json.encode([mark]))
    full = {
        "resource": "processor",
        "at": 60.0,
        "stage": "steps 1300/s",
        "value": 1.0,
        "limit": 1.0,
        "unit": "cores",
        "text": "its one core",
    }
    (record.folder / "serverside.json").write_bytes(msgspec.json.encode({"saturated": [full], "restarts": 1}))
    report = build(read(record))
    assert report.answers[2].answer == "processor"
    assert report.marks[0].at == 70.0
    trend = next(one for one in report.trends if one.stage == "soak" and one.series.startswith("process_resident"))
    assert trend.slope.word == "grows"
    assert trend.slope.slope == pytest.approx(1e6, rel=0.01)
