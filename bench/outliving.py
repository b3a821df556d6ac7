"""Kill -9 of the agent, of its keeper, and of both, over ten servers: what is touched, what is lost, how soon all is known.

The servers count lines into their logs every 2 ms with the monotonic clock, three of them past a rotation now and then.
An outage would be a gap between two lines of one server, a loss a number that is not there; a server is touched when its pid
changes. Re-adopted is when the new agent has every server in its hands again, from its own exec on (Python's start is within).
Then a minute in peace: what agent and keeper cost with ten servers, beyond what the same agent costs without any.
BENCH_KILLS sets how many kills of each kind (20), BENCH_SECONDS the length of the peace (60).
"""

from __future__ import annotations

import itertools
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _noise import Noise, table

KILLS = int(os.environ.get("BENCH_KILLS", "20"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "60"))
SERVERS = 10
COUNTING = (
    "import os,time\n"
    "number=0\n"
    "while True:\n"
    "    number+=1; os.write(1,b'%d %d\\n'%(number,time.monotonic_ns())); time.sleep(0.002)\n"
)


class Watched:
    """An agent without a hub, and what it keeps."""

    def __init__(self, folder: Path, servers: int, victim: str) -> None:
        folder.mkdir()
        self.data = folder / "data"
        self.run = self.data / "agent" / "run"
        script = folder / "victim.py"
        script.write_text(victim)
        config = folder / "bench.toml"
        command = f'command = ["{sys.executable}", "-I", "-S", "{script}"]'
        text = ""
        for number in range(servers):
            size = "64KiB" if number < 3 else "10MiB"
            text += f'[server.s{number}]\n{command}\nlog = {{ size = "{size}", keep = 100 }}\n'
        config.write_text(text)
        self._command = [sys.executable, "-m", "watchkeeper", "agent", "--config", str(config), "--data", str(self.data)]
        self.names = [f"s{number}" for number in range(servers)]
        self.start()
        while len(self.pids()) < servers:
            time.sleep(0.05)

    def start(self) -> None:
        """Start the agent, or another one."""
        self.agent = subprocess.Popen([*self._command, "--log-level", "error"], stdout=subprocess.DEVNULL)

    def pids(self) -> dict[str, int]:
        """Who runs, by the keeper's records."""
        found = {}
        for path in self.run.glob("*.run"):
            text = path.read_text(errors="replace")
            if "\nexecutable " in text and "\nended_at " not in text:
                found[path.stem] = int(text.split("\npid ")[1].split()[0])
        return found

    def keeper(self) -> int:
        """Its pid; 0 for none."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if f"keep\0{self.run}\0".encode() in path.read_bytes():
                    return int(path.parent.name)
            except OSError:
                continue
        return 0

    def known_again(self, since: float) -> float:
        """Seconds until the agent has written down of every server that it has it."""
        while time.time() - since < 30:
            lives = [self.run / f"{name}.life" for name in self.names]
            if all(path.exists() and path.stat().st_mtime > since for path in lives):
                return time.time() - since
            time.sleep(0.002)
        return float("nan")

    def kill(self, which: str) -> float:
        """Kill -9, and seconds until all is known again."""
        if which != "agent":
            os.kill(self.keeper(), signal.SIGKILL)
        if which == "keeper":
            began = time.time()
            while not (self.keeper() and (self.run / "keeper.socket").exists()):
                time.sleep(0.002)
            return time.time() - began
        self.agent.kill()
        self.agent.wait()
        time.sleep(0.1)
        began = time.time()
        self.start()
        return self.known_again(began)

    def end(self) -> None:
        """End all of it."""
        self.agent.terminate()
        self.agent.wait(60)


def lines(data: Path, name: str) -> list[tuple[int, int]]:
    """All that a server has written: number and time, over its rotated files."""
    log = data / "agent" / "logs" / f"{name}.log"
    paths = sorted(log.parent.glob(f"{log.name}.*[0-9]"), key=lambda path: -int(path.suffix[1:]))
    text = b"".join(path.read_bytes() for path in (*paths, log))
    return [(int(number), int(at)) for number, at in (line.split() for line in text.splitlines()[:-1])]


def deaths(home: Path, noise: Noise) -> None:
    """The first table."""
    rows = []
    one = Watched(home / "deaths", SERVERS, COUNTING)
    try:
        for which in ("nobody", "agent", "keeper", "agent and keeper"):
            before, began = one.pids(), time.monotonic_ns()
            again = []
            for _ in range(KILLS):
                time.sleep(0.25)
                if which != "nobody":
                    again.append(one.kill(which))
            time.sleep(0.2)
            touched = sum(one.pids().get(name) != pid for name, pid in before.items())
            lost, gaps = 0, []
            for name in one.names:
                found = lines(one.data, name)
                lost += found[-1][0] - found[0][0] + 1 - len(found)
                times = [at for _, at in found if at >= began]
                gaps.append(max(later - earlier for earlier, later in itertools.pairwise(times)) / 1e6)
            took = [f"{statistics.median(again):.2f}", f"{max(again):.2f}"] if again else ["", ""]
            rows.append([which, len(again), touched, lost, f"{max(gaps):.0f}", *took])
            noise.look()
    finally:
        one.end()
    heads = ["kill -9 of", "kills", "servers touched", "lines lost", "longest gap ms", "known again s p50", "max"]
    foot = "goal: 0 touched, 0 lost, gaps as with nobody killed, known again within 1 s\n  " + str(noise)
    table(f"outliving, {SERVERS} servers that write 500 lines a second each", heads, rows, foot)


def cpu(pid: int) -> float:
    """CPU seconds of a process, from the scheduler's own clock (proc(5): schedstat, nanoseconds)."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def memory(pid: int) -> float:
    """PSS in MiB."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(rollup.split("\nPss:")[1].split()[0]) / 1024


def peace(home: Path) -> None:
    """The second table."""
    rows = []
    both = [Watched(home / "ten", SERVERS, "import time\ntime.sleep(100000)\n"), Watched(home / "none", 0, "")]
    try:
        time.sleep(8)
        pids = [[one.agent.pid, one.keeper()] for one in both]
        before = [[cpu(pid) for pid in pair] for pair in pids]
        time.sleep(SECONDS)
        for one, pair, earlier in zip(both, pids, before, strict=True):
            spent = [(cpu(pid) - was) * 60000 / SECONDS for pid, was in zip(pair, earlier, strict=True)]
            rows.append(
                [f"{len(one.names)} servers", *[f"{each:.1f}" for each in spent], *[f"{memory(pid):.1f}" for pid in pair]]
            )
    finally:
        for one in both:
            one.end()
    heads = ["", "agent CPU ms/min", "keeper CPU ms/min", "agent PSS MiB", "keeper PSS MiB"]
    table(
        f"peace, {SECONDS:.0f} s, a round every 5 s",
        heads,
        rows,
        "goal: 60 CPU ms a minute more with ten servers, collectors aside",
    )


def main() -> None:
    noise = Noise()
    with tempfile.TemporaryDirectory(prefix="wk-bench-") as name:
        deaths(Path(name), noise)
        peace(Path(name))


if __name__ == "__main__":
    main()
