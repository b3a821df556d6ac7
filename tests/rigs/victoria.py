"""A real VictoriaMetrics on loopback, which keeps what it is sent and tells it again."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

PROGRAM = shutil.which("victoria-metrics")
MISSING = "victoria-metrics is not installed (on Debian: apt install victoria-metrics)"


class Victoria:
    """One process with its own folder; a context manager."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        """Give `port` to start it again where it was."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = port or free.getsockname()[1]
        assert PROGRAM
        self._folder = folder
        self.url = f"http://127.0.0.1:{self.port}"
        self._client = httpx.Client(base_url=self.url, timeout=60)
        self.start()

    def start(self) -> None:
        """Run it (again)."""
        command = [
            str(PROGRAM),
            f"-storageDataPath={self._folder}",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-retentionPeriod=100y",
            "-loggerLevel=ERROR",
            "-memory.allowedPercent=10",
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self) -> Self:
        self.wait_ready()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()
        self.process.terminate()
        self.process.wait(30)

    def wait_ready(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + 60
        while True:
            try:
                if self._client.get("/health").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, "victoria-metrics did not become ready"
            assert self.process.poll() is None, "victoria-metrics ended"
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait(30)

    def flush(self) -> None:
        """Let questions see, and the disk keep, what was sent."""
        assert self._client.get("/internal/force_flush").status_code == 200

    def forget(self) -> None:
        """Delete all series."""
        told = self._client.get("/api/v1/admin/tsdb/delete_series", params={"match[]": '{__name__!=""}'})
        assert told.status_code == 204, told.text

    def samples(self, selector: str) -> dict[str, dict[int, float | None]]:
        """What it has, by series as text; no value = a stale marker."""
        self.flush()
        fields = {"match[]": selector, "start": "1", "end": "4000000000"}
        found: dict[str, dict[int, float | None]] = {}
        for line in self._client.get("/api/v1/export", params=fields).text.splitlines():
            one = httpx.Response(200, text=line).json()
            metric = one["metric"]
            inside = ",".join(f'{name}="{metric[name]}"' for name in sorted(metric) if name != "__name__")
            text = f"{metric['__name__']}{{{inside}}}" if inside else metric["__name__"]
            found.setdefault(text, {}).update(zip(one["timestamps"], one["values"], strict=True))
        return found
