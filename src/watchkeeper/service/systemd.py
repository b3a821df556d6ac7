"""systemd: a unit of the system or of one user, ``Type=notify`` with a watchdog.

What a unit forbids or raises, the servers that the agent starts inherit: so the unit of `up` and `agent` takes only
what no server needs, and the hub alone, which starts nothing, is locked in as far as systemd can.
Source of every directive: systemd.service(5), systemd.exec(5), systemd.kill(5).
"""

from __future__ import annotations

from pathlib import Path

from watchkeeper.service.steps import STOP_SECONDS, Folder, Installation, Remove, Run, Step, Write

SYSTEM_UNITS = Path("/etc/systemd/system")

HARMLESS = """\
# What is forbidden here is forbidden to the servers too: so only what none of them needs. (ProtectClock= would also forbid to
# read how true the clock is.)
LockPersonality=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
SystemCallArchitectures=native
UMask=0027
"""

LOCKED = """\
# The hub starts no server: it needs its folder, its port, and the network.
CapabilityBoundingSet=
DevicePolicy=closed
LimitNOFILE=65536
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome={home}
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
ReadWritePaths={data}
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
UMask=0077
"""

UNIT = """\
# Made by `watchkeeper service install`; do not edit: `systemctl edit {name}` adds to it and survives upgrades.
[Unit]
Description=Watchkeeper ({program}): keeps watch over servers
{order}StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
Environment=PYTHONUNBUFFERED=1
{user}Restart=always
RestartSec=2
WatchdogSec=30
TimeoutStartSec=120
TimeoutStopSec={stop}
# The servers are not ours to take down: only the main process is told, and it stops or leaves them as it was configured.
KillMode=process
SendSIGKILL=yes
{hardening}
[Install]
WantedBy={target}
"""

USER_HAS_NOT = ("ProtectClock=", "ProtectHostname=", "ProtectKernel")
"""Directives that a user's own systemd cannot apply (systemd.exec(5): they need privileges or a user namespace)."""


class Systemd:
    """See the module."""

    name = "systemd"
    tells_up: tuple[int, ...] = (0,)

    def files(self, what: Installation) -> tuple[Write, ...]:
        """The unit."""
        return (Write(self._path(what), self._unit(what)),)

    def install(self, what: Installation) -> tuple[Step, ...]:
        """Unit, reload, enable; a restart takes up a changed unit, and the servers go on through it."""
        return (
            Folder(what.data, 0o700, what.user),
            *self.files(what),
            Run(self._ctl(what, "daemon-reload")),
            Run(self._ctl(what, "enable", f"{what.name}.service")),
            *self.restart(what),
        )

    def uninstall(self, what: Installation) -> tuple[Step, ...]:
        """Disable and stop, then the file goes."""
        return (
            Run(self._ctl(what, "disable", "--now", f"{what.name}.service"), or_else=True),
            Remove(self._path(what)),
            Run(self._ctl(what, "daemon-reload")),
        )

    def restart(self, what: Installation) -> tuple[Step, ...]:
        """The service alone; also starts one that does not run."""
        return (Run(self._ctl(what, "restart", f"{what.name}.service")),)

    def status(self, what: Installation) -> tuple[str, ...]:
        """Systemctl status: 0 it runs, 3 it does not, 4 there is none."""
        return self._ctl(what, "status", "--no-pager", "--lines=10", f"{what.name}.service")

    @staticmethod
    def _path(what: Installation) -> Path:
        folder = SYSTEM_UNITS if what.scope == "system" else what.home / ".config/systemd/user"
        return folder / f"{what.name}.service"

    @staticmethod
    def _ctl(what: Installation, *words: str) -> tuple[str, ...]:
        return ("systemctl", *(("--user",) if what.scope == "user" else ()), *words)

    @staticmethod
    def _unit(what: Installation) -> str:
        system = what.scope == "system"
        home = "read-only" if any(path.is_relative_to("/home") for path in (what.python, what.data)) else "yes"
        hardening = LOCKED.format(home=home, data=quoted(str(what.data))) if what.program == "hub" and system else HARMLESS
        text = UNIT.format(
            name=what.name,
            program=what.program,
            order="Wants=network-online.target\nAfter=network-online.target\n" if system else "",
            command=" ".join(quoted(word) for word in what.command),
            user=f"User={what.user}\n" if system and what.user else "",
            stop=STOP_SECONDS,
            hardening=hardening,
            target="multi-user.target" if system else "default.target",
        )
        if not system:
            text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(USER_HAS_NOT))
        return text


def quoted(word: str) -> str:
    """A word of ExecStart (systemd.service(5), COMMAND LINES): %, $ and quotes mean something there."""
    word = word.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$").replace('"', '\\"')
    return f'"{word}"' if not word or any(sign in word for sign in " \t;'\"\\") else word
