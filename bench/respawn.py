"""From kill -9 of a supervised server to its successor's first act; beside a bare start of it, and other supervisors.

The server's first act is to send its pid and the monotonic clock to a socket, the same for all. Rounds go from one supervisor
to the next, so a noisy minute hits all alike; what counts is the difference to the bare start of the same round. BENCH_KILLS
sets how many (60; a quarter of it for those that take a second and more); which rivals are here: `_rivals`.
"""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from _noise import Noise, table
from _rivals import RIVALS, SLOW, program

KILLS = int(os.environ.get("BENCH_KILLS", "60"))
LIFE_SECONDS = 1.2
"""Each victim has lived so long: runit and s6 pause for a second after a shorter life."""
CODE = (
    "import socket,os,time,sys\n"
    "socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM).sendto(b'%d %d'%(os.getpid(),time.monotonic_ns()),sys.argv[1])\n"
    "time.sleep(1000)\n"
)


class Births:
    """Where the servers of one supervisor report."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "births"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.settimeout(30)
        script = folder / "victim.py"
        script.write_text(CODE)
        self.command = [sys.executable, "-I", "-S", str(script), str(self.path)]

    def next(self) -> tuple[int, int]:
        """Pid and time (ns) of the next one."""
        pid, at = self._socket.recv(100).split()
        return int(pid), int(at)


def bare(births: Births) -> float:
    """Milliseconds from asking for a process to its first act."""
    began = time.monotonic_ns()
    process = subprocess.Popen(births.command, start_new_session=True)
    _, at = births.next()
    process.kill()
    process.wait()
    return (at - began) / 1e6


def killed(births: Births, pid: int) -> tuple[float, int]:
    """Milliseconds from a kill to the successor's first act, and who that is."""
    began = time.monotonic_ns()
    os.kill(pid, signal.SIGKILL)
    pid, at = births.next()
    return (at - began) / 1e6, pid


def main() -> None:
    noise = Noise()
    seen: dict[str, list[float]] = {"a bare start": []}
    beyond: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="wk-bench-") as name, ExitStack() as stack:
        home = Path(name)
        places: dict[str, tuple[Births, int, float]] = {}
        for number, (rival, (needed, start)) in enumerate(RIVALS.items()):
            if program(needed):
                folder = home / str(number)
                folder.mkdir()
                births = Births(folder)
                start(stack, folder, births.command)
                places[rival] = births, births.next()[0], time.monotonic()
                seen[rival], beyond[rival] = [], []
        (home / "bare").mkdir()
        alone = Births(home / "bare")
        time.sleep(2)
        for turn in range(KILLS):
            time.sleep(0.1)
            floor = bare(alone)
            seen["a bare start"].append(floor)
            for rival, (births, pid, born) in places.items():
                if rival in SLOW and turn % 4:
                    continue
                time.sleep(max(0.1, born + LIFE_SECONDS - time.monotonic()))
                took, successor = killed(births, pid)
                places[rival] = births, successor, time.monotonic()
                seen[rival].append(took)
                beyond[rival].append(took - floor)
            if turn % 10 == 0:
                noise.look()
    rows = []
    for rival, times in seen.items():
        ordered = sorted(times)
        p99 = ordered[min(len(ordered) - 1, round(len(ordered) * 0.99))]
        more = f"{statistics.median(beyond[rival]):+.1f}" if rival in beyond else ""
        rows.append([rival, len(times), f"{statistics.median(times):.1f}", f"{p99:.1f}", f"{ordered[-1]:.1f}", more])
    heads = ["", "kills", "p50 ms", "p99 ms", "max ms", "p50 over the bare start"]
    table("respawn", heads, rows, f"goal: a bare start + 10 ms p50, + 50 ms max\n  {noise}")


if __name__ == "__main__":
    main()
