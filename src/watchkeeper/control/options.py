"""What a program of the driver `process` may be given beside its command: another user, limits, a place in the queues.

`control` puts them among the settings of a server; `process` hands them to the parent, which applies them between fork
and exec. An option that cannot be had is an error by name, never passed over; only limits of a control group are told
and done without.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from watchkeeper.config import Part
from watchkeeper.control.settings import AnyServer
from watchkeeper.quantities import Size

Ionice = Literal["realtime", "best-effort", "idle"]
_IONICE = {"realtime": 1, "best-effort": 2, "idle": 3}
_RLIMIT = re.compile(r"(\d+|unlimited)(?::(\d+|unlimited))?")
_RLIMITS = (
    "as", "core", "cpu", "data", "fsize", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime",
    "sigpending", "stack",
)  # fmt: skip
_CPU_PERIOD = 100_000
"""Microseconds: the kernel's own default for cpu.max."""


class CgroupSettings(Part, frozen=True, kw_only=True):
    """``[server.NAME.cgroup]``: limits of a server with all its processes, where control groups (v2) are delegated to us.

    `memory_max` is where it is ended for want of memory, `cpu_max` how many processors' time it gets (``1.5``), `pids_max`
    how many processes and threads it may have. Where a limit cannot be had, an event says so and the server runs without it.
    """

    memory_max: Size | None = None
    cpu_max: Annotated[float, msgspec.Meta(ge=0.01, le=1024)] | None = None
    pids_max: Annotated[int, msgspec.Meta(ge=1)] | None = None

    def __post_init__(self) -> None:
        """Refuse what no program could start with."""
        if self.memory_max is not None and self.memory_max < 1 << 20:
            raise ValueError("memory_max: expected at least 1MiB")


class ProcessOptions(AnyServer, frozen=True, kw_only=True):
    """See `ServerSettings`, which has them all."""

    environment_files: tuple[str, ...] = ()
    user: str = ""
    group: str = ""
    groups: tuple[str, ...] = ()
    umask: str = ""
    rlimits: dict[str, int | str] = {}
    nice: Annotated[int, msgspec.Meta(ge=-20, le=19)] | None = None
    ionice: Ionice | None = None
    ionice_level: Annotated[int, msgspec.Meta(ge=0, le=7)] = 4
    oom_score_adj: Annotated[int, msgspec.Meta(ge=-1000, le=1000)] | None = None
    forks: bool = False
    cgroup: CgroupSettings = CgroupSettings()


def check(options: ProcessOptions) -> None:
    """Refuse what could never work; raises ValueError naming the key."""
    if options.umask and not re.fullmatch(r"0?[0-7]{3}", options.umask):
        raise ValueError(f'umask: expected three octal digits, such as "027", got {options.umask!r}')
    for name, limit in options.rlimits.items():
        if name not in _RLIMITS:
            raise ValueError(f"rlimits: {name!r} is none of {', '.join(_RLIMITS)}")
        if not _RLIMIT.fullmatch(str(limit)):
            raise ValueError(f'rlimits: {name}: expected a number, "unlimited" or "SOFT:HARD", got {limit!r}')
        soft, hard = _limits(limit)
        if hard != -1 and (soft == -1 or soft > hard):
            raise ValueError(f"rlimits: {name}: the soft limit is above the hard one")
    for name in (options.user, options.group, *options.groups, *options.environment_files):
        if "\0" in name or "\n" in name:
            raise ValueError("user, group, groups, environment_files: a name holds no zero byte and no line break")


def written(options: ProcessOptions) -> dict[str, str | tuple[str, ...]]:
    """The options as `watchkeeper.keeper.launch` reads them; what is not set is not there."""
    cgroup = options.cgroup
    found: dict[str, str | tuple[str, ...]] = {
        "user": options.user,
        "group": options.group,
        "groups": options.groups,
        "umask": options.umask,
        "rlimit": tuple("{} {} {}".format(name, *_limits(limit)) for name, limit in sorted(options.rlimits.items())),
        "forks": "1" if options.forks else "",
    }
    numbers = {
        "nice": options.nice,
        "oom_score_adj": options.oom_score_adj,
        "memory_max": cgroup.memory_max,
        "pids_max": cgroup.pids_max,
    }
    found |= {name: str(int(number)) for name, number in numbers.items() if number is not None}
    if options.ionice:
        level = 0 if options.ionice == "idle" else options.ionice_level
        found["ionice"] = f"{_IONICE[options.ionice]} {level}"
    if cgroup.cpu_max is not None:
        found["cpu_max"] = f"{round(cgroup.cpu_max * _CPU_PERIOD)} {_CPU_PERIOD}"
    return {name: value for name, value in found.items() if value}


def _limits(limit: int | str) -> tuple[int, int]:
    soft, _, hard = str(limit).partition(":")
    return _number(soft), _number(hard or soft)


def _number(word: str) -> int:
    return -1 if word == "unlimited" else int(word)
