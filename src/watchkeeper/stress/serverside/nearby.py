"""A target on this machine, looked at each second from outside: whoever listens on its port, the machine, its own pages.

Each of the three is a `Side` of the run. Nothing of the target is needed but its port: so a server that nobody supervises is
seen as well, as far as this user may look. What may not be read is left out, and `trouble` says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import re
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from watchkeeper.collect import tasks
from watchkeeper.collect.cpu import Cpu
from watchkeeper.collect.disk import Disk
from watchkeeper.collect.exposition import Parser
from watchkeeper.collect.load import Load
from watchkeeper.collect.memory import Memory
from watchkeeper.collect.netstat import Netstat
from watchkeeper.collect.network import Network
from watchkeeper.collect.openmetrics import OpenMetrics
from watchkeeper.collect.pressure import Pressure
from watchkeeper.collect.process import FAMILIES, Supervised, Tree
from watchkeeper.collect.sockstat import Sockstat
from watchkeeper.errors import Failed
from watchkeeper.model import Series
from watchkeeper.seams import Collector, Reader
from watchkeeper.stress.serverside.sockets import Sockets, sockets
from watchkeeper.stress.serverside.threads import threads

LOOK_AGAIN = 5.0
"""Seconds between two looks at who listens: so soon is a server seen that was started again."""
SHARE = 0.01
"""Of the time may go into counting sockets: with many thousands of them it is done less often."""
PAGE_SECONDS = 2.0
MOST_SERIES = 1000

_DRAWN = re.compile(
    r"node_(cpu_seconds_total|load1|pressure_.*|memory_(MemAvailable|MemTotal|SwapFree)_bytes|sockstat_TCP6?_.*"
    r"|netstat_Tcp(Ext)?_.*|network_(receive|transmit)_(bytes|packets|drop|errs)_total"
    r"|disk_(io_time_seconds|read_bytes|written_bytes)_total)"
)
"""Of the machine's hundreds of figures, those that tell what was full."""


class Listener:
    """The processes that listen on a port of this machine, and everything that descends from them."""

    source = "processes"

    def __init__(self, address: tuple[str, int], proc: Path = Path("/proc")) -> None:
        """`address`: where the target is connected to."""
        self._host, self._port = address
        self._proc = proc
        self._system = tasks()
        self._trees: dict[int, Tree] = {}
        self._look_due = 0.0
        self._count_due = 0.0
        self._counted: dict[str, float] = {}
        self.trouble = ""

    async def figures(self) -> dict[str, float]:
        """See `desk.Side`."""
        now = time.monotonic()
        found: dict[str, float] = {}
        if now >= self._count_due:
            try:
                seen = sockets(self._port)
            except Failed as fault:
                self.trouble = fault.why
                self._count_due = math.inf
            else:
                self._count_due = now + (time.monotonic() - now) / SHARE
                self._counted = _told(seen)
                if now >= self._look_due:
                    self._look_due = now + LOOK_AGAIN
                    self._look(seen)
        found |= self._counted
        for pid, tree in list(self._trees.items()):
            values = tree.read(now)
            if values is None:
                tree.close()
                del self._trees[pid]
                self._look_due = self._count_due = 0.0
                continue
            for family, value in zip(FAMILIES, values, strict=True):
                if not math.isnan(value):
                    found[_name(family.name, pid=str(pid))] = value
            found |= self._threads(pid)
        return found

    def close(self) -> None:
        """Give the descriptors back."""
        for tree in self._trees.values():
            tree.close()

    def _look(self, seen: Sockets) -> None:
        """Find the processes that hold the listening sockets."""
        wanted = {inode for inode, address in seen.listeners.items() if _is_at(address, self._host)}
        holders = _holders(wanted, self._proc)
        # Workers hold the socket that they were born with: those whose parent does too are counted with it.
        roots = {pid for pid in holders if _parent(pid, self._proc) not in holders}
        if seen.listeners and not roots:
            self.trouble = "this user may not look at the processes that listen there"
        for pid in self._trees.keys() - roots:
            self._trees.pop(pid).close()
        for pid in roots - self._trees.keys():
            with contextlib.suppress(Failed):
                self._trees[pid] = Tree(self._system, Supervised(str(pid), pid, _started(pid, self._proc)))

    def _threads(self, root: int) -> dict[str, float]:
        found: dict[str, float] = {}
        family = [root]
        for pid in family:
            if len(family) < 64:
                family += self._system.children(pid)
            for one in threads(pid, self._proc):
                labels = {"pid": str(pid), "thread": one.name, "tid": str(one.tid)}
                found[_name("process_thread_cpu_seconds_total", **labels)] = one.used
                if one.waited is not None:
                    found[_name("process_thread_waiting_seconds_total", **labels)] = one.waited
        return found


