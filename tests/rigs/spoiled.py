"""Things that can be spoiled for real: a link that is cut, a small volume that is filled, a certificate about to end."""

from __future__ import annotations

import contextlib
import http.server
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rigs import certificates
from watchkeeper.drill import mounting

IS_ROOT = sys.platform == "linux" and os.geteuid() == 0
CAN_MOUNT = IS_ROOT and all(shutil.which(name) for name in ("mount", "umount", "unshare", "mkfs.ext4"))
WHY = "only root on Linux mounts volumes"


class Cable:
    """A way to the hub that can be cut: what is on it is dropped, and nobody gets on it, until it is mended."""

    def __init__(self, port: int) -> None:
        """To this port of loopback."""
        self._to = port
        self._cut = threading.Event()
        self._ends: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """Now."""
        self._cut.set()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """And again."""
        self._cut.clear()

    def close(self) -> None:
        """For good."""
        self.cut()
        self._listening.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                one, _ = self._listening.accept()
                if self._cut.is_set():
                    one.close()
                    continue
                try:
                    other = socket.create_connection(("127.0.0.1", self._to), 5)
                except OSError:
                    one.close()
                    continue
                self._ends += [one, other]
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    @staticmethod
    def _carry(one: socket.socket, other: socket.socket) -> None:
        others = {one: other, other: one}
        with contextlib.suppress(OSError), one, other:
            while True:
                for end in select.select([one, other], [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    others[end].sendall(data)


class Volume:
    """A small volume at `point`, to be filled and emptied."""

    def __init__(self, point: Path) -> None:
        self.point = point

    def fill(self, share: float) -> None:
        """Until so much of it is used, or no room is left because somebody else writes there too."""
        found = os.statvfs(self.point)
        wanted = round((share - 1 + found.f_bavail / found.f_blocks) * found.f_blocks * found.f_frsize)
        with (self.point / "ballast").open("ab", buffering=0) as file, contextlib.suppress(OSError):
            for _ in range(max(0, wanted) // 4096):
                file.write(bytes(4096))

    def empty(self) -> None:
        """Take that away again."""
        (self.point / "ballast").unlink(missing_ok=True)


def image(folder: Path, megabytes: int = 32) -> Path:
    """A file system in a file."""
    found = folder / "volume.img"
    with found.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(found)], check=True)
    return found


def apart(volume: Path, point: Path) -> tuple[str, ...]:
    """What a program is started through to see the volume mounted, alone."""
    return (sys.executable, "-I", "-S", str(Path(mounting.__file__)), str(volume), str(point))


@contextmanager
def mounted(point: Path, size: str) -> Iterator[Volume]:
    """A tmpfs, for the length of a ``with``."""
    point.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(point)], check=True)
    try:
        yield Volume(point)
    finally:
        subprocess.run(["umount", "-l", str(point)], check=True)


@contextmanager
def https(folder: Path) -> Iterator[int]:
    """A server whose certificate ends in two days; its port."""
    made = certificates.made(folder, "shop")

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.socket = made.served().wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
