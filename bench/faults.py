"""The fault matrix of docs/fault-matrix.md, row by row, beside what supervisord and monit make of the same faults.

Ours is `rigs.faults`, as the suite runs it. The rivals keep the same servers, set up as their manuals have it; what one
of them cannot do is said, not tried. Programs are looked for as in `_rivals`; who is not installed has an empty column.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from _noise import Noise, table
from _rivals import program, running, script

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from rigs.faults import CASES, SERVERS, play, why_not
from rigs.programs import free_port, is_alive

PATIENCE = 12.0
"""Seconds that a rival has to do something about a fault."""


class Rival:
    """A supervisor of somebody else's with one server."""

    def __init__(self, folder: Path, role: str) -> None:
        self.folder = folder
        self.role = role
        self.stack = ExitStack()
        code = folder / "server.py"
        code.write_text(SERVERS)
        self.words = [sys.executable, "-u", str(code), role, str(free_port())]
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        """Start the supervisor itself."""
        raise NotImplementedError

    def stop(self) -> None:
        """Have it stop its server."""
        raise NotImplementedError

    def pids(self) -> list[int]:
        """Every living process of the server."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if str(self.folder / "server.py").encode() in words and is_alive(int(path.parent.name)):
                found.append(int(path.parent.name))
        return sorted(found)

    def until(self, look: Callable[[], object], seconds: float = PATIENCE) -> float:
        """Seconds until it came about; -1 when it did not."""
        began = time.monotonic()
        while not look():
            if time.monotonic() - began > seconds:
                return -1.0
            time.sleep(0.02)
        return time.monotonic() - began

    def close(self) -> None:
        """End it and what it left."""
        self.stack.close()
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)


class Supervisord(Rival):
    """Whole groups stopped, output in its own files, exits that are expected left alone."""

    def start(self) -> subprocess.Popen[bytes]:
        """With its control socket in the folder."""
        config = self.folder / "supervisord.conf"
        config.write_text(
            f"[unix_http_server]\nfile={self.folder}/s\n[supervisorctl]\nserverurl=unix://{self.folder}/s\n"
            "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[supervisord]\nnodaemon=true\nlogfile={self.folder}/log\npidfile={self.folder}/pid\nchildlogdir={self.folder}\n"
            f"[program:a]\ncommand={' '.join(self.words)}\nstartsecs=0\nautorestart=unexpected\nstopwaitsecs=1\n"
            "stopasgroup=true\nkillasgroup=true\n"
        )
        return self.stack.enter_context(running([program("supervisord") or "", "-c", str(config)]))

    def stop(self) -> None:
        """By supervisorctl."""
        subprocess.run(
            [program("supervisorctl") or "", "-c", str(self.folder / "supervisord.conf"), "stop", "a"],
            capture_output=True,
            check=False,
        )


class Monit(Rival):
    """Looked at once a second, by its pid file; a port is checked where there is one."""

    def start(self) -> subprocess.Popen[bytes]:
        """With its control port."""
        port, pid = free_port(), self.folder / "server.pid"
        script(self.folder / "start", f"setsid {' '.join(self.words)} </dev/null >/dev/null 2>&1 &\necho $! > {pid}")
        script(self.folder / "stop", f"kill $(cat {pid})")
        looks = (
            f"  if failed port {self.words[-1]} protocol http with timeout 1 seconds then restart\n"
            if self.role == "web"
            else ""
        )
        config = self.folder / "monitrc"
        config.write_text(
            f"set daemon 1\nset pidfile {self.folder}/monit.pid\nset idfile {self.folder}/id\n"
            f"set statefile {self.folder}/state\nset httpd port {port} and use address 127.0.0.1 allow localhost\n"
            f"check process a with pidfile {pid}\n"
            f'  start program = "{self.folder}/start"\n  stop program = "{self.folder}/stop"\n{looks}'
        )
        config.chmod(0o600)
        return self.stack.enter_context(running([program("monit") or "", "-I", "-c", str(config)]))

    def stop(self) -> None:
        """By its own command line."""
        subprocess.run(
            [program("monit") or "", "-c", str(self.folder / "monitrc"), "stop", "a"], capture_output=True, check=False
        )


def killed(one: Rival) -> str:
    """Kill -9 of the server."""
    (old,) = one.pids()
    os.kill(old, signal.SIGKILL)
    took = one.until(lambda: [pid for pid in one.pids() if pid != old])
    return f"back after {took:.2f} s" if took >= 0 else "not back"


def stopped(one: Rival) -> str:
    """SIGSTOP of the server."""
    if isinstance(one, Supervisord):
        return "cannot: it looks at no answers"
    time.sleep(3)
    (old,) = one.pids()
    os.kill(old, signal.SIGSTOP)
    took = one.until(lambda: [pid for pid in one.pids() if pid != old] and old not in one.pids(), 30)
    return (
        f"replaced after {took:.2f} s, without evidence"
        if took >= 0
        else "not replaced within 30 s: its stop waits for the stopped"
    )


def crash_loop(one: Rival) -> str:
    """A server that ends at once."""
    time.sleep(PATIENCE)
    seen: set[int] = set()
    one.until(lambda: seen.update(one.pids()), 8)
    return "still tried" if seen else "given up"


def ended_well(one: Rival) -> str:
    """Exit 0."""
    one.until(lambda: not one.pids(), 5)
    back = one.until(one.pids, 5)
    return "left ended" if back < 0 else "started again: it cannot tell the exit"


def crowd(one: Rival) -> str:
    """A stop with thirty children."""
    task = Path(f"/proc/{one.pids()[0]}")
    one.until(lambda: len((task / "task" / task.name / "children").read_text().split()) >= 30)
    children = (task / "task" / task.name / "children").read_text().split()
    one.stop()
    time.sleep(5)
    left = [int(pid) for pid in children if is_alive(int(pid))]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return f"{len(left)} children are left behind" if left else "all are gone"


def deaf(one: Rival) -> str:
    """A server that ignores SIGTERM."""
    time.sleep(1)
    began = time.monotonic()
    one.stop()
    took = one.until(lambda: not one.pids())
    return f"killed after {time.monotonic() - began:.1f} s" if took >= 0 else "runs on: it is never killed"


def silent(one: Rival) -> str:
    """A server that closes its output."""
    before = one.pids()
    time.sleep(3)
    return "nothing happens to it" if one.pids() == before else "it is restarted"


def supervisor_killed(one: Rival) -> str:
    """Kill -9 of the supervisor, and another one started."""
    before = one.pids()
    one.process.kill()
    one.process.wait()
    one.process = one.start()
    time.sleep(4)
    after = one.pids()
    if after == before:
        return "the server is untouched and taken over"
    return f"{len(after)} copies run" if len(after) > 1 else "the server was replaced"


ROWS: dict[str, Callable[[Rival], str] | str] = {
    "kill -9 of a server": killed,
    "SIGSTOP of a server": stopped,
    "a server that ends at once, again and again": crash_loop,
    "exit 0": ended_well,
    "thirty children that ignore SIGTERM": crowd,
    "a server that ignores SIGTERM": deaf,
    "a server that closes its output": silent,
    "a server that forks twice": "cannot: it wants a foreground process, or a pid file that the server writes",
    "the disk of the logs full": "not tried",
    "the agent killed at random moments": supervisor_killed,
    "the hub killed": "has none",
    "agent and keeper killed together": supervisor_killed,
    "the clock set a day forward, then back": "not tried",
    "a server's pid given to a stranger": "not tried",
}


def main() -> None:
    """Every row: ours, then each rival that is here."""
    noise, rows = Noise(), []
    only = os.environ.get("BENCH_ROWS", "")
    for case in CASES:
        if only and not re.search(only, case.fault):
            continue
        with tempfile.TemporaryDirectory(prefix="fault-") as folder:
            try:
                mine = why_not(case) or "{0.text} ({0.seconds:.2f} s)".format(play(case, Path(folder)))
            except AssertionError as fault:
                mine = f"NOT AS EXPECTED: {str(fault).splitlines()[0]}"
        row = [case.fault, mine]
        deed = ROWS.get(case.fault, "not tried")
        for rival, needed in ((Supervisord, "supervisord"), (Monit, "monit")):
            row.append(_tried(rival, deed, case.servers[0]) if program(needed) else "not installed")
        rows.append(row)
        noise.look()
    table("faults", ["fault", "Watchkeeper", "supervisord", "monit, every 1 s"], rows, str(noise))


def _tried(rival: type[Rival], deed: Callable[[Rival], str] | str, role: str) -> str:
    if isinstance(deed, str):
        return deed
    with tempfile.TemporaryDirectory(prefix="rival-") as folder:
        one = rival(Path(folder), role)
        try:
            if role not in {"loop", "once"} and one.until(one.pids) < 0:
                return "it does not start the server"
            time.sleep(1.0)
            return deed(one)
        finally:
            one.close()


if __name__ == "__main__":
    main()
