"""The door: verbs found, faults told in one line, exit codes kept, and nothing heavy loaded by accident."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from watchkeeper import cli

HEAVY = (
    "rich",
    "textual",
    "litestar",
    "numpy",
    "websockets",
    "uvicorn",
    "sqlalchemy",
    "shtab",
    "watchkeeper.store",
    "watchkeeper.hub",
)


def test_the_door_and_the_files_agree() -> None:
    """Every verb has its file, every file that declares a verb stands in the door, and no name stands twice."""
    rooms = {verb.room for verb in cli.VERBS}
    declaring = {
        file.stem for file in Path(cli.__file__).parent.glob("*.py") if "\ndef declare(" in file.read_text(encoding="utf-8")
    }
    assert rooms == declaring
    assert len({verb.name for verb in cli.VERBS}) == len(cli.VERBS)
    for room in rooms:
        module = import_module(f"watchkeeper.cli.{room}")
        assert callable(module.declare)
        assert callable(module.run)


@pytest.mark.parametrize("verb", [verb.name for verb in cli.VERBS])
def test_every_verb_helps(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help of each verb prints its line and ends with 0."""
    assert cli.main([verb, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "hint"),
    [(["statsu"], "did you mean 'status'?"), (["version", "--jsn"], "did you mean '--json'?"), (["start"], "NAME")],
)
def test_wrong_usage_is_one_line_with_the_nearest_word(words: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A typing mistake ends with 2 and says what was probably meant."""
    assert cli.main(words) == 2
    told = capsys.readouterr().err
    assert hint in told
    assert len(told.splitlines()) <= 2


def test_no_verb_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Who types the bare name sees what there is."""
    assert cli.main([]) == 2
    assert "status" in capsys.readouterr().out


def test_a_mistake_of_ours_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback for a user, unless --debug asks for it."""

    def broken(_: object) -> int:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("watchkeeper.cli.version.run", broken)
    assert cli.main(["version"]) == 1
    told = capsys.readouterr().err
    assert "ZeroDivisionError: oh" in told
    assert "--debug" in told
    assert "Traceback" not in told
    with pytest.raises(ZeroDivisionError):
        cli.main(["version", "--debug"])


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted verb says nothing and ends as a shell expects."""

    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("watchkeeper.cli.version.run", interrupted)
    assert cli.main(["version"]) == 130


def test_global_flags_stand_before_or_behind_the_verb(run) -> None:
    """--json is understood in both places."""
    assert json.loads(run("--json", "version").stdout) == json.loads(run("version", "--json").stdout)


def test_a_reader_that_leaves_makes_no_noise(environ: dict[str, str], tmp_path: Path) -> None:
    """A closed pipe ends the command quietly, as a signal would have."""
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [sys.executable, "-m", "watchkeeper", "version"], stdout=write, stderr=subprocess.PIPE, env=environ, cwd=tmp_path
    )
    os.close(write)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (128 + signal.SIGPIPE, b"")


def test_a_terminal_without_our_signs_gets_question_marks(hub, run) -> None:
    """An ASCII-only output is no reason to fall over."""
    done = run("status", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 3
    assert "? down" in done.stdout


def test_only_the_verb_asked_for_is_loaded() -> None:
    """The door itself, and `version`, load nothing heavy: the agent comes in here too."""
    code = "import sys; from watchkeeper.cli import main; main(['version', '-q']); print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert not loaded & {*HEAVY, "http.client", "ssl", "watchkeeper.web.shapes"}


def test_declaring_every_verb_loads_nothing_heavy() -> None:
    """All files of this room stay light until they run."""
    code = "import sys; from watchkeeper.cli import parser; parser(); print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert not loaded & set(HEAVY)
