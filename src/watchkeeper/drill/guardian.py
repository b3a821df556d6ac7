"""The dead man's timer of a drill, a program that undoes all of it, whoever dies: ``guardian.py MARK FOLDER SECONDS``.

Whoever drills holds the writing end of its standard input. When that ends (the drill is over, or we were killed by
``kill -9``) or the time is up, everything that carries MARK in its environment is let go on, asked to end and then killed,
and FOLDER is removed, the ballast with it. Every drill ends this way, so the way is tried every time. Standard library alone,
in a session of its own.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time

GRACE = 4.0
"""Seconds that what is to end has for it."""
LEAVES = 5.0
"""Seconds that a killed process may take until the kernel has done with it."""


def carriers(mark: str) -> list[int]:
    """The processes that carry the mark in their environment; without /proc, those that name it in their arguments."""
    found = []
    if os.path.isdir("/proc/self"):
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == os.getpid():
                continue
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    marked = f"WATCHKEEPER_DRILL={mark}".encode() in file.read().split(b"\0")
                with open(f"/proc/{name}/stat", "rb") as file:
                    lives = file.read().rpartition(b")")[2].split()[0] not in {b"Z", b"X"}
            except OSError:
                continue
            if marked and lives:
                found.append(int(name))
        return found
    listed = subprocess.run(["ps", "-axo", "pid=,command="], capture_output=True, text=True, check=False)
    for line in listed.stdout.splitlines():
        number, _, command = line.strip().partition(" ")
        if mark in command and int(number) != os.getpid() and "guardian.py" not in command:
            found.append(int(number))
    return found


def send(pids: list[int], number: int) -> None:
    """A signal to each that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            pass


def undo(mark: str, folder: str) -> None:
    """Let go, ask, kill, remove."""
    go_on = getattr(signal, "SIGCONT", None)
    first = carriers(mark)
    if go_on is not None:
        send(first, go_on)
    send(first, signal.SIGTERM)
    ends = time.monotonic() + GRACE
    while carriers(mark) and time.monotonic() < ends:
        time.sleep(0.02)
    ends = time.monotonic() + LEAVES
    while (left := carriers(mark)) and time.monotonic() < ends:
        send(left, getattr(signal, "SIGKILL", signal.SIGTERM))
        time.sleep(0.02)
    for path in ballast(folder):
        try:
            os.unlink(path)
        except OSError:
            pass
    shutil.rmtree(folder, ignore_errors=True)


def ballast(folder: str) -> list[str]:
    """What was put elsewhere, as the file ``remove`` lists it: files of our own name alone."""
    try:
        with open(os.path.join(folder, "remove"), encoding="utf-8") as file:
            paths = file.read().splitlines()
    except OSError:
        return []
    return [path for path in paths if os.path.basename(path) == "watchkeeper-ballast"]


def main(mark: str, folder: str, seconds: float) -> None:
    """Wait for the end, then undo."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ends = time.monotonic() + seconds
    print("ready", flush=True)
    while (left := ends - time.monotonic()) > 0:
        if select.select([0], [], [], left)[0] and not os.read(0, 4096):
            break
    undo(mark, folder)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
