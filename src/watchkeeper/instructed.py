"""What a hub is told to do: its tables of the configuration, decoded.

`hub` comes in, and the verbs that check and show a configuration. Nothing here runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from watchkeeper.alert.reading import listed, read_alerting
from watchkeeper.alert.routing import Routing, missing
from watchkeeper.alert.settings import (
    AlertSettings,
    InhibitSettings,
    MaintenanceSettings,
    RouteSettings,
    RuleSettings,
    TopologySettings,
    TuneSettings,
    WitnessSettings,
)
from watchkeeper.config import Document
from watchkeeper.drill import SCENARIOS, DrillSettings
from watchkeeper.journal import JournalSettings
from watchkeeper.office import OfficeSettings, read_tables
from watchkeeper.query import QuerySettings
from watchkeeper.remote.settings import Target
from watchkeeper.store import StoreSettings
from watchkeeper.web.settings import StatusSettings, WebSettings


class HubSettings(OfficeSettings, frozen=True, kw_only=True):
    """All tables that the hub owns."""

    web: WebSettings = WebSettings()
    status: StatusSettings = StatusSettings()
    query: QuerySettings = QuerySettings()
    store: StoreSettings = StoreSettings()
    journal: JournalSettings = JournalSettings()
    remote_write: tuple[Target, ...] = ()
    alert: AlertSettings = AlertSettings()
    rule: tuple[RuleSettings, ...] = ()
    tune: tuple[TuneSettings, ...] = ()
    route: RouteSettings = RouteSettings()
    inhibit: tuple[InhibitSettings, ...] = ()
    maintenance: tuple[MaintenanceSettings, ...] = ()
    topology: TopologySettings = TopologySettings()
    witness: WitnessSettings = WitnessSettings()
    drill: DrillSettings = DrillSettings()


TABLES = tuple(field.name for field in msgspec.structs.fields(HubSettings))


def read_settings(document: Document) -> HubSettings:
    """The hub's part of a configuration; raises ConfigError."""
    store = document.part("store", StoreSettings)
    tables = read_tables(document)
    alerting = read_alerting(document)
    find_channels(document, alerting.routing, tuple(tables["channel"]))
    if tables["heartbeat"].url and not any(rule.name == "Watchdog" and rule.kind == "alert" for rule in alerting.rules):
        raise document.fault(("heartbeat", "url"), "it is carried by the rule Watchdog, which there is not (stock = false?)")
    return HubSettings(
        web=document.part("web", WebSettings),
        status=document.part("status", StatusSettings),
        query=document.part("query", QuerySettings),
        store=store,
        journal=document.part("journal", JournalSettings),
        remote_write=targets(document, kept_here=not store.url),
        alert=document.part("alert", AlertSettings),
        rule=listed(document, "rule", RuleSettings),
        tune=listed(document, "tune", TuneSettings),
        route=document.part("route", RouteSettings),
        inhibit=listed(document, "inhibit", InhibitSettings),
        maintenance=listed(document, "maintenance", MaintenanceSettings),
        topology=document.part("topology", TopologySettings),
        witness=document.part("witness", WitnessSettings),
        drill=drills(document, tuple(tables["channel"])),
        **tables,
    )


def find_channels(document: Document, routing: Routing, known: Sequence[str]) -> None:
    """Raise ConfigError for a route to a channel that there is not: nobody would be told, and nobody would know."""
    for route in (routing.root, *routing.branches):
        place = ("route",) if route is routing.root else ("route", "routes", int(route.name))
        for key, named in (("channels", route.channels), ("escalate", route.escalate)):
            if unknown := missing(named, known):
                raise document.fault((*place, key), f"there is no [channel.{unknown}] to tell")


def drills(document: Document, channels: Sequence[str]) -> DrillSettings:
    """What drills may do; raises ConfigError for a scenario or a channel that there is not."""
    found = document.part("drill", DrillSettings)
    if unknown := missing(found.scenarios, tuple(name for name in SCENARIOS if name != "server")):
        raise document.fault(("drill", "scenarios"), f"there is no scenario {unknown!r} that could be done by itself")
    if unknown := missing(found.channels, channels):
        raise document.fault(("drill", "channels"), f"there is no [channel.{unknown}] to tell")
    return found


def targets(document: Document, *, kept_here: bool) -> tuple[Target, ...]:
    """Whom samples are handed on to; raises ConfigError for two of one name, or where there is no log to read them from."""
    found: tuple[Target, ...] = document.decode(document.tables.get("remote_write", ()), tuple[Target, ...], ("remote_write",))
    if found and not kept_here:
        raise document.fault(("remote_write",), "figures are kept elsewhere ([store] url): let that store hand them on")
    names = [target.called for target in found]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise document.fault(("remote_write",), f"two targets are called {twice!r}; give them names")
    return found
