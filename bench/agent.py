"""What the agent costs: CPU a minute and memory, at 1 s and at 5 s, linked to a hub, with one supervised server.

Once with the server alone, once with a probe of it and its page of 130 figures asked in each round as well.
node_exporter, scraped over HTTP as often as the agent reads, stands beside it in the same minute (Debian's
prometheus-node-exporter; left out where it is not installed); whoever scrapes pays again. As root it runs in a
network namespace with six more interfaces, so that this machine has as many series as a common one.
BENCH_SECONDS sets the length (60).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from _noise import Noise, table

SECONDS = float(os.environ.get("BENCH_SECONDS", "60"))
TICK = os.sysconf("SC_CLK_TCK")
SERVER = Path(__file__).with_name("_server.py")


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def cpu(pid: int) -> float:
    """CPU seconds of a process, from the scheduler's own clock (proc(5): schedstat, nanoseconds)."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def memory(pid: int) -> float:
    """PSS in MiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return float("nan")


class Watched:
    """A hub and an agent on a folder of their own."""

    def __init__(self, stack: ExitStack, folder: Path, period: str, *, asked: bool) -> None:
        folder.mkdir()
        port = free_port()
        config = folder / "bench.toml"
        text = f'[agent]\nperiod = "{period}"\n[server.bench]\ncommand = ["{sys.executable}", "{SERVER}", "{port}"]\n'
        if asked:
            text += f'[[server.bench.probe]]\nkind = "tcp"\nport = {port}\n'
            text += f'[[server.bench.metrics]]\nurl = "http://127.0.0.1:{port}/"\n'
        config.write_text(text)
        shared = ["--config", str(config), "--data", str(folder / "data"), "--log-level", "error"]
        self.hub = start(stack, [sys.executable, "-m", "watchkeeper", "hub", *shared, "--listen", f"127.0.0.1:{free_port()}"])
        self.agent = start(stack, [sys.executable, "-m", "watchkeeper", "agent", *shared])
        self.period = period
        self.folder = folder
        self.name = "agent, probe and page in each round" if asked else "agent"


def start(stack: ExitStack, command: list[str]) -> subprocess.Popen[bytes]:
    """A program that ends with the bench."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end() -> None:
        process.terminate()
        process.wait()

    stack.callback(end)
    return process


def scrape(url: str, period: float, stop: threading.Event) -> None:
    """Ask a page again and again."""
    while not stop.wait(period):
        with urllib.request.urlopen(url, timeout=5) as answer:
            answer.read()


def main() -> None:
    """Measure, in a namespace of its own where that can be had."""
    if os.geteuid() == 0 and shutil.which("ip") and os.environ.get("BENCH_INSIDE") is None:
        name = f"wk-bench-{os.getpid()}"
        run = partial(subprocess.run, check=True)
        run(["ip", "netns", "add", name])
        try:
            run(["ip", "-n", name, "link", "set", "lo", "up"])
            for number in range(6):
                run(["ip", "-n", name, "link", "add", f"wk{number}", "type", "bridge"])
            inside = {**os.environ, "BENCH_INSIDE": "1"}
            run(["ip", "netns", "exec", name, sys.executable, __file__], env=inside)
        finally:
            run(["ip", "netns", "del", name])
    else:
        measure()


def measure() -> None:
    """Run everything side by side for a minute."""
    noise = Noise()
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="wk-bench-") as folder:
        agents = [
            Watched(stack, Path(folder) / f"{period}-{asked}", period, asked=asked)
            for asked in (False, True)
            for period in ("1s", "5s")
        ]
        exporters = []
        stop = threading.Event()
        stack.callback(stop.set)
        if program := shutil.which("prometheus-node-exporter") or shutil.which("node_exporter"):
            for period in (1.0, 5.0):
                port = free_port()
                exporters.append((period, start(stack, [program, f"--web.listen-address=127.0.0.1:{port}"])))
                time.sleep(1)
                threading.Thread(target=scrape, args=(f"http://127.0.0.1:{port}/metrics", period, stop), daemon=True).start()
        time.sleep(12)
        measured = [(one.name, one.period, one.agent, str(count(one.folder / "data"))) for one in agents]
        measured += [("its hub", one.period, one.hub, "") for one in agents[:2]]
        measured += [("node_exporter, scraped", f"{period:.0f}s", process, "") for period, process in exporters]
        before = [cpu(process.pid) for _, _, process, _ in measured]
        began = time.monotonic()
        time.sleep(SECONDS)
        after = [cpu(process.pid) for _, _, process, _ in measured]
        minutes = (time.monotonic() - began) / 60
        noise.look()
        rows = [
            [name, period, series, f"{(last - first) / minutes:.3f}", f"{memory(process.pid):.1f}"]
            for (name, period, process, series), first, last in zip(measured, before, after, strict=True)
        ]
    goal = "goal for the agent: 0.12 CPU-s a minute at 1 s with 450 series, 0.03 at 5 s; PSS 22 MiB"
    table("agent", ["program", "period", "series", "CPU-s / min", "PSS MiB"], rows, f"{goal}\n  {noise}")


def count(data: Path) -> int:
    """Series of each round, from the agent's layouts on its spool; those of slower collectors aside."""
    import msgspec  # noqa: PLC0415  # the only use

    from watchkeeper.model import Dictionary  # noqa: PLC0415  # the same

    layouts = (data / "agent" / "spool").glob("*.layout")
    return max(len(msgspec.msgpack.decode(path.read_bytes(), type=Dictionary).series) for path in layouts)


if __name__ == "__main__":
    main()
