"""One server per data folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cloudnet.errors import ConfigError
from cloudnet.lock import held
from rigs.cloud import CloudProgram


def test_a_held_folder_is_refused_until_it_is_free(tmp_path: Path) -> None:
    """By the holder's pid, and made if it is not there; afterwards the next one may have it."""
    folder = tmp_path / "a" / "b"
    with held(folder):
        assert folder.stat().st_mode & 0o077 == 0
        with pytest.raises(ConfigError, match="in use by a Cloud Server with pid"), held(folder):
            raise AssertionError
    with held(folder):
        pass


def test_a_folder_has_one_server(tmp_path: Path) -> None:
    """A second program is refused with the first one's pid and a way on; a killed one leaves no lock behind."""
    server = CloudProgram(tmp_path)
    server.start()
    try:
        assert server.process is not None
        run = subprocess.run(
            [sys.executable, "-m", "cloudnet.programs.server", "--listen", "127.0.0.1:0", "--data", str(server.data)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert run.returncode == 2
        assert f"in use by a Cloud Server with pid {server.process.pid}" in run.stderr
        assert "--data" in run.stderr
        server.kill()
        server.start()
        assert server.stop() == 0
    finally:
        server.close()
