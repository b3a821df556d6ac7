"""What an agent is told to do: its tables of the configuration, decoded, paths made whole.

`agent` and `duty` come in, and the verbs that check and show a configuration. Nothing here runs.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from watchkeeper.collect import CollectSettings
from watchkeeper.collect.openmetrics import OpenMetrics
from watchkeeper.config import NAME, Document, Part
from watchkeeper.control import ServerSettings
from watchkeeper.control.order import levels
from watchkeeper.probe import Leaf
from watchkeeper.quantities import Duration, Secret, Size


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
    agent). `spool` bounds what waits on the disk while the hub is away.
    """

    period: Duration = Duration(5)
    hub: str = ""
    token: Secret | None = None
    on_stop: Literal["stop", "leave"] = "stop"
    spool: Size = Size(64 << 20)

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        if not 0.1 <= self.period <= 3600:
            raise ValueError("period: expected 100ms to 1h")
        if self.hub and not self.hub.startswith(("http://", "https://")):
            raise ValueError(f"hub: expected an http:// or https:// address, got {self.hub!r}")
        if self.hub and self.token is None:
            raise ValueError('token: another hub wants one: { file = "path" } or { env = "NAME" }')


class WatchedServer(ServerSettings, frozen=True, kw_only=True):
    """``[server.NAME]``: how one server is run, asked whether it answers (`probe`) and read (`metrics`).

    `command` is program and arguments, run in `folder` with `environment` added to the agent's own. It starts
    with the agent if `autostart`, once those in `after` are ready, and again by `restart` (always, on-failure,
    never) when it ends by itself. A stop is SIGTERM to its whole group, and SIGKILL after `stop_grace`. `driver` is
    how it is run: ``process`` is a program of the agent's own. Its operator agrees with `stress` to its being put under load
    (`watchkeeper stress`).
    """

    probe: tuple[Leaf, ...] = ()
    metrics: tuple[OpenMetrics, ...] = ()
    stress: bool = False


SECTIONS: dict[str, Any] = {
    "machine": MachineSettings,
    "agent": AgentSettings,
    "collect": CollectSettings,
    "server": dict[str, WatchedServer],
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
        name: msgspec.structs.replace(server, folder=document.folder / (server.folder or ""))
        for name, server in document.named("server", WatchedServer).items()
    }
    levels({name: server.after for name, server in servers.items()})
    return Settings(
        document.part("machine", MachineSettings),
        document.part("agent", AgentSettings),
        document.part("collect", CollectSettings),
        servers,
        document.named("probe", Leaf),
    )
