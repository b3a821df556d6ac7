"""Names of running containers, asked of a container engine on its local socket (Docker's API, which Podman speaks too).

One GET, a second at most; no engine, no right to ask, or an answer that is none: no names.
"""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path

SOCKETS = ("run/docker.sock", "var/run/docker.sock", "run/podman/podman.sock")
SECONDS = 1.0
MOST_BYTES = 4 << 20


class _Local(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(str(self._path))


def containers(root: Path) -> dict[str, str]:
    """Names by id (64 hexadecimal digits)."""
    for place in SOCKETS:
        if (root / place).is_socket():
            return _names(root / place)
    return {}


def _names(path: Path) -> dict[str, str]:
    line = _Local(path)
    try:
        line.request("GET", "/containers/json")
        answer = line.getresponse()
        told = json.loads(answer.read(MOST_BYTES)) if answer.status == 200 else []
        return {one["Id"]: one["Names"][0].lstrip("/") for one in told if one.get("Names")}
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError):
        return {}
    finally:
        line.close()
