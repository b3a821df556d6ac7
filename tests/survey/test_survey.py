"""What listens is found, named, asked and proposed: against a captured tree, and against real servers here."""

from __future__ import annotations

import http.server
import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rigs.programs import free_port, until
from watchkeeper.cli import main
from watchkeeper.cli.init import picked
from watchkeeper.errors import Refused
from watchkeeper.survey import look
from watchkeeper.survey.asking import ask
from watchkeeper.survey.containers import containers
from watchkeeper.survey.found import Found, Port
from watchkeeper.survey.known import KNOWN
from watchkeeper.survey.listening import listening
from watchkeeper.survey.proposal import proposal

CONTAINER = "4b" * 32
HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def row(address: str, state: str, inode: int) -> str:
    """A line of /proc/net/tcp as the kernel prints it."""
    return f"   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1\n"


def process(root: Path, pid: int, comm: str, cgroup: str, sockets: list[int], words: str = "") -> None:
    """A process of a captured tree."""
    folder = root / "proc" / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "comm").write_text(comm + "\n")
    (folder / "cgroup").write_text(cgroup + "\n")
    (folder / "cmdline").write_text(words.replace(" ", "\0"))
    (folder / "exe").symlink_to(f"/usr/sbin/{comm}")
    for number, inode in enumerate(sockets):
        (folder / "fd" / str(number)).symlink_to(f"socket:[{inode}]")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Nginx under systemd with two workers, redis in a container, a program of somebody's, and Watchkeeper itself."""
    net = tmp_path / "proc" / "net"
    net.mkdir(parents=True)
    rows = [row("00000000:0050", "0A", 11), row("0100007F:18EB", "0A", 12), row("0100007F:1F40", "0A", 13)]
    rows += [row("0100007F:2198", "0A", 14), row("0100007F:9999", "01", 15), row("0100007F:0BB8", "0A", 16)]
    (net / "tcp").write_text(HEADER + "".join(rows))
    (net / "tcp6").write_text(HEADER + row("00000000000000000000000000000000:01BB", "0A", 21))
    process(tmp_path, 100, "nginx", "0::/system.slice/nginx.service", [11, 21])
    process(tmp_path, 101, "nginx", "0::/system.slice/nginx.service", [11, 21])
    process(tmp_path, 200, "redis-server", f"0::/system.slice/docker-{CONTAINER}.scope", [12])
    process(tmp_path, 300, "My App!", "0::/user.slice/user-1000.slice/user@1000.service/app.slice", [13])
    process(tmp_path, 400, "python3", "0::/", [14], "/usr/bin/python3 -m watchkeeper hub")
    return tmp_path


def test_servers_are_found_with_who_keeps_them(machine: Path) -> None:
    """Workers and both families are one server; we ourselves are not listed; who cannot be named is a port."""
    found = {one.name: one for one in listening(machine, {CONTAINER: "cache"})}
    assert sorted(found) == ["cache", "my-app", "nginx", "port-3000"]
    assert found["nginx"] == Found(
        "nginx", "nginx", 100, (Port("0.0.0.0", 80), Port("::", 443)), "/usr/sbin/nginx", "nginx.service"
    )
    assert (found["cache"].container, found["cache"].unit) == ("cache", "")
    assert (found["my-app"].unit, found["my-app"].ports) == ("", (Port("127.0.0.1", 8000),))
    assert found["port-3000"].pid == 0


def test_known_servers_come_first_and_names_are_unique(machine: Path) -> None:
    """Two programs of one name get numbers; those that we know lead the list."""
    table = machine / "proc" / "net" / "tcp"
    table.write_text(table.read_text() + row("0100007F:1F90", "0A", 31))
    process(machine, 500, "my app?", "0::/", [31])
    names = [one.name for one in listening(machine, {})]
    assert names[:2] == ["nginx", "redis-server"]
    assert {"my-app", "my-app-2"} <= set(names)


def test_the_file_decodes_and_asks_what_fits(machine: Path) -> None:
    """The proposal is TOML; what is kept stays with its keeper, and the rest is probed."""
    tables = tomllib.loads(proposal(listening(machine, {CONTAINER: "cache"}), machine="host-1"))
    assert tables["machine"] == {"name": "host-1"}
    assert tables["server"]["nginx"]["driver"] == "systemd"
    assert tables["server"]["nginx"]["unit"] == "nginx.service"
    assert tables["server"]["nginx"]["probe"] == [{"kind": "http", "url": "http://127.0.0.1:80/"}]
    assert tables["server"]["cache"]["probe"] == [{"kind": "tcp", "port": 6379, "send": "PING\r\n", "expect": "PONG"}]
    assert tables["probe"]["my-app"] == {"kind": "tcp", "port": 8000}


