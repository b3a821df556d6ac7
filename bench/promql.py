"""PromQL beside Prometheus and VictoriaMetrics: the same questions to the same day of 100 machines, CPU of each answer.

Ours holds all 300 series of each machine over 24 h at 10 s, the others the series that are asked about over a day
and the last ten minutes of all: they have the easier index. Their CPU is that of the server process (HTTP and
JSON in it), ours that of this one from the question's text to the JSON of the answer, without HTTP. *first*: of what
this process has sealed and nobody has asked for; *opened*: after a start, when not even the chunks' directories are
known; *again*: as a page that asks every few seconds. VictoriaMetrics answers with its result cache off.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cramjam
import msgspec
from _noise import Noise, table
from _promdata import Day

from watchkeeper.memory import keep_freed
from watchkeeper.model import Block
from watchkeeper.query import Limits, evaluate
from watchkeeper.query.telling import encoded
from watchkeeper.store import FrameStore
from watchkeeper.store.remotewrite import write_request
from watchkeeper.web.envelope import success

HOUR = 3_600_000
SECONDS = 3.0
TICK = os.sysconf("SC_CLK_TCK")


class Question(NamedTuple):
    """What is asked, over how many hours (0: at an instant) and in which steps of seconds."""

    what: str
    text: str
    hours: int
    step: int


QUESTIONS = (
    Question("one series, 6 h, 60 points", 'bench_gauge{machine="machine-3",number="4"}', 6, 360),
    Question("avg over 100 machines, 6 h, 60 points", 'avg(bench_gauge{number="4"})', 6, 360),
    Question("avg of rate over 100 machines, 6 h", 'avg(rate(bench_busy_counter{number="4"}[6m]))', 6, 360),
    Question("last values of a machine's 300 series", '{machine="machine-3"}', 0, 0),
    Question(
        "sum by (machine) (rate(…[5m])), 24 h, 288 points",
        "sum by (machine) (rate(bench_busy_counter{number=~'4|5'}[5m]))",
        24,
        300,
    ),
)


class Rival:
    """A server process on loopback."""

    def __init__(self, command: Sequence[str], port: int, query: dict[str, str]) -> None:
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._query = query
        deadline = time.monotonic() + 60
        while not self._ready():
            if time.monotonic() > deadline:
                raise SystemExit(f"{command[0]} did not become ready")
            time.sleep(0.1)

    def _ready(self) -> bool:
        try:
            self._connection.request("GET", "/-/ready")
            response = self._connection.getresponse()
            response.read()
        except OSError:
            self._connection.close()
            return False
        return response.status == 200

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> bytes:
        """One request."""
        headers = {"Content-Type": kind, "Content-Encoding": "snappy"} if kind else {}
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
        except (OSError, http.client.HTTPException):  # closed while it was idle
            self._connection.close()
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
        answer = response.read()
        if response.status >= 300:
            raise SystemExit(f"{path}: {response.status} {answer[:300]!r}")
        return answer

    def write(self, blocks: Sequence[Block]) -> None:
        """Remote write, some machines at a time."""
        for start in range(0, len(blocks), 20):
            body = bytes(cramjam.snappy.compress_raw(write_request(blocks[start : start + 20])))
            self.ask("POST", "/api/v1/write", body, "application/x-protobuf")

    def answer(self, question: Question, end: int) -> int:
        """Ask; returns the number of series."""
        fields = {"query": question.text, **self._query}
        if question.hours:
            span = {"start": (end - question.hours * HOUR) / 1000, "end": end / 1000, "step": question.step}
            path = f"/api/v1/query_range?{urllib.parse.urlencode(fields | span)}"
        else:
            path = f"/api/v1/query?{urllib.parse.urlencode(fields | {'time': end / 1000})}"
        return len(msgspec.json.decode(self.ask("GET", path))["data"]["result"])

    def cpu(self) -> float:
        """CPU seconds of the process so far."""
        words = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / TICK

    def settle(self) -> None:
        """Wait until it has nothing left to do from what it was given."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            before = self.cpu()
            time.sleep(2)
            if self.cpu() - before < 0.04:
                return

    def close(self) -> None:
        """End it."""
        self._connection.close()
        self._process.terminate()
        self._process.wait(60)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def prometheus(folder: Path) -> Rival | None:
    program = shutil.which("prometheus")
    if program is None:
        return None
    port = free_port()
    folder.mkdir()
    (folder / "prometheus.yml").write_text("global: {}\n")
    return Rival(
        [
            *(program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"),
            *("--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}"),
            *("--web.enable-remote-write-receiver", "--log.level=error"),
        ],
        port,
        {},
    )


def victoria_metrics(folder: Path) -> Rival | None:
    program = shutil.which("victoria-metrics")
    if program is None:
        return None
    port = free_port()
    return Rival(
        [program, f"-storageDataPath={folder}", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=100y"],
        port,
        {"nocache": "1"},
    )


def ours(store: FrameStore, question: Question, end: int) -> int:
    """Our answer; returns the number of series."""
    start = end - question.hours * HOUR
    value = evaluate(question.text, store, start, end, question.step * 1000, Limits())
    success(encoded(value), gzipped=False)
    return len(value.series)


def unasked(store: FrameStore, question: Question, end: int, *, directories: bool) -> float:
    """CPU milliseconds of an answer that nobody asked for before, the median of some; `directories`: nor are these known."""
    spent: list[float] = []
    began = time.perf_counter()
    while len(spent) < 5 or (len(spent) < 41 and time.perf_counter() - began < SECONDS):
        store.forget_read(directories=directories)
        before = time.process_time()
        ours(store, question, end)
        spent.append((time.process_time() - before) * 1000)
    return statistics.median(spent)


def measured(work: Callable[[], int], cpu: Callable[[], float]) -> tuple[float, int]:
    """CPU milliseconds of one answer, the mean of many, and its number of series."""
    found = work()
    runs = 0
    before, began = cpu(), time.perf_counter()
    while runs < 20 or time.perf_counter() - began < SECONDS:
        work()
        runs += 1
    return (cpu() - before) / runs * 1000, found


def main() -> None:
    keep_freed()  # as the hub does
    noise = Noise()
    day = Day()
    with tempfile.TemporaryDirectory(prefix="wk-bench-") as name, contextlib.ExitStack() as ending:
        folder = Path(name)
        rivals = {"Prometheus": prometheus(folder / "prometheus"), "VictoriaMetrics": victoria_metrics(folder / "victoria")}
        present = {name: rival for name, rival in rivals.items() if rival is not None}
        for rival in present.values():
            ending.callback(rival.close)
        for blocks in day.blocks():
            for rival in present.values():
                rival.write(blocks)
        store = day.store(folder / "store")
        for rival in present.values():
            rival.settle()
        noise.look()
        rows = []
        for question in QUESTIONS:
            first = unasked(store, question, day.end, directories=False)
            again, series = measured(lambda: ours(store, question, day.end), time.process_time)  # noqa: B023  # run at once
            cells = [question.what, f"{first:.2f}", f"{again:.2f}"]
            for rival in rivals.values():
                if rival is None:
                    cells.append("not installed")
                    continue
                spent, theirs = measured(lambda: rival.answer(question, day.end), rival.cpu)  # noqa: B023  # run at once
                cells.append(f"{spent:.2f}" + ("" if theirs == series else f" ({theirs} series)"))
            rows.append(cells)
            noise.look()
        # Last of all, since what was sealed here is known no more after it.
        for question, cells in zip(QUESTIONS, rows, strict=True):
            cells.insert(2, f"{unasked(store, question, day.end, directories=True):.2f}")
        store.close()
    heads = ["ms CPU an answer", "ours, first", "opened", "again", *rivals]
    table("PromQL", heads, rows, f"goal: within 2x of Prometheus, ahead on the first and the last values\n  {noise}")


if __name__ == "__main__":
    main()
