"""The whole configuration, for the verbs that check and show it: every table and who owns it.

The agent comes through here too (`read_document`), so the owners are imported only where all of
them are asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.config import Document, load

TABLES = {
    "machine": "agent",
    "agent": "agent",
    "collect": "agent",
    "server": "agent",
    "probe": "agent",
    "web": "hub",
    "query": "hub",
    "store": "hub",
    "journal": "hub",
    "remote_write": "hub",
    "channel": "hub",
    "heartbeat": "hub",
    "expected": "hub",
    "alert": "hub",
    "rule": "hub",
    "tune": "hub",
    "route": "hub",
    "inhibit": "hub",
    "maintenance": "hub",
    "topology": "hub",
    "witness": "hub",
    "drill": "hub",
    "status": "hub",
}
"""Each top-level table and the program that owns it; a test holds this against the owners."""


class Settings(msgspec.Struct, frozen=True):
    """Both programs' settings, as decoded from one document."""

    agent: Any
    hub: Any


def read_document(config: Path | None) -> Document:
    """The merged configuration (none: every default); tables that nobody owns are refused."""
    document = load(config) if config else Document({}, {})
    document.only(TABLES)
    return document


def read(document: Document) -> Settings:
    """Decode every table of every owner; raises ConfigError at the first mistake."""
    from watchkeeper import agent, hub  # noqa: PLC0415  # see the map

    document.only(TABLES)
    return Settings(agent.read_settings(document), hub.read_settings(document))


def schema() -> dict[str, Any]:
    """The JSON Schema of the whole file."""
    from watchkeeper import agent, hub  # noqa: PLC0415  # see the map
    from watchkeeper.cli.schema import json_schema  # noqa: PLC0415  # only here

    return json_schema(
        msgspec.defstruct(
            "Configuration",
            [
                *((name, kind, msgspec.field(default_factory=dict)) for name, kind in agent.SECTIONS.items()),
                *((field.name, field.type, _default(field)) for field in msgspec.structs.fields(hub.HubSettings)),
            ],
            forbid_unknown_fields=True,
        )
    )


def _default(field: msgspec.structs.FieldInfo) -> Any:
    """A table's default; what can be changed (a dict) is made anew each time."""
    return field.default if field.default is not msgspec.NODEFAULT else msgspec.field(default_factory=field.default_factory)
