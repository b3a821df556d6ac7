"""Act on servers: start, keep alive, stop. The door of the drivers and the settings of one server.

`lifecycle` decides (pure), `supervisor` carries out, a driver (`process`; others will follow) knows how
one kind of server is started, found again and signalled. One more driver is one file and one line in
`Driver` below. No shell anywhere: a command is its argument list.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from watchkeeper.config import NAME, Part
from watchkeeper.control.conditions import Condition
from watchkeeper.control.lifecycle import Policy, RestartPolicy
from watchkeeper.control.limits import LimitSettings
from watchkeeper.control.liveness import LivenessSettings
from watchkeeper.control.options import CgroupSettings, ProcessOptions, check
from watchkeeper.control.schedule import ScheduleSettings
from watchkeeper.model import Verb
from watchkeeper.quantities import Duration, Size

__all__ = ["BackoffSettings", "CgroupSettings", "Driver", "LogSettings", "ServerSettings"]

Driver = Literal["process"]


class BackoffSettings(Part, frozen=True, kw_only=True):
    """``[server.NAME.backoff]``: pauses between restarts while a server keeps ending.

    The first restart comes at once; then the pause is `first`, doubling up to `most`, a half of it chance;
    a run of `stable` sets it back.
    """

    first: Duration = Duration(1)
    most: Duration = Duration(60)
    stable: Duration = Duration(10)

    def __post_init__(self) -> None:
        """Refuse a restart loop without any pause."""
        if not 0.1 <= self.first <= self.most:
            raise ValueError("first: expected at least 100ms and no more than most")


class LogSettings(Part, frozen=True, kw_only=True):
    """``[server.NAME.log]``: a server's output is rotated at `size`, and `keep` older files are kept."""

    size: Size = Size(10 << 20)
    keep: Annotated[int, msgspec.Meta(ge=0, le=100)] = 5

    def __post_init__(self) -> None:
        """Refuse files so small that rotation would be all there is."""
        if self.size < 64 << 10:
            raise ValueError("size: expected at least 64KiB")


class ServerSettings(ProcessOptions, frozen=True, kw_only=True):
    """``[server.NAME]``: how one server is run.

    `command` is program and arguments, run in `folder` with `environment` added to the agent's own. It starts
    with the agent if `autostart`, once those in `after` are ready, and again by `restart` (always, on-failure,
    never) when it ends by itself. A stop is SIGTERM to its whole group, and SIGKILL after `stop_grace`. `driver` is
    how it is run: ``process`` is a program of the agent's own.

    `environment_files` (systemd's format; a dash before the name: it may be missing) come before `environment`. It runs as
    `user`, `group` and that user's groups with `groups` added, which only root may ask for, with `umask`, the limits of
    `rlimits` (``nofile = 65536``, ``core = "unlimited"``, ``"1024:4096"`` for soft and hard), `nice`, `ionice` (realtime,
    best-effort, idle) with `ionice_level`, and `oom_score_adj`. `forks`: its first process puts it into the background and
    ends; the one that is left is kept.

    What it `requires` must be ready before it, and when that goes down it is stopped until it is back. It is started only
    when all of `start_when` holds. Those that are `in_group` together can be ordered together; `control` is what a hub
    may do to it (a list of verbs, or ``false`` for nothing).
    """

    command: tuple[str, ...]
    driver: Driver = "process"
    folder: Path | None = None
    environment: dict[str, str] = {}
    after: tuple[str, ...] = ()
    restart: RestartPolicy = "always"
    autostart: bool = True
    stop_grace: Duration = Duration(10)
    backoff: BackoffSettings = BackoffSettings()
    log: LogSettings = LogSettings()
    requires: tuple[str, ...] = ()
    in_group: str = ""
    control: bool | tuple[Verb, ...] = True
    start_when: tuple[Condition, ...] = ()
    liveness: LivenessSettings | None = None
    limits: LimitSettings = LimitSettings()
    schedule: ScheduleSettings | None = None

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
        if self.in_group and not NAME.fullmatch(self.in_group):
            raise ValueError("in_group: expected 1 to 63 letters, digits, dots, dashes or underscores")

    @property
    def policy(self) -> Policy:
        """What the life cycle needs to know."""
        backoff, liveness = self.backoff, self.liveness or LivenessSettings()
        return Policy(
            self.restart,
            float(self.stop_grace),
            float(backoff.first),
            float(backoff.most),
            float(backoff.stable),
            hung_grace=min(float(liveness.grace), float(self.stop_grace)),
            abort=liveness.abort,
            gated=bool(self.requires or self.start_when),
        )

    @property
    def before(self) -> tuple[str, ...]:
        """Those that must be ready before it is started."""
        return tuple(dict.fromkeys((*self.after, *self.requires)))

    @property
    def process(self) -> tuple[object, ...]:
        """What a running process was started with: when this changes, only a restart makes it true."""
        options = tuple(getattr(self, name) for name in ProcessOptions.__struct_fields__)
        return (self.driver, self.command, self.folder, tuple(sorted(self.environment.items())), options)
