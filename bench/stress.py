"""What the stress lab's generator costs and holds: requests and messages a core, starts on time, recording, connections.

    python bench/stress.py [record] [http] [websocket] [time] [connections]

nginx answers HTTP, with wrk, hey and locust beside us where they are installed (LOCUST names its program). Each tool is
pinned to one core, the target to another; what is compared is processor time for each request, user and system, as that
drifts least on a shared machine. *Clean* figures leave out the moments in which the generator waited for its core.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from _noise import Noise, table
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from watchkeeper.stress.floor import BEAT, Floor
from watchkeeper.stress.health import LOOK, Watch, descriptors_allowed
from watchkeeper.stress.histogram import FOLD, Histogram, Recorder
from watchkeeper.stress.lane import Ground
from watchkeeper.stress.plan import place, read, settled
from watchkeeper.stress.run import Segment, Stage

SECONDS = 4.0
ROUNDS = 3
CORES = sorted(os.sched_getaffinity(0))
NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 19000; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}/html; }}
}}
"""
LOCUSTFILE = """
from locust import FastHttpUser, task, constant
class User(FastHttpUser):
    wait_time = constant(0)
    @task
    def get(self):
        self.client.get("/f")
"""


# -- one measurement, in a process of its own ----------------------------------------------------------


async def measure(  # noqa: PLR0915  # one measurement, from its beginning to its end
    url: str, lanes: int, model: str, level: float, seconds: float, spin: int
) -> dict[str, float]:
    """A stage on one floor: what it did, what it cost, and how late its starts were."""
    descriptors_allowed()
    plan, document = read({"plan": f'name = "bench"\n[target]\nurl = "{url}"\n[[phase]]\nkind = "pause"\n'})
    plan = settled(plan, document)
    assert plan.protocol is not None
    floor = Floor(plan.mix, 10.0, 0, 1, spin=spin)
    floor.make(plan.protocol.prepare(Ground(url, place(url), None, "", 10.0, 0, 1, 1)))
    floor.keeper.rate = 3000
    began = time.monotonic()
    cpu = time.process_time()
    floor.grow(lanes)
    while sum(floor.keeper.first_tries.values()) < lanes:  # noqa: ASYNC110  # once, at the beginning
        await asyncio.sleep(0.01)
    found = {"connect_s": time.monotonic() - began, "connect_us": (time.process_time() - cpu) / lanes * 1e6}
    found["connected"] = floor.connected
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    users = int(level) if model == "closed" else 0
    stage = Stage(0, 0, "bench", "bench", seconds, model=model, profile=(Segment(seconds, level, level),), users=users)  # type: ignore[arg-type]  # a word out of the table above
    over = asyncio.Event()
    watch = Watch(0)
    loop = asyncio.get_running_loop()
    beaten = 0.0

    def beat() -> None:
        nonlocal beaten
        if not over.is_set():
            loop.call_later(LOOK, beat)
        floor.tallies.mark(starved=watch.look())
        if loop.time() - beaten > BEAT:
            beaten = loop.time()
            floor.beat()

    floor.begin(stage, floor.clock() + 20_000_000, over.set)
    cpu = time.process_time()
    beat()
    await over.wait()
    cpu = time.process_time() - cpu
    tally = floor.tallies.all[-1]
    floor.tallies.mark(starved=watch.look())
    tally.fold()
    floor.tallies.lag.fold()
    floor.tallies.lag_starved.fold()
    found |= {"done": tally.done, "rate": tally.done / seconds, "cpu_us": cpu / max(tally.done, 1) * 1e6}
    found["errors"] = sum(tally.errors.values())
    found["starved"] = watch.told(0).starved / seconds
    lag = floor.tallies.lag.histogram or floor.tallies.lag_starved.histogram  # a machine too busy for any clean moment
    for name, histogram in (("lag", lag), ("latency", tally.latency.histogram)):
        if histogram is not None:
            found |= {f"{name}_{share}": histogram.quantile(share) / 1e3 for share in (0.5, 0.99, 0.999)}
            found[f"{name}_n"] = histogram.total
    found["rss"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    watch.close()
    await floor.close()
    return found


def apart(url: str, lanes: int, model: str, level: float, seconds: float = SECONDS, spin: int = 0) -> dict[str, float]:
    """The same in a process pinned to the last core; `model` ``bare``: picows alone."""
    words = [sys.executable, __file__, "--one", url, str(lanes), model, str(level), str(seconds), str(spin)]
    done = subprocess.run(on_core(-1, words), capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


class Bare(WSListener):
    """The least that a WebSocket generator can be: the next message once the answer is there, and its time in a list."""

    def __init__(self, took: list[int], message: bytes) -> None:
        """`took` gets a time in ns for each."""
        self.took, self.message, self.at = took.append, message, 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The first one."""
        self.at = time.monotonic_ns()
        transport.send(WSMsgType.BINARY, self.message)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002  # not even looked at
        """The next one."""
        now = time.monotonic_ns()
        self.took(now - self.at)
        self.at = now
        transport.send(WSMsgType.BINARY, self.message)


async def bare(url: str, lanes: int, seconds: float) -> dict[str, float]:
    """What picows alone costs, with no schedule, no counting and no check of what comes back."""
    took: list[int] = []
    for _ in range(lanes):
        await ws_connect(lambda: Bare(took, bytes(128)), url, read_buffer_init_size=2048)
    gc.collect()
    gc.freeze()
    before, cpu = len(took), time.process_time()
    await asyncio.sleep(seconds)
    cpu, done = time.process_time() - cpu, len(took) - before
    return {"rate": done / seconds, "cpu_us": cpu / max(done, 1) * 1e6}


def on_core(core: int, words: list[str]) -> list[str]:
    """A command that runs on one core alone."""
    return ["taskset", "-c", str(CORES[core]), *words]


# -- rivals ----------------------------------------------------------------------------------------------


def tool(words: list[str], count: Callable[[str], float]) -> tuple[float, float] | None:
    """Requests a second, and processor µs for each, of another tool on the last core; None when it is not here."""
    if not shutil.which(words[0]):
        return None
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(on_core(-1, words), capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    requests = count(done.stdout + done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (requests / SECONDS, cpu / requests * 1e6) if requests else None


def rivals(url: str, folder: Path) -> dict[str, Callable[[], tuple[float, float] | None]]:
    """What else makes HTTP load."""
    (folder / "locustfile.py").write_text(LOCUSTFILE)
    base = url.rsplit("/", 1)[0]
    locust = [os.environ.get("LOCUST", "locust"), "--headless", "-f", str(folder / "locustfile.py"), "-H", base]
    locust += ["-u", "64", "-r", "1000", "-t", f"{SECONDS:.0f}s", "--only-summary"]
    span = f"{SECONDS:.0f}s"
    return {
        "wrk (C)": lambda: tool(["wrk", "-t1", "-c64", f"-d{span}", url], lambda text: number(r"(\d+) requests in", text)),
        "hey (Go)": lambda: tool(
            ["hey", "-z", span, "-c", "64", "-cpus", "1", url], lambda text: number(r"\[200\]\s+(\d+) resp", text)
        ),
        "locust FastHttpUser": lambda: tool(locust, lambda text: number(r"Aggregated\s+(\d+)", text)),
    }


def number(pattern: str, text: str) -> float:
    """A figure out of a tool's words; 0 when it is not there."""
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0


# -- targets ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def nginx() -> Iterator[tuple[str, Path]]:
    """A file of 128 bytes, served from the first core; its address."""
    folder = Path(tempfile.mkdtemp(prefix="watchkeeper-bench-"))
    folder.chmod(0o755)  # nginx' workers are somebody else
    (folder / "html").mkdir()
    (folder / "html" / "f").write_bytes(b"x" * 128)
    port = 18_300 + os.getpid() % 500
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
    process = subprocess.Popen(on_core(0, ["nginx", "-c", str(folder / "nginx.conf")]), stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    try:
        yield f"http://127.0.0.1:{port}/f", folder
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def echo(kind: str) -> Iterator[str]:
    """A target that answers at once, on the first core; its address."""
    words = [sys.executable, "-m", "watchkeeper.stress.echo", kind]
    process = subprocess.Popen(on_core(0, words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdin
    try:
        yield f"{'ws' if kind == 'websocket' else kind}://127.0.0.1:{int(process.stdout.readline())}/"
    finally:
        process.stdin.close()
        process.wait()


# -- tables ----------------------------------------------------------------------------------------------


def bench_http(noise: Noise) -> None:
    """Requests on nginx, rivals in turn with us."""
    with nginx() as (url, folder):
        seen: dict[str, list[tuple[float, float]]] = {}
        for _ in range(ROUNDS):
            ours = apart(url, 64, "closed", 64)
            seen.setdefault("ours, recording", []).append((ours["rate"], ours["cpu_us"]))
            for name, run in rivals(url, folder).items():
                if (found := run()) is not None:
                    seen.setdefault(name, []).append(found)
            noise.look()
        rows = []
        for name, all_found in seen.items():
            rates, costs = zip(*all_found, strict=True)
            cost = statistics.median(costs)
            rows.append((name, f"{statistics.median(rates):,.0f}", f"{cost:.1f}", f"{min(costs):.1f}", f"{1e6 / cost:,.0f}"))
    heads = ("generator", "requests/s seen", "CPU µs a request", "best", "requests/s a core")
    table("HTTP/1.1, 64 connections, 128 bytes from nginx, each on one core", heads, rows)


def bench_websocket(noise: Noise) -> None:
    """Messages there and back."""
    rows = []
    with echo("websocket") as url:
        for lanes, users in ((200, 200), (1000, 1000), (50, 800)):
            found, alone = [], []
            for _ in range(ROUNDS):  # in turn, so that both meet the same machine
                found.append(apart(url, lanes, "closed", users))
                if users == lanes:
                    alone.append(apart(url, lanes, "bare", users)["cpu_us"])
            noise.look()
            cost = statistics.median(one["cpu_us"] for one in found)
            best = min(one["cpu_us"] for one in found)
            rate = statistics.median(one["rate"] for one in found)
            beside = (f"{min(alone):.1f}", f"{best / min(alone):.2f}") if alone else ("", "")
            figures = (f"{rate:,.0f}", f"{cost:.1f}", f"{best:.1f}", f"{1e6 / cost:,.0f}", f"{1e6 / best:,.0f}")
            rows.append((f"{lanes} x {users // lanes}", *figures, *beside))
    heads = (
        "connections x under way",
        "messages/s seen",
        "CPU µs a message",
        "best",
        "messages/s a core",
        "best",
        "picows alone, best",
        "ours / that",
    )
    table("WebSocket, 128 bytes there and back, recording", heads, rows)


def bench_time(noise: Noise) -> None:
    """How late starts are."""
    rows = []
    with nginx() as (url, _):
        for rate, spin in ((1000, 0), (10_000, 0), (10_000, 100_000), (30_000, 0), (30_000, 100_000)):
            found = [apart(url, 200, "open", rate, SECONDS, spin) for _ in range(ROUNDS)]
            noise.look()
            best = min(found, key=lambda one: one["lag_0.99"])
            middle = sorted(found, key=lambda one: one["lag_0.99"])[len(found) // 2]
            rows.append(
                (
                    f"{rate:,}/s",
                    "awake" if spin else "timer",
                    f"{middle['lag_0.5']:.1f} / {middle['lag_0.99']:.0f} / {middle['lag_0.999']:.0f}",
                    f"{best['lag_0.5']:.1f} / {best['lag_0.99']:.0f} / {best['lag_0.999']:.0f}",
                    f"{statistics.median(one['cpu_us'] * rate / 1e4 for one in found):.0f} %",
                    f"{statistics.median(one['starved'] for one in found):.0%}",
                )
            )
    heads = ("rate", "how", "p50 / p99 / p99.9 µs late (median run)", "best run", "of a core", "starved")
    table("Starts after their intended time, clean moments, 200 connections to nginx; never early", heads, rows)


def bench_record(noise: Noise) -> None:
    """One duration recorded: appended, and counted with its like."""
    values = np.random.default_rng(1).lognormal(11, 2, FOLD).astype(np.int64).tolist()
    recorder = Recorder()

    def ours() -> None:
        append = recorder.values.append
        for value in values:
            append(value)
        recorder.fold()

    def loop() -> None:
        for _ in values:
            pass

    rows = [("list.append and fold, every 4,096", *nanoseconds(ours, loop))]
    with contextlib.suppress(ImportError):
        from hdrh.histogram import HdrHistogram  # noqa: PLC0415  # a rival, where it is installed

        theirs = HdrHistogram(64, 3_600_000_000_000, 3)
        rows.append(("hdrhistogram.record_value", *nanoseconds(lambda: [theirs.record_value(one) for one in values], loop)))
    noise.look()
    table("Recording a duration", ("how", "ns (median)", "ns (best)"), rows)
    whole = Histogram()
    whole.take(values)
    print(f"  a histogram of {whole.total:,} values is {len(whole.packed()):,} bytes on disk")


def nanoseconds(work: Callable[[], object], loop: Callable[[], object], times: int = 40) -> tuple[str, str]:
    """What a value costs, without the loop that brings it."""
    seen = []
    for _ in range(times):
        began = time.process_time_ns()
        work()
        middle = time.process_time_ns()
        loop()
        seen.append((middle - began - (time.process_time_ns() - middle)) / FOLD)
    return f"{statistics.median(seen):.0f}", f"{min(seen):.0f}"


def bench_connections(noise: Noise) -> None:
    """Thousands of WebSockets, held and used a little."""
    rows = []
    with echo("websocket") as url:
        for lanes in (1000, 15_000):
            found = apart(url, lanes, "open", 1000, 5)
            noise.look()
            rows.append(
                (
                    f"{lanes:,}",
                    f"{found['connected']:,.0f}",
                    f"{found['connect_s']:.1f} s, {found['connect_us']:.0f} µs CPU each",
                    f"{found['rss']:.0f} MiB",
                    f"{found['done']:,.0f} of 5,000, {found['errors']:.0f} failed",
                )
            )
    heads = ("asked for", "held", "opened in", "memory of the worker", "messages at 1,000/s")
    table("Connections of one worker, from one address", heads, rows)


BENCHES = {
    "record": bench_record,
    "http": bench_http,
    "websocket": bench_websocket,
    "time": bench_time,
    "connections": bench_connections,
}


def main(arguments: list[str]) -> int:
    """Run the named tables, or all."""
    if arguments[:1] == ["--one"]:
        import uvloop  # noqa: PLC0415  # for the measuring process alone

        url, lanes, model, level, seconds, spin = arguments[1:]
        work = (
            bare(url, int(lanes), float(seconds))
            if model == "bare"
            else measure(url, int(lanes), model, float(level), float(seconds), int(spin))
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            print(json.dumps(runner.run(work)))
        return 0
    noise = Noise()
    for name in arguments or BENCHES:
        BENCHES[name](noise)
    print(f"\n{noise}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
