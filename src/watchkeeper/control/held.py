"""Hold a process for some seconds, and let it go whoever dies: ``python -I -S held.py PID START_TICKS SECONDS``.

Its own program, since the agent that wants a server held may be killed before it lets go: the agent holds the writing end of
our standard input, and when that ends, or the time is up, the process goes on. Standard library alone.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time


def is_it(pid: int, ticks: int) -> bool:
    """Whether this is still the process that was meant (field 22 of proc(5)'s stat); without /proc nobody can tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19]) == ticks
    except OSError:
        return not os.path.isdir("/proc/self")


def send(pid: int, number: int) -> bool:
    """A signal to its group, where it leads one, else to itself."""
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except OSError:
        return False
    return True


def main(pid: int, ticks: int, seconds: float) -> None:
    """Hold, wait, let go."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if not is_it(pid, ticks) or not send(pid, signal.SIGSTOP):
        print("gone", flush=True)
        return
    try:
        print("held", flush=True)
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0 and is_it(pid, ticks):
            if select.select([0], [], [], min(left, 1.0))[0] and not os.read(0, 4096):
                break
    finally:
        if is_it(pid, ticks):
            send(pid, signal.SIGCONT)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
