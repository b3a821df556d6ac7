"""The keeper's loop: its lock, its socket, the agent's pages in and out, and the kernel's word that a child has ended.

`program` comes in. What the pages ask for is `keeping`'s to do. One thread, one poll, nothing that waits; a fault in
one page or one end is written to the keeper's log and touches no other: whoever dies here is the servers' parent.
"""

from __future__ import annotations

import fcntl
import os
import select
import sys
import time
from _signal import SIG_IGN, set_wakeup_fd, signal  # type: ignore[import-not-found]  # as in `launch`
from _socket import AF_UNIX, SO_PEERCRED, SOCK_STREAM, SOL_SOCKET, socket

from watchkeeper.keeper import PROTOCOL, cgroup, living
from watchkeeper.keeper.keeping import Keeping
from watchkeeper.keeper.page import Page, Reader, number, one, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FIRST_SECONDS = 10.0
"""How long a keeper without servers waits for the agent that has started it."""
LOCK_SECONDS = 5.0
"""How long it waits for an earlier keeper, or what that has forked, to be gone."""
MOST_UNSENT = 4 << 20
"""An agent that reads nothing is given up at so many bytes: the next one asks anew."""
_CHLD, _TERM, _HUP, _INT = 17, 15, 1, 2


def keep(folder: str, ready: int, build: str) -> None:
    """Keep the servers of a run folder until there are none and no agent. `build` is what the agent calls this very program."""
    os.set_inheritable(ready, False)
    desk = Desk(folder, build)
    why = desk.open()
    os.write(ready, why.encode("utf-8", "surrogateescape") or b"ready")
    os.close(ready)
    if not why:
        desk.run()


