"""What an agent is told to do: its tables of the configuration, decoded, paths made whole.

`agent` and `duty` come in, and the verbs that check and show a configuration. Nothing here runs.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Union

import msgspec

from watchkeeper.collect import CollectSettings
from watchkeeper.collect.openmetrics import OpenMetrics
from watchkeeper.config import NAME, Document, Part
from watchkeeper.control import DRIVERS, AnyServer, ServerSettings
from watchkeeper.control.archive import EvidenceSettings
from watchkeeper.control.conditions import DiskRoom, FileThere
from watchkeeper.control.logbudget import LogsSettings
from watchkeeper.control.order import levels
from watchkeeper.control.permission import ControlSettings
from watchkeeper.lost import LostSettings
from watchkeeper.probe import Cloud, Http, Leaf, Tcp
from watchkeeper.quantities import Duration, Secret, Size
from watchkeeper.wire.bus import Address


class MachineSettings(Part, frozen=True, kw_only=True):
    """``[machine]``: `name` is what this machine is called everywhere; left out, its host name."""

    name: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be a label, a file name and a part of an address."""
        if self.name and not NAME.fullmatch(self.name):
            raise ValueError("name: expected 1 to 63 letters, digits, dots, dashes or underscores")


class AgentSettings(Part, frozen=True, kw_only=True):
    """``[agent]``: how often it reads (`period`), where its hub is, and what becomes of the servers when it stops.

    Without `hub` (``https://…``) it talks to the hub on this machine, with that one's own token; another
    hub needs a `token`. `on_stop` is ``stop`` or ``leave`` (the servers go on and are taken over by the next
    agent). `spool` bounds what waits on the disk while the hub is away. With `load` the
    hub may have this machine make the load of stress runs (``watchkeeper stress run --from``); what these say may then go
    over the NATS server `nats` (``nats://host:port``, ``tls://host:port``; with `nats_token` where it wants one) rather than
    through the hub (``--over nats``).
    """

    period: Duration = Duration(5)
    hub: str = ""
    token: Secret | None = None
    on_stop: Literal["stop", "leave"] = "stop"
    spool: Size = Size(64 << 20)
    control: ControlSettings = ControlSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    logs: LogsSettings = LogsSettings()
    load: bool = False
    nats: str = ""
    nats_token: Secret | None = None
    lost: LostSettings = LostSettings()

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        if not 0.1 <= self.period <= 3600:
            raise ValueError("period: expected 100ms to 1h")
        if self.hub and not self.hub.startswith(("http://", "https://")):
            raise ValueError(f"hub: expected an http:// or https:// address, got {self.hub!r}")
        if self.nats and (not self.nats.startswith(("nats://", "tls://")) or "@" in self.nats):
            raise ValueError("nats: expected nats://host:port or tls://host:port, the token apart in nats_token")
        if self.hub and self.token is None:
            raise ValueError('token: another hub wants one: { file = "path" } or { env = "NAME" }')


def nats_of(agent: AgentSettings) -> Address | None:
    """The NATS server over which workers' lines may go; None: there is none. Raises ConfigError without its token."""
    return Address(agent.nats, agent.nats_token.reveal() if agent.nats_token else "") if agent.nats else None


class WatchedServer(AnyServer, frozen=True, kw_only=True):
    """A server, whoever runs it, with how it is asked whether it answers (`probe`) and read (`metrics`)."""

    probe: tuple[Leaf, ...] = ()
    metrics: tuple[OpenMetrics, ...] = ()
    stress: bool = False


def _watched(driver: type[AnyServer]) -> type[WatchedServer]:
    """A driver's settings with what belongs to a watched server: msgspec lets a struct have one parent only."""
    own = [name for name in WatchedServer.__struct_fields__ if name not in AnyServer.__struct_fields__]
    fields = [(field.name, field.type, field.default) for field in msgspec.structs.fields(WatchedServer) if field.name in own]
    return msgspec.defstruct(  # type: ignore[return-value]  # it has all that a WatchedServer has
        f"Watched{driver.__name__}",
        fields,
        bases=(driver,),
        frozen=True,
        kw_only=True,
        tag_field="driver",
        tag=driver.__struct_config__.tag,
        namespace={"__doc__": PROCESS if driver is ServerSettings else driver.__doc__, "__module__": __name__},
    )


