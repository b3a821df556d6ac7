"""The driver `systemd` against a real, booted systemd: what the private bus of `test_systemd` cannot prove of systemd itself.

A system in namespaces and a root of its own (`rigs.booted`) runs `watchkeeper up` as one of its services, beside units that it
is told to watch. All is asked as a user would, by the command line, and compared with what systemctl says.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import signal
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rigs.booted import HOME, Booted, why_not
from rigs.programs import free_port, until

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
]

UNITS = {
    "web": "ExecStart=/usr/bin/python3 -uc 'import time\\nfor n in range(10**6): print(\"line\", n); time.sleep(0.2)'",
    "kept": "ExecStart=/bin/sleep 100000\nRestart=always\nRestartSec=200ms",
    "deaf": "ExecStart=/usr/bin/python3 -c 'import signal,time; signal.signal(15, 1); time.sleep(100000)'\nTimeoutStopSec=1s",
    "broken": "ExecStart=/bin/sh -c 'exit 3'",
}
CONFIG = '[machine]\nname = "m"\n' + "".join(f'[server.{name}]\ndriver = "systemd"\nunit = "{name}"\n' for name in UNITS)
WITHIN = "/srv/python"


def needed(name: str, found: set[str]) -> set[str]:
    """The distributions that this one is made of, itself among them, as they are installed here."""
    if name.lower() in found:
        return found
    try:
        one = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return found  # for other systems or versions
    found.add(name.lower())
    for line in one.requires or []:
        if "extra ==" not in line:
            needed(re.match(r"[\w.-]+", line)[0], found)  # type: ignore[index]  # a requirement begins with a name
    return found


def carry(root: Path) -> None:
    """Put this source and what it is built on into the system."""
    target = root / WITHIN.lstrip("/")
    shutil.copytree(HOME / "src", target)
    wanted: set[str] = set()
    for line in tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]:
        needed(re.match(r"[\w.-]+", line)[0], wanted)  # type: ignore[index]  # as above
    for name in wanted:
        for file in importlib.metadata.distribution(name).files or []:
            if ".." not in file.parts and file.suffix != ".pyc" and (source := Path(str(file.locate()))).is_file():
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target / file)


class Reader:
    """The system, and somebody at its command line."""

    def __init__(self, machine: Booted) -> None:
        """Write units and configuration, and have systemd run `watchkeeper up`."""
        self.machine = machine
        carry(machine.root)
        for name, text in UNITS.items():
            (machine.root / f"etc/systemd/system/{name}.service").write_text(f"[Service]\n{text}\n", encoding="utf-8")
        (machine.root / "srv/w.toml").write_text(CONFIG, encoding="utf-8")
        machine.run("systemctl", "daemon-reload")
        self.up()

    def up(self) -> None:
        """Have it started, as a service that nobody starts again."""
        words = ("up", "--listen", f"127.0.0.1:{free_port()}")
        given = ("--property=KillMode=process", f"--setenv=PYTHONPATH={WITHIN}", "--unit=keeper", "--collect")
        done = self.machine.run("systemd-run", *given, *self.words(*words))
        assert done.returncode == 0, done.stderr
        until(lambda: all(self.status(name) for name in UNITS), "all to be known", 90)

    def words(self, *words: str) -> tuple[str, ...]:
        """A command line of ours, in there."""
        return ("/usr/bin/python3", "-B", "-m", "watchkeeper", *words, "--config", "/srv/w.toml", "--data", "/srv/data")

    def say(self, *words: str) -> Any:
        """Type it."""
        return self.machine.run("env", f"PYTHONPATH={WITHIN}", *self.words(*words))

    def status(self, name: str) -> dict[str, Any]:
        """A server by `watchkeeper status`."""
        told = json.loads(self.say("status", "--json").stdout)
        return next((one["status"] for one in told["servers"] if one["status"]["name"] == name), {})

    def shown(self, name: str, key: str) -> str:
        """A property by systemctl."""
        return self.machine.run("systemctl", "show", "--value", "--property", key, f"{name}.service").stdout.strip()

    def agrees(self, name: str, state: str) -> bool:
        """Whether `status` has it in this state, with the pid that systemd has."""
        told = self.status(name)
        return told.get("state") == state and str(told.get("pid") or 0) == self.shown(name, "MainPID")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A booted system for all of these: each begins from units that it has brought where it wants them."""
    machine = Booted(tmp_path_factory.mktemp("booted"))
    try:
        version = machine.run("python3", "-c", "import sys; print(*sys.version_info[:2])").stdout.split()
        if version != [str(part) for part in sys.version_info[:2]]:
            pytest.skip(f"the system has Python {'.'.join(version)}: extensions built here cannot be carried over")
        yield Reader(machine)
    finally:
        machine.close()


def test_orders_are_carried_out_by_systemd(reader: Reader) -> None:
    """Start, restart and stop come out as systemctl tells them, with its pid; a restart is another invocation."""
    assert reader.say("start", "web").returncode == 0
    assert reader.shown("web", "ActiveState") == "active"
    until(lambda: reader.agrees("web", "running"), "the unit's pid in the status")
    first = reader.shown("web", "InvocationID")
    assert reader.say("restart", "web").returncode == 0
    assert reader.shown("web", "InvocationID") not in {"", first}
    until(lambda: reader.agrees("web", "running"), "the new pid in the status")
    assert "have systemd stop web.service" in reader.say("stop", "web", "--dry-run").stdout
    assert reader.shown("web", "ActiveState") == "active"
    assert reader.say("stop", "web").returncode == 0
    assert reader.shown("web", "ActiveState") == "inactive"
    until(lambda: reader.agrees("web", "stopped"), "its end in the status")