class Desk:
    """Who is heard, who is told, and what is looked at."""

    def __init__(self, folder: str, build: str) -> None:
        self._folder = folder
        self._build = build
        self._poll = select.poll()
        self._seen: dict[int, Callable[[], None]] = {}
        self._agent: socket | None = None
        self._reader = Reader()
        self._unsent = b""
        self._leave = False
        self._until = time.monotonic() + FIRST_SECONDS
        self._renewal: list[str] = []

    def open(self) -> str:
        """Take the folder, find who lives, and listen; the reason when that cannot be."""
        try:
            self._lock = os.open(f"{self._folder}/keeper.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if not self._locked():
                return "another keeper has the folder"
            self._name()
            woken, wake = os.pipe()
            os.set_blocking(woken, False)
            os.set_blocking(wake, False)
            set_wakeup_fd(wake, warn_on_full_buffer=False)
            signal(_CHLD, lambda _number, _frame: None)
            signal(_TERM, self._asked_to_leave)
            for ignored in (_HUP, _INT):
                signal(ignored, SIG_IGN)
            self.watch(woken, lambda: self._woken(woken))
            self.keeping = Keeping(self._folder, self._id(), self.tell, self.watch)
            self.keeping.find()
            self._listen()
        except OSError as fault:
            return f"{fault.filename or self._folder}: {fault.strerror}"
        return ""

    def run(self) -> None:
        """Do what comes, until there is nothing left to keep."""
        while True:
            for descriptor, _ in self._poll.poll(self._patience()):
                act = self._seen.get(descriptor)
                if act is not None:
                    try:
                        act()
                    except Exception:  # noqa: BLE001  # the frame of all that comes in: one of our bugs must not cost the servers their parent
                        sys.excepthook(*sys.exc_info())
            if self._renewal:
                self._renew()
            if self._agent is None:
                self.keeping.sync()
            if self._is_done():
                self._close()
                return

    def watch(self, descriptor: int, act: Callable[[], None] | None) -> None:
        """Call `act` whenever the descriptor is readable or at its end; None: no more."""
        if act is None:
            self._poll.unregister(descriptor)
            del self._seen[descriptor]
        else:
            self._poll.register(descriptor, select.POLLIN)
            self._seen[descriptor] = act

    def tell(self, page: Mapping[str, str | int | Sequence[str]]) -> None:
        """Send a page to the agent, if there is one."""
        if self._agent is not None:
            self._unsent += write(page)
            self._send()

    # -- leaves -------------------------------------------------------------------------------------

    def _locked(self) -> bool:
        until = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    return False
                time.sleep(0.005)
            else:
                return True

    def _name(self) -> None:
        """What process lists show."""
        try:
            cgroup.write("/proc/self/comm", "wk-keeper")
        except OSError:
            return

    def _id(self) -> str:
        """The folder's own id, made once: what tells our servers from those of another folder."""
        path = f"{self._folder}/keep"
        found = living.text(path).decode("ascii", "replace").strip()
        if not found:
            found = os.urandom(8).hex()
            file = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            os.write(file, found.encode())
            os.fsync(file)
            os.close(file)
            os.rename(f"{path}.new", path)
        return found

    def _listen(self) -> None:
        # The address of a unix socket holds 107 bytes, the path of a folder can be longer: /proc knows a short one.
        here = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        address = f"/proc/self/fd/{here}/keeper.socket"
        try:
            os.unlink(address)
        except FileNotFoundError:
            pass
        self._listener = socket(AF_UNIX, SOCK_STREAM)
        before = os.umask(0o177)
        try:
            self._listener.bind(address)
        finally:
            os.umask(before)
            os.close(here)
        self._listener.listen(8)
        self._listener.setblocking(False)
        self.watch(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            descriptor, _ = self._listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001  # what `socket.accept` calls
        except BlockingIOError:
            return
        peer = socket(fileno=descriptor)
        _, uid, _ = _credentials(peer)
        if uid not in {0, os.geteuid()}:
            peer.close()
            return
        self._hang_up()
        peer.setblocking(False)
        self._agent, self._reader, self._unsent = peer, Reader(), b""
        self._until = 0.0
        self.watch(peer.fileno(), self._turn)

    def _turn(self) -> None:
        if self._unsent:
            self._send()
        self._hear()

    def _hear(self) -> None:
        agent = self._agent
        while agent is not None and agent is self._agent:
            try:
                more = agent.recv(1 << 16)
                pages = self._reader.feed(more)
            except BlockingIOError:
                return
            except (OSError, ValueError):
                more, pages = b"", []
            for page in pages:
                self._do(page)
            if not more and agent is self._agent:
                self._drop()

    def _hang_up(self) -> None:
        """Another agent is there. What the one before has ordered before its death still counts: it is read to its end."""
        if self._agent is not None:
            self._hear()
        if self._agent is not None:
            self._drop()

    def _drop(self) -> None:
        assert self._agent is not None
        self.watch(self._agent.fileno(), None)
        self._agent.close()
        self._agent, self._unsent = None, b""

    def _do(self, page: Page) -> None:
        match one(page, "op"):
            case "hello":
                self._hello(page)
            case "spawn":
                self.keeping.spawn(page)
            case "signal":
                self.keeping.signal(page)
            case "heard":
                self.keeping.heard(page)
            case "ping":
                self.keeping.look()
                self.tell({"op": "pong", "id": one(page, "id")})
            case "renew":
                self._renewal = page.get("argv", [])

    def _hello(self, page: Page) -> None:
        for line in page.get("have", []):
            known = line.split(" ", 4)
            if len(known) == 5 and known[2].isdigit() and known[3].isdigit():
                self.keeping.adopt(known[0], known[1], int(known[2]), int(known[3]), known[4])
        self.keeping.look()
        speaks = min(PROTOCOL, number(page, "speaks", PROTOCOL))
        self.tell({"op": "hello", "speaks": speaks, "pid": os.getpid(), "build": self._build})
        self.keeping.show()
        self.tell({"op": "shown"})

    def _send(self) -> None:
        assert self._agent is not None
        try:
            while self._unsent:
                self._unsent = self._unsent[self._agent.send(self._unsent) :]
        except BlockingIOError:
            if len(self._unsent) > MOST_UNSENT:
                self._drop()
                return
        except OSError:
            return  # its end is seen when it is read
        self._poll.modify(self._agent.fileno(), select.POLLIN | (select.POLLOUT if self._unsent else 0))

    def _woken(self, woken: int) -> None:
        try:
            while os.read(woken, 512):
                pass
        except BlockingIOError:
            pass
        self.keeping.reap()

    def _asked_to_leave(self, _number: int, _frame: object) -> None:
        """SIGTERM, as at the machine's end: no hurry while servers live, for each of them would become an orphan."""
        self._leave = True

    def _patience(self) -> int | None:
        """Milliseconds until something must be looked at though nothing has come."""
        if self._agent is None and not self._lives():
            return max(1, int((self._until - time.monotonic()) * 1000))
        return None

    def _lives(self) -> bool:
        return any(ward.lives for ward in self.keeping.wards.values())

    def _is_done(self) -> bool:
        if self._lives():
            return False
        return self._leave or (self._agent is None and time.monotonic() >= self._until)

    def _close(self) -> None:
        try:
            os.unlink(f"{self._folder}/keeper.socket")
        except OSError:
            return

    def _renew(self) -> None:
        """Become a newer program in the same process: still everybody's parent. One that cannot be executed changes nothing."""
        if any(ward.report >= 0 for ward in self.keeping.wards.values()):
            return
        argv, self._renewal = self._renewal, []
        ready = os.open("/dev/null", os.O_WRONLY)
        os.set_inheritable(ready, True)
        try:
            os.execv(argv[0], [*argv[:-1], "keep", self._folder, str(ready), argv[-1]])
        except OSError:
            sys.excepthook(*sys.exc_info())
        os.close(ready)


def _credentials(peer: socket) -> tuple[int, int, int]:
    """Pid, user and group of who is at the other end."""
    found = peer.getsockopt(SOL_SOCKET, SO_PEERCRED, 12)
    return (
        int.from_bytes(found[0:4], "little", signed=True),
        int.from_bytes(found[4:8], "little"),
        int.from_bytes(found[8:12], "little"),
    )
