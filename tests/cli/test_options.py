"""What every verb may be told: flag before environment before default."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from watchkeeper.cli import options
from watchkeeper.errors import ConfigError


def parsed(*words: str) -> argparse.Namespace:
    """Read words as a program's arguments."""
    parser = argparse.ArgumentParser()
    options.add_arguments(parser)
    options.add_program_arguments(parser)
    return parser.parse_args(words)


def test_a_flag_beats_the_environment_and_the_environment_beats_the_default(tmp_path: Path) -> None:
    """Each source is used only where the one before it is silent."""
    environ = {"WATCHKEEPER_DATA": str(tmp_path / "env"), "WATCHKEEPER_LISTEN": "127.0.0.1:1", "HOME": str(tmp_path)}
    flagged = options.program_options(parsed("--data", str(tmp_path / "flag"), "--listen", "127.0.0.1:2"), environ)
    assert (flagged.data, flagged.listen) == (tmp_path / "flag", "127.0.0.1:2")
    told = options.program_options(parsed(), environ)
    assert (told.data, told.listen, told.log_level) == (tmp_path / "env", "127.0.0.1:1", "info")


def test_a_named_configuration_must_exist(tmp_path: Path) -> None:
    """A typing mistake in --config is told, never silently replaced by the defaults."""
    with pytest.raises(ConfigError, match=r"--config: there is no file .*nowhere\.toml"):
        options.config_file(str(tmp_path / "nowhere.toml"), {})
    with pytest.raises(ConfigError, match="WATCHKEEPER_CONFIG"):
        options.config_file(None, {"WATCHKEEPER_CONFIG": str(tmp_path / "nowhere.toml")})


def test_the_configuration_here_beats_the_one_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name the first of here, home and /etc is used, as an absolute path."""
    home = tmp_path / "home"
    (home / "watchkeeper").mkdir(parents=True)
    (home / "watchkeeper" / "watchkeeper.toml").write_text("")
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    environ = {"XDG_CONFIG_HOME": str(home)}
    assert options.config_file(None, environ) == home / "watchkeeper" / "watchkeeper.toml"
    (here / "watchkeeper.toml").write_text("")
    assert options.config_file(None, environ) == here / "watchkeeper.toml"


def test_a_user_keeps_state_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not root writes below XDG_DATA_HOME; root writes where services keep their state."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert options.data_folder(None, {"XDG_DATA_HOME": str(tmp_path)}) == tmp_path / "watchkeeper"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert options.data_folder(None, {}) == Path("/var/lib/watchkeeper")


@pytest.mark.parametrize("written", ["127.0.0.1:0", "[::1]:8600", "localhost:65535"])
def test_an_address_is_host_and_port(written: str) -> None:
    """What can be listened on is taken as written."""
    assert options.address(written) == written


@pytest.mark.parametrize("written", ["8600", ":8600", "host:", "host:http", "host:65536", "::1:8600"])
def test_anything_else_is_told_what_was_expected(written: str) -> None:
    """A wrong address is found before anything is started."""
    with pytest.raises(argparse.ArgumentTypeError, match="expected HOST:PORT"):
        options.address(written)


def test_a_wrong_environment_names_its_variable(tmp_path: Path) -> None:
    """A value that cannot be used is told with the name of the variable it came from."""
    for name in ("WATCHKEEPER_LISTEN", "WATCHKEEPER_LOG_LEVEL"):
        with pytest.raises(ConfigError, match=name):
            options.program_options(parsed("--data", str(tmp_path)), {name: "nonsense"})
