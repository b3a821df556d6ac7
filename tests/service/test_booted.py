"""The service under a real systemd: installed from the .deb and by the verb, restarted, hung, removed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rigs.booted import HOME, Booted, why_not

pytestmark = [pytest.mark.long, pytest.mark.skipif(bool(why_not()), reason=why_not()), pytest.mark.timeout(900)]

SERVER = '\n[server.sleeper]\ncommand = ["sleep", "100000"]\n'
CONFIG = "etc/watchkeeper/watchkeeper.toml"
UNIT = "watchkeeper.service"


@pytest.fixture(scope="module")
def deb() -> Path:
    """The package, made from this tree."""
    subprocess.run([sys.executable, "packaging/make.py", "wheel", "deb"], cwd=HOME, check=True)
    (made,) = (HOME / "dist").glob("watchkeeper_*.deb")
    return made


@pytest.fixture
def system(tmp_path: Path, deb: Path) -> Iterator[Booted]:
    """A booted Debian with the package installed and running."""
    booted = Booted(tmp_path)
    shutil.copy(deb, booted.root / "srv" / "watchkeeper.deb")
    done = booted.run("dpkg", "--install", "/srv/watchkeeper.deb", seconds=180)
    assert done.returncode == 0, done.stdout + done.stderr
    yield booted
    booted.close()


def until(look: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.3)


def pid_of(system: Booted, name: str) -> str:
    """The server's pid inside."""
    return system.run("pgrep", "-x", name).stdout.strip()


def add_server(system: Booted) -> str:
    """Configure a server, have the service take it up, and return its pid."""
    config = system.root / CONFIG
    config.write_text(config.read_text(encoding="utf-8") + SERVER, encoding="utf-8")
    assert system.run("systemctl", "reload", UNIT).returncode == 0
    until(lambda: pid_of(system, "sleep"), "the server")
    return pid_of(system, "sleep")


def test_the_package_is_a_service_at_once_and_restarts_leave_the_server(system: Booted) -> None:
    """After dpkg it runs, enabled; reload takes up a server; restart, upgrade and a killed `up` leave it alone."""
    until(lambda: system.run("systemctl", "is-active", UNIT).stdout.strip() == "active", "the service")
    assert system.run("systemctl", "is-enabled", UNIT).stdout.strip() == "enabled"
    assert "dashboard at http://127.0.0.1" in system.run("systemctl", "show", UNIT, "-p", "StatusText").stdout
    before = add_server(system)

    assert system.run("watchkeeper", "service", "restart").returncode == 0
    assert pid_of(system, "sleep") == before
    assert system.run("dpkg", "--install", "/srv/watchkeeper.deb", seconds=180).returncode == 0
    assert pid_of(system, "sleep") == before
    assert SERVER in (system.root / CONFIG).read_text(encoding="utf-8")

    main = system.run("systemctl", "show", UNIT, "-p", "MainPID", "--value").stdout.strip()
    system.run("kill", "-9", main)
    until(lambda: system.run("systemctl", "is-active", UNIT).stdout.strip() == "active", "systemd to start it again")
    until(lambda: "1 server up" in system.run("watchkeeper", "status").stdout, "the server to be taken over")
    assert pid_of(system, "sleep") == before


def test_a_hung_main_process_is_noticed_by_the_watchdog(system: Booted) -> None:
    """SIGSTOP of the main process: the watchdog (30 s) has systemd replace it, and the server goes on."""
    before = add_server(system)
    main = system.run("systemctl", "show", UNIT, "-p", "MainPID", "--value").stdout.strip()
    system.run("kill", "-STOP", main)

    def replaced() -> bool:
        now = system.run("systemctl", "show", UNIT, "-p", "MainPID", "--value").stdout.strip()
        return now not in {"0", main}

    until(replaced, "the watchdog", 120)
    until(lambda: "1 server up" in system.run("watchkeeper", "status").stdout, "the server to be taken over", 60)
    assert pid_of(system, "sleep") == before


def test_the_log_of_the_system_holds_no_way_in(system: Booted) -> None:
    """No one-time sign-in link is written where all administrators' tools collect it; the verb still prints one."""
    until(lambda: "Dashboard" in system.run("journalctl", "-u", UNIT, "--no-pager").stdout, "the first words")
    assert "/sign-in#" not in system.run("journalctl", "-u", UNIT, "--no-pager").stdout
    assert "/sign-in#" in system.run("watchkeeper", "sign-in").stdout


def test_removing_keeps_the_data_and_purging_takes_it(system: Booted) -> None:
    """The verb installs over the package's unit and takes it out again; dpkg's remove keeps data, its purge does not."""
    assert system.run("watchkeeper", "service", "install").returncode == 0
    assert (system.root / "etc/systemd/system" / UNIT).exists()
    assert system.run("watchkeeper", "service", "uninstall", "--yes").returncode == 0
    assert not (system.root / "etc/systemd/system" / UNIT).exists()
    assert system.run("dpkg", "--remove", "watchkeeper").returncode == 0
    assert (system.root / "var/lib/watchkeeper/journal.db").exists()
    assert system.run("dpkg", "--purge", "watchkeeper").returncode == 0
    assert not (system.root / "var/lib/watchkeeper").exists()
    assert not (system.root / "opt/watchkeeper").exists()
