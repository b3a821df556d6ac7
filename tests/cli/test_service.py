"""`watchkeeper service` says what it would do, refuses what it cannot, and never deletes a folder that is not ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.cli import main


def test_a_dry_run_shows_the_unit_and_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything that would be written and run is printed, with this interpreter and these folders."""
    code = main(["service", "install", "--system", "systemd", "--dry-run", "--data", str(tmp_path / "data")])
    told = capsys.readouterr().out
    assert code == 0
    assert f"--data {tmp_path / 'data'}" in told
    assert "Type=notify" in told
    assert "systemctl enable watchkeeper.service" in told
    assert not (tmp_path / "data").exists()


def test_a_bad_configuration_is_not_made_a_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The configuration is read before anything is installed."""
    config = tmp_path / "watchkeeper.toml"
    config.write_text("[server.x]\ncommand = 3\n", encoding="utf-8")
    assert main(["service", "install", "--system", "systemd", "--dry-run", "--config", str(config)]) == 2
    assert "watchkeeper.toml:2" in capsys.readouterr().err


def test_an_uninstall_without_a_yes_does_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody can be asked, only --yes is a yes."""
    assert main(["service", "uninstall", "--system", "openrc", "--purge", "--data", str(tmp_path)]) == 1
    assert "nothing was done" in capsys.readouterr().err
    assert tmp_path.exists()


def test_a_folder_that_is_not_ours_is_never_deleted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped --data with --purge is refused; a real data folder goes."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").touch()
    words = ["service", "uninstall", "--system", "windows", "--purge", "--yes", "--data"]
    assert main([*words, str(precious)]) == 1
    assert "does not look like a data folder of ours" in capsys.readouterr().err
    assert (precious / "thesis.txt").exists()
    ours = tmp_path / "ours"
    (ours / "agent").mkdir(parents=True)
    assert main([*words, str(ours)]) == 0
    assert not ours.exists()


def test_an_account_is_for_the_systems_service_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """--user and --run-as contradict each other."""
    assert main(["service", "install", "--user", "--run-as", "ada", "--system", "systemd", "--dry-run"]) == 1
    assert "--run-as is for the system's service" in capsys.readouterr().err
