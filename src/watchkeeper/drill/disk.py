"""A disk that fills: a ballast file on a scratch volume, until hardly anything is left there.

The volume is one that the operator names, or an image of some megabytes that is mounted for the drill's agent alone: in a
mount namespace of its own, which the kernel takes away with the last process in it, however that ends.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from watchkeeper.config import Part
from watchkeeper.drill.seam import Scene
from watchkeeper.errors import Failed

IMAGE_BYTES = 32 << 20
LARGEST = 2 << 30
"""A scratch volume with more room than this is not filled: that would take long, and somebody may count on it."""
LEFT = 0.02
"""The share of the volume that is left: less than any rule's bound, and not nothing."""
BALLAST = "watchkeeper-ballast"


class Disk(Part, frozen=True, tag_field="kind", tag="disk"):
    """``disk``: a ballast file fills a scratch volume: the one of ``[drill] scratch``, else one made for it and gone after."""

    NAME: ClassVar = "disk"
    ABOUT: ClassVar = "a ballast file fills a scratch volume"
    RULES: ClassVar = ("DiskCritical", "DiskLow")

    scratch: str = ""

    def unavailable(self) -> str:
        """It needs a volume, or the right to make one."""
        if self.scratch:
            return unfit(Path(self.scratch))
        if sys.platform != "linux" or os.geteuid() != 0:
            return "name a small volume in `[drill] scratch`; only root on Linux can make one for it"
        missing = [name for name in ("unshare", "mount", "mkfs.ext4") if shutil.which(name, path=_PATH) is None]
        if missing:
            return f"there is no {' or '.join(missing)} here: name a small volume in `[drill] scratch`"
        return ""

    def tables(self, scene: Scene) -> Mapping[str, Any]:
        """The collector of file systems, for that one alone."""
        if self.scratch:
            (scene.folder / "remove").write_text(f"{self.place(scene)}\n", encoding="utf-8")  # for the guardian
        else:
            _make(scene.folder)
        point = self.point(scene)
        only = "^(?!" + "".join(f"[{sign}]" if sign.isalnum() or sign in "/_" else f"\\{sign}" for sign in str(point)) + "$)"
        return {"collect": {"filesystem": {"enabled": True, "exclude_mounts": only}}}

    def wrapper(self, scene: Scene) -> tuple[str, ...]:
        """What the agent is started through: it enters a mount namespace, mounts the image there, and becomes the agent."""
        if self.scratch:
            return ()
        program = str(Path(__file__).with_name("mounting.py"))
        return (sys.executable, "-I", "-S", program, str(scene.folder / "scratch.img"), str(self.point(scene)))

    def point(self, scene: Scene) -> Path:
        """Where the volume is mounted, as the agent sees it."""
        return mount_of(Path(self.scratch)) if self.scratch else scene.folder / "scratch"

    def place(self, scene: Scene) -> Path:
        """The ballast."""
        return Path(self.scratch) / BALLAST if self.scratch else scene.seen(self.point(scene) / BALLAST)

    async def inject(self, scene: Scene) -> str:
        """Fill it."""
        return await asyncio.to_thread(_fill, self.place(scene))

    async def revert(self, scene: Scene) -> None:
        """Take the ballast away."""
        self.place(scene).unlink(missing_ok=True)


def unfit(folder: Path) -> str:
    """Why a folder's volume cannot be filled; empty when it can."""
    try:
        found = os.statvfs(folder)
    except OSError as fault:
        return f"[drill] scratch: {folder} cannot be used: {fault.strerror}"
    if found.f_bavail * found.f_frsize > LARGEST:
        return f"[drill] scratch: {folder} has more than {LARGEST >> 30} GiB free; it wants a small volume of its own"
    if mount_of(folder) == Path("/"):
        return f"[drill] scratch: {folder} is on the root file system; it wants a volume of its own"
    if not os.access(folder, os.W_OK):
        return f"[drill] scratch: {folder} cannot be written"
    return ""


def mount_of(folder: Path) -> Path:
    """The mount point that a folder is below."""
    here = folder.resolve()
    while not os.path.ismount(here) and here != here.parent:
        here = here.parent
    return here


_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def _make(folder: Path) -> None:
    """The image of a small volume; raises Failed."""
    image = folder / "scratch.img"
    (folder / "scratch").mkdir(exist_ok=True)
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    program = shutil.which("mkfs.ext4", path=_PATH) or "mkfs.ext4"
    made = subprocess.run([program, "-q", "-m", "0", str(image)], capture_output=True, text=True, check=False, timeout=30)
    if made.returncode:
        raise Failed(f"the scratch volume cannot be made: {made.stderr.strip()[:200]}", retry=False)


def _fill(ballast: Path) -> str:
    try:
        found = os.statvfs(ballast.parent)
        wanted = found.f_bavail * found.f_frsize - round(LEFT * found.f_blocks * found.f_frsize)
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(wanted, 1))
    except OSError as fault:
        ballast.unlink(missing_ok=True)
        raise Failed(f"the ballast cannot be written: {fault.strerror}", retry=False) from None
    return f"a ballast of {wanted >> 20} MiB fills the volume of {ballast.parent}"