class Host:
    """This machine, as its collectors read it."""

    source = "host"

    def __init__(self, root: Path = Path("/")) -> None:
        """Open what there is."""
        self._readers: list[Reader] = []
        leaves: Sequence[Collector] = (Cpu(), Memory(), Load(), Pressure(), Netstat(), Sockstat(), Network(), Disk())
        for leaf in leaves:
            with contextlib.suppress(Failed, OSError):
                self._readers.append(leaf.open(root))

    async def figures(self) -> dict[str, float]:
        """See `desk.Side`."""
        found = {}
        for reader in self._readers:
            try:
                values = reader.read()
            except (Failed, OSError):
                continue
            for series, value in zip(reader.series, values, strict=True):
                if not math.isnan(value) and _DRAWN.fullmatch(series.name):
                    found[series.text()] = value
        return found

    def close(self) -> None:
        """Give the descriptors back."""
        for reader in self._readers:
            reader.close()


class OwnPage:
    """What the server says of itself on its page of figures (``/metrics``)."""

    def __init__(self, url: str) -> None:
        """`url` out of its configuration."""
        self.source = f"page {url}"
        self._leaf = OpenMetrics(url=url, most_series=MOST_SERIES)
        self._parser = Parser(MOST_SERIES)
        self.trouble = ""

    async def figures(self) -> dict[str, float]:
        """See `desk.Side`. A page that does not come is no figure: an overloaded server may not answer."""
        try:
            async with asyncio.timeout(PAGE_SECONDS):
                page = self._parser.read(await self._leaf.scrape())
        except (Failed, TimeoutError) as fault:
            self.trouble = getattr(fault, "why", f"no answer within {PAGE_SECONDS:g} s")
            return {}
        told = zip(page.series, page.values, strict=True)
        return {one.text(): value for one, value in told if math.isfinite(value) and not one.name.endswith("_bucket")}

    def close(self) -> None:
        """Nothing is kept open."""


Near = Listener | Host | OwnPage


def nearby(address: tuple[str, int], pages: Sequence[str]) -> list[Near]:
    """All that can be seen from here of a target on this machine."""
    return [Listener(address), Host(), *map(OwnPage, pages)]


def _told(seen: Sockets) -> dict[str, float]:
    found = {_name("process_sockets", state=state): float(many) for state, many in seen.states.items()}
    return found | {"process_listen_queue": float(seen.queued), "process_listen_queue_limit": float(seen.room)}


def _name(metric: str, **labels: str) -> str:
    return Series(metric, tuple(sorted(labels.items()))).text()


def _is_at(listening: bytes, host: str) -> bool:
    """Whether a socket that listens at an address takes connections for `host`."""
    wanted = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host.partition("%")[0])
    mapped = bytes(10) + b"\xff\xff" + wanted
    return not any(listening) or listening[: len(wanted)] == wanted or listening == mapped


def _holders(inodes: set[int], proc: Path) -> set[int]:
    """The processes that have one of these sockets open, among those that we may look at."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    found = set()
    for name in os.listdir(proc) if wanted else ():  # noqa: PTH208  # names suffice
        if not name.isdigit():
            continue
        folder = proc / name / "fd"
        with contextlib.suppress(OSError):
            for fd in sorted(os.listdir(folder), key=int)[:1024]:  # noqa: PTH208  # who listens began with it: a low number
                if _link(folder / fd) in wanted:
                    found.add(int(name))
                    break
    return found


def _link(path: Path) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115  # text suffices
    except OSError:
        return ""


def _stat(pid: int, proc: Path) -> list[bytes]:
    try:
        return (proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []


def _parent(pid: int, proc: Path) -> int:
    fields = _stat(pid, proc)
    return int(fields[1]) if fields else 0


def _started(pid: int, proc: Path) -> int:
    """When a process was started, ms since the epoch."""
    fields = _stat(pid, proc)
    try:
        boot = int((proc / "stat").read_bytes().partition(b"btime ")[2].split(None, 1)[0])
    except (OSError, IndexError):
        return 0
    return round((boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")) * 1000) if fields else 0
