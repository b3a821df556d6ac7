"""`stress report` and `compare`: from a record or a condensed run, in each format, with the exit code that scripts go by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rigs.known import TOKEN
from rigs.recorded import Piece, recorded, usual
from rigs.stress import QUICK, known_server
from watchkeeper.cli.exits import FAILED, STRESS_MISSED, USAGE
from watchkeeper.cli.stress_report import FORMATS
from watchkeeper.stress.report.writing import NAMES


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two runs, the second a third slower."""
    folder = tmp_path_factory.mktemp("data")
    usual(folder / "stress", "20260101-000000-made-0001")
    pieces = [Piece("plateau", "plateau", 0, 12, 800, 0.0125 * 1.3), Piece("soak", "soak", 1, 12, 500, 0.01)]
    recorded(folder / "stress", pieces, "20260102-000000-made-0002", 2, verdict="pass")
    return folder


def test_the_command_knows_all_formats() -> None:
    """What it offers is what there is."""
    assert FORMATS == NAMES


def test_a_report_is_written_into_the_runs_folder(cli, capsys, data: Path) -> None:
    """All formats, and the six answers on the screen."""
    assert cli("stress", "report", "20260101", "--data", str(data)) == 0
    said = capsys.readouterr().out
    assert "PASS: http://127.0.0.1:1/ takes 1,000/s" in said
    assert "How sure is this? one run" in said
    found = {path.name for path in (data / "stress" / "20260101-000000-made-0001" / "report").iterdir()}
    assert found == {"report.html", "report.json", "report.md", "junit.xml", "series.csv", "server.csv", "latency.hlog"}


def test_one_format_is_printed_or_put_elsewhere(cli, capsys, data: Path, tmp_path: Path) -> None:
    """Markdown to the terminal, JUnit to a folder of a build server's."""
    assert cli("stress", "report", "20260101", "--data", str(data), "--format", "markdown", "--print") == 0
    assert capsys.readouterr().out.startswith("# ✅ PASS")
    assert cli("stress", "report", "20260101", "--data", str(data), "--format", "junit", "--out", str(tmp_path / "ci")) == 0
    assert [path.name for path in (tmp_path / "ci").iterdir()] == ["junit.xml"]
    assert cli("stress", "report", "20260101", "--data", str(data), "--print") == USAGE


def test_a_kept_run_gives_the_same_report(cli, capsys, data: Path, tmp_path: Path) -> None:
    """Without its record; where to write must then be said."""
    kept = tmp_path / "run.json.gz"
    assert cli("stress", "report", "20260101", "--data", str(data), "--format", "json", "--keep", str(kept)) == 0
    before = (data / "stress" / "20260101-000000-made-0001" / "report" / "report.json").read_bytes()
    assert cli("stress", "report", str(kept)) == USAGE
    assert cli("stress", "report", str(kept), "--out", str(tmp_path / "again"), "--format", "json") == 0
    assert (tmp_path / "again" / "report.json").read_bytes() == before
    capsys.readouterr()


def test_comparing_has_an_exit_code(cli, capsys, data: Path) -> None:
    """A third slower is worse; a run against itself is the same; a threshold that is none is a mistake."""
    assert cli("stress", "compare", "20260101", "20260102", "--data", str(data), "--json") == STRESS_MISSED
    told = json.loads(capsys.readouterr().out)
    assert told["word"] == "worse"
    assert cli("stress", "compare", "20260101", "20260101", "--data", str(data), "--threshold", "20%") == 0
    assert "SAME" in capsys.readouterr().out
    assert cli("stress", "compare", "20260101", "20260102", "--data", str(data), "--threshold", "many") == USAGE
    assert cli("stress", "compare", "20260101", "nothing", "--data", str(data)) == FAILED


def test_every_run_ends_with_its_report(cli, capsys, tmp_path: Path) -> None:
    """Also one that misses its objective: exit 99, and the page says FAIL."""
    (tmp_path / "token").write_text(TOKEN + "\n")
    plan = tmp_path / "short.toml"
    text = 'name = "short"\nconnections = 4\nobjectives = ["rate > 1000/s"]\n'
    text += '[[phase]]\nkind = "constant"\nrate = 10\nlasts = "1s"\n'
    plan.write_text(f'{text}{QUICK}\n[target]\ntoken = {{ file = "{tmp_path / "token"}" }}\n')
    with known_server("fixed", service=0.3) as url:  # the gate of lateness is a tenth of it
        assert cli("stress", "run", str(plan), "--target", url, "--data", str(tmp_path / "data")) == STRESS_MISSED
    (page,) = (tmp_path / "data" / "stress").glob("*/report/report.html")
    assert 'role="status">FAIL<' in page.read_text()
    assert f"report: {page}" in capsys.readouterr().out