PROCESS = """``[server.NAME]``: how one server is run, asked whether it answers (`probe`) and read (`metrics`).

`command` is program and arguments, run in `folder` with `environment` added to the agent's own. It starts with the agent
if `autostart`, once those in `after` are ready, and again by `restart` (always, on-failure, never) when it ends by
itself. A stop is SIGTERM to its whole group, and SIGKILL after `stop_grace`. `driver` is how it is run: ``process`` (left
out, too) is a program of the agent's own; the others have tables of their own below. Its operator agrees with `stress` to
its being put under load (`watchkeeper stress`).

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
WATCHED: tuple[type[WatchedServer], ...] = tuple(_watched(driver) for driver in DRIVERS)
"""What ``[server.NAME]`` may be, by its driver."""


SECTIONS: dict[str, Any] = {
    "machine": MachineSettings,
    "agent": AgentSettings,
    "collect": CollectSettings,
    "server": dict[str, Union[WATCHED]],  # type: ignore[valid-type]  # noqa: UP007  # made of the door
    "probe": dict[str, Leaf],
}
"""Each top-level table of the agent's and its type."""


class Settings(msgspec.Struct, frozen=True):
    """All tables that the agent owns."""

    machine: MachineSettings
    agent: AgentSettings
    collect: CollectSettings
    server: dict[str, WatchedServer]
    probe: dict[str, Leaf]


def read_settings(document: Document) -> Settings:
    """The agent's part of a configuration, relative folders made whole; raises ConfigError."""
    servers = {
        name: _placed(server, document.folder / (getattr(server, "folder", None) or ""))
        for name, server in document.named("server", Union[WATCHED], tagged=("driver", "process")).items()  # noqa: UP007  # as many as there are
    }
    levels({name: server.before for name, server in servers.items()})
    return Settings(
        document.part("machine", MachineSettings),
        document.part("agent", AgentSettings),
        document.part("collect", CollectSettings),
        servers,
        document.named("probe", Leaf),
    )


def _placed(server: WatchedServer, folder: Path) -> WatchedServer:
    """With its folder whole, where its driver has one, and the paths of conditions and files, which are relative to it."""
    conditions = tuple(
        msgspec.structs.replace(one, path=folder / one.path) if isinstance(one, FileThere | DiskRoom) else one
        for one in server.start_when
    )
    whole: dict[str, Any] = {"start_when": conditions}
    for name in {"folder", "pidfile", "program", "output"} & set(server.__struct_fields__):
        path = getattr(server, name)
        if name == "folder" or path is not None:
            whole[name] = folder / path if path is not None else folder
    return msgspec.structs.replace(server, **whole)


UNTOLD = frozenset({"environment", "probe", "metrics", "stress", "drill"})
"""Keys of a server's table that say nothing of what it can take, or are secret."""


def subject_of(server: WatchedServer) -> tuple[tuple[Path, ...], str]:
    """The files that a server's command names, and its table as text, without what its environment holds: that is secret."""
    told = {name: getattr(server, name) for name in server.__struct_fields__ if name not in UNTOLD}
    folder = Path(told.get("folder") or ".")
    files = []
    for place, word in enumerate(told.get("command") or ()):
        path = Path(shutil.which(word) or word) if place == 0 and "/" not in word else folder / word
        if place == 0 or path.is_file():
            files.append(path)
    return tuple(files), repr(told)


def loadable(server: WatchedServer) -> tuple[str, ...]:
    """Where a server may be put under load, as `asked_at` tells it; empty where its operator has not agreed."""
    return asked_at(server.probe) if server.stress else ()


def asked_at(probes: Iterable[Leaf]) -> tuple[str, ...]:
    """The addresses of probes, ``protocol url`` each, a Cloud Server's first."""
    found = []
    for probe in sorted(probes, key=lambda one: not isinstance(one, Cloud)):
        match probe:
            case Cloud(url=url):
                found.append(f"cloud {url}")
            case Http(url=url):
                found.append(f"http {url}")
            case Tcp(host=host, port=port):
                found.append(f"tcp tcp://{host}:{port}")
            case _:
                pass
    return tuple(dict.fromkeys(found))


HANDED_OVER_SECONDS = 180.0
"""How old the marker of a planned restart may be: one that was never followed by a stop must not change a later one."""


def hand_over(data: Path) -> None:
    """Mark that the agent of this data folder is about to be stopped and started again: its servers go on meanwhile."""
    folder = data / "agent"
    if folder.is_dir():  # else no agent has ever run here
        (folder / "handover").touch(mode=0o600)


def is_handed_over(data: Path, now: float) -> bool:
    """Whether a stop at `now` (wall seconds) is the first half of a planned restart; the marker counts once."""
    marker = data / "agent" / "handover"
    try:
        age = now - marker.stat().st_mtime
    except OSError:
        return False
    with contextlib.suppress(OSError):
        marker.unlink()
    return -1 <= age <= HANDED_OVER_SECONDS
