"""From a hang to the successor's first act, evidence saved first; and what a server that will not stop costs another.

The server's first act is to send its pid and the monotonic clock to a socket; then its only thread answers HTTP. It is
stopped (SIGSTOP), or told to wait for a lock that it holds itself. Ours is the real agent with a probe every 0.5 s, its
back-off set back by a run of 100 ms, so that each restart is a first one. That the evidence was on the disk before the
successor began is checked by its file's time stamp. BENCH_HANGS sets how many of each kind (12).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from _noise import Noise, table
from respawn import Births

HANGS = int(os.environ.get("BENCH_HANGS", "12"))
PORT = int(os.environ.get("BENCH_PORT", "18341"))
VICTIM = """
import os, socket, sys, threading, time
page = socket.create_server(("127.0.0.1", int(sys.argv[2])))
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"%d %d" % (os.getpid(), time.monotonic_ns()), sys.argv[1])
while True:
    one, _ = page.accept()
    if one.recv(1000).startswith(b"GET /lock"):
        lock = threading.Lock()
        lock.acquire(), lock.acquire()
    one.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
    one.close()
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)"


def settings(births: Births, misses: int, port: int = PORT) -> str:
    """A configuration with the victim alone."""
    words = [sys.executable, "-I", "-S", "-c", VICTIM, str(births.path), str(port)]
    return f"""
[machine]
name = "bench"
[agent.control]
automatic = 1000
[server.victim]
command = {json.dumps(words)}
backoff = {{ first = "100ms", stable = "100ms" }}
[server.victim.liveness]
misses = {misses}
[[server.victim.probe]]
kind = "http"
url = "http://127.0.0.1:{port}/"
period = "500ms"
"""


@contextmanager
def agent(folder: Path, text: str) -> Iterator[subprocess.Popen[bytes]]:
    """The agent, alone: it needs no hub to keep servers."""
    config = folder / "watchkeeper.toml"
    config.write_text(text)
    words = [sys.executable, "-m", "watchkeeper", "agent", "--config", str(config), "--data", str(folder / "data")]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def stop(pid: int) -> None:
    """The kernel holds it."""
    os.kill(pid, signal.SIGSTOP)


def block(_pid: int) -> None:
    """It holds itself."""
    with contextlib.suppress(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{PORT}/lock", timeout=0.01).close()


def hangs(folder: Path, misses: int, spoil: Callable[[int], None]) -> tuple[list[float], list[float], int]:
    """Milliseconds from each hang to the successor's first act, and those that evidence took; how often it came first."""
    folder.mkdir()
    births = Births(folder)
    seen: list[float] = []
    first = 0
    archive = folder / "data" / "agent" / "evidence"
    with agent(folder, settings(births, misses)):
        pid, _ = births.next()
        for number in range(HANGS):
            time.sleep(1.3 + 0.5 * number / HANGS)  # anywhere between two probes
            known = set(archive.glob("*.json"))
            began = time.monotonic_ns()
            spoil(pid)
            pid, at = births.next()
            seen.append((at - began) / 1e6)
            born = time.time_ns() - (time.monotonic_ns() - at)
            first += any(path.stat().st_mtime_ns < born for path in set(archive.glob("*.json")) - known)
        took = [1000 * json.loads(path.read_bytes())["seconds"] for path in archive.glob("*.json")]
    return seen, took, first


def restarts(births: Births, pid: int, count: int) -> tuple[list[float], int]:
    """Milliseconds from each kill -9 to the successor's first act."""
    seen = []
    for _ in range(count):
        time.sleep(0.2)
        began = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        pid, at = births.next()
        seen.append((at - began) / 1e6)
    return seen, pid


def beside_a_stubborn_one(folder: Path) -> tuple[list[float], list[float]]:
    """The same kills, first alone, then while another server refuses to stop, is looked at and at last killed."""
    folder.mkdir()
    births = Births(folder)
    alone = settings(births, 3, PORT + 1)
    other = f'[server.stubborn]\ncommand = {json.dumps([sys.executable, "-c", STUBBORN])}\nstop_grace = "3s"\n'
    with agent(folder, alone + other) as process:
        pid, _ = births.next()
        time.sleep(1)
        calm, pid = restarts(births, pid, HANGS)
        (folder / "watchkeeper.toml").write_text(alone)
        process.send_signal(signal.SIGHUP)
        busy, _ = restarts(births, pid, 3 * HANGS // 2)
    return calm, busy


def row(name: str, seen: list[float], more: str = "") -> list[str]:
    """A line of the table."""
    return [name, str(len(seen)), f"{statistics.median(seen):.0f}", f"{max(seen):.0f}", more]


def main() -> int:
    """Print both tables."""
    noise = Noise()
    kinds = [
        ("SIGSTOP, 2 misses", 2, stop),
        ("blocked on its own lock, 2 misses", 2, block),
        ("SIGSTOP, 3 misses (the default)", 3, stop),
    ]
    rows = []
    with tempfile.TemporaryDirectory(prefix="wk-hang-") as name:
        for number, (title, misses, spoil) in enumerate(kinds):
            seen, took, first = hangs(Path(name) / str(number), misses, spoil)
            noise.look()
            rows.append(row(title, seen, f"{first} of {len(seen)} before; took {statistics.median(took):.0f}/{max(took):.0f}"))
        calm, busy = beside_a_stubborn_one(Path(name) / "stubborn")
    table(
        "Hang -> the successor's first act, ms, probe every 0.5 s",
        ["fault", "n", "p50", "max", "evidence: saved before; ms p50/max"],
        rows,
    )
    added = statistics.median(busy) - statistics.median(calm)
    table(
        "kill -9 -> the successor's first act, ms, beside a server that ignores SIGTERM (grace 3 s)",
        ["beside", "n", "p50", "max", ""],
        [row("nothing", calm), row("it", busy, f"{added:+.1f} ms at p50")],
        str(noise),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
