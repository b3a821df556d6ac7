"""Load from two other machines: agents in network namespaces of their own, one on a clock that is far ahead of the hub's."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rigs.nats import program as nats_program
from rigs.programs import until
from watchkeeper.stress.histogram import Histogram, unpacked
from watchkeeper.stress.record import Record, runs

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("unshare"),
        reason="network namespaces want Linux, root, ip and unshare",
    ),
]

AHEAD = 5000
"""Seconds that the second machine's monotonic clock is ahead: a time namespace's."""

SERVER = """
import asyncio, collections, json, sys
seen = collections.Counter()
async def serve(reader, writer):
    peer = writer.get_extra_info("peername")[0]
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            body = json.dumps(seen).encode() if b" /seen " in head else b"ok"
            seen[peer] += b" /load " in head
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    async with await asyncio.start_server(serve, sys.argv[1], 8080) as server:
        await server.serve_forever()
asyncio.run(main())
"""
PLAN = """
name = "two"
connections = 20
objectives = ["errors < 1%"]
[protocol]
kind = "http"
[[protocol.operation]]
name = "load"
path = "/load"
[[phase]]
kind = "constant"
rate = 100
lasts = "4s"
[[phase]]
kind = "overload"
rate = 150
lasts = "2s"
[[phase]]
kind = "recovery"
rate = 100
within = "5s"
[generator]
workers = 1
limits = { lag = "60s", of_median = 0, starved = 1.0, full = 1.0 }
"""


class Net:
    """Three namespaces: the hub's (10.77.1.1, 10.77.2.1), and two that each have one cable to it."""

    def __init__(self) -> None:
        self.tag = f"wk{os.getpid()}"
        self.processes: list[subprocess.Popen[bytes]] = []

    def name(self, which: str) -> str:
        """A namespace's name."""
        return f"{self.tag}{which}"

    def lay(self) -> None:
        """Make them."""
        for which in "hab":
            _ip("netns", "add", self.name(which))
            _ip("-n", self.name(which), "link", "set", "lo", "up")
        for number, which in enumerate("ab", 1):
            near, far = f"{self.tag}n{number}", f"{self.tag}f{number}"
            cable = (
                "link",
                "add",
                near,
                "netns",
                self.name("h"),
                "type",
                "veth",
                "peer",
                "name",
                far,
                "netns",
                self.name(which),
            )
            _ip(*cable)
            for where, device, address in ((self.name("h"), near, 1), (self.name(which), far, 2)):
                _ip("-n", where, "addr", "add", f"10.77.{number}.{address}/24", "dev", device)
                _ip("-n", where, "link", "set", device, "up")
            _ip("-n", self.name(which), "route", "add", "default", "via", f"10.77.{number}.1")

    def words(self, which: str, *command: str, ahead: int = 0) -> list[str]:
        """A command as it is run there; `ahead`: on a monotonic clock that is so many seconds ahead."""
        clock = ["unshare", "--time", "--fork", "--kill-child", f"--monotonic={ahead}", f"--boottime={ahead}"] if ahead else []
        return ["ip", "netns", "exec", self.name(which), *clock, *command]

    def start(self, log: Path, words: list[str]) -> subprocess.Popen[bytes]:
        """Run it in the background."""
        with log.open("ab") as said:
            process = subprocess.Popen(words, stdout=said, stderr=said, stdin=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def close(self) -> None:
        """End what was started, and take the namespaces away."""
        for process in reversed(self.processes):
            # unshare does not heed SIGTERM while its child runs; killed, it takes the child with it (--kill-child).
            process.send_signal(signal.SIGKILL if "unshare" in process.args else signal.SIGTERM)  # type: ignore[operator]  # arguments are a list here
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()
        for which in "hab":
            subprocess.run(["ip", "netns", "del", self.name(which)], check=False, capture_output=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def net() -> Iterator[Net]:
    """The cables, or a skip where the kernel lays none."""
    found = Net()
    try:
        try:
            found.lay()
        except subprocess.CalledProcessError as fault:
            pytest.skip(f"no network namespaces here: {fault.stderr.decode()[:200]}")
        yield found
    finally:
        found.close()


def test_two_agents_make_the_load_and_their_histograms_are_one(net: Net, tmp_path: Path) -> None:  # noqa: PLR0915  # one arrangement, two ways
    """Each start is made once, half of them by each machine; clocks are brought together; an agent that may not refuses."""
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "two.toml").write_text(PLAN)
    config = tmp_path / "hub.toml"
    config.write_text(f"""
[machine]
name = "box"
[agent]
period = "1s"
nats = "nats://10.77.1.1:4222"
nats_token = {{ file = "{tmp_path}/nats-token" }}
[witness]
targets = []
[server.shop]
command = ["{sys.executable}", "{tmp_path}/server.py", "10.77.1.1"]
stress = true
[[server.shop.probe]]
kind = "http"
url = "http://10.77.1.1:8080/"
period = "1s"
""")
    data = tmp_path / "data"
    program = [sys.executable, "-m", "watchkeeper"]
    up = [*program, "up", "--listen", "10.77.1.1:8600", "--config", str(config), "--data", str(data)]
    net.start(tmp_path / "hub.log", net.words("h", *up))
    until(lambda: (data / "link-token").exists() and (data / "hub.json").exists(), "the hub", 90)
    agents = (("gen-a", "a", 0, True), ("gen-b", "b", AHEAD, True), ("gen-c", "a", 0, False))
    for name, which, ahead, load in agents:
        own = tmp_path / f"{name}.toml"
        own.write_text(f"""
[machine]
name = "{name}"
[agent]
hub = "http://10.77.1.1:8600"
token = {{ file = "{data}/link-token" }}
load = {str(load).lower()}
nats = "nats://10.77.1.1:4222"
nats_token = {{ file = "{tmp_path}/nats-token" }}
""")
        agent = [*program, "agent", "--config", str(own), "--data", str(tmp_path / name)]
        net.start(tmp_path / f"{name}.log", net.words(which, *agent, ahead=ahead))

    def ask(path: str) -> str:
        token = (data / "token").read_text().strip()
        words = ("curl", "-sS", "-H", f"Authorization: Bearer {token}", f"http://10.77.1.1:8600{path}")
        return subprocess.run(net.words("h", *words), capture_output=True, text=True, check=False).stdout

    def connected() -> set[str]:
        with contextlib.suppress(json.JSONDecodeError, TypeError, KeyError):
            return {one["machine"]["name"] for one in json.loads(ask("/api/machines")) if one["connected"]}
        return set()

    until(lambda: {"box", "gen-a", "gen-b", "gen-c"} <= connected(), "the agents", 90)
    until(lambda: '"up"' in ask("/api/machines/box/servers/shop"), "the server", 60)

    def stress(origins: str, *more: str) -> subprocess.CompletedProcess[str]:
        words = [*program, "stress", "run", str(tmp_path / "two.toml"), "--target", "shop", "--from", origins, *more]
        words += ["--config", str(config), "--data", str(data)]
        return subprocess.run(net.words("h", *words), capture_output=True, text=True, check=False, timeout=180)

    refused = stress("gen-c")
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert "load = true" in refused.stdout + refused.stderr

    done = stress("gen-a,gen-b")
    assert done.returncode == 0, done.stdout + done.stderr
    record = Record(data / "stress" / next(run.id for run in runs(data / "stress") if run.state == "done"))
    first, second = record.run.origins
    assert (first.machine, first.workers, second.machine, second.workers) == ("gen-a", (0,), "gen-b", (1,))
    # Both namespaces are of one kernel, so the truth is known: the first clock is ours, the second exactly so far ahead.
    assert abs(first.ahead_ns) <= first.bound_ns
    assert abs(second.ahead_ns - AHEAD * 10**9) <= second.bound_ns
    (constant, ended), *_ = record.stages()
    assert constant.stage.kind == "constant"
    assert ended is not None
    assert (ended.scheduled, ended.done, ended.errors) == (400, 400, {})
    whole = Histogram()
    for window in record.windows():
        if window.stage == 0:
            whole.merge(unpacked(window.latency))
            assert 0 <= window.second < 60
    assert whole.total == 400
    assert {row.worker for row in record.health()} == {0, 1}
    seen = json.loads(
        subprocess.run(net.words("h", "curl", "-sS", "http://10.77.1.1:8080/seen"), capture_output=True, check=True).stdout
    )
    assert set(seen) - {"10.77.1.1"} == {"10.77.1.2", "10.77.2.2"}
    assert abs(seen["10.77.1.2"] - seen["10.77.2.2"]) <= 4  # every second start is the other's

    # The same over NATS, whose server counts what it carried: all of it but the orders to start and to end.
    if not (nats := nats_program()):
        return
    (tmp_path / "nats-token").write_text("a token of this network")
    words = (nats, "-a", "10.77.1.1", "-p", "4222", "-m", "8222", "--auth", "a token of this network")
    net.start(tmp_path / "nats.log", net.words("h", *words))

    def carried() -> int:
        answer = subprocess.run(
            net.words("h", "curl", "-sS", "http://10.77.1.1:8222/varz"), capture_output=True, text=True, check=False
        )
        return int(json.loads(answer.stdout)["in_msgs"]) if answer.returncode == 0 else -1

    until(lambda: carried() >= 0, "the NATS server", 30)
    before = {run.id for run in runs(data / "stress")}
    done = stress("gen-a,gen-b", "--over", "nats")
    assert done.returncode == 0, done.stdout + done.stderr
    over = Record(data / "stress" / next(run.id for run in runs(data / "stress") if run.id not in before))
    (_, ended), *_ = over.stages()
    assert ended is not None
    assert (ended.scheduled, ended.done, ended.errors) == (400, 400, {})
    assert abs(over.run.origins[1].ahead_ns - AHEAD * 10**9) <= over.run.origins[1].bound_ns
    assert carried() > 50
