"""All that the configuration says about alerts, read and put together; raises ConfigError with file and line."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from watchkeeper.alert.incidents import Topology
from watchkeeper.alert.routing import Routing, missing
from watchkeeper.alert.rulebook import read_rules, stock
from watchkeeper.alert.rules import Rule
from watchkeeper.alert.settings import (
    AlertSettings,
    InhibitSettings,
    MaintenanceSettings,
    RouteSettings,
    TopologySettings,
    WitnessSettings,
)
from watchkeeper.alert.suppressing import Inhibition, Maintenance, inhibitions, maintenance
from watchkeeper.config import Document

T = TypeVar("T")


class Alerting(NamedTuple):
    """What the judge works with."""

    settings: AlertSettings
    rules: tuple[Rule, ...]
    routing: Routing
    inhibitions: tuple[Inhibition, ...]
    maintenance: tuple[Maintenance, ...]
    topology: Topology
    witness: WitnessSettings


def read_alerting(document: Document) -> Alerting:
    """Read every table about alerts."""
    settings = document.part("alert", AlertSettings)
    windows = listed(document, "maintenance", MaintenanceSettings)
    names = [one.name for one in windows]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise document.fault(("maintenance", names.index(twice)), f"two windows are called {twice!r}")
    routing = Routing(document.part("route", RouteSettings))
    if unknown := missing(routing.windows(), names):
        raise document.fault(("route", "mute"), f"there is no [[maintenance]] called {unknown!r}")
    own = listed(document, "inhibit", InhibitSettings)
    return Alerting(
        settings,
        read_rules(document, settings),
        routing,
        tuple(inhibitions((*_stock_inhibitions(), *own) if settings.stock else own)),
        tuple(maintenance(windows)),
        Topology(document.part("topology", TopologySettings).requires),
        document.part("witness", WitnessSettings),
    )


def _stock_inhibitions() -> list[InhibitSettings]:
    return [one for _, document in stock() for one in listed(document, "inhibit", InhibitSettings)]


def listed(document: Document, table: str, kind: type[T]) -> tuple[T, ...]:
    """A list of tables; empty where there is none."""
    found: tuple[T, ...] = document.decode(document.tables.get(table, ()), tuple[kind, ...], (table,))  # type: ignore[valid-type]  # made at run time
    return found