class Page(http.server.BaseHTTPRequestHandler):
    """A server with a page of figures, and nothing at /."""

    def do_GET(self) -> None:
        """Answer."""
        body = b"# HELP x y\n# TYPE x gauge\nx 1\n" if self.path == "/metrics" else b"nothing here"
        self.send_response(200 if self.path == "/metrics" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Greeter(socketserver.BaseRequestHandler):
    """A server that greets, and is no HTTP."""

    def handle(self) -> None:
        """Greet and go."""
        self.request.sendall(b"220 hello\r\n")


@pytest.fixture
def page() -> Iterator[int]:
    """The port of a real HTTP server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """The port of an HTTP server that is a program of its own, and so has one port."""
    port = free_port()
    words = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: is_listening(port), "the server")
        yield port
    finally:
        server.kill()
        server.wait()


def is_listening(port: int) -> bool:
    """Whether somebody does."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def test_a_port_is_asked_what_it_speaks(page: int) -> None:
    """HTTP with its status and its page of figures; what greets in another tongue is plain TCP."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Greeter) as greeter:
        threading.Thread(target=greeter.serve_forever, daemon=True).start()
        ports = (Port("127.0.0.1", page), Port("127.0.0.1", greeter.server_address[1]))
        web, other = ask(Found("x", "x", 1, ports)).ports
        greeter.shutdown()
    assert (web.speaks, web.status, web.metrics) == ("http", 404, "/metrics")
    assert other.speaks == "tcp"
    (text,) = [line for line in proposal([Found("x", "x", 1, (web,))]).splitlines() if line.startswith("status")]
    assert tomllib.loads(text) == {"status": ["200-399", 404]}


@pytest.mark.slow
def test_this_machine_is_surveyed_and_the_file_is_one_that_the_program_reads(tmp_path: Path) -> None:
    """`init --yes` on the machine itself finds a real server, and what it writes passes its own check."""
    target = tmp_path / "new" / "watchkeeper.toml"
    with serving(tmp_path) as page:
        assert main(["init", "--yes", "--output", str(target)]) == 0
    text = target.read_text(encoding="utf-8")
    assert f"http://127.0.0.1:{page}/" in text
    assert target.stat().st_mode & 0o777 == 0o640
    assert main(["config", "check", "--config", str(target)]) == 0


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The operator's file stays as it is, and the refusal says how to see the proposal."""
    target = tmp_path / "watchkeeper.toml"
    target.write_text("# mine\n", encoding="utf-8")
    assert main(["init", "--yes", "--no-connect", "--output", str(target)]) == 1
    assert "--print" in capsys.readouterr().err
    assert target.read_text(encoding="utf-8") == "# mine\n"


def test_an_answer_chooses_by_number() -> None:
    """Enter is all, none is none, numbers are those; a number that was not offered is refused."""
    found = [Found(name, name, 1, (Port("127.0.0.1", 1),)) for name in ("a", "b", "c")]
    assert [one.name for one in picked("", found)] == ["a", "b", "c"]
    assert picked("none", found) == []
    assert [one.name for one in picked("3, 1 3", found)] == ["c", "a"]
    with pytest.raises(Refused, match="'4' is none"):
        picked("4", found)


def test_container_names_come_from_a_real_socket_and_a_sick_engine_gives_none(tmp_path: Path) -> None:
    """The engine's API is asked on its unix socket; an answer that is none, or a dead socket, is no name and no fault."""
    answers = [json.dumps([{"Id": CONTAINER, "Names": ["/cache"]}]).encode(), b'{"message": "sick"}']

    class Engine(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.pop(0)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "local"

        def log_message(self, *_: object) -> None:
            pass

    (tmp_path / "run").mkdir()
    with socketserver.ThreadingUnixStreamServer(str(tmp_path / "run" / "docker.sock"), Engine) as engine:
        threading.Thread(target=engine.serve_forever, daemon=True).start()
        assert containers(tmp_path) == {CONTAINER: "cache"}
        assert containers(tmp_path) == {}
        engine.shutdown()
    assert containers(tmp_path) == {}
    assert containers(tmp_path / "nowhere") == {}


@pytest.mark.slow
def test_a_real_listener_is_found_with_its_program() -> None:
    """The kernel's own tables are read as they are here."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        number = listener.getsockname()[1]
        (here,) = [one for one in look(connect=False) if any(port.number == number for port in one.ports)]
    assert here.pid == os.getpid()
    assert here.path


def test_known_servers_are_named_as_the_kernel_names_them() -> None:
    """The kernel cuts a process's name at 15 characters: a longer key would never be met."""
    assert [name for name in KNOWN if len(name) > 15] == []
