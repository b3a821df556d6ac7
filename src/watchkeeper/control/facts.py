"""What the kernel tells of a process, as text for a person: the sections of evidence that are read below /proc.

Each reader is given the pids of one server and returns one section, bounded; what cannot be read is said in the section.
None reads an environment. Called from `evidence`, in a thread that nobody waits for longer than its time.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from watchkeeper.control.processtree import PROC, stat
from watchkeeper.control.redaction import redact, redact_command

SECTION_CHARS = 400_000
TABLE_BYTES = 4 << 20
"""So much of the kernel's tables of sockets is read: some 25,000 connections."""
THREADS = 300
FILES = 300
STACKS = 100
CPU_SECONDS = 0.1
"""The interval over which threads are compared by the CPU that they use."""
_TICK = 1.0 / (os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100)
_TCP_STATES = dict(
    enumerate(
        [
            "established",
            "syn-sent",
            "syn-received",
            "fin-wait-1",
            "fin-wait-2",
            "time-wait",
            "closed",
            "close-wait",
            "last-ack",
            "listening",
            "closing",
        ],
        1,
    )
)

Pids = Sequence[int]


def threads(pids: Pids, proc: Path = PROC) -> str:
    """Every thread: its CPU over a moment, its state, where in the kernel it waits; the busiest first."""
    before = _cpu_times(pids, proc)
    time.sleep(CPU_SECONDS)
    rows = []
    for (pid, tid), cpu in _cpu_times(pids, proc).items():
        folder = proc / str(pid) / "task" / str(tid)
        fields = stat_of(folder)
        state = fields[0].decode("ascii", "replace") if fields else "?"
        used = (cpu - before.get((pid, tid), cpu)) / CPU_SECONDS
        rows.append((used, cpu, pid, tid, state, word(folder / "wchan"), word(folder / "comm"), word(folder / "syscall")))
    rows.sort(key=lambda row: row[:2], reverse=True)
    lines = ["  CPU    TOTAL      PID      TID S WAITS IN                   NAME             SYSTEM CALL"]
    for used, cpu, pid, tid, state, waits, name, call in rows[:THREADS]:
        lines.append(f"{used:5.0%} {cpu:8.2f} {pid:8d} {tid:8d} {state} {waits or '-':26.26s} {name:16.16s} {call:.40s}")
    if len(rows) > THREADS:
        lines.append(f"… and {len(rows) - THREADS} more")
    return "\n".join(lines)


def stacks(pids: Pids, proc: Path = PROC) -> str:
    """Where in the kernel each thread stands; root alone may see that."""
    shown: list[str] = []
    for pid in pids:
        for tid in _threads_of(pid, proc):
            if len(shown) >= STACKS:
                return "\n\n".join([*shown, "… and more"])
            folder = proc / str(pid) / "task" / str(tid)
            shown.append(f"{pid}/{tid} {word(folder / 'comm')}\n{read(folder / 'stack').strip() or '(in user mode)'}")
    return "\n\n".join(shown)


def family(pids: Pids, proc: Path = PROC) -> str:
    """The server's processes, with their command lines; what looks like a secret in them is hidden."""
    lines = []
    for pid in pids:
        fields = stat(pid, proc)
        parent, state = (fields[1].decode(), fields[0].decode()) if fields else ("?", "?")
        try:
            words = (proc / str(pid) / "cmdline").read_bytes()[:20_000].decode("utf-8", "replace").rstrip("\0").split("\0")
        except OSError as fault:
            words = [f"({fault.strerror})"]
        lines.append(f"{pid:8d} child of {parent:>8s} {state} {redact_command(words)[:4000]}")
    return "\n".join(lines)


def descriptors(pids: Pids, proc: Path = PROC) -> str:
    """Open files by kind, and the first of them by name."""
    kinds: Counter[str] = Counter()
    lines: list[str] = []
    for pid in pids:
        for number, target in links(proc / str(pid) / "fd"):
            kinds[target.split(":", 1)[0] if ":" in target and not target.startswith("/") else "file"] += 1
            if len(lines) < FILES and not target.startswith("socket:"):
                lines.append(f"{pid:8d} {number:>5s} {redact(target)[:500]}")
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return "\n".join([told or "none that may be seen", *lines])


