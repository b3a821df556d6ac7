"""Act on servers: start, keep alive, stop. The door of the drivers, and the settings of a server that is a program of our own.

`lifecycle` decides (pure), `supervisor` carries out, a driver knows how one kind of server is started, seen and stopped:
`process` forks it (through the keeper), the others reach a server that runs elsewhere (`abroad` is their frame). One more
driver is one file and one line in `DRIVERS` below. No shell anywhere: a command is its argument list.
"""

from __future__ import annotations

from pathlib import Path

from watchkeeper.control.docker import Docker
from watchkeeper.control.options import CgroupSettings, ProcessOptions, check
from watchkeeper.control.pidfile import Pidfile
from watchkeeper.control.script import Script
from watchkeeper.control.settings import AnyServer, BackoffSettings, LogSettings
from watchkeeper.control.systemd import Systemd

__all__ = ["DRIVERS", "AnyServer", "BackoffSettings", "CgroupSettings", "LogSettings", "ServerSettings"]


class ServerSettings(ProcessOptions, frozen=True, kw_only=True, tag_field="driver", tag="process"):
    """``[server.NAME]``: how one server is run.

    `command` is program and arguments, run in `folder` with `environment` added to the agent's own. It starts
    with the agent if `autostart`, once those in `after` are ready, and again by `restart` (always, on-failure,
    never) when it ends by itself. A stop is SIGTERM to its whole group, and SIGKILL after `stop_grace`. `driver` is
    how it is run: ``process`` (left out, too) is a program of the agent's own; the others are tables of their own below.

    `environment_files` (systemd's format; a dash before the name: it may be missing) come before `environment`. It runs as
    `user`, `group` and that user's groups with `groups` added, which only root may ask for, with `umask`, the limits of
    `rlimits` (``nofile = 65536``, ``core = "unlimited"``, ``"1024:4096"`` for soft and hard), `nice`, `ionice` (realtime,
    best-effort, idle) with `ionice_level`, and `oom_score_adj`. `forks`: its first process puts it into the background and
    ends; the one that is left is kept.

    What it `requires` must be ready before it, and when that goes down it is stopped until it is back. It is started only
    when all of `start_when` holds. Those that are `in_group` together can be ordered together; `control` is what a hub
    may do to it (a list of verbs, or ``false`` for nothing). Its operator agrees with `drill` to its being held for a while
    by a drill (`watchkeeper drill run server`).
    """

    command: tuple[str, ...]
    folder: Path | None = None
    environment: dict[str, str] = {}

    def __post_init__(self) -> None:
        """Refuse what could never work while file and line are still known."""
        if not self.command or not self.command[0]:
            raise ValueError(
                'command: expected a program and its arguments, such as ["/usr/bin/redis-server", "--port", "6379"]'
            )
        if any("\0" in word for word in self.command):
            raise ValueError("command: a zero byte cannot be passed to a program")
        for name, value in self.environment.items():
            if not name or "=" in name or "\0" in name + value:
                raise ValueError(f"environment: {name!r} cannot be the name of a variable")
        check(self)
        super().__post_init__()

    @property
    def starting(self) -> str:
        """See `AnyServer`."""
        return f"start it with {self.command[0]!r}"

    def stopping(self, pid: int) -> str:
        """See `AnyServer`."""
        return f"send SIGTERM to its group (pid {pid}), and SIGKILL after {self.stop_grace}"

    @property
    def process(self) -> tuple[object, ...]:
        """What a running process was started with: when this changes, only a restart makes it true."""
        names = [name for name in ProcessOptions.__struct_fields__ if name not in AnyServer.__struct_fields__]
        options = tuple(getattr(self, name) for name in names)
        return (self.driver, self.command, self.folder, tuple(sorted(self.environment.items())), options)


DRIVERS: tuple[type[AnyServer], ...] = (ServerSettings, Pidfile, Script, Systemd, Docker)
"""Every driver, by its settings."""
