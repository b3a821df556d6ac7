"""From kill -9 of a supervised server to its successor's first act; beside a bare start of it, and supervisord.

The server's first act is to send its pid and the monotonic clock to a socket, the same for all. Ours is the real
agent, its back-off set back by a run of 100 ms, so that each restart is a first one. supervisord (Debian's package;
left out where it is not installed) has startsecs=0. BENCH_KILLS sets how many (60).
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from _noise import Noise, table

KILLS = int(os.environ.get("BENCH_KILLS", "60"))
CODE = (
    "import socket,os,time,sys;socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)"
    ".sendto(b'%d %d'%(os.getpid(),time.monotonic_ns()),sys.argv[1]);time.sleep(1000)"
)


class Births:
    """Where servers report."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(30)

    @property
    def command(self) -> list[str]:
        """The server."""
        return [sys.executable, "-I", "-S", "-c", CODE, str(self.path)]

    def next(self) -> tuple[int, int]:
        """Pid and time (ns) of the next one."""
        pid, at = self._socket.recv(100).split()
        return int(pid), int(at)


def killed(births: Births, pid: int) -> list[float]:
    """Milliseconds from each kill to the successor's first act."""
    seen = []
    for _ in range(KILLS):
        time.sleep(0.15)
        began = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        pid, at = births.next()
        seen.append((at - began) / 1e6)
    return seen


def bare(births: Births) -> list[float]:
    """Milliseconds from asking for a process to its first act."""
    seen = []
    for _ in range(KILLS):
        began = time.monotonic_ns()
        process = subprocess.Popen(births.command, start_new_session=True)
        _, at = births.next()
        seen.append((at - began) / 1e6)
        process.kill()
        process.wait()
    return seen


@contextmanager
def running(command: list[str]) -> Iterator[None]:
    """A supervisor, ended at the end."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def ours(folder: Path, births: Births) -> list[float]:
    """The agent, alone: it needs no hub to keep servers."""
    words = ", ".join(repr(word) if '"' in word else f'"{word}"' for word in births.command)
    config = folder / "bench.toml"
    config.write_text(f"[server.bench]\ncommand = [{words}]\n[server.bench.backoff]\nstable = '100ms'\n")
    shared = ["--config", str(config), "--data", str(folder / "data"), "--log-level", "error"]
    with running([sys.executable, "-m", "watchkeeper", "agent", *shared]):
        pid, _ = births.next()
        return killed(births, pid)


def supervisord(program: str, folder: Path, births: Births) -> list[float]:
    """The rival."""
    script = folder / "server.py"
    script.write_text(CODE)
    config = folder / "supervisord.conf"
    config.write_text(
        f"[supervisord]\nnodaemon=true\nlogfile={folder}/log\npidfile={folder}/pid\nchildlogdir={folder}\n"
        f"[program:bench]\ncommand={sys.executable} -I -S {script} {births.path}\n"
        "startsecs=0\nautorestart=true\nstartretries=1000\n"
    )
    with running([program, "-c", str(config)]):
        pid, _ = births.next()
        return killed(births, pid)


def main() -> None:
    noise = Noise()
    with tempfile.TemporaryDirectory(prefix="wk-bench-") as folder:
        births = Births(Path(folder) / "births")
        found = {"a bare start": bare(births), "Watchkeeper": ours(Path(folder), births)}
        noise.look()
        if program := shutil.which("supervisord"):
            found["supervisord"] = supervisord(program, Path(folder), births)
        noise.look()
    rows = []
    for name, seen in found.items():
        ordered = sorted(seen)
        p99 = ordered[min(len(ordered) - 1, round(len(ordered) * 0.99))]
        rows.append([name, f"{statistics.median(seen):.1f}", f"{p99:.1f}", f"{ordered[-1]:.1f}"])
    heads = ["", "p50 ms", "p99 ms", "max ms"]
    table(f"respawn, {KILLS} kills", heads, rows, f"goal: a bare start + 10 ms p50, + 50 ms max\n  {noise}")


if __name__ == "__main__":
    main()
