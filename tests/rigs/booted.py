"""A Debian with a real systemd as its first process, in namespaces and a root of its own: for what only a booted system shows.

Needs root, debootstrap and a mirror; made once under build/ and copied for each test. It shares nothing with the machine but
the kernel and the network: its /tmp, /run, /dev and control groups are its own, and /proc/sys is read-only in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent.parent
BASE = HOME / "build" / "debian-root"
PACKAGES = "python3,python3-venv,ca-certificates,systemd,systemd-sysv,dbus,procps,iproute2"
MASKED = (
    *("systemd-sysctl", "systemd-udevd", "systemd-udev-trigger", "systemd-modules-load", "systemd-remount-fs"),
    *("systemd-binfmt", "systemd-networkd", "systemd-resolved", "systemd-timesyncd", "console-getty"),
)
"""What would reach for the machine's own devices, network or clock."""

BOOT = """\
set -e
R="$1"
mount --make-rprivate /
mount --bind "$R" "$R"
mount -t proc proc "$R/proc"
mount -t sysfs -o ro sysfs "$R/sys"
mount -t cgroup2 cgroup2 "$R/sys/fs/cgroup"
mount -t tmpfs tmpfs "$R/run"
mount -t tmpfs tmpfs "$R/dev"
mkdir "$R/dev/pts" "$R/dev/shm"
for node in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
  set -- $node
  mknod -m 666 "$R/dev/$1" c "$2" "$3"
done
ln -s /proc/self/fd "$R/dev/fd"
ln -s pts/ptmx "$R/dev/ptmx"
mount -o bind,ro "$R/proc/sys" "$R/proc/sys"
mkdir -p "$R/oldroot"
cd "$R"
pivot_root . oldroot
cd /
umount -l /oldroot
export container=namespaces PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec /lib/systemd/systemd --system --unit=multi-user.target --log-target=journal --show-status=0
"""
BOOT_SECONDS = 30.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Debian's for root, as a login sets it."""


def why_not() -> str:
    """Empty where such a system can be booted; else why not."""
    if os.name != "posix" or os.geteuid() != 0:
        return "only root can make namespaces and a root of their own"
    if not shutil.which("debootstrap"):
        return "debootstrap is not installed"
    return ""


def base() -> Path:
    """The Debian that copies are made of; the first call takes a minute or two. Raises CalledProcessError without a mirror."""
    if not (BASE / "complete").exists():
        shutil.rmtree(BASE, ignore_errors=True)
        BASE.parent.mkdir(exist_ok=True)
        subprocess.run(
            # In a mount namespace: what it mounts there is gone with it, also when it is killed. From its own default mirror.
            ["unshare", "--mount", "debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(BASE)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        for name in MASKED:
            (BASE / "etc/systemd/system" / f"{name}.service").symlink_to("/dev/null")
        (BASE / "complete").touch()
    return BASE


class Booted:
    """One running system. `close` ends everything in it."""

    def __init__(self, folder: Path) -> None:
        """Copy the base below `folder` and boot it; returns once systemd says that it runs."""
        self.root = folder / "root"
        subprocess.run(["cp", "-a", "--reflink=auto", str(base()), str(self.root)], check=True)
        script = folder / "boot.sh"
        script.write_text(BOOT, encoding="utf-8")
        spaces = ["--fork", "--kill-child", "--pid", "--mount", "--uts", "--ipc", "--cgroup"]
        self._outer = subprocess.Popen(
            ["unshare", *spaces, "sh", str(script), str(self.root)], stdin=subprocess.DEVNULL, start_new_session=True
        )
        self._inner = 0
        deadline = time.monotonic() + BOOT_SECONDS
        while self.run("systemctl", "is-system-running").stdout.strip() not in {"running", "degraded"}:
            if time.monotonic() > deadline or self._outer.poll() is not None:
                self.close()
                raise RuntimeError("systemd has not come up in its namespaces")
            time.sleep(0.3)

    def run(self, *argv: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a program in it and return how it ended, with its words."""
        inner = self._find()
        if not inner:
            return subprocess.CompletedProcess(argv, 1, "", "not there yet")
        surroundings = {
            "PATH": PATH,
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
        }
        enter = ["nsenter", "--target", str(inner), "--pid", "--mount", "--uts", "--ipc", "--cgroup"]
        return subprocess.run([*enter, *argv], capture_output=True, text=True, check=False, timeout=seconds, env=surroundings)

    def close(self) -> None:
        """End it: killing its first process ends all others in its pid namespace."""
        self._outer.kill()
        self._outer.wait()

    def _find(self) -> int:
        """The pid of its systemd, as this machine numbers it; 0 before the script has become it."""
        if not self._inner:
            children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children")
            found = children.read_text(encoding="ascii").split() if children.exists() else []
            if found and Path(f"/proc/{found[0]}/comm").read_text(encoding="ascii").strip() == "systemd":
                self._inner = int(found[0])
        return self._inner
