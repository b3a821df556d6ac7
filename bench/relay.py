"""A relay's price: server CPU per message, idle connections, latency at half of two maxima, the mailbox, logins; beside rivals.

The server has core 0 and this process, the generator, core 1; CPU is what /proc/PID/task/*/schedstat says over the window, all
threads, divided by messages that were delivered. wide: 1,000 connections, one message each under way; deep: 100 with 16
each; strict: wide, but no client ever has two messages to say at once, so nothing can be bunched before the server. "a write"
is how many messages each WebSocket message to the server held. Beside ours: picows bare (16 bytes of recipient, direct sends:
about the price of the kernel), nats-server where it is there (GOMAXPROCS=1, WebSocket without TLS), a relay of 40 lines with
`websockets`.

python bench/relay.py [--seconds N] [--quick] [--alone] [relay|idle|latency|mailbox|logins …]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import uvloop
from _generator import BODY, Bare, Client, Crowd, Nats, Ours
from _noise import Noise, table
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from cloudnet.session import BEATS, PING_SECONDS

PARTS = ("relay", "idle", "latency", "mailbox", "logins")
SERVER_CORE, OWN_CORE = 0, 1
ROUNDS = 3
LEAST_RATE = 1000.0
TRIES = 4
"""How often a step is tried that a server has failed while it was starved."""
KEEPS_UP = 0.02
"""Seconds that the second half of a window may be late, at the median, with a server that keeps up."""
STARVED = 0.12
"""Windows in which the server waited for its core for more than this share of the time are left out."""
SHAPES = {"wide": (1000, 1, 20.0), "strict": (1000, 1, 20.0), "deep": (100, 16, 3.0)}
"""Connections, messages under way of each, and the goal in microseconds."""
NO_LIMITS = [
    *("--connections-per-address", "0", "--handshakes-per-second", "0", "--messages-per-second", "0"),
    *("--mailbox-messages", "100000000", "--mailbox-bytes", "64g", "--mailbox-total", "64g"),
]


class Kind(NamedTuple):
    """A server, and who speaks its protocol."""

    name: str
    command: Callable[[int, Path], list[str]]
    client: type[Client]


class Window(NamedTuple):
    """What a server did in a stretch of time."""

    seconds: float
    cpu: float
    waited: float
    own: float
    messages: float
    writes: float

    @property
    def each(self) -> float:
        """CPU microseconds per message."""
        return self.cpu / max(1, self.messages) * 1e6

    @property
    def rate(self) -> float:
        """Messages per second of wall."""
        return self.messages / self.seconds


class Server:
    """A server that runs on its core."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        self.kind = kind
        self.port = free_port()
        self.data = folder / f"{kind.client.__name__}-{self.port}"
        self.data.mkdir()
        os.sched_setaffinity(0, {SERVER_CORE})
        try:
            self.process = subprocess.Popen(
                kind.command(self.port, self.data),
                env=os.environ | {"GOMAXPROCS": "1"},
                stdout=subprocess.DEVNULL,
                stderr=(self.data / "log").open("wb"),
            )
        finally:
            os.sched_setaffinity(0, {OWN_CORE})
        deadline = time.monotonic() + 20
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                break
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{kind.name} did not start:\n{(self.data / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        time.sleep(0.3)

    def used(self) -> tuple[float, float]:
        """Seconds of CPU used, and waited for, by all threads."""
        run = waited = 0
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with suppress(OSError):
                fields = (task / "schedstat").read_bytes().split()
                run += int(fields[0])
                waited += int(fields[1])
        return run / 1e9, waited / 1e9

    def resident(self) -> int:
        """Bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        """Nobody needs what it has."""
        self.process.kill()
        self.process.wait()


@contextmanager
def running(kind: Kind, folder: Path) -> Iterator[Server]:
    """A server, gone at the end."""
    server = Server(kind, folder)
    try:
        yield server
    finally:
        server.stop()


@asynccontextmanager
async def crowd_of(server: Server, count: int) -> AsyncIterator[Crowd]:
    """So many clients of it, gone at the end."""
    crowd = Crowd(server.port, server.kind.client)
    await crowd.gather(count)
    gc.collect()
    gc.freeze()
    try:
        yield crowd
    finally:
        await crowd.leave()
        if crowd.failures or crowd.lost > count:
            print(f"  {server.kind.name}: {len(crowd.failures)} failures such as {crowd.failures[:1]}", file=sys.stderr)


async def watched(server: Server, crowd: Crowd, seconds: float) -> Window:
    """What it does over so many seconds."""

    def look() -> list[float]:
        messages = crowd.accepted if crowd.is_durable else crowd.delivered
        return [time.monotonic(), *server.used(), time.process_time(), messages, crowd.writes]

    before = look()
    await asyncio.sleep(seconds)
    return Window(*[new - old for old, new in zip(before, look(), strict=True)])


def middle(windows: list[Window]) -> tuple[Window, str]:
    """The median window by CPU per message among those not starved; with a mark when all were."""
    clean = [window for window in windows if window.waited / window.seconds <= STARVED]
    ordered = sorted(clean or windows, key=lambda window: window.each)
    return ordered[len(ordered) // 2], "" if clean else " (starved)"


async def loop_closed(crowd: Crowd, server: Server, each: int, seconds: float) -> Window:
    """One window of the closed loop, after a while to get into it."""
    crowd.begin(each)
    await asyncio.sleep(min(1.0, seconds / 2))
    found = await watched(server, crowd, seconds)
    await crowd.rest()
    return found


async def relay(kinds: list[Kind], folder: Path, seconds: float, noise: Noise) -> None:
    """CPU per delivered message."""
    for shape, (count, each, goal) in SHAPES.items():
        seen: dict[str, list[Window]] = {kind.name: [] for kind in kinds}
        with ExitStack() as stack:
            servers = [stack.enter_context(running(kind, folder)) for kind in kinds]
            for _ in range(ROUNDS):
                for server in servers:
                    async with crowd_of(server, count) as crowd:
                        crowd.is_strict = shape == "strict"
                        seen[server.kind.name].append(await loop_closed(crowd, server, each, seconds))
                noise.look()
        rows = []
        for name, windows in seen.items():
            window, mark = middle(windows)
            rows.append(
                [
                    name,
                    f"{window.each:.2f}{mark}",
                    f"{min(one.each for one in windows):.1f}-{max(one.each for one in windows):.1f}",
                    f"{1e6 / window.each:,.0f}",
                    f"{window.rate:,.0f}",
                    f"{window.cpu / window.seconds:.0%}",
                    f"{window.own / window.seconds:.0%}",
                    f"{window.messages / max(1, window.writes):.1f}",
                ]
            )
        heads = [
            "",
            "CPU us/message",
            "range",
            "messages/s a core",
            "messages/s seen",
            "server busy",
            "generator busy",
            "a write",
        ]
        title = f"relay, {shape}: {count:,} connections x {each}, {BODY} bytes, {ROUNDS} windows of {seconds:g} s"
        table(title, heads, rows, f"goal: ours <= {goal:g} us\n  {noise}")


async def idle(kinds: list[Kind], folder: Path, count: int, seconds: float, noise: Noise) -> None:
    """What connections cost that answer pings and say nothing else; over the whole of a period in which each is pinged once."""
    rows = []
    for kind in kinds:
        with running(kind, folder) as server:
            before = server.resident()
            async with crowd_of(server, count) as crowd:
                await asyncio.sleep(2)
                each = (server.resident() - before) / count
                window = await watched(server, crowd, seconds)
                rows.append([kind.name, f"{each / 1024:.1f}", f"{window.cpu / window.seconds:.2%}"])
        noise.look()
    title = f"idle: {count:,} connections over {seconds:g} s"
    table(title, ["", "KB RSS each", "of a core"], rows, f"goal: ours <= 20 KB, <= 0.5 %\n  {noise}")


async def latency(kinds: list[Kind], folder: Path, seconds: float, noise: Noise) -> None:
    """From the intended send time to the arrival, at half of either maximum."""
    rows = []
    for kind in kinds:
        with running(kind, folder) as server:
            async with crowd_of(server, 1000) as crowd:
                crowd.is_strict = True
                closed = (await loop_closed(crowd, server, 1, min(2.0, seconds))).rate
                most, mark = await open_maximum(crowd, server, closed / 2, min(2.0, seconds))
                for form, maximum in (("closed", f"{closed:,.0f}"), ("open", f"{most:,.0f}{mark}")):
                    rate = (closed if form == "closed" else most) / 2
                    watch = asyncio.create_task(watched(server, crowd, seconds))
                    seen, lag = await crowd.keep_to(rate, seconds, [server.process.pid])
                    window = await watch
                    await crowd.rest()
                    times = [f"{seen.percentile(share, clean=clean):.2f}" for clean in (False, True) for share in (50, 99)]
                    clean = f"{len(seen.clean) / max(1, len(seen.all)):.0%}"
                    busy = f"{window.cpu / window.seconds:.0%}"
                    each = f"{window.each:.1f}"
                    row = [kind.name, form, maximum, f"{rate:,.0f}", busy, each, *times, clean, f"{lag:.2f}", seen.missing]
                    rows.append(row)
        noise.look()
    heads = ["", "form", "maximum/s", "messages/s", "of a core", "us/message"]
    heads += ["p50 ms", "p99 ms", "p50 clean", "p99 clean", "clean", "own lag p99 ms", "missing"]
    foot = """goal: ours p99 <= 3 ms at half of the open maximum, in clean windows
  closed: what 1,000 clients with one message each under way have made of it, which bunches at the server; open: the highest
  rate of a schedule that waits for nobody at which the second half of a window was not later than 20 ms. At half the closed
  maximum a server may be close to its open one, since a message that comes alone costs more. Clean: 5 ms slices in which
  neither the server nor this generator waited for its core for longer than 150 us; the rest says how the machine was"""
    table("latency at half the maximum, open model, 1,000 connections", heads, rows, f"{foot}\n  {noise}")


async def open_maximum(crowd: Crowd, server: Server, rate: float, seconds: float) -> tuple[float, str]:
    """The highest rate of the open model, in steps of a tenth, at which a server keeps up; marked when it was starved then."""
    is_kept, is_starved = await keeps_up(crowd, server, rate, seconds)
    while not is_kept and rate > LEAST_RATE:
        rate *= 0.8
        is_kept, is_starved = await keeps_up(crowd, server, rate, seconds)
    while is_kept:
        is_kept, is_starved = await keeps_up(crowd, server, rate * 1.1, seconds)
        rate *= 1.1 if is_kept else 1
    return rate, " (starved)" if is_starved else ""


async def keeps_up(crowd: Crowd, server: Server, rate: float, seconds: float) -> tuple[bool, bool]:
    """Whether a server keeps up with a rate of the open model, and whether it, or the generator, was starved meanwhile."""
    is_kept, is_starved, tries = False, True, 0
    while not is_kept and is_starved and tries < TRIES:
        tries += 1
        watch = asyncio.create_task(watched(server, crowd, seconds))
        seen, lag = await crowd.keep_to(rate, seconds, [server.process.pid])
        window = await watch
        await crowd.rest()
        late = float(np.median(seen.all[len(seen.all) // 2 :])) if len(seen.all) else float("inf")
        is_kept = not seen.missing and late <= KEEPS_UP * 1e3
        is_starved = window.waited / window.seconds > STARVED or lag > KEEPS_UP * 1e3
    return is_kept, is_starved


async def mailbox(kind: Kind, folder: Path, seconds: float, noise: Noise) -> None:
    """Messages to those who are not there, each on the disk before it is accepted."""
    windows = []
    with running(kind, folder) as server:
        async with crowd_of(server, 200) as absent:
            names = absent.names
        async with crowd_of(server, 500) as crowd:
            crowd.names = names
            crowd.is_durable = True
            for _ in range(ROUNDS):
                crowd.begin(16)
                await asyncio.sleep(min(1.0, seconds / 2))
                windows.append(await watched(server, crowd, seconds))
                await crowd.rest()
                noise.look()
        size = sum(file.stat().st_size for file in server.data.rglob("*.db*"))
    rows = [
        [
            f"{statistics.median(window.rate for window in windows):,.0f}",
            f"{min(window.rate for window in windows):,.0f}-{max(window.rate for window in windows):,.0f}",
            f"{statistics.median(window.each for window in windows):.1f}",
            f"{statistics.median(window.cpu / window.seconds for window in windows):.0%}",
        ]
    ]
    disk = f"The file grew to {size / 1e6:,.0f} MB; an fsync of 4 KiB takes {fsync_seconds(folder) * 1e3:.2f} ms"
    heads = ["messages/s", "range", "CPU us/message", "of a core"]
    table("mailbox: 500 senders x 16 to 200 absent recipients, 128 bytes", heads, rows, f"goal: >= 20,000/s. {disk}\n  {noise}")


async def logins(kinds: list[Kind], folder: Path, count: int, noise: Noise) -> None:
    """Connections opened and proved."""
    rows = []
    for kind in kinds:
        seen = []
        with running(kind, folder) as server:
            for _ in range(ROUNDS):
                began, used = time.monotonic(), server.used()
                async with crowd_of(server, count):
                    took = time.monotonic() - began
                    await asyncio.sleep(0.2)
                    seen.append((took, server.used()[0] - used[0]))
                await asyncio.sleep(0.3)
        each = statistics.median(cpu for _, cpu in seen) / count * 1e6
        wall = count / statistics.median(took for took, _ in seen)
        rows.append([kind.name, f"{each:.0f}", f"{1e6 / each:,.0f}", f"{wall:,.0f}"])
        noise.look()
    heads = ["", "CPU us/login", "logins/s a core", "logins/s seen"]
    foot = f"ours: an Ed25519 signature checked and one made; the others: a name\n  {noise}"
    table(f"logins: {count:,}, {ROUNDS} times", heads, rows, foot)


def fsync_seconds(folder: Path) -> float:
    """Median of a small write and fsync on the disk that the mailbox is on."""
    took = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(30):
            file.write(bytes(4096))
            began = time.monotonic()
            os.fsync(file.fileno())
            took.append(time.monotonic() - began)
    return statistics.median(took)


def free_port() -> int:
    """One that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ours(port: int, data: Path) -> list[str]:
    """Everything on."""
    where = ["--listen", f"127.0.0.1:{port}", "--metrics", f"127.0.0.1:{free_port()}", "--data", str(data / "cloud")]
    program = "from cloudnet.programs.server import main; raise SystemExit(main())"
    return [sys.executable, "-c", program, *where, *NO_LIMITS]


def nats(port: int, data: Path) -> list[str]:
    """The WebSocket listener is what counts; it has a TCP one besides."""
    config = data / "nats.conf"
    config.write_text(
        f"host: 127.0.0.1\nport: {free_port()}\nmax_connections: 20000\n"
        f"websocket {{ host: 127.0.0.1, port: {port}, no_tls: true, compression: false }}\n"
    )
    return [str(nats_server()), "-c", str(config)]


def nats_server() -> Path | None:
    """The program, if it is here."""
    beside = Path(sys.executable).parent / "nats-server"
    found = beside if beside.exists() else shutil.which("nats-server")
    return Path(found) if found else None


async def forty_lines(port: int) -> None:
    """The relay that one would write first."""
    here: dict[bytes, ServerConnection] = {}

    async def talk(connection: ServerConnection) -> None:
        name = await connection.recv(decode=False)
        here[name] = connection
        await connection.send(name)
        with suppress(ConnectionClosed):
            async for message in connection:
                assert isinstance(message, bytes)
                if target := here.get(message[:16]):
                    with suppress(ConnectionClosed):
                        await target.send(message[16:])
        del here[name]

    async with serve(talk, "127.0.0.1", port, compression=None, ping_interval=None, backlog=4096):
        await asyncio.get_running_loop().create_future()


async def bare(port: int) -> None:
    """As little as a relay on picows can do."""
    here: dict[bytes, WSTransport] = {}

    class Switch(WSListener):
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            message = frame.get_payload_as_bytes()
            if len(message) == 16:
                here[message] = transport
                transport.send(WSMsgType.BINARY, message)
            elif target := here.get(message[:16]):
                target.send(WSMsgType.BINARY, message[16:])

    await ws_create_server(lambda _: Switch(), "127.0.0.1", port, backlog=4096, read_buffer_init_size=2048)
    await asyncio.get_running_loop().create_future()


async def measure(told: argparse.Namespace) -> None:
    """All parts that were asked for."""
    noise = Noise()
    kinds = [Kind("cloud-server", ours, Ours)]
    if not told.alone:
        own = [sys.executable, __file__, "--rival"]
        kinds.append(Kind("picows bare", lambda port, _: [*own, "bare", str(port)], Bare))
        if nats_server():
            kinds.append(Kind("nats-server", nats, Nats))
        kinds.append(Kind("websockets", lambda port, _: [*own, "forty", str(port)], Bare))
    with tempfile.TemporaryDirectory(prefix="wk-relay-") as name:
        folder = Path(name)
        parts = told.parts or PARTS
        if "relay" in parts:
            await relay(kinds, folder, told.seconds, noise)
        if "idle" in parts:
            await idle(kinds, folder, 2000 if told.quick else 10_000, 10 if told.quick else (BEATS + 1) * PING_SECONDS, noise)
        if "latency" in parts:
            await latency(kinds, folder, told.seconds * 2, noise)
        if "mailbox" in parts:
            await mailbox(kinds[0], folder, told.seconds, noise)
        if "logins" in parts:
            await logins(kinds, folder, 500 if told.quick else 2000, noise)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("parts", nargs="*", metavar="PART", help=f"one or more of {', '.join(PARTS)}; all when left out")
    asked.add_argument("--seconds", type=float, help="length of a window (5; 1.5 with --quick)")
    asked.add_argument("--quick", action="store_true", help="short windows, 2,000 idle connections for 10 s")
    asked.add_argument("--alone", action="store_true", help="without rivals")
    asked.add_argument("--rival", nargs=2, help=argparse.SUPPRESS)
    told = asked.parse_args()
    if wrong := set(told.parts) - set(PARTS):
        asked.error(f"no such part: {', '.join(wrong)}")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
    told.seconds = told.seconds or (1.5 if told.quick else 5.0)
    if not told.rival:
        gc.disable()  # the generator's own pauses would be the server's latency
        uvloop.run(measure(told))
    else:
        kind, port = told.rival
        uvloop.run((bare if kind == "bare" else forty_lines)(int(port)))


if __name__ == "__main__":
    main()
