"""Steps are carried out once, told as they are, and fail with what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from watchkeeper.errors import Failed
from watchkeeper.service.carrying import carry_out, show
from watchkeeper.service.steps import Folder, Remove, Run, Step, Write


def steps(folder: Path) -> list[Step]:
    """A small installation below `folder`."""
    return [Folder(folder / "data"), Write(folder / "etc" / "unit", "text\n", 0o755), Run((sys.executable, "-c", "pass"))]


def test_steps_are_done_and_a_second_time_changes_nothing(tmp_path: Path) -> None:
    """Files and folders come with their modes; done again, the file is left as it is (same inode)."""
    said: list[str] = []
    carry_out(steps(tmp_path), said.append)
    unit = tmp_path / "etc" / "unit"
    assert unit.read_text(encoding="utf-8") == "text\n"
    assert unit.stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    before = unit.stat().st_ino
    said.clear()
    carry_out(steps(tmp_path), said.append)
    assert unit.stat().st_ino == before
    assert said[0] == f"{unit} is right already"


def test_a_dry_run_says_all_and_does_nothing(tmp_path: Path) -> None:
    """Paths, modes, texts and commands are shown; nothing is made."""
    said: list[str] = []
    show([*steps(tmp_path), Remove(tmp_path / "x")], said.append)
    told = "\n".join(said)
    assert "mode 0755" in told
    assert "    text" in told
    assert f"remove {tmp_path / 'x'}" in told
    assert list(tmp_path.iterdir()) == []


def test_removing_twice_is_no_fault(tmp_path: Path) -> None:
    """An uninstall that was cut short can be run again."""
    said: list[str] = []
    (tmp_path / "x").touch()
    carry_out([Remove(tmp_path / "x")], said.append)
    carry_out([Remove(tmp_path / "x")], said.append)
    assert said == [f"removed {tmp_path / 'x'}", f"{tmp_path / 'x'} is not there"]


def test_a_program_that_fails_is_told_with_its_words(tmp_path: Path) -> None:
    """Status and output of the failing program are in the fault, and later steps are not done."""
    bad = Run((sys.executable, "-c", "import sys; sys.exit('no such unit')"))
    with pytest.raises(Failed, match="status 1: no such unit"):
        carry_out([bad, Write(tmp_path / "later", "")], print)
    assert not (tmp_path / "later").exists()
    carry_out([Run(bad.argv, or_else=True), Run(("watchkeeper-no-such-program",), or_else=True)], print)
    with pytest.raises(Failed, match="is not there"):
        carry_out([Run(("watchkeeper-no-such-program",))], print)


def test_an_unknown_account_is_told_and_leaves_no_folder(tmp_path: Path) -> None:
    """A data folder that belongs to nobody is not left behind."""
    with pytest.raises(Failed, match="useradd --system nobody-by-this-name"):
        carry_out([Folder(tmp_path / "data", 0o700, "nobody-by-this-name")], print)
    assert not (tmp_path / "data").exists()
