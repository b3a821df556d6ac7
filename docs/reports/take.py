"""Put the targets of the published reports under load anew: `python docs/reports/build.py --run [FOLDER …]` comes in here.

Each target is started, held to a slice of the first processor (a CPU quota, so that it and not the load is the limit),
loaded by ``watchkeeper stress run`` with the plan of its folder, which goes before what else runs, and stopped. The Cloud Server runs as
people run it: supervised, with hub and agent, which see it too. Needs Linux and the right to make a control group.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
CORES = sorted(os.sched_getaffinity(0))
PERIOD, QUOTA = 10_000, 1_500
"""µs: the target has so much of the first processor in each period."""
GROUP = "watchkeeper-reports"
VALID = {0, 98, 99}
"""Exit codes of a run that came to its end."""
TOKEN = "a-token-of-this-report"  # noqa: S105  # it opens nothing but a server on loopback, for minutes
HUB = "127.0.0.1:28764"


class Target(NamedTuple):
    """One that a report is about. `port` it listens on; `start` yields once it may be loaded; `asked`: words of the run."""

    port: int
    start: Callable[[Path], contextlib.AbstractContextManager[None]]
    asked: tuple[str, ...]
    times: int = 1


def take(folder: Path, many: int = 0) -> list[Path]:
    """Run a folder's plan as often as it is published (or `many` times); the records' folders. Raises SystemExit."""
    target = TARGETS[folder.name]
    work = Path(tempfile.mkdtemp(prefix="watchkeeper-report-"))
    work.chmod(0o755)  # nginx' workers are somebody else
    for path in folder.iterdir():
        if path.suffix in {".toml", ".conf", ".py"}:
            shutil.copy(path, work)
    found = []
    with target.start(work), slice_of(listeners(target.port)):
        while len(found) < (many or target.times):
            print(f"{folder.name}: run {len(found) + 1} of {many or target.times}", flush=True)
            found.append(_run(work, target) or _run(work, target) or sys.exit(f"{folder.name}: see {work / 'run.log'}"))
    return found


def _run(work: Path, target: Target) -> Path | None:
    """One run; None when it did not come to its end: an alert of this machine may have ended it, and the next one may do."""
    data = work / "data" / "stress"
    before = set(data.glob("*/run.json"))
    words = [
        "nice",
        "-n",
        "-10",
        "watchkeeper",
        "stress",
        "run",
        "plan.toml",
        *target.asked,
        "--data",
        str(data.parent),
        "--json",
    ]
    with (work / "run.log").open("ab") as log:
        done = subprocess.run(words, cwd=work, env=environment(), stdout=log, stderr=log, check=False)
    fresh = set(data.glob("*/run.json")) - before
    return fresh.pop().parent if done.returncode in VALID and fresh else None


# -- targets -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def cloud_server(work: Path) -> Iterator[None]:
    """Supervised: a hub and an agent, which starts it."""
    words = ["watchkeeper", "up", "--config", "watchkeeper.toml", "--data", str(work / "data"), "--listen", HUB]
    with running(words, work, 28765):
        yield


@contextlib.contextmanager
def nginx(work: Path) -> Iterator[None]:
    """One worker, with a page of 64 KiB that is a little hard to compress."""
    (work / "html").mkdir()
    (work / "html" / "page.txt").write_text(
        "".join(f"line {number}: {number * 7919 % 10_007}\n" for number in range(4000))[:65_536]
    )
    (work / "token").write_text(TOKEN)
    with running(["nginx", "-p", str(work), "-c", "nginx.conf"], work, 28767):
        yield


@contextlib.contextmanager
def websockets(work: Path) -> Iterator[None]:
    """A process of this Python."""
    (work / "token").write_text(TOKEN)
    with running([sys.executable, "server.py", "28768", TOKEN], work, 28768):
        yield


TARGETS = {
    "cloud-server": Target(28765, cloud_server, ("--target", "cloud", "--config", "watchkeeper.toml"), 3),
    "nginx": Target(28767, nginx, ("--target", "http://127.0.0.1:28767/")),
    "websockets": Target(28768, websockets, ("--target", "ws://127.0.0.1:28768/")),
}


# -- leaves ------------------------------------------------------------------------------------------


def environment() -> dict[str, str]:
    """With the programs beside this Python, and the sources beside this file."""
    found = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    return found | {"PYTHONPATH": str(HERE.parent.parent / "src")}


def on_the_first(words: Sequence[str]) -> list[str]:
    """A command that runs on the first processor alone: the worker that makes the load has another one to itself."""
    return ["taskset", "-c", str(CORES[0]), *words]


@contextlib.contextmanager
def running(words: Sequence[str], work: Path, port: int) -> Iterator[None]:
    """A program on the first processor, from when it listens until it has ended; SystemExit when it does not come up."""
    with (work / "target.log").open("ab") as log:
        process = subprocess.Popen(
            on_the_first(words), cwd=work, env=environment(), stdout=log, stderr=log, start_new_session=True
        )
    try:
        for _ in range(300):
            if process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                time.sleep(3)  # for its first figures
                break
            time.sleep(0.1)
        if not listeners(port):
            sys.exit(f"{words[0]} does not listen on port {port}; see {work / 'target.log'}")
        yield
    finally:
        served = listeners(port)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        for pid in (process.pid, *served):  # a supervised server outlives its supervisor
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 15)


def listeners(port: int) -> list[int]:
    """The processes that have a listening port of 127.0.0.1 open."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port}
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                if any(str(one.readlink()) in inodes for one in (process / "fd").iterdir()):
                    found.append(int(process.name))
    return found


@contextlib.contextmanager
def slice_of(pids: Sequence[int]) -> Iterator[None]:
    """Hold processes to their part of a processor, by whichever control groups this kernel has; SystemExit without."""
    root = Path("/sys/fs/cgroup")
    first = (root / "cgroup.controllers").exists()
    group = (root if first else root / "cpu") / GROUP
    home = group.parent / "cgroup.procs"
    try:
        group.mkdir(exist_ok=True)
        if first:
            (root / "cgroup.subtree_control").write_text("+cpu")
            (group / "cpu.max").write_text(f"{QUOTA} {PERIOD}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(QUOTA))
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid))
    except OSError as fault:
        sys.exit(f"the target cannot be held to a slice of a processor: {fault}")
    try:
        yield
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                home.write_text(pid)
        with contextlib.suppress(OSError):
            group.rmdir()
