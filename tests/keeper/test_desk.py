"""The keeper as whoever connects to it sees it: pages in, pages out, over a socket for its own user alone."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rigs.keeping import keepers, sweep
from rigs.programs import is_alive, until
from watchkeeper.control import keeperline
from watchkeeper.keeper import PROTOCOL
from watchkeeper.keeper.page import Page, Reader, one, write


class Caller:
    """A bare client of the keeper."""

    def __init__(self, run: Path) -> None:
        here = os.open(run, os.O_PATH)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(f"/proc/self/fd/{here}/keeper.socket")
        os.close(here)
        self.socket.settimeout(20)
        self._reader = Reader()
        self._pages: list[Page] = []

    def say(self, **page: str | int | list[str]) -> None:
        """Send a page."""
        self.socket.sendall(write(page))

    def hear(self, op: str) -> Page:
        """The next page of this kind."""
        while True:
            while self._pages:
                page = self._pages.pop(0)
                if one(page, "op") == op:
                    return page
            more = self.socket.recv(65536)
            assert more, f"the keeper hung up before {op}"
            self._pages = self._reader.feed(more)

    def is_over(self) -> bool:
        """Whether the keeper has hung up."""
        try:
            return self.socket.recv(65536) == b""
        except ConnectionError:
            return True


Start = Callable[[], Caller]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a keeper and call it; or call the one there is."""
    run = tmp_path / "run"
    run.mkdir()
    callers: list[Caller] = []

    def call() -> Caller:
        if not (run / "keeper.socket").exists():
            ready, told = os.pipe()
            words = [*keeperline.command(), "detach", str(run), str(told), "b"]
            subprocess.run(words, pass_fds=(told,), env={}, check=True)
            os.close(told)
            assert os.read(ready, 100) == b"ready"
            os.close(ready)
        callers.append(Caller(run))
        return callers[-1]

    yield call
    for caller in callers:
        caller.socket.close()
    sweep(tmp_path)


def spawn(caller: Caller, order: str, *command: str, server: str = "web") -> None:
    """Order one."""
    caller.say(op="spawn", server=server, order=order, command=list(command), environment=["PATH=/usr/bin:/bin"], folder="/")


def test_it_introduces_itself_and_speaks_the_older_language(start: Start) -> None:
    """An agent that speaks more, or less, is answered in what both know."""
    for speaks, answer in ((PROTOCOL, PROTOCOL), (PROTOCOL + 7, PROTOCOL), (0, 0)):
        caller = start()
        caller.say(op="hello", speaks=speaks)
        page = caller.hear("hello")
        assert one(page, "speaks") == str(answer)
        assert one(page, "build") == "b"
        assert is_alive(int(one(page, "pid")))
        caller.hear("shown")


def test_what_it_does_not_know_it_passes_over(start: Start) -> None:
    """A later agent's pages and keys, and bytes that are no page, change nothing."""
    caller = start()
    caller.say(op="sing", song="any")
    caller.socket.sendall(b"\xff\x00 no page\n\n\n\n")
    caller.say(op="heard", server="none", order="1")
    caller.say(op="signal", server="none", order="1", signal=9)
    caller.say(op="hello", have=["nonsense", "web o1 x y z"], later="1")
    caller.say(op="ping")
    caller.hear("pong")


