"""From a fault to the message in a receiver: killed, hung, HTTP 500, a disk that fills; beside Prometheus and monit at 1 s.

Real faults on real servers, one at a time, at random moments; the clock runs from just before the fault to the receiver's first
byte of the message about it. Ours: `up` with a collector period of 1 s, probes each 0.5 s of which one miss counts, `for = 0`,
no `group_wait`. Prometheus scrapes and judges each second (`up == 0` for the three, node_exporter for the disk), its
Alertmanager has no group_wait; monit looks each second and executes a program that posts. Disks are small tmpfs volumes,
so that part needs root. BENCH_FAULTS sets how many of each kind (12). `FALSE` counts messages about what was well.

Then the blips: twenty servers that each hang for two seconds, once, at random moments; ours with its stock rules, a probe's
own defaults each 0.5 s, and no `group_wait`, the others as above. Whoever is told of one was woken for nothing. BENCH_BLIPS
sets how many.
"""

from __future__ import annotations

import http.server
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from _noise import Noise, table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from rigs.programs import Programs, free_port, until
from rigs.spoiled import IS_ROOT, Volume, mounted

FAULTS = int(os.environ.get("BENCH_FAULTS", "12"))
VICTIMS = max(1, -(-FAULTS // 2))
"""Each is harmed twice: what goes up and down four times within half an hour is told once, and a busy machine may add one."""
BLIPS = int(os.environ.get("BENCH_BLIPS", "20"))
BLIP = 2.0
AFTER = 45.0
"""Seconds after the last blip in which a message about one may still come: what holds for half a minute pages."""
KINDS = ("kill", "hang", "500", "disk")
PATIENCE = 30.0
VICTIM = """
import os, socket, sys
page = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
while True:
    one, _ = page.accept()
    one.settimeout(1)
    try:
        one.recv(65536)
        bad = os.path.exists(sys.argv[2])
        body = b"well 1\\n"
        head = b"HTTP/1.1 %s\\r\\nContent-Type: text/plain; version=0.0.4\\r\\nContent-Length: %d\\r\\n\\r\\n"
        one.sendall(head % (b"500 no" if bad else b"200 OK", len(body)) + body)
    except OSError:
        pass
    one.close()
"""


class Message(NamedTuple):
    """What came in: when, and about which victim or volume."""

    at: float
    about: str


class Receiver:
    """A webhook for all stacks: Alertmanager's form, or the name of the victim at the end of the path."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        messages = self.messages

        class Hook(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                at = time.time()
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                if self.path != "/hook":
                    messages.append(Message(at, self.path.rpartition("/")[2]))
                else:
                    for one in json.loads(body)["alerts"]:
                        if one["status"] == "firing":
                            messages.append(Message(at, about(one["labels"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def wait(self, wanted: str, since: float) -> float | None:
        """When the first message about it came after `since`; None when none did."""
        ends = time.time() + PATIENCE
        while time.time() < ends:
            for one in self.messages:
                if one.at >= since and one.about == wanted:
                    return one.at
            time.sleep(0.002)
        return None


def about(labels: dict[str, str]) -> str:
    """Which victim or volume an alert is about: by server, by volume, or by the port that was scraped."""
    if place := labels.get("mountpoint"):
        return Path(place).name
    return labels.get("server") or labels.get("instance", "").rpartition(":")[2]


class Stack(Protocol):
    """Something that watches victims and tells the receiver."""

    name: str

    def start(self, stack: ExitStack, scene: Scene, kind: str) -> None:
        """Begin; returns once everything is known to be well."""
        ...

    def pid(self, number: int) -> int:
        """The present process of a victim."""
        ...

    def called(self, number: int, kind: str) -> str:
        """What messages call it."""
        ...

    def settle(self, number: int) -> None:
        """Wait until a victim is seen to be well again."""
        ...


class Scene:
    """A folder with victims' ports and files, volumes, and the receiver."""

    def __init__(self, folder: Path, receiver: Receiver, volumes: Sequence[Volume], victims: int = VICTIMS) -> None:
        self.folder = folder
        self.receiver = receiver
        self.volumes = volumes
        self.ports = [free_port() for _ in range(victims)]
        self.program = folder / "victim.py"
        self.program.write_text(VICTIM)

    def words(self, number: int) -> list[str]:
        """A victim's command."""
        return [sys.executable, "-I", "-S", str(self.program), str(self.ports[number]), str(self.bad(number))]

    def bad(self, number: int) -> Path:
        """While this file is there, that victim answers 500."""
        return self.folder / f"bad-{number}"


class Ours:
    """Watchkeeper."""

    name = "watchkeeper"

    def start(self, stack: ExitStack, scene: Scene, kind: str) -> None:
        config = '[agent]\nperiod = "1s"\n[machine]\nname = "box"\n[witness]\ntargets = []\n'
        config += '[route]\ngroup_wait = "0s"\ngroup_interval = "1s"\n'
        config += f'[channel.hook]\nkind = "webhook"\nurl = "{scene.receiver.url}/hook"\nper_minute = 6000\n'
        if kind != "blip":
            config += self._rules(scene)
        victims = range(len(scene.ports) if kind != "disk" else 0)
        for number in victims:
            config += f"[server.v{number}]\ncommand = {json.dumps(scene.words(number))}\n[[server.v{number}.probe]]\n"
            config += f'kind = "http"\nurl = "http://127.0.0.1:{scene.ports[number]}/"\n'
            config += 'period = "500ms"\n' + ('timeout = "500ms"\nmisses = 1\n' if kind != "blip" else "")
        folder = scene.folder / f"ours-{kind}"
        folder.mkdir()
        self.programs = Programs(folder, config)
        stack.callback(self.programs.close)
        self.programs.up()
        for number in victims:
            self.settle(number)
        until(self._hears, "the figures", 120)
        until(self._is_calm, "nothing to be told", 120)

    def _is_calm(self) -> bool:
        """Whether no victim is told of: a start on a busy machine may take long enough for that."""
        answer = self.programs.ask("/api/alerts?state=firing")
        return answer is not None and not any("server" in one["labels"] for one in answer.json()["alerts"])

    @staticmethod
    def _rules(scene: Scene) -> str:
        """At `for = 0`, and no others."""
        volumes = f'{{mountpoint=~\\"{scene.folder}/.*\\"}}'
        return (
            "[alert]\nstock = false\n"
            '[[rule]]\nalert = "Down"\nseverity = "critical"\nexpr = "watchkeeper_server_failing == 1"\n'
            '[[rule]]\nalert = "Full"\nseverity = "critical"\n'
            f'expr = "node_filesystem_avail_bytes{volumes} / node_filesystem_size_bytes < 0.2"\n'
        )

    def _hears(self) -> bool:
        answer = self.programs.ask("/api/series?match=node_filesystem_size_bytes")
        return answer is not None and answer.status_code == 200 and bool(answer.json())

    def pid(self, number: int) -> int:
        return int(str(self.programs.server(f"v{number}")["pid"]))

    def called(self, number: int, kind: str) -> str:
        return f"v{number}" if kind != "disk" else f"volume-{number}"

    def settle(self, number: int) -> None:
        until(lambda: self.programs.server(f"v{number}").get("health") == "up", "the victim to be up", 60)


class Kept:
    """Victims that nobody keeps: whoever watches them only tells, and the bench starts them again."""

    def __init__(self) -> None:
        self._victims: dict[int, subprocess.Popen[bytes]] = {}
        self._scene: Scene | None = None

    def keep(self, stack: ExitStack, scene: Scene) -> None:
        """Start all of them."""
        self._scene = scene
        stack.callback(self._end)
        for number in range(len(scene.ports)):
            self._begin(number)

    def pid(self, number: int) -> int:
        return self._victims[number].pid

    def settle(self, number: int) -> None:
        if self._victims[number].poll() is not None:
            self._begin(number)
        time.sleep(2.5)

    def _begin(self, number: int) -> None:
        assert self._scene is not None
        self._victims[number] = subprocess.Popen(self._scene.words(number))

    def _end(self) -> None:
        for process in self._victims.values():
            with suppress(OSError):
                process.kill()
            process.wait()


def run(stack: ExitStack, words: Sequence[str]) -> None:
    """A rival's program, for as long as the stack lasts."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end() -> None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    stack.callback(end)


class Prometheus(Kept):
    """Prometheus with Alertmanager, everything at 1 s."""

    name = "Prometheus + Alertmanager, 1 s"

    def start(self, stack: ExitStack, scene: Scene, kind: str) -> None:
        self.keep(stack, scene)
        self._ports = scene.ports
        folder = scene.folder / f"prometheus-{kind}"
        folder.mkdir()
        web, manager, node = free_port(), free_port(), free_port()
        targets = json.dumps([f"127.0.0.1:{port}" for port in scene.ports])
        (folder / "rules.yml").write_text(
            "groups:\n- name: bench\n  rules:\n"
            '  - alert: Down\n    expr: up{job="victims"} == 0\n'
            f'  - alert: Full\n    expr: node_filesystem_avail_bytes{{mountpoint=~"{scene.folder}/.*"}}'
            " / node_filesystem_size_bytes < 0.2\n"
        )
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
            f"rule_files: [{folder}/rules.yml]\n"
            f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{manager}']}}]}}]}}\n"
            f"scrape_configs:\n- {{job_name: victims, static_configs: [{{targets: {targets}}}]}}\n"
            f"- {{job_name: node, static_configs: [{{targets: ['127.0.0.1:{node}']}}]}}\n"
        )
        (folder / "alertmanager.yml").write_text(
            "route: {receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1s}\n"
            f"receivers: [{{name: hook, webhook_configs: [{{url: '{scene.receiver.url}/hook', send_resolved: true}}]}}]\n"
        )
        loopback = f"--web.listen-address=127.0.0.1:{manager}"
        run(
            stack,
            [
                "prometheus-alertmanager",
                f"--config.file={folder}/alertmanager.yml",
                f"--storage.path={folder}/am",
                loopback,
                "--cluster.listen-address=",
            ],
        )
        if kind == "disk":
            only = "--collector.filesystem.fs-types-exclude=^$"
            words = ["--collector.disable-defaults", "--collector.filesystem", only]
            run(stack, ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{node}", *words])
        run(
            stack,
            [
                "prometheus",
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{web}",
            ],
        )
        until(lambda: answers(f"http://127.0.0.1:{web}/-/ready"), "Prometheus", 60)
        time.sleep(5)

    def called(self, number: int, kind: str) -> str:
        return str(self._ports[number]) if kind != "disk" else f"volume-{number}"


class Monit(Kept):
    """monit, a cycle a second."""

    name = "monit, 1 s"

    def start(self, stack: ExitStack, scene: Scene, kind: str) -> None:
        self.keep(stack, scene)
        folder = scene.folder / f"monit-{kind}"
        folder.mkdir()
        poster = folder / "post.py"
        poster.write_text(
            "import sys, urllib.request\n"
            "urllib.request.urlopen(urllib.request.Request(sys.argv[1], b'x', method='POST'), timeout=5)\n"
        )
        files = {name: folder / name for name in ("log", "id", "state", "pid")}
        checks = [
            "set daemon 1\nset log {log}\nset idfile {id}\nset statefile {state}\nset pidfile {pid}\n".format(**files),
        ]
        for number in range(len(scene.ports)):
            post = f'exec "{sys.executable} -I -S {poster} {scene.receiver.url}/monit/{{}}"'
            if kind == "disk":
                checks.append(
                    f"check filesystem volume-{number} with path {scene.volumes[number].point}\n"
                    f"  if space usage > 80% then {post.format(f'volume-{number}')}\n"
                )
            else:
                checks.append(
                    f"check host v{number} with address 127.0.0.1\n"
                    f"  if failed port {scene.ports[number]} protocol http request / with timeout 1 seconds"
                    f" then {post.format(f'v{number}')}\n"
                )
        config = folder / "monitrc"
        config.write_text("".join(checks))
        config.chmod(0o600)
        run(stack, ["monit", "-I", "-c", str(config)])
        time.sleep(5)

    def called(self, number: int, kind: str) -> str:
        return f"v{number}" if kind != "disk" else f"volume-{number}"


def answers(url: str) -> bool:
    """Whether something there says that it is well."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def harm(scene: Scene, kind: str, number: int, pid: int) -> Callable[[], None]:
    """Do the fault to a victim, or to its process; what undoes it."""
    match kind:
        case "kill":
            os.kill(pid, signal.SIGKILL)
            return lambda: None
        case "hang":
            os.kill(pid, signal.SIGSTOP)
            return lambda: os.kill(pid, signal.SIGCONT)
        case "500":
            scene.bad(number).touch()
            return scene.bad(number).unlink
    scene.volumes[number].fill(0.95)
    return scene.volumes[number].empty


def measured(watcher: Stack, scene: Scene, kind: str) -> tuple[list[float], int, int]:
    """Seconds of each fault, how many were never told, and messages about what was well."""
    took: list[float] = []
    lost = false = 0
    with ExitStack() as stack:
        watcher.start(stack, scene, kind)
        chance = random.Random(5)
        for fault in range(FAULTS):
            number = fault % VICTIMS
            seen = len(scene.receiver.messages)
            time.sleep(1 + 2 * chance.random())
            false += len(scene.receiver.messages) - seen
            pid = watcher.pid(number) if kind in {"kill", "hang"} else 0  # asked for before the clock runs: it takes a while
            at = time.time()
            undo = harm(scene, kind, number, pid)
            came = scene.receiver.wait(watcher.called(number, kind), at)
            if came is None:
                lost += 1
            else:
                took.append(came - at)
            undo()
            if kind == "disk":
                time.sleep(4)
            else:
                watcher.settle(number)
                time.sleep(1.5)
    return took, lost, false


def woken(watcher: Stack, scene: Scene) -> int:
    """How many victims' blips were told of."""
    with ExitStack() as stack:
        watcher.start(stack, scene, "blip")
        chance = random.Random(7)
        began = time.time()

        def blip(number: int, after: float) -> None:
            time.sleep(after)
            pid = watcher.pid(number)
            os.kill(pid, signal.SIGSTOP)
            time.sleep(BLIP)
            os.kill(pid, signal.SIGCONT)

        blips = [threading.Thread(target=blip, args=(number, number + chance.random())) for number in range(len(scene.ports))]
        for one in blips:
            one.start()
        for one in blips:
            one.join()
        time.sleep(AFTER)
        called = {watcher.called(number, "blip") for number in range(len(scene.ports))}
        return len({one.about for one in scene.receiver.messages if one.at >= began} & called)


@contextmanager
def volumes(folder: Path) -> Iterator[list[Volume]]:
    """Small ones, as many as victims; none without root."""
    with ExitStack() as stack:
        wanted = VICTIMS if IS_ROOT else 0
        yield [stack.enter_context(mounted(folder / f"volume-{number}", "16m")) for number in range(wanted)]


def main() -> int:
    """Measure all and print the table; 1 when one of ours was not told, or told of what was well."""
    stacks: list[Callable[[], Stack]] = [Ours]
    if shutil.which("prometheus") and shutil.which("prometheus-alertmanager") and shutil.which("prometheus-node-exporter"):
        stacks.append(Prometheus)
    if shutil.which("monit"):
        stacks.append(Monit)
    noise, receiver = Noise(), Receiver()
    rows, missed = [], 0
    for make in stacks:
        cells: list[str] = []
        lost = false = 0
        for kind in KINDS if IS_ROOT else KINDS[:3]:
            with tempfile.TemporaryDirectory(prefix="bench-alerts-") as place, volumes(Path(place)) as made:
                took, gone, wrong = measured(make(), Scene(Path(place), receiver, made), kind)
            lost, false = lost + gone, false + wrong
            cells.append(f"{statistics.median(took):.2f} / {max(took):.2f}" if took else "no")
            noise.look()
        with tempfile.TemporaryDirectory(prefix="bench-alerts-") as place:
            blips = woken(make(), Scene(Path(place), receiver, (), BLIPS))
        missed += lost + false + blips if make is Ours else 0
        rows.append((make().name, *cells, lost, false, f"{blips} of {BLIPS}"))
    heads = (
        "STACK",
        *(f"{kind}, s p50 / max" for kind in (KINDS if IS_ROOT else KINDS[:3])),
        "NOT TOLD",
        "FALSE",
        "2 S BLIPS TOLD",
    )
    table(f"From a fault to the message in the receiver, {FAULTS} of each kind", heads, rows, str(noise))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