def sockets(pids: Pids, proc: Path = PROC) -> str:
    """Its sockets by state, with their addresses and what waits in their queues."""
    own = {target[8:-1] for pid in pids for _, target in links(proc / str(pid) / "fd") if target.startswith("socket:[")}
    if not own or not pids:
        return "none that may be seen"
    states: Counter[str] = Counter()
    lines: list[str] = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in _bounded(proc / str(pids[0]) / "net" / table).splitlines()[1:]:
            fields = line.split()
            if len(fields) < 10 or fields[9] not in own:
                continue
            state = _TCP_STATES.get(int(fields[3], 16), fields[3]) if table.startswith("tcp") else "open"
            states[f"{table} {state}"] += 1
            if len(lines) < FILES:
                sent, got = (int(part, 16) for part in fields[4].split(":"))
                lines.append(
                    f"{table:5s} {state:12s} {_address(fields[1]):28s} {_address(fields[2]):28s} to send {sent}, to read {got}"
                )
    for line in _bounded(proc / str(pids[0]) / "net" / "unix").splitlines()[1:]:
        fields = line.split()
        if len(fields) >= 7 and fields[6] in own:
            states["unix " + {"01": "listening or unconnected", "03": "connected"}.get(fields[5], fields[5])] += 1
    told = "\n".join(f"{count:6d} {state}" for state, count in states.most_common())
    return "\n".join(filter(None, [told, *lines])) or "none that may be seen"


def tables(pids: Pids, names: Sequence[str], proc: Path = PROC) -> str:
    """Some of the leader's own tables as the kernel writes them."""
    return "\n\n".join(f"{name}:\n{read(proc / str(pid) / name).rstrip()}" for pid in pids[:1] for name in names)


def pressure(_pids: Pids, proc: Path = PROC) -> str:
    """How much the whole machine waits for CPU, memory and disks; load and free memory beside it."""
    told = [f"{name}:\n{read(proc / 'pressure' / name).rstrip()}" for name in ("cpu", "memory", "io")]
    memory = "\n".join(read(proc / "meminfo").splitlines()[:5])
    return "\n\n".join([*told, f"loadavg: {read(proc / 'loadavg').rstrip()}", f"meminfo:\n{memory}"])


def sections(pids: Pids) -> list[tuple[str, Callable[[], str]]]:
    """Every section in the order in which it is read: what tells most first, what may block in the kernel last."""
    return [
        ("threads", lambda: threads(pids)),
        ("kernel stacks", lambda: stacks(pids)),
        ("descriptors", lambda: descriptors(pids)),
        ("sockets", lambda: sockets(pids)),
        ("status, limits, io", lambda: tables(pids, ("status", "limits", "io", "cgroup"))),
        ("pressure", lambda: pressure(pids)),
        # Reading a command line takes the lock of the process's memory, which a hung one may hold.
        ("processes", lambda: family(pids)),
    ]


def read(path: Path) -> str:
    """A file as text, bounded; what cannot be read says why."""
    try:
        with path.open("rb") as file:
            return file.read(SECTION_CHARS).decode("utf-8", "replace")
    except OSError as fault:
        return f"({fault.strerror})"


def word(path: Path) -> str:
    """A file of one line; empty when it cannot be read."""
    try:
        return path.read_bytes()[:200].decode("utf-8", "replace").strip()
    except OSError:
        return ""


def links(folder: Path) -> list[tuple[str, str]]:
    """The descriptors of a process and what they lead to; those that cannot be seen are left out.

    A file's name may be any bytes: those that are no UTF-8 are written as numbers.
    """
    found: list[tuple[str, str]] = []
    try:
        names = os.listdir(folder)  # noqa: PTH208  # names suffice
    except OSError:
        return found
    for name in sorted(names[:20_000], key=int):
        try:
            target = os.fsencode(os.readlink(folder / name))  # noqa: PTH115  # a socket's is no path
            found.append((name, target.decode("utf-8", "backslashreplace")))
        except OSError:
            continue
    return found


def stat_of(folder: Path) -> list[bytes]:
    """A thread's stat from its third field on; empty when it has gone."""
    try:
        return (folder / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []


def _cpu_times(pids: Pids, proc: Path) -> dict[tuple[int, int], float]:
    found = {}
    for pid in pids:
        for tid in _threads_of(pid, proc):
            if fields := stat_of(proc / str(pid) / "task" / str(tid)):
                found[pid, tid] = (int(fields[11]) + int(fields[12])) * _TICK
    return found


def _threads_of(pid: int, proc: Path) -> list[int]:
    try:
        return sorted(map(int, os.listdir(proc / str(pid) / "task")))[:2000]  # noqa: PTH208  # names suffice
    except OSError:
        return []


def _bounded(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(TABLE_BYTES).decode("ascii", "replace")
    except OSError:
        return ""


def _address(written: str) -> str:
    """``0100007F:1F90`` as ``127.0.0.1:8080``: words of 32 bits in the machine's own order."""
    import ipaddress  # noqa: PLC0415  # evidence alone needs it, and the agent's memory is counted

    number, _, port = written.partition(":")
    words = bytes.fromhex(number)
    raw = b"".join(words[place : place + 4][::-1] for place in range(0, len(words), 4))
    host = ipaddress.ip_address(raw)
    return f"[{host}]:{int(port, 16)}" if host.version == 6 else f"{host}:{int(port, 16)}"
