"""Run Watchkeeper as a service of the system: the door of the service systems.

A leaf (`systemd`, `openrc`, `launchd`, `windows`) turns an `Installation` into steps, purely; `carrying` shows or
carries them out. One more system is one file, one golden test and one line in `SYSTEMS`. The verb `service` comes
in here. Nothing in this room starts or stops a server that Watchkeeper keeps.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from watchkeeper.errors import Refused
from watchkeeper.service import launchd, openrc, systemd, windows
from watchkeeper.service.steps import System

__all__ = ["SYSTEMS", "find_system"]

SYSTEMS: dict[str, System] = {
    "systemd": systemd.Systemd(),
    "openrc": openrc.OpenRc(),
    "launchd": launchd.Launchd(),
    "windows": windows.Windows(),
}


def find_system(
    wanted: str = "", platform: str = sys.platform, *, root: Path = Path("/"), which: Callable[[str], str | None] = shutil.which
) -> System:
    """The system named `wanted`, else the one that runs this computer; raises Refused with what was looked for."""
    if wanted:
        return SYSTEMS[wanted]
    if platform == "darwin":
        return SYSTEMS["launchd"]
    if platform == "win32":
        return SYSTEMS["windows"]
    # systemd runs the computer, and is not merely installed, if this folder is there (sd_booted(3)).
    if (root / "run/systemd/system").is_dir():
        return SYSTEMS["systemd"]
    if which("openrc-run") and os.path.lexists(root / "run/openrc"):
        return SYSTEMS["openrc"]
    raise Refused(
        "neither systemd nor OpenRC runs this computer, so there is nothing to install a service into: "
        "--system NAME --dry-run prints the files of one, and `watchkeeper up` runs under any supervisor (a container's, say)",
        code="no-service-system",
    )
