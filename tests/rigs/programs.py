"""The real programs on a folder and a port of their own, ended at the end by pid."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
LISTENING = (10_000, 30_000)
"""Below what systems give to connections: 32,768 on Linux, 49,152 elsewhere."""
HELLO = Path(__file__).parents[2] / "examples" / "hello_server.py"


def free_port() -> int:
    """A port of loopback that nobody has, and that no connection is given as its own end before a program listens there."""
    while True:
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", random.SystemRandom().randrange(*LISTENING)))
            return int(one.getsockname()[1])


def until(look: Callable[[], T], what: str, seconds: float = 60.0) -> T:
    """Look again and again until something true comes back."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.05)
    return found


def is_alive(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


class Programs:
    """Hub, agent and `up` on one data folder."""

    def __init__(self, folder: Path, config: str) -> None:
        """`config` is TOML; ``{port}`` in it is a free port, the same everywhere."""
        self.folder = folder
        self.data = folder / "data"
        self.server_port = free_port()
        self.hub_port = free_port()
        self.config = folder / "watchkeeper.toml"
        self.write(config)
        self.log = folder / "programs.log"
        self._started: list[subprocess.Popen[bytes]] = []

    def write(self, config: str) -> None:
        """Change the configuration."""
        self.config.write_text(config.replace("{port}", str(self.server_port)).replace("{hello}", str(HELLO)))

    def start(
        self, *arguments: str, through: tuple[str, ...] = (), data: Path | None = None, config: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Run `watchkeeper …` in the background, `through` another program; on other data or another configuration if given."""
        words = ("--config", str(config or self.config), "--data", str(data or self.data))
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*through, sys.executable, "-m", "watchkeeper", *arguments, *words],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self._started.append(process)
        return process

    def hub(self) -> subprocess.Popen[bytes]:
        """A hub on its port."""
        return self.start("hub", "--listen", f"127.0.0.1:{self.hub_port}")

    def agent(self) -> subprocess.Popen[bytes]:
        """An agent."""
        return self.start("agent")

    def up(self) -> subprocess.Popen[bytes]:
        """Both."""
        return self.start("up", "--listen", f"127.0.0.1:{self.hub_port}")

    def run(self, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run one verb to its end."""
        command = [sys.executable, "-m", "watchkeeper", *arguments, "--data", str(self.data)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)

    @property
    def url(self) -> str:
        """Where the hub answers."""
        return f"http://127.0.0.1:{self.hub_port}"

    def ask(self, path: str) -> httpx.Response | None:
        """GET with the local token; None while nobody answers."""
        try:
            token = (self.data / "token").read_text().strip()
            return httpx.get(self.url + path, headers={"Authorization": f"Bearer {token}"}, timeout=5)
        except (httpx.TransportError, OSError):
            return None

    def ready(self) -> None:
        """Wait until the hub answers."""
        until(lambda: (answer := self.ask("/readyz")) is not None and answer.status_code == 200, "the hub", 120)

    def post(self, path: str, body: object, token: str) -> dict[str, Any]:
        """POST with a token; the answer, which must be a success."""
        answer = httpx.post(self.url + path, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=20)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def server(self, name: str) -> dict[str, object]:
        """A server's status as the API has it; empty while it is not known."""
        answer = self.ask("/api/overview")
        if answer is None or answer.status_code != 200:
            return {}
        return next((one["status"] for one in answer.json()["servers"] if one["status"]["name"] == name), {})

    def said(self) -> str:
        """Everything that the programs have printed."""
        return self.log.read_text() if self.log.exists() else ""

    def sign_in_link(self) -> str:
        """The one-time link that `up` has printed."""
        return until(lambda: re.search(r"Sign in\s+(\S+)", self.said()), "a sign-in link")[1]

    def story(self) -> str:
        """What was printed last and what the journal holds, for whoever reads a failed test."""
        path = self.data / "journal.db"
        told: list[tuple[int, str]] = []
        if path.exists():
            with (
                contextlib.suppress(sqlite3.Error),
                contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db,
            ):
                told = db.execute("SELECT at, text FROM events ORDER BY id").fetchall()
        return "\n".join([self.said()[-4000:], *(f"{at} {message}" for at, message in told[-60:])])

    def close(self) -> None:
        """End what was started, and the servers that it kept."""
        sys.stdout.write(self.story())
        kept = [
            int(found)
            for path in (self.data / "agent" / "run").glob("*.run")
            for found in re.findall(r"^pid (\d+)", path.read_text(), re.MULTILINE)[-1:]
        ]
        for process in reversed(self._started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in reversed(self._started):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pid in kept:
            if is_alive(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
