"""launchd (macOS): a property list, as a daemon of the system or an agent of one user.

Source: launchd.plist(5), launchctl(1). Made by plistlib, never by hand.
"""

from __future__ import annotations

import plistlib
from pathlib import Path
from typing import Any

from watchkeeper.service.steps import STOP_SECONDS, Folder, Installation, Remove, Run, Step, Write


class Launchd:
    """See the module."""

    name = "launchd"
    tells_up: tuple[int, ...] = (0,)

    def files(self, what: Installation) -> tuple[Write, ...]:
        """The property list."""
        log = str(self._logs(what) / f"{what.name}.log")
        listed: dict[str, Any] = {
            "Label": self._label(what),
            "ProgramArguments": list(what.command),
            "RunAtLoad": True,
            "KeepAlive": True,
            "ThrottleInterval": 2,
            "ExitTimeOut": STOP_SECONDS,
            # Else launchd ends what is left of the job's process group, and with it the servers.
            "AbandonProcessGroup": True,
            "EnvironmentVariables": {"PYTHONUNBUFFERED": "1"},
            "StandardOutPath": log,
            "StandardErrorPath": log,
            "SoftResourceLimits": {"NumberOfFiles": 65536},
            "Umask": 0o027,
        }
        if what.scope == "system" and what.user:
            listed["UserName"] = what.user
        return (Write(self._path(what), plistlib.dumps(listed).decode()),)

    def install(self, what: Installation) -> tuple[Step, ...]:
        """The list, then bootstrap; one that is loaded already is taken out first, since launchd reads it only once."""
        return (
            Folder(what.data, 0o700, what.user),
            Folder(self._path(what).parent, 0o755),
            Folder(self._logs(what), 0o755),
            *self.files(what),
            Run(("launchctl", "bootout", self._target(what)), or_else=True),
            Run(("launchctl", "enable", self._target(what))),
            Run(("launchctl", "bootstrap", self._domain(what), str(self._path(what)))),
        )

    def uninstall(self, what: Installation) -> tuple[Step, ...]:
        """Out of launchd, and the file goes."""
        return (Run(("launchctl", "bootout", self._target(what)), or_else=True), Remove(self._path(what)))

    def restart(self, what: Installation) -> tuple[Step, ...]:
        """SIGTERM and the time to stop; KeepAlive starts it again (`kickstart -k` would be SIGKILL)."""
        return (Run(("launchctl", "kill", "SIGTERM", self._target(what))),)

    def status(self, what: Installation) -> tuple[str, ...]:
        """Launchctl print: 0 it is loaded."""
        return ("launchctl", "print", self._target(what))

    @staticmethod
    def _label(what: Installation) -> str:
        return f"org.watchkeeper.{what.name}"

    def _domain(self, what: Installation) -> str:
        return "system" if what.scope == "system" else f"gui/{what.uid}"

    def _target(self, what: Installation) -> str:
        return f"{self._domain(what)}/{self._label(what)}"

    @staticmethod
    def _logs(what: Installation) -> Path:
        return Path("/Library/Logs/Watchkeeper") if what.scope == "system" else what.home / "Library/Logs/Watchkeeper"

    def _path(self, what: Installation) -> Path:
        folder = Path("/Library/LaunchDaemons") if what.scope == "system" else what.home / "Library/LaunchAgents"
        return folder / f"{self._label(what)}.plist"
