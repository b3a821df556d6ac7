"""Limits of a control group (v2) for one server, below the group that was delegated to us; what cannot be had is told.

A group with limits for its children may hold no processes of its own (the kernel's "no internal processes"), so those
that stand in it, the agent's and the keeper's, move into a group beside. That is done where the group was delegated
(systemd's ``Delegate=yes``) or is the root of what we can see, and nowhere else. Only a server with limits gets a group.
"""

from __future__ import annotations

import errno
import os

from watchkeeper.keeper import living

FILES = {"memory_max": ("memory", "memory.max"), "cpu_max": ("cpu", "cpu.max"), "pids_max": ("pids", "pids.max")}
"""Setting: controller and file."""
OURS = "watchkeeper-programs"
"""Where agent, keeper and servers without limits stand once their group has children with limits."""


def join(server: str, wanted: dict[str, str], root: str = "") -> tuple[str, list[str]]:
    """Put this process into a group of its own with these limits: its folder ('' for none), and what could not be had.

    `root` stands in for where the kernel shows our own group.
    """
    group = root or own_group()
    if not group:
        return "", ["no limits of a control group: this system shows no control groups of version 2"]
    there = living.text(f"{group}/cgroup.controllers").decode().split()
    controllers = {FILES[name][0] for name in wanted}
    warnings = [
        f"{name} is not in force: the controller {FILES[name][0]} is not delegated to {group}"
        for name in sorted(wanted)
        if FILES[name][0] not in there
    ]
    controllers &= set(there)
    if not controllers:
        return "", warnings
    folder = f"{group}/watchkeeper-{server}"
    try:
        _enable(group, controllers)
        try:
            os.mkdir(folder, 0o755)
        except FileExistsError:
            pass
        for name, value in wanted.items():
            if FILES[name][0] in controllers:
                write(f"{folder}/{FILES[name][1]}", value)
        write(f"{folder}/cgroup.procs", "0")
    except OSError as fault:
        names = ", ".join(sorted(name for name in wanted if FILES[name][0] in controllers))
        return "", [*warnings, f"{names} not in force: {fault.filename or group}: {fault.strerror}"]
    return folder, warnings


def remove(folder: str) -> None:
    """The server has ended; a group that still holds somebody stays."""
    try:
        os.rmdir(folder)
    except OSError:
        return


def own_group() -> str:
    """The folder of the group that we may divide; empty where there is none."""
    path = next((line[3:] for line in _lines("/proc/self/cgroup") if line.startswith("0::")), "")
    for line in _lines("/proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        if path and after.startswith("cgroup2 "):
            inside, place = before.split(" ")[3:5]
            found = place + (path.removeprefix(inside.rstrip("/")) if path.startswith(inside) else path)
            return found.rstrip("/").removesuffix(f"/{OURS}")
    return ""


def _enable(group: str, controllers: set[str]) -> None:
    missing = controllers - set(living.text(f"{group}/cgroup.subtree_control").decode().split())
    if not missing:
        return
    wanted = " ".join(f"+{name}" for name in sorted(missing))
    try:
        write(f"{group}/cgroup.subtree_control", wanted)
    except OSError as fault:
        if fault.errno != errno.EBUSY or not _is_delegated(group):
            raise
        _make_room(group)
        write(f"{group}/cgroup.subtree_control", wanted)


def _make_room(group: str) -> None:
    """Move the programs out of the group itself; one that ends meanwhile is passed over."""
    try:
        os.mkdir(f"{group}/{OURS}", 0o755)
    except FileExistsError:
        pass
    for pid in living.text(f"{group}/cgroup.procs").decode().split():
        try:
            write(f"{group}/{OURS}/cgroup.procs", pid)
        except ProcessLookupError:
            continue


def _is_delegated(group: str) -> bool:
    if own_group() == group and next((line for line in _lines("/proc/self/cgroup") if line.startswith("0::")), "") == "0::/":
        return True
    for name in ("trusted.delegate", "user.delegate"):
        try:
            if os.getxattr(group, name) == b"1":
                return True
        except OSError:
            continue
    return False


def write(path: str, text: str) -> None:
    """Write one of the kernel's files; the error names it."""
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
    except OSError as fault:
        raise OSError(fault.errno, fault.strerror, path) from None
    finally:
        os.close(file)


def _lines(path: str) -> list[str]:
    return living.text(path).decode("utf-8", "surrogateescape").splitlines()
