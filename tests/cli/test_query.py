"""`query`: what is asked of the hub, and how answers and mistakes are shown."""

from __future__ import annotations

import csv
import io
import json
import time
from datetime import UTC, datetime

import pytest

from rigs.prom_answers import START, error, matrix, success, vector
from watchkeeper.cli.query import pointed


def test_a_table_has_a_column_for_each_label(hub, cli, capsys) -> None:
    """Values whole where they are, with six digits else."""
    hub.query = success(vector())
    assert cli("query", "load") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["metric", "machine", "VALUE"], ["load", "a", "0.123457"], ["load", "b", "8589934592"]]
    assert hub.asked["query"] == "load"
    assert abs(float(hub.asked["time"]) - time.time()) < 60


def test_a_range_is_told_by_its_newest_least_and_most(hub, cli, capsys) -> None:
    """And by its course."""
    hub.query = success(matrix())
    assert cli("query", "x", "--range", "1h") == 0
    lines = [line.split(None, 4) for line in capsys.readouterr().out.splitlines()]
    assert [line[:4] for line in lines[1:]] == [["a", "60", "0", "60"], ["b", "160", "100", "160"]]
    assert lines[1][4].startswith("▁")
    assert lines[1][4].rstrip().endswith("█")


@pytest.mark.parametrize(
    ("words", "length", "step"),
    [
        (("--range", "1h"), 3600, 60),
        (("--range", "10s"), 10, 1),
        (("--range", "1d", "--step", "5m"), 86_400, 300),
        (("--plot",), 3600, 60),
    ],
)
def test_a_range_and_its_steps(hub, cli, words: tuple[str, ...], length: float, step: float) -> None:
    """Sixty steps unless said otherwise, none shorter than a second; a plot is over an hour."""
    assert cli("query", "x", "--at", str(START), *words) == 0
    asked = {name: float(value) for name, value in hub.asked.items() if name != "query"}
    assert asked == {"start": START - length, "end": START, "step": step}


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("1760000000.5", START + 0.5),
        (datetime.fromtimestamp(START, UTC).isoformat(), START),
        (datetime.fromtimestamp(START).isoformat(), START),  # noqa: DTZ006  # as people write it: the local time
        (datetime.fromtimestamp(START, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), START),
    ],
)
def test_the_instant(hub, cli, written: str, at: float) -> None:
    """Unix seconds, or a date and time, local or with a zone."""
    assert cli("query", "x", "--at", written) == 0
    assert float(hub.asked["time"]) == at


def test_so_long_ago(hub, cli) -> None:
    """A length of time is counted back from now."""
    assert cli("query", "x", "--at", "15m") == 0
    assert abs(time.time() - 900 - float(hub.asked["time"])) < 60


def test_json_is_the_apis_data(hub, cli, capsys) -> None:
    """All digits, all samples."""
    hub.query = success(matrix())
    assert cli("query", "x", "--range", "1h", "--json") == 0
    assert json.loads(capsys.readouterr().out) == matrix()


def test_csv_has_a_line_for_each_value(hub, cli, capsys) -> None:
    """Labels, time, value; of an instant and of a range."""
    hub.query = success(vector())
    assert cli("query", "x", "--csv") == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[:2] == [["__name__", "machine", "time", "value"], ["load", "a", str(START), "0.123456789"]]
    hub.query = success(matrix())
    assert cli("query", "x", "--range", "1h", "--csv") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 2 * 61


@pytest.mark.parametrize(("kind", "value"), [("scalar", "2"), ("string", "text")])
def test_a_scalar_and_a_text_stand_alone(hub, cli, capsys, kind: str, value: str) -> None:
    """Nothing around them; with their time in CSV."""
    hub.query = success({"resultType": kind, "result": [START, value]})
    assert cli("query", "x") == 0
    assert capsys.readouterr().out == f"{value}\n"
    assert cli("query", "x", "--csv") == 0
    assert capsys.readouterr().out == f"time,value\n{START},{value}\n"


def test_a_plot_has_letters_where_lines_end(hub, run) -> None:
    """Axis, lines, clocks and a legend that names each line by its letter; within the terminal's width."""
    hub.query = success(matrix())
    done = run("query", "x", "--plot", "--at", str(START + 3600), env={"COLUMNS": "80", "LINES": "24"})
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("160 ┤")
    assert lines[0].endswith("b")
    assert [line for line in lines if line.startswith("  0 ┤")]
    assert [line for line in lines if line.endswith("a")]
    assert lines[-2:] == ['a  {machine="a"}  60', 'b  {machine="b"}  160']


def test_a_plot_of_very_many_draws_the_first(hub, run) -> None:
    """And says that there are more."""
    hub.query = success(matrix(30, 3))
    done = run("query", "x", "--plot", "--at", str(START + 3600))
    assert "30 series; the first 12 are drawn" in done.stderr
    assert '{machine="l"}' in done.stdout
    assert '{machine="m"}' not in done.stdout


def test_nothing_found_is_said_and_is_no_fault(hub, cli, capsys) -> None:
    """An empty answer is an answer."""
    assert cli("query", "x") == 0
    assert "nothing matches" in capsys.readouterr().err


def test_a_mistake_is_shown_at_its_place(hub, cli, capsys) -> None:
    """The line of the expression with a caret below it."""
    hub.query = error(400, "bad_data", "invalid parameter \"query\": 1:5: parse error: unexpected 'bar'")
    assert cli("query", "foo bar") == 1
    assert capsys.readouterr().err == "watchkeeper: 1:5: parse error: unexpected 'bar'\n  foo bar\n      ^\n"


@pytest.mark.parametrize(
    ("why", "expression", "told"),
    [
        ("2:3: parse error: no", "a +\n\tb c", "2:3: parse error: no\n   b c\n    ^"),
        (
            "1:81: parse error: no",
            "x" * 80 + "!" + "x" * 80,
            "1:81: parse error: no\n  " + "x" * 38 + "!" + "x" * 37 + "\n  " + " " * 38 + "^",
        ),
        ("parse error: no", "x", "parse error: no"),
        ("7:1: parse error: no", "x", "7:1: parse error: no"),
    ],
)
def test_the_place_in_long_and_many_lines(why: str, expression: str, told: str) -> None:
    """A tab takes one place, a long line is cut around the mistake, and a place that is none changes nothing."""
    assert pointed(why, expression) == told


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (error(422, "execution", "this would touch 7 samples, and 5 are allowed"), "7 samples"),
        (error(503, "timeout", "query timed out in query execution: it may take 30 s"), "timed out"),
        ((404, {"code": "no-such-route", "why": "there is nothing at this address"}), "nothing at this address"),
        ((200, ["what"]), "no hub of this version"),
    ],
)
def test_what_the_hub_refuses_is_told(hub, cli, capsys, answer: tuple[int, object], said: str) -> None:
    """Its own sentence, and exit code 1; something else that answers is named as such."""
    hub.query = answer
    assert cli("query", "x") == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("--step", "5s"),
        ("--json", "--plot"),
        ("--plot", "--csv"),
        ("--range", "soon"),
        ("--range", "0s"),
        ("--at", "yesterday"),
    ],
)
def test_wrong_usage_asks_nothing(hub, cli, words: tuple[str, ...]) -> None:
    """What makes no sense is refused before the hub is asked."""
    assert cli("query", "x", *words) in {1, 2}
    assert not hub.asked
