"""Who this machine is, in the words of `model.Machine`: read once, cheaply, without a library.

Linux reads its kernel files; elsewhere psutil tells what the standard library cannot.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from watchkeeper import __version__
from watchkeeper.model import Machine


def introduce(name: str, started_at: int, root: Path = Path("/")) -> Machine:
    """This machine under `name`; `started_at` (ms) is when its agent began."""
    memory, boot_at = _linux(root) if sys.platform == "linux" else _portable()
    return Machine(
        name=name,
        os=_system(root),
        kernel=platform.release(),
        architecture=platform.machine(),
        cpus=os.cpu_count() or 1,
        memory_bytes=memory,
        boot_at=boot_at,
        agent_version=__version__,
        agent_started_at=started_at,
    )


def machine_name() -> str:
    """The host's name without its domain: what a machine is called unless the configuration says otherwise."""
    return platform.node().partition(".")[0] or "localhost"


def _system(root: Path) -> str:
    """The distribution's own name where there is one (os-release(5)), else the system's."""
    try:
        for line in (root / "etc/os-release").read_text(encoding="utf-8").splitlines():
            if line.startswith("PRETTY_NAME="):
                return line.partition("=")[2].strip().strip('"')
    except OSError:
        pass
    return f"{platform.system()} {platform.release()}".strip()


def _linux(root: Path) -> tuple[int, int]:
    memory = boot_at = 0
    for line in (root / "proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemTotal:"):
            memory = int(line.split()[1]) * 1024
            break
    for line in (root / "proc/stat").read_text(encoding="ascii").splitlines():
        if line.startswith("btime "):
            boot_at = int(line.split()[1]) * 1000
            break
    return memory, boot_at


def _portable() -> tuple[int, int]:
    import psutil  # noqa: PLC0415  # not installed on Linux

    return int(psutil.virtual_memory().total), round(psutil.boot_time() * 1000)
