"""Does it come back after a reboot? Looks for what the service verb, or a package, installs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from watchkeeper.doctor.finding import Finding, Patient

REMEDY = "`watchkeeper service install`"
SECONDS = 10


def examine(patient: Patient) -> Iterator[Finding]:  # noqa: ARG001  # every examination is given the patient
    """One finding."""
    if sys.platform == "darwin":
        yield _by_file(Path("/Library/LaunchDaemons/org.watchkeeper.watchkeeper.plist"), "launchd")
    elif Path("/run/systemd/system").is_dir() and shutil.which("systemctl"):
        yield _systemd()
    elif shutil.which("rc-update"):
        yield _by_file(Path("/etc/runlevels/default/watchkeeper"), "OpenRC")
    else:
        yield Finding(
            "boot", "skip", "no service system that we know runs this computer: whoever starts Watchkeeper must do it again"
        )


def _systemd() -> Finding:
    for scope in ((), ("--user",)):
        said = _ask("systemctl", *scope, "is-enabled", "watchkeeper.service")
        if said in {"enabled", "enabled-runtime", "static", "linked"}:
            return _active(_ask("systemctl", *scope, "is-active", "watchkeeper.service"), " (yours)" if scope else "")
    return Finding("boot", "warn", "it does not start with this computer", REMEDY)


def _active(said: str, whose: str) -> Finding:
    if said == "active":
        return Finding("boot", "pass", f"systemd starts it with this computer{whose}, and it runs")
    return Finding(
        "boot", "warn", f"systemd's service{whose} is enabled but {said or 'silent'}", "`systemctl status watchkeeper`"
    )


def _by_file(path: Path, what: str) -> Finding:
    if path.exists():
        return Finding("boot", "pass", f"{what} starts it with this computer")
    return Finding("boot", "warn", "it does not start with this computer", REMEDY)


def _ask(*argv: str) -> str:
    try:
        told = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=SECONDS, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.strip()
