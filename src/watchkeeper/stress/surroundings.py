"""What a run was made on and with: this machine, its limits, versions, its load. Text by name, nothing secret."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from pathlib import Path

from watchkeeper import __version__
from watchkeeper.stress.fit import Machine
from watchkeeper.stress.health import descriptors_allowed

LIBRARIES = ("msgspec", "numpy", "uvloop", "picows", "httptools")
LIMITS = (
    "net/core/somaxconn",
    "net/ipv4/tcp_max_syn_backlog",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/tcp_tw_reuse",
    "net/ipv4/tcp_fin_timeout",
    "net/ipv4/tcp_rmem",
    "net/ipv4/tcp_wmem",
    "net/ipv4/tcp_congestion_control",
    "fs/file-max",
)


def environment(root: Path = Path("/")) -> dict[str, str]:
    """What a reader of a report asks for; what this system does not tell is left out."""
    found = {
        "machine": platform.node(),
        "system": platform.platform(),
        "architecture": platform.machine(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "watchkeeper": __version__,
        "cores": str(os.cpu_count() or 0),
        "cores_usable": str(cores()),
        "descriptors": str(descriptors_allowed()),
        "load": load(),
    }
    cpuinfo = _read(root / "proc/cpuinfo")
    if model := re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE):
        found["processor"] = model[1]
    if memory := re.search(r"^MemTotal:\s*(\d+)", _read(root / "proc/meminfo"), re.MULTILINE):
        found["memory_bytes"] = str(int(memory[1]) * 1024)
    found["governor"] = _read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip()
    found["container_cpu_max"] = _read(root / "sys/fs/cgroup/cpu.max").strip()
    found["container_memory_max"] = _read(root / "sys/fs/cgroup/memory.max").strip()
    found["mtu"] = ", ".join(
        f"{path.parent.name} {_read(path).strip()}" for path in sorted((root / "sys/class/net").glob("*/mtu"))
    )[:200]
    for name in LIMITS:
        found[name.rpartition("/")[2]] = " ".join(_read(root / "proc/sys" / name).split())
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {name: value for name, value in found.items() if value}


def load() -> str:
    """The machine's load over 1, 5 and 15 minutes; empty where the system does not tell."""
    return " ".join(f"{one:.2f}" for one in os.getloadavg()) if hasattr(os, "getloadavg") else ""


def machine(root: Path = Path("/")) -> Machine:
    """What the load may use of this machine."""
    first, _, last = _read(root / "proc/sys/net/ipv4/ip_local_port_range").strip().partition("\t")
    ports = int(last) - int(first) + 1 if first.isdigit() and last.strip().isdigit() else 16_384  # RFC 6335, dynamic ports
    return Machine(descriptors_allowed(), ports, cores())


def cores() -> int:
    """Processors that this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def memory_free(root: Path = Path("/")) -> float:
    """The share of this machine's memory that is free for use (Linux: MemAvailable); 1 where the system does not tell."""
    text = _read(root / "proc/meminfo")
    total = re.search(r"^MemTotal:\s*(\d+)", text, re.MULTILINE)
    free = re.search(r"^MemAvailable:\s*(\d+)", text, re.MULTILINE)
    return int(free[1]) / int(total[1]) if total and free and int(total[1]) else 1.0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
