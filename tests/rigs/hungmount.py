"""A mount whose lookups are never answered, as of a network disk that is gone: whoever asks is held by the kernel (state D)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SERVE = """
import ctypes, os, struct, sys
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
if ctypes.CDLL(None, use_errno=True).mount(b"hung", sys.argv[1].encode(), b"fuse", 0, options):
    sys.exit(f"it cannot be mounted: {os.strerror(ctypes.get_errno())}")
print("mounted", flush=True)
while asked := os.read(device, 1 << 20):
    what, number = struct.unpack("<4xIQ", asked[:16])
    if what == 26:  # INIT
        answer = struct.pack("<IIIIHHII", 7, 31, 65536, 0, 12, 10, 65536, 1).ljust(64, b"\\0")
    elif what == 3:  # GETATTR, of the root
        answer = struct.pack("<QII", 1, 0, 0) + struct.pack("<QQQQQQIIIIIIIIII", 1, *[0] * 8, 0o40755, 2, 0, 0, 0, 4096, 0)
    elif what == 1:  # LOOKUP
        continue
    else:
        answer = b""
    error = 0 if answer else -38
    os.write(device, struct.pack("<IiQ", 16 + len(answer), error, number) + answer)
"""
_DETACH = 2


def why_not() -> str:
    """Empty where such a mount can be made."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "only root may mount, on Linux"
    return "" if os.access("/dev/fuse", os.W_OK) else "this system has no /dev/fuse"


@contextlib.contextmanager
def hung_mount(point: Path) -> Iterator[Path]:
    """A path below `point` that nobody can look up; at the end all who wait for it are let go."""
    point.mkdir()
    serving = subprocess.Popen([sys.executable, "-c", SERVE, str(point)], stdout=subprocess.PIPE)
    try:
        assert serving.stdout
        assert serving.stdout.readline() == b"mounted\n"
        yield point / "x"
    finally:
        serving.kill()
        serving.communicate()
        ctypes.CDLL(None).umount2(str(point).encode(), _DETACH)


def is_held(pid: int) -> bool:
    """Whether the kernel holds a process."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"D"
    except OSError:
        return False