def test_its_socket_is_for_its_user_alone(start: Start, tmp_path: Path) -> None:
    """By the file's own rights, and, wherever that was changed, by who the kernel says is there."""
    start()
    path = tmp_path / "run" / "keeper.socket"
    assert path.stat().st_mode & 0o777 == 0o600
    if os.geteuid() != 0:
        return
    path.chmod(0o777)
    for folder in (tmp_path / "run", tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and (folder == tmp_path / "run" or "pytest" in str(folder)):
            folder.chmod(0o755)
    child = os.fork()
    if not child:
        os.setresuid(65534, 65534, 65534)
        try:
            stranger = socket.socket(socket.AF_UNIX)
            stranger.connect(str(path))
            stranger.settimeout(10)
            stranger.sendall(write({"op": "ping"}))
            os._exit(1 if stranger.recv(100) else 0)
        except ConnectionError:
            os._exit(0)
        except OSError:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_newest_agent_is_heard_and_the_order_of_the_one_before_still_counts(start: Start) -> None:
    """An agent that was killed behind its order has ordered all the same; what is left of its line is closed."""
    first = start()
    first.say(op="hello")
    first.hear("shown")
    spawn(first, "o1", "sleep", "1000")
    second = start()
    second.say(op="hello")
    assert one(second.hear("running"), "order") == "o1"
    second.hear("shown")
    while not first.is_over():
        pass


def test_a_page_without_end_costs_the_line_and_no_server(start: Start) -> None:
    """Who sends too much is hung up on; the next one is heard."""
    first = start()
    spawn(first, "o1", "sleep", "1000")
    pid = int(one(first.hear("running"), "pid"))
    with pytest.raises(ConnectionError):
        for _ in range(40):
            first.socket.sendall(b"x" * (1 << 20))
    second = start()
    second.say(op="hello")
    assert one(second.hear("running"), "pid") == str(pid)


def test_an_agent_that_reads_nothing_is_given_up(start: Start) -> None:
    """Its keeper neither waits for it nor keeps all that it has not read."""
    first = start()
    spawn(first, "o0", "sleep", "1000", server="other")  # else the keeper would end with the line
    spawn(first, "o1", "true", *["x" * 100_000] * 10)
    with pytest.raises(ConnectionError):
        while True:
            first.say(op="hello")
            time.sleep(0.02)
    second = start()
    second.say(op="ping")
    second.hear("pong")


def test_asked_to_leave_it_waits_for_its_servers(start: Start, tmp_path: Path) -> None:
    """SIGTERM, as at the machine's end: first the servers, then the keeper; without any at once. HUP and INT are nothing."""
    caller = start()
    spawn(caller, "o1", "sleep", "1000")
    pid = int(one(caller.hear("running"), "pid"))
    (keeper,) = keepers(tmp_path)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        os.kill(keeper, number)
    caller.say(op="ping")
    caller.hear("pong")
    assert is_alive(keeper)
    os.kill(pid, signal.SIGTERM)
    assert one(caller.hear("ended"), "status") == "15"
    until(lambda: not is_alive(keeper), "the keeper's end")


def test_a_server_ignores_no_signal_that_we_were_told_to_ignore(start: Start) -> None:
    """An agent begun by a shell in the background ignores SIGINT and SIGQUIT from there on; its servers do not."""
    ignored = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in ignored]
    try:
        caller = start()
    finally:
        for number, how in zip(ignored, before, strict=True):
            signal.signal(number, how)
    spawn(caller, "o1", "sleep", "1000")
    status = Path(f"/proc/{one(caller.hear('running'), 'pid')}/status").read_text()
    assert not int(status.split("SigIgn:")[1].split()[0], 16) & sum(1 << number - 1 for number in ignored)


def test_a_second_keeper_of_a_folder_says_so(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One per folder; the reason comes back to who started it."""
    start()
    code = f"""
import sys
sys.path.insert(0, {str(Path(keeperline.HOME).parents[1])!r})
from watchkeeper.keeper import desk
desk.LOCK_SECONDS = 0.05
desk.keep({str(tmp_path / "run")!r}, 1, "b")
"""
    said = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, check=True)
    assert said.stdout == b"another keeper has the folder"


def test_it_costs_nothing_while_nothing_happens_and_little_memory(start: Start, tmp_path: Path) -> None:
    """No wake-up in a second of peace; and less memory than a shell's window."""
    caller = start()
    spawn(caller, "o1", "sleep", "1000")
    caller.hear("running")
    (keeper,) = keepers(tmp_path)
    until(lambda: switches(keeper) == (time.sleep(0.3), switches(keeper))[1], "it to come to rest")
    before = switches(keeper)
    select.select([], [], [], 1)
    assert switches(keeper) == before
    rollup = Path(f"/proc/{keeper}/smaps_rollup").read_text().splitlines()
    pss = next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    assert pss < 8 << 10, f"{pss} KiB"


def test_it_loads_little(start: Start) -> None:
    """The standard library's small change alone: what costs memory is named here, and is not there."""
    home = str(keeperline.HOME.parents[1])
    code = f"import sys; sys.path.insert(0, {home!r}); import watchkeeper.keeper.desk; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    heavy = {
        "asyncio",
        "json",
        "re",
        "enum",
        "typing",
        "collections",
        "subprocess",
        "socket",
        "signal",
        "pathlib",
        "logging",
        "ctypes",
        "msgspec",
    }
    assert not loaded & heavy
    assert {name for name in loaded if name.startswith("watchkeeper")} == {"watchkeeper", "watchkeeper.keeper"} | {
        f"watchkeeper.keeper.{name}"
        for name in ["cgroup", "desk", "ending", "keeping", "launch", "living", "page", "record", "ward"]
    }


def switches(pid: int) -> int:
    """How often it has given the processor up by itself."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("voluntary_ctxt_switches:")[1].split()[0])
