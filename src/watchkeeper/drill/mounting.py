"""Become another program in a mount namespace of one's own: ``mounting.py IMAGE POINT PROGRAM ARGUMENT …``.

The image is mounted at POINT there and nowhere else; the kernel unmounts it with the last process of the namespace. Standard
library alone; needs root on Linux.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def main(words: list[str]) -> None:
    """Enter, mount, and become the program; the first time round, through unshare(1)."""
    if words[0] != "inside":
        unshare = shutil.which("unshare", path=_PATH) or "unshare"
        # --propagation private, its default, keeps our mounts from everybody else.
        os.execv(unshare, [unshare, "--mount", sys.executable, "-I", "-S", __file__, "inside", *words])
    image, point, *program = words[1:]
    mount = shutil.which("mount", path=_PATH) or "mount"
    subprocess.run([mount, "-o", "loop", image, point], check=True, timeout=30)
    os.execv(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
