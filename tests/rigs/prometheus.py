"""A real Prometheus on loopback, fed by remote write, asked over its API."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import cramjam

from watchkeeper.model import Block, Matcher
from watchkeeper.store.remotewrite import write_request

PROGRAM = shutil.which("prometheus")
SLICE = 20 * 60_000
"""Series are sent side by side, so many ms at a time: its head takes nothing that is an hour older than its newest."""


class Answer(NamedTuple):
    """`error` is the API's error type, empty on success; `data` its result."""

    error: str
    why: str
    kind: str
    data: Any


class Prometheus:
    """One process with its own folder; a context manager."""

    def __init__(self, folder: Path, config: str = "global: {}\n", port: int = 0) -> None:
        """``{port}`` in `config` is its own; give `port` to start it again where it was."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = port or free.getsockname()[1]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prometheus.yml").write_text(config.replace("{port}", str(self.port)))
        assert PROGRAM
        command = [
            PROGRAM,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-remote-write-receiver",
            "--log.level=error",
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def __enter__(self) -> Self:
        deadline = time.monotonic() + 60
        while True:
            try:
                status, _ = self._ask("GET", "/-/ready")
            except OSError:
                status = 0
            if status == 200:
                return self
            assert time.monotonic() < deadline, "prometheus did not become ready"
            assert self.process.poll() is None, "prometheus ended"
            time.sleep(0.05)

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()
        self.process.terminate()
        self.process.wait(30)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._connection.close()
        self.process.kill()
        self.process.wait(30)

    def write(self, blocks: Sequence[Block]) -> None:
        """Send all samples of these blocks."""
        start = min(int(block.times[0]) for block in blocks)
        end = max(int(block.times[-1]) for block in blocks)
        for begin in range(start, end + 1, SLICE):
            some = []
            for block in blocks:
                inside = (block.times >= begin) & (block.times < begin + SLICE)
                some.append(Block(block.series, block.times[inside], block.values[inside]))
            body = bytes(cramjam.snappy.compress_raw(write_request(some)))
            status, told = self._ask("POST", "/api/v1/write", body)
            assert status == 204, (status, told)

    def instant(self, question: str, at: int) -> Answer:
        """An instant query at `at` (ms)."""
        return self._query("/api/v1/query", {"query": question, "time": f"{at / 1000:.3f}"})

    def range(self, question: str, start: int, end: int, step: int) -> Answer:
        """A range query, all in ms."""
        wanted = {"query": question, "start": f"{start / 1000:.3f}", "end": f"{end / 1000:.3f}", "step": f"{step / 1000:.3f}"}
        return self._query("/api/v1/query_range", wanted)

    def series(self, matchers: Sequence[Matcher], start: int, end: int) -> list[dict[str, str]]:
        """Which series there are."""
        text = ",".join(f"{one.label}{one.op}{json.dumps(one.value)}" for one in matchers)
        query = urllib.parse.urlencode({"match[]": f"{{{text}}}", "start": start / 1000, "end": end / 1000})
        found: list[dict[str, str]] = json.loads(self._ask("GET", f"/api/v1/series?{query}")[1])["data"]
        return found

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> tuple[int, bytes]:
        """Any request, with a body of that content type: status and what came."""
        return self._ask(method, path, body, kind or "application/x-www-form-urlencoded")

    def samples(self, selector: str, start: int, end: int) -> dict[frozenset[tuple[str, str]], dict[int, float]]:
        """The raw samples of all series within ``start < t <= end`` (ms), by their labels with the name among them."""
        told = self.instant(f"{selector}[{end - start}ms]", end)
        assert not told.error, told.why
        return {
            frozenset(one["metric"].items()): {round(at * 1000): float(value) for at, value in one["values"]}
            for one in told.data
        }

    def _query(self, path: str, fields: dict[str, str]) -> Answer:
        body = urllib.parse.urlencode(fields).encode()
        _, told = self._ask("POST", path, body, "application/x-www-form-urlencoded")
        answer = json.loads(told)
        if answer["status"] != "success":
            return Answer(answer["errorType"], answer["error"], "", None)
        return Answer("", "", answer["data"]["resultType"], answer["data"]["result"])

    def _ask(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/x-protobuf"
    ) -> tuple[int, bytes]:
        headers = {"Content-Type": kind, "Content-Encoding": "snappy"} if kind.endswith("protobuf") else {"Content-Type": kind}
        try:
            self._connection.request(method, path, body, headers if body is not None else {})
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
