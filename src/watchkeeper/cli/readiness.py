"""Tell the service system that we are ready, alive and stopping: sd_notify(3) over NOTIFY_SOCKET.

The address is taken out of the environment at once, so that no server that we start speaks in our name. Where nobody
listens, every call does nothing.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time


class Readiness:
    """What `up`, `hub` or `agent` says to whoever started it as a service."""

    def __init__(self) -> None:
        """Take address and watchdog out of the environment (sd_watchdog_enabled(3))."""
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        seconds = int(os.environ.pop("WATCHDOG_USEC", "") or 0) / 1e6
        meant = os.environ.pop("WATCHDOG_PID", "") or str(os.getpid())
        self._every = seconds / 3 if meant == str(os.getpid()) else 0.0
        self._due = 0.0

    @property
    def is_service(self) -> bool:
        """Whether a service system started us: what we print is kept in a log, then, and read by others."""
        if self._address:
            return True
        out = os.fstat(1)
        return os.environ.get("JOURNAL_STREAM", "") == f"{out.st_dev}:{out.st_ino}"  # systemd.exec(5)

    def ready(self, status: str) -> None:
        """We do our work; `status` is a line for a person."""
        self._say(f"READY=1\nSTATUS={status}")

    def stopping(self) -> None:
        """We have begun to stop."""
        self._say("STOPPING=1")

    def alive(self) -> None:
        """Call often: says so as often as the watchdog wants, three times in its period."""
        if self._every and (now := time.monotonic()) >= self._due:
            self._due = now + self._every
            self._say("WATCHDOG=1")

    def tell_on_loop(self, status: str) -> None:
        """Ready, and alive for as long as the running loop turns: a hung loop is what the watchdog is to notice."""
        self.ready(status)
        if self._every:
            self._turn(asyncio.get_running_loop())

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self.alive()
        loop.call_later(self._every / 2, self._turn, loop)

    def _say(self, state: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.sendto(state.encode(), address)
        except OSError:
            self._address = ""  # whoever asked has gone
