"""Who listens on this machine, from /proc: tables of sockets, whose they are, and which unit or container they are in.

As an ordinary user one sees whose own sockets; the others are named by their port. Layout: proc(5), and the kernel's
Documentation/networking/proc_net_tcp.rst.
"""

from __future__ import annotations

import os
import re
import socket
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from watchkeeper.survey.found import Found, Port
from watchkeeper.survey.known import KNOWN, OURS, PLUMBING

LISTEN = "0A"
_UNIT = re.compile(r"/([^/]+\.service)(?:/|$)")
_CONTAINER = re.compile(r"([0-9a-f]{64})")


def listening(root: Path, containers: Mapping[str, str]) -> list[Found]:
    """Servers with a listening TCP port, by name. `containers`: names by id."""
    holders = _holders(root)
    groups: dict[tuple[str, ...], list[tuple[int, Port]]] = defaultdict(list)
    for port, inode in _sockets(root):
        pid = holders.get(inode, 0)
        groups[_keeper(root, pid, port)].append((pid, port))
    found = [_found(root, held, containers) for held in groups.values()]
    return _named(one for one in found if one.program not in OURS | PLUMBING and not _is_ours(root, one.pid))


def _sockets(root: Path) -> Iterable[tuple[Port, int]]:
    seen = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (root / "proc/net" / table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] != LISTEN:
                continue
            address, _, number = fields[1].partition(":")
            port = Port(_address(address), int(number, 16))
            if (port, fields[9]) not in seen:
                seen.add((port, fields[9]))
                yield port, int(fields[9])


def _address(written: str) -> str:
    """The kernel prints words of 32 bits in the machine's own byte order."""
    words = [bytes.fromhex(written[start : start + 8]) for start in range(0, len(written), 8)]
    packed = b"".join(word[::-1] for word in words)  # little-endian machines, which is all that Linux runs on in practice
    if len(packed) == 4:
        return socket.inet_ntop(socket.AF_INET, packed)
    text = socket.inet_ntop(socket.AF_INET6, packed)
    return text.removeprefix("::ffff:")


def _holders(root: Path) -> dict[int, int]:
    """The lowest pid that holds each socket, by inode: a server's first process rather than its workers."""
    held: dict[int, int] = {}
    pids = sorted(int(path.name) for path in (root / "proc").iterdir() if path.name.isdigit())
    for pid in pids:
        folder = root / "proc" / str(pid) / "fd"
        try:
            names = os.listdir(folder)  # noqa: PTH208  # as below
        except OSError:
            continue
        for name in names:
            try:
                link = os.readlink(folder / name)  # noqa: PTH115  # a Path for each descriptor of the machine is slow
            except OSError:
                continue
            if link.startswith("socket:["):
                held.setdefault(int(link[8:-1]), pid)
    return held


def _keeper(root: Path, pid: int, port: Port) -> tuple[str, ...]:
    """What belongs together: sockets of one container, unit or program; one that nobody can be named for stands alone."""
    if not pid:
        return ("port", str(port.number))
    unit, container = _group(root, pid)
    if container or unit:
        return ("in", container or unit)
    # One interpreter runs many servers: what it was started with tells them apart.
    return ("program", _path(root, pid) or str(pid), _text(root, pid, "cmdline"))


def _found(root: Path, held: list[tuple[int, Port]], containers: Mapping[str, str]) -> Found:
    pid = min(one for one, _ in held)
    unit, container = _group(root, pid) if pid else ("", "")
    ports = {port.number: port for _, port in sorted(held, key=lambda one: one[1].address, reverse=True)}
    program = _text(root, pid, "comm") if pid else ""
    return Found(
        name=containers.get(container, "") or program or f"port-{min(ports)}",
        program=program,
        pid=pid,
        ports=tuple(ports[number] for number in sorted(ports)),
        path=_path(root, pid) if pid else "",
        unit="" if container else unit,
        container=containers.get(container, container[:12]),
    )


def _named(found: Iterable[Found]) -> list[Found]:
    """Names as a configuration takes them, each once."""
    taken: dict[str, int] = defaultdict(int)
    named = []
    for one in sorted(found, key=lambda one: (one.program not in KNOWN, one.name, one.ports[0].number)):
        name = re.sub(r"[^a-z0-9._-]+", "-", one.name.lower()).strip("-.") or f"port-{one.ports[0].number}"
        taken[name] += 1
        again = f"-{taken[name]}" if taken[name] > 1 else ""
        named.append(Found(name[:50] + again, one.program, one.pid, one.ports, one.path, one.unit, one.container))
    return named


def _group(root: Path, pid: int) -> tuple[str, str]:
    """The unit and the container that a process is in, by its control group; empty where it is in none."""
    groups = _text(root, pid, "cgroup")
    container = _CONTAINER.search(groups)
    unit = _UNIT.search(groups)
    return (unit[1] if unit and not unit[1].startswith("user@") else ""), (container[1] if container else "")


def _path(root: Path, pid: int) -> str:
    try:
        return os.readlink(root / "proc" / str(pid) / "exe").removesuffix(" (deleted)")  # noqa: PTH115  # the text, not a Path
    except OSError:
        return ""


def _is_ours(root: Path, pid: int) -> bool:
    """Whether it is Watchkeeper itself, or a server that it keeps already."""
    words = _text(root, pid, "cmdline").split("\0") if pid else []
    return "watchkeeper" in words[:4] or any(Path(word).name in OURS for word in words[:2])


def _text(root: Path, pid: int, name: str) -> str:
    try:
        return (root / "proc" / str(pid) / name).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
