"""A hub's stand-in for the CLI's tests: real sockets, the API's own shapes, a WebSocket at /live, and no more."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import queue
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Request, TextMessage

from watchkeeper.cli import main
from watchkeeper.model import Event, EventKind, Machine, Outcome, ProbeResult, ServerState, ServerStatus
from watchkeeper.stress.hubside.lab import StressSecond
from watchkeeper.web.evidence_shapes import EvidenceFile, EvidenceList, EvidencePiece, EvidenceView
from watchkeeper.web.people_shapes import AuditView
from watchkeeper.web.shapes import (
    ActionAsk,
    ActionView,
    EventsView,
    FromBrowser,
    LogNews,
    LogsFollow,
    LogsView,
    MachineFigures,
    MachineView,
    Overview,
    Problem,
    ServerFigures,
    ServerView,
    SignInLink,
    Tick,
)
from watchkeeper.web.stress_shapes import StressAnnouncement, StressOrder, StressProgress, StressTarget

TOKEN = "a-token-for-tests"
NOW = 1_760_000_000_000


def make_server(name: str, state: str = "running", health: str = "up", machine: str = "kiosk", **more: Any) -> ServerView:
    """A server as the API tells it."""
    running = state == "running"
    status = ServerStatus(
        name=name,
        driver="process",
        state=ServerState(state),
        health=more.pop("said", health),
        since=NOW - 60_000,
        pid=4711 if running else 0,
        started_at=NOW - 3_600_000 if running else 0,
        **more,
    )
    return ServerView(machine, status, health, ServerFigures(cpu_ratio=0.125, memory_bytes=200 << 20, threads=9, open_fds=30))


def make_machine(name: str = "kiosk", *, up: bool = True) -> MachineView:
    """A machine as the API tells it."""
    figures = MachineFigures(
        cpu_ratio=0.34,
        memory_ratio=0.5,
        memory_used_bytes=4 << 30,
        memory_total_bytes=8 << 30,
        disk_ratio=0.63,
        disk_mountpoint="/",
        disk_free_bytes=9 << 30,
        load1=0.42,
        network_receive_bytes_per_second=1_200_000,
        network_transmit_bytes_per_second=34_000,
        uptime_seconds=273_600,
    )
    machine = Machine(name, "Linux", "6.1.0", "x86_64", 4, 8 << 30, NOW - 273_600_000, "0.1.0", NOW - 3_600_000)
    return MachineView(machine, "up" if up else "unknown", up, NOW, 1.0, figures)


class StandIn:
    """What a test sets up and looks at. `heard` are the requests in order, as "METHOD path"."""

    def __init__(self, port: int = 0) -> None:
        self.machines: list[MachineView] = [make_machine()]
        self.servers: list[ServerView] = [
            make_server(
                "shop", "backoff", "down", reason="exit status 1, next start in 8 s", restarts=3, last_exit="exit status 1"
            ),
            make_server("db", probes=(ProbeResult("tcp", "tcp", True, NOW, 0.001),)),
            make_server("web"),
        ]
        self.events = [Event("1", NOW, EventKind.SERVER_EXITED, "shop exited: exit status 1", "kiosk", "shop", "warning")]
        self.sentence = "1 of 3 servers needs attention: shop is down."
        self.lines = [f"line {number}" for number in range(1, 21)]
        self.actions: dict[str, ActionView] = {}
        self.announced: list[dict[str, str]] = []
        self.progress: list[StressSecond] = []
        self.ended_by = ""
        self.refuse: set[str] = set()
        self.asks: list[ActionAsk] = []
        self.evidence: list[EvidenceView] = []
        self.audit: list[AuditView] = []
        self.has_live = True
        self.query: tuple[int, Any] = (200, {"status": "success", "data": {"resultType": "vector", "result": []}})
        self.asked: dict[str, str] = {}
        self.heard: list[str] = []
        self.followed: list[LogsFollow] = []
        self._outgoing: list[queue.Queue[bytes | None]] = []
        self.port = port
        self.open()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Listen, on the same port as before if it had one."""
        stand_in = self

        class Handler(_Handler):
            hub = stand_in

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and drop every live connection."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for outgoing in list(self._outgoing):
            outgoing.put(None)
        wait_until(lambda: not self._outgoing)

    def overview(self) -> Overview:
        """The first screen."""
        return Overview(NOW, self.sentence, 1, tuple(self.machines), tuple(self.servers), tuple(self.events))

    def tick(self) -> Tick:
        """A live tick."""
        return Tick(NOW, self.sentence, 1, tuple(self.machines), tuple(self.servers), ())

    def push(self, message: Any) -> None:
        """Send to every live connection."""
        for outgoing in list(self._outgoing):
            outgoing.put(msgspec.json.encode(message))

    def set_server(self, name: str, state: str, health: str) -> None:
        """Put a server into another state."""
        self.servers = [make_server(name, state, health) if view.status.name == name else view for view in self.servers]

    def act(self, machine: str, server: str, verb: str) -> ActionView:
        """Take an order; it has ended when it is asked for again."""
        identity = f"action-{len(self.actions) + 1}"
        self.actions[identity] = ActionView(identity, NOW, machine, server, verb, "admin", "sent")
        return self.actions[identity]

    def settle(self, identity: str) -> ActionView:
        """End an action."""
        action = self.actions[identity]
        well = action.server not in self.refuse
        text = f"{action.verb} is done" if well else "it did not come up: exit status 1"
        if well:
            self.set_server(action.server, *(("stopped", "down") if action.verb == "stop" else ("running", "up")))
        ended = msgspec.structs.replace(action, state="done" if well else "failed", outcome=Outcome(identity, NOW, well, text))
        self.actions[identity] = ended
        return ended


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection to the stand-in."""

    hub: StandIn

    def log_message(self, *_: Any) -> None:
        """Keep the tests' output quiet."""

    def _listed(self, path: str, sought: dict[str, str]) -> None:
        """The newest of what is sought."""
        limit = int(sought["limit"])
        if path == "/api/audit":
            self._answer(200, self.hub.audit[:limit])
            return
        listed = [one for one in self.hub.evidence if one.server == sought.get("server", one.server)]
        self._answer(200, EvidenceList(tuple(listed[:limit])))

    def do_GET(self) -> None:
        """Every read of the API."""
        self.hub.heard.append(f"GET {self.path}")
        path, _, query = self.path.partition("?")
        steps = path.strip("/").split("/")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, Problem("not-signed-in", "sign in first"))
        elif path == "/api/overview":
            self._answer(200, self.hub.overview())
        elif path == "/api/events":
            self._answer(200, EventsView(tuple(reversed(self.hub.events))))
        elif path == "/api/stress/targets":
            self._answer(200, [StressTarget(one.machine, one.status.name, one.health) for one in self.hub.servers])
        elif path == "/live" and self.hub.has_live:
            self._live()
        elif path in {"/api/evidence", "/api/audit"}:
            self._listed(path, dict(parse_qsl(query)))
        elif steps[-2:-1] == ["evidence"]:
            pieces = (EvidencePiece("why", "it hung"), EvidencePiece("threads", "one sleeps"))
            self._answer(200, EvidenceFile(steps[-1], NOW, "web", 4711, "it hung", 0.2, pieces, ("sockets",)))
        elif steps[:2] == ["api", "actions"]:
            self._answer(200, self.hub.settle(steps[2]))
        elif steps[-1] == "logs":
            wanted = int(dict(part.split("=") for part in query.split("&"))["lines"])
            self._answer(200, LogsView(tuple(self.hub.lines[-wanted:])))
        else:
            self._answer(404, Problem("no-such-route", "there is nothing at this address"))

    def do_POST(self) -> None:
        """Orders, and fresh sign-in links."""
        self.hub.heard.append(f"POST {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        steps = self.path.strip("/").split("/")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, Problem("not-signed-in", "sign in first"))
        elif steps[-1] == "actions":
            self.hub.asks.append(msgspec.json.decode(body, type=ActionAsk))
            machine, server, verb = steps[2], steps[4], self.hub.asks[-1].verb
            if not any(view.connected and view.machine.name == machine for view in self.hub.machines):
                self._answer(409, Problem("not-connected", f"{machine} is not connected", "look whether its agent runs"))
            else:
                self._answer(202, self.hub.act(machine, server, verb))
        elif self.path.startswith("/api/v1/query"):
            self.hub.asked = dict(parse_qsl(body.decode()))
            self._answer(*self.hub.query)
        elif self.path == "/api/stress/announcements":
            announced = msgspec.json.decode(body, type=StressAnnouncement)
            self.hub.announced.append(json.loads(body))
            kind = EventKind.STRESS_STARTED if announced.what == "started" else EventKind.STRESS_ENDED
            self._answer(201, Event("e", NOW, kind, "as it was said"))
        elif self.path == "/api/stress/progress":
            told = msgspec.json.decode(body, type=StressProgress)
            self.hub.progress += told.seconds
            self._answer(200, StressOrder(self.hub.ended_by))
        elif self.path == "/api/sign-in-links":
            self._answer(201, SignInLink(f"{self.hub.url}/sign-in#once", NOW))
        else:
            self._answer(404, Problem("no-such-route", "there is nothing at this address"))

    def _answer(self, status: int, body: Any) -> None:
        content = msgspec.json.encode(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _live(self) -> None:
        socket = WSConnection(ConnectionType.SERVER)
        socket.initiate_upgrade_connection([(k.encode(), v.encode()) for k, v in self.headers.items()], self.path)
        outgoing: queue.Queue[bytes | None] = queue.Queue()
        with contextlib.suppress(OSError):
            assert isinstance(next(socket.events()), Request)
            self.connection.sendall(socket.send(AcceptConnection()))
            self.hub._outgoing.append(outgoing)
            outgoing.put(msgspec.json.encode(self.hub.tick()))
            try:
                self._serve(socket, outgoing)
            finally:
                self.hub._outgoing.remove(outgoing)
        self.close_connection = True

    def _serve(self, socket: WSConnection, outgoing: queue.Queue[bytes | None]) -> None:
        while True:
            with contextlib.suppress(queue.Empty):
                while True:
                    if (message := outgoing.get_nowait()) is None:
                        return
                    self.connection.sendall(socket.send(TextMessage(data=message.decode())))
            if not select.select([self.connection], [], [], 0.02)[0]:
                continue
            received = self.connection.recv(65536)
            if not received:
                return
            socket.receive_data(received)
            for event in socket.events():
                if isinstance(event, CloseConnection):
                    self.connection.sendall(socket.send(event.response()))
                    return
                if isinstance(event, TextMessage):
                    asked = msgspec.json.decode(event.data, type=FromBrowser)
                    if isinstance(asked, LogsFollow):
                        tail = tuple(self.hub.lines[-asked.lines :]) if asked.lines else ()
                        outgoing.put(msgspec.json.encode(LogNews(asked.machine, asked.server, tail)))
                        self.hub.followed.append(asked)


def wait_until(holds: Callable[[], Any], seconds: float = 20) -> None:
    """Wait for a condition, with a deadline far beyond what it takes."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)


@pytest.fixture
def waiting() -> Callable[..., None]:
    """The patience of these tests."""
    return wait_until


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[StandIn]:
    """A stand-in that runs, with its data folder in `tmp_path`."""
    stand_in = StandIn()
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "hub.json").write_text(json.dumps({"url": stand_in.url, "pid": os.getpid()}))
    yield stand_in
    stand_in.close()


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment that leads to the stand-in's data folder alone."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("WATCHKEEPER", "XDG", "COLUMNS", "NO_COLOR"))
    }
    return kept | {"WATCHKEEPER_DATA": str(tmp_path), "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture
def run(environ: dict[str, str], tmp_path: Path) -> Run:
    """Run the real command in a process of its own, in an empty folder."""

    def run(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        extra = more.pop("env", {})
        return subprocess.run(
            [sys.executable, "-m", "watchkeeper", *words],
            env=environ | extra,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
            **more,
        )

    return run


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the command in this process, led to the stand-in's data folder."""
    monkeypatch.setenv("WATCHKEEPER_DATA", str(tmp_path))
    for name in ("WATCHKEEPER_URL", "WATCHKEEPER_TOKEN_FILE", "WATCHKEEPER_CONFIG", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return lambda *words: main(list(words))


class Make:
    """Makers of the API's nouns, for tests that need others than the stand-in's own."""

    server = staticmethod(make_server)
    machine = staticmethod(make_machine)


@pytest.fixture
def make() -> type[Make]:
    """Makers of the API's nouns."""
    return Make
