"""Two supervisors of the field with one server each, set up as well as their manuals allow, for `faults`.

Every process that comes of one carries a mark in its environment, so that all of it can be found and ended: also children
of a server that has long been gone. Each start of the server writes a line, so that none is missed between two looks.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from _rivals import program, running, script

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from rigs.faults import SERVERS
from rigs.programs import free_port, is_alive

PATIENCE = 12.0
"""Seconds that a rival has to do something about a fault."""
ORDER_SECONDS = 30.0
MARK = "FAULT_RIG"
FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
"""Moves the clock that a program sees, where it is installed."""


class Rival:
    """A supervisor of somebody else's with one server."""

    def __init__(self, folder: Path, role: str) -> None:
        self.folder = folder
        self.role = role
        self.stack = ExitStack()
        self.code = folder / "server.py"
        self.births = folder / "births"
        self.births.touch()
        self.logs = folder / "logs"
        self.logs.mkdir()
        birth = f"import os\nwith open({str(self.births)!r}, 'a') as file: file.write(f'{{os.getpid()}}\\n')\n"
        self.code.write_text(birth + SERVERS)
        own = ["env", "-u", "LD_PRELOAD", f"{MARK}={folder}"]
        self.words = [*own, sys.executable, "-u", str(self.code), role, str(free_port())]
        self.clock = folder / "clock"
        self.configure()

    def configure(self) -> None:
        """Write what it is started with."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """What starts the supervisor itself."""
        raise NotImplementedError

    def order(self) -> list[str]:
        """What has it stop its server."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the supervisor, or another one. Its clock is the file's, where the file is there."""
        moved = [f"LD_PRELOAD={FAKETIME}", f"FAKETIME_TIMESTAMP_FILE={self.clock}", "FAKETIME_NO_CACHE=1"]
        clock = [*moved, "DONT_FAKE_MONOTONIC=1"] if self.clock.exists() else []
        self.process = self.stack.enter_context(running(["env", *clock, *self.command()]))

    def stop(self) -> None:
        """Have it stop its server."""
        subprocess.run(self.order(), capture_output=True, check=False, timeout=ORDER_SECONDS)

    def starts(self) -> int:
        """How often the server has been started."""
        return len(self.births.read_text().splitlines())

    def pids(self) -> list[int]:
        """Every living process of the server."""
        return [pid for pid, words in self._marked() if str(self.code).encode() in words.split(b"\0")]

    def pid(self) -> int:
        """The one process of the server, once there is one. Raises AssertionError where there is none, or more."""
        self.until(self.pids)
        found = self.pids()
        assert len(found) == 1, f"{len(found)} copies of its server run"
        return found[0]

    def until(self, look: Callable[[], object], seconds: float = PATIENCE) -> float:
        """Seconds until it came about; -1 when it did not."""
        began = time.monotonic()
        while not look():
            if time.monotonic() - began > seconds:
                return -1.0
            time.sleep(0.02)
        return time.monotonic() - began

    def successor(self, old: int, seconds: float = PATIENCE) -> float:
        """Seconds until another process is the server, and the old one is gone; -1 when that did not come."""
        return self.until(lambda: (found := self.pids()) and old not in found, seconds)

    def close(self) -> None:
        """End it and what it left."""
        self.stack.close()
        while left := self._marked():
            for pid, _ in left:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def _marked(self) -> list[tuple[int, bytes]]:
        mark = f"{MARK}={self.folder}".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (path / "environ").read_bytes().split(b"\0") and is_alive(int(path.name)):
                    found.append((int(path.name), (path / "cmdline").read_bytes()))
            except OSError:
                continue
        return sorted(found)


class Supervisord(Rival):
    """Whole groups stopped, output in its own files, an exit of 0 left alone, all else as it comes.

    `startsecs` is 0 for the server that is to end well at once, as its manual has it for such: else what ends within a second
    counts as a start that has failed, with any exit status.
    """

    def configure(self) -> None:
        """With its control socket in the folder."""
        (self.folder / "supervisord.conf").write_text(
            f"[unix_http_server]\nfile={self.folder}/s\n[supervisorctl]\nserverurl=unix://{self.folder}/s\n"
            "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[supervisord]\nnodaemon=true\nlogfile={self.folder}/log\npidfile={self.folder}/pid\nchildlogdir={self.logs}\n"
            f"[program:a]\ncommand={' '.join(self.words)}\nautorestart=unexpected\nstopwaitsecs=1\n"
            f"startsecs={0 if self.role == 'once' else 1}\nstopasgroup=true\nkillasgroup=true\n"
        )

    def command(self) -> list[str]:
        """In the foreground."""
        return [program("supervisord") or "", "-c", str(self.folder / "supervisord.conf")]

    def order(self) -> list[str]:
        """By supervisorctl."""
        return [program("supervisorctl") or "", "-c", str(self.folder / "supervisord.conf"), "stop", "a"]


class Monit(Rival):
    """Looked at once a second, by its pid file, and by a pattern where the server forks away from it; a port where it has one.

    It stops by a script of its user's: this one ends the whole group, with SIGKILL after a second.
    """

    def configure(self) -> None:
        """With its control port."""
        pid = self.folder / "server.pid"
        script(self.folder / "start", f"setsid {' '.join(self.words)} </dev/null >/dev/null 2>&1 &\necho $! > {pid}")
        script(self.folder / "stop", f"p=$(cat {pid})\nkill -- -$p\nsleep 1\nkill -s KILL -- -$p")
        looks = f"  if failed port {self.words[-1]} protocol http with timeout 1 seconds then restart\n"
        found = f'matching "{self.code} {self.role}"' if self.role == "daemon" else f"with pidfile {pid}"
        config = self.folder / "monitrc"
        config.write_text(
            f"set daemon 1\nset pidfile {self.folder}/monit.pid\nset idfile {self.folder}/id\n"
            f"set statefile {self.folder}/state\nset httpd port {free_port()} and use address 127.0.0.1 allow localhost\n"
            f'check process a {found}\n  start program = "{self.folder}/start"\n  stop program = "{self.folder}/stop"\n'
            + (looks if self.role == "web" else "")
        )
        config.chmod(0o600)

    def command(self) -> list[str]:
        """In the foreground."""
        return [program("monit") or "", "-I", "-c", str(self.folder / "monitrc")]

    def order(self) -> list[str]:
        """By its own command line."""
        return [program("monit") or "", "-c", str(self.folder / "monitrc"), "stop", "a"]