def test_the_journal_is_its_log(reader: Reader) -> None:
    """`logs` shows what the unit printed, `-f` what it prints from then on, and with a search only what is looked for."""
    assert reader.say("start", "web").returncode == 0
    until(lambda: "line 3\n" in reader.say("logs", "web").stdout, "its lines")
    followed = reader.machine.run(
        "timeout", "10", "env", f"PYTHONPATH={WITHIN}", *reader.words("logs", "web", "-f", "--grep", "line [0-9]*5$")
    ).stdout
    numbers = [int(found) for found in re.findall(r"line (\d+)", followed)]
    begun = len(numbers) - 1 - numbers[::-1].index(5)  # after what its earlier runs have printed
    assert numbers[begun:] == list(range(5, numbers[-1] + 1, 10))
    assert numbers[-1] >= 25, "what was printed meanwhile is shown"


def test_what_somebody_else_does_is_seen(reader: Reader) -> None:
    """A start and a stop by systemctl are in the status with the right pid, without an order of ours, and are no fault."""
    reader.machine.run("systemctl", "stop", "kept")
    until(lambda: reader.agrees("kept", "exited") or reader.agrees("kept", "stopped"), "its stop")
    reader.machine.run("systemctl", "start", "kept")
    until(lambda: reader.agrees("kept", "running"), "its start")


def test_a_unit_that_systemd_restarts_is_told_with_its_reason(reader: Reader) -> None:
    """Kill -9 of the main process: the end is told as SIGKILL, the next run is systemd's, counted, and not ours."""
    reader.machine.run("systemctl", "start", "kept")
    until(lambda: reader.agrees("kept", "running"), "it to be seen")
    old, before = reader.shown("kept", "MainPID"), reader.status("kept")["restarts"]
    reader.machine.run("kill", "-9", old)
    until(lambda: reader.shown("kept", "MainPID") not in {"0", old} and reader.agrees("kept", "running"), "its next run")
    assert "SIGKILL" in reader.status("kept")["last_exit"]
    assert reader.status("kept")["restarts"] == before + 1
    assert reader.shown("kept", "NRestarts") == "1"


def test_a_unit_that_cannot_run_says_why(reader: Reader) -> None:
    """The outcome of a start, and the status, name the exit status; nothing is tried again."""
    refused = reader.say("start", "broken")
    assert refused.returncode == 1
    assert "exit status 3" in refused.stderr
    until(lambda: "exit status 3" in reader.status("broken")["reason"], "its exit status")
    assert reader.shown("broken", "NRestarts") == "0"
    assert reader.status("broken")["state"] != "running"


def test_a_unit_that_does_not_heed_its_stop_is_systemds_to_kill(reader: Reader) -> None:
    """TimeoutStopSec= ends it, and the order ends well once it has."""
    assert reader.say("start", "deaf").returncode == 0
    pid = reader.shown("deaf", "MainPID")

    def ignored() -> int:
        return int(reader.machine.run("grep", "SigIgn", f"/proc/{pid}/status").stdout.split()[-1], 16)

    until(lambda: ignored() & 1 << signal.SIGTERM - 1, "it to ignore SIGTERM")
    assert reader.say("stop", "deaf").returncode == 0
    assert reader.shown("deaf", "MainPID") == "0"
    assert reader.shown("deaf", "Result") == "timeout"


def test_systemd_may_be_executed_anew(reader: Reader) -> None:
    """After `systemctl daemon-reexec` units are still seen and ordered."""
    reader.machine.run("systemctl", "start", "kept")
    reader.machine.run("systemctl", "daemon-reexec")
    until(lambda: reader.agrees("kept", "running"), "it to be seen")
    reader.machine.run("systemctl", "stop", "kept")
    until(lambda: not reader.status("kept").get("pid"), "its stop")
    assert reader.say("start", "kept").returncode == 0
    until(lambda: reader.agrees("kept", "running"), "its start")


def test_our_end_is_none_of_theirs(reader: Reader) -> None:
    """Kill -9 of all of ours: no unit is touched, and the next agent finds each with the pid that it had."""
    assert reader.say("start", "web").returncode == 0
    reader.machine.run("systemctl", "start", "kept")
    before = {name: reader.shown(name, "MainPID") for name in ("web", "kept")}
    reader.machine.run("systemctl", "kill", "--signal=KILL", "--kill-whom=all", "keeper")
    until(lambda: reader.shown("keeper", "ActiveState") in {"inactive", "failed"}, "our end")
    reader.machine.run("systemctl", "reset-failed", "keeper")
    reader.up()
    for name, pid in before.items():
        until(lambda name=name: reader.agrees(name, "running"), f"{name} to be found")  # type: ignore[misc]  # bound now; mypy gives such a lambda no type
        assert reader.shown(name, "MainPID") == pid
