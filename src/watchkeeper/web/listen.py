"""A listening socket, bound before anything else starts, so that a taken port is a clear error at once.

Who holds a taken port is found by reading /proc where there is one (proc(5): net/tcp, PID/fd); of processes
of other users only root can tell, so the answer is "as far as we may see".
"""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from pathlib import Path

from watchkeeper.errors import ConfigError

TRIES = 50
"""How many ports after the wanted one are tried when the next free one will do."""


def bind(host: str, port: int, *, next_free: bool = False) -> socket.socket:
    """A bound TCP socket (port 0: any). Raises ConfigError that names the holder of a taken port and what to do."""
    for candidate in range(port, min(port + (TRIES if next_free and port else 0), 65535) + 1):
        try:
            return _bound(host, candidate)
        except OSError as fault:
            if fault.errno == errno.EADDRINUSE:
                continue
            raise ConfigError(_reason(fault, host, candidate), where="web.listen") from None
    if next_free:
        raise ConfigError(f"no port from {port} to {port + TRIES} is free on {host}", where="web.listen")
    held = f" by {holder}" if (holder := port_holder(port)) else ""
    raise ConfigError(f"port {port} on {host} is taken{held}; stop that, or listen on another port", where="web.listen")


def split_address(written: str) -> tuple[str, int]:
    """HOST:PORT apart (``[::1]:8600`` for IPv6); raises ConfigError."""
    host, colon, port = written.rpartition(":")
    host = host.strip("[]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f'expected HOST:PORT such as "127.0.0.1:8600", got {written!r}', where="web.listen")
    return host, int(port)


def address(bound: socket.socket) -> str:
    """``HOST:PORT`` of a bound socket, for a URL; a wildcard is shown as loopback, which a browser can open."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # shown differently, not bound
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def port_holder(port: int, proc: Path = Path("/proc")) -> str:
    """``name (pid 4711)`` of the process that listens on this port, as far as we may see; empty when we cannot tell."""
    inodes = _listening(port, proc)
    if not inodes:
        return ""
    for process in proc.iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it ended, or is another user's
            for descriptor in (process / "fd").iterdir():
                if str(descriptor.readlink()) in inodes:
                    name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                    return f"{name} (pid {process.name})"
    return ""


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    found = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":  # there it would let two programs share a port
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(where)
        found.listen(256)  # now, not later: with SO_REUSEADDR it is listening that finds the port taken
        found.setblocking(False)
    except OSError:
        found.close()
        raise
    return found


def _reason(fault: OSError, host: str, port: int) -> str:
    if isinstance(fault, socket.gaierror):
        return f"the host {host!r} is not known"
    if fault.errno == errno.EACCES:
        return f"port {port} needs root; choose one above 1023"
    if fault.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine"
    return f"cannot listen on {host}:{port}: {fault.strerror or fault}"


def _listening(port: int, proc: Path) -> set[str]:
    """The sockets that listen on this port, as the links in PID/fd name them."""
    found = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (proc / "net" / table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(f"socket:[{fields[9]}]")
    return found
