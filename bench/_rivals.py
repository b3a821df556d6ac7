"""Supervisors side by side, each keeping the same victim: ours, and those of the field that are installed here.

All run at once and idle until their victim is killed, so that rounds can go from one to the next and a noisy minute hits all
alike. Programs are found on PATH, beside this Python, or in the folders of BENCH_PATH; what is not there is left out.
Each is set up as its users would for a quick restart: no pause where a pause can be set.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

Command = Sequence[str]


def program(name: str) -> str | None:
    """Where it is."""
    places = [os.environ.get("BENCH_PATH", ""), os.environ["PATH"], str(Path(sys.executable).parent), "/usr/sbin"]
    return shutil.which(name, path=":".join(place for place in places if place))


@contextmanager
def running(command: Command) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor, ended at the end."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ours(stack: ExitStack, folder: Path, victim: Command) -> None:
    """The agent, alone: it needs no hub to keep servers. A run of 100 ms sets the back-off back."""
    words = ", ".join(f"'{word}'" if '"' in word else f'"{word}"' for word in victim)
    config = folder / "bench.toml"
    config.write_text(f"[server.bench]\ncommand = [{words}]\n[server.bench.backoff]\nstable = '100ms'\n")
    shared = ["--config", str(config), "--data", str(folder / "data"), "--log-level", "error"]
    stack.enter_context(running([sys.executable, "-m", "watchkeeper", "agent", *shared]))


def supervisord(stack: ExitStack, folder: Path, victim: Command) -> None:
    """No startsecs, retries enough."""
    config = folder / "supervisord.conf"
    config.write_text(
        f"[supervisord]\nnodaemon=true\nlogfile={folder}/log\npidfile={folder}/pid\nchildlogdir={folder}\n"
        f"[program:bench]\ncommand={' '.join(victim)}\nstartsecs=0\nautorestart=true\nstartretries=100000\n"
    )
    stack.enter_context(running([program("supervisord") or "", "-c", str(config)]))


def circus(stack: ExitStack, folder: Path, victim: Command) -> None:
    """Looked at ten times a second, no warm-up."""
    config = folder / "circus.ini"
    config.write_text(
        f"[circus]\ncheck_delay = 0.1\nendpoint = ipc://{folder}/e\npubsub_endpoint = ipc://{folder}/p\n"
        f"[watcher:bench]\ncmd = {' '.join(victim)}\nnumprocesses = 1\nwarmup_delay = 0\nmax_retry = -1\n"
    )
    stack.enter_context(running([program("circusd") or "", str(config)]))


def runit(stack: ExitStack, folder: Path, victim: Command) -> None:
    """One service under its runsv."""
    script(folder / "run", f"exec {' '.join(victim)}")
    stack.enter_context(running([program("runsv") or "", str(folder)]))


def s6(stack: ExitStack, folder: Path, victim: Command) -> None:
    """One service under its s6-supervise."""
    script(folder / "run", f"exec {' '.join(victim)}")
    stack.enter_context(running([program("s6-supervise") or "", str(folder)]))


def pm2(stack: ExitStack, folder: Path, victim: Command) -> None:
    """In the foreground, as in a container; retries enough."""
    config = folder / "bench.config.json"
    name, *words = victim
    app = {"name": "bench", "script": name, "interpreter": "none", "args": words, "restart_delay": 0, "max_restarts": 100000}
    config.write_text(json.dumps({"apps": [app]}))
    home = f"PM2_HOME={folder}/home"
    stack.enter_context(running(["env", home, program("pm2-runtime") or "", "start", str(config)]))


def monit(stack: ExitStack, folder: Path, victim: Command) -> None:
    """Looked at once a second: the shortest it has."""
    script(folder / "start", f"setsid {' '.join(victim)} </dev/null >/dev/null 2>&1 &\necho $! > {folder}/pid")
    config = folder / "monitrc"
    config.write_text(
        f"set daemon 1\nset pidfile {folder}/monit.pid\nset idfile {folder}/id\nset statefile {folder}/state\n"
        f'check process bench with pidfile {folder}/pid\n  start program = "{folder}/start"\n  stop program = "/bin/true"\n'
    )
    config.chmod(0o600)

    def end() -> None:
        subprocess.run(["pkill", "-9", "-F", str(folder / "pid")], check=False)

    stack.callback(end)
    stack.enter_context(running([program("monit") or "", "-I", "-c", str(config)]))


def script(path: Path, line: str) -> None:
    """A shell script, as these want one."""
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


RIVALS: dict[str, tuple[str, Callable[[ExitStack, Path, Command], None]]] = {
    "Watchkeeper": ("true", ours),
    "runit": ("runsv", runit),
    "circus, every 0.1 s": ("circusd", circus),
    "pm2": ("pm2-runtime", pm2),
    "s6": ("s6-supervise", s6),
    "supervisord": ("supervisord", supervisord),
    "monit, every 1 s": ("monit", monit),
}
"""Who takes part: the program that must be there, and how it is started."""
SLOW = frozenset({"s6", "supervisord", "monit, every 1 s"})
"""A second and more for each restart: they are tried less often."""
