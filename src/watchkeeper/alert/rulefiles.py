"""Prometheus' own rule files, read as they are: YAML with groups of alerting and recording rules.

Strict as Prometheus is: an unknown key is a fault, told with file and line. Only plain YAML is read (no tags of any
language), and only so much of it. What Prometheus has and we have no use for (`limit`, `query_offset`, …) is taken and left
alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from watchkeeper.alert.rules import Fault, Rule, make
from watchkeeper.alert.settings import RuleSettings
from watchkeeper.config import Duration, decode_hook, nearest
from watchkeeper.errors import ConfigError

LONGEST = 8 << 20
"""Bytes of one file."""
_GROUP = {"name", "interval", "rules", "limit", "query_offset", "partial_response_strategy", "source_tenants", "labels"}
_RULE = ("alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations")


def read_file(path: Path, interval: float) -> list[Rule]:
    """All rules of a file; raises ConfigError with file and line."""
    try:
        if path.stat().st_size > LONGEST:
            raise ConfigError(f"has more than {LONGEST >> 20} MiB", where=str(path))
        text = path.read_text(encoding="utf-8")
    except OSError as fault:
        raise ConfigError(f"cannot be read: {fault.strerror}", where=str(path)) from None
    except UnicodeDecodeError as fault:
        raise ConfigError(f"is not UTF-8 text (byte {fault.start})", where=str(path)) from None
    return list(read_text(text, str(path), interval))


def read_text(text: str, file: str, interval: float) -> Iterator[Rule]:
    """The same of a text."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else file
        raise ConfigError(f"is no YAML: {getattr(fault, 'problem', None) or fault}", where=where) from None
    if root is None:
        return
    top = _mapping(root, file, {"groups"})
    names: set[str] = set()
    for group in _sequence(top.get("groups"), file):
        fields = _mapping(group, file, _GROUP)
        name = _text(fields.get("name"), file)
        if not name or name in names:
            raise ConfigError(f"expected a group with a name of its own, got {name!r}", where=_where(file, group))
        names.add(name)
        every = _seconds(fields["interval"], file) if "interval" in fields else interval
        for node in _sequence(fields.get("rules"), file):
            yield _rule(node, file, name, every, fields.get("labels"))


def _rule(node: yaml.Node, file: str, group: str, interval: float, shared: yaml.Node | None) -> Rule:
    fields = _mapping(node, file, set(_RULE))
    raw: dict[str, Any] = {}
    for key in ("alert", "record", "expr"):
        if key in fields:
            raw[key] = _text(fields[key], file)
    for key in ("for", "keep_firing_for"):
        if key in fields:
            raw[key] = _text(fields[key], file) or "0s"
            raw[key] = "0s" if raw[key] == "0" else raw[key]
    for key in ("labels", "annotations"):
        if key in fields:
            inner = _mapping(fields[key], file, None)
            raw[key] = {label: _text(value, file) for label, value in inner.items()}
    if shared is not None:
        whole = {label: _text(value, file) for label, value in _mapping(shared, file, None).items()}
        raw["labels"] = whole | raw.get("labels", {})
    try:
        settings = msgspec.convert(raw, RuleSettings, dec_hook=decode_hook)
        return make(settings, interval=interval, where=_where(file, node), file=file, group=group)
    except msgspec.ValidationError as fault:
        problem, _, path = str(fault).partition(" - at `$")
        key = path.strip(".`").partition(".")[0]
        raise ConfigError(f"{problem}{f' ({key})' if key else ''}", where=_where(file, fields.get(key, node))) from None
    except Fault as fault:
        spot = fields.get(fault.part.partition(".")[0], node)
        raise ConfigError(f"{fault.why} ({fault.part})", where=_where(file, spot)) from None


def _mapping(node: yaml.Node | None, file: str, known: set[str] | None) -> dict[str, yaml.Node]:
    if node is None or (isinstance(node, yaml.ScalarNode) and node.value in {"", "~", "null"}):
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError("expected a mapping", where=_where(file, node))
    found: dict[str, yaml.Node] = {}
    for key, value in node.value:
        name = str(key.value)
        if known is not None and name not in known:
            raise ConfigError(f"unknown key {name!r}{nearest(name, sorted(known))}", where=_where(file, key))
        if name in found:
            raise ConfigError(f"the key {name!r} stands here twice", where=_where(file, key))
        found[name] = value
    return found


def _sequence(node: yaml.Node | None, file: str) -> list[yaml.Node]:
    if node is None or (isinstance(node, yaml.ScalarNode) and node.value in {"", "~", "null"}):
        return []
    if not isinstance(node, yaml.SequenceNode):
        raise ConfigError("expected a list", where=_where(file, node))
    return list(node.value)


def _text(node: yaml.Node | None, file: str) -> str:
    if node is None:
        return ""
    if not isinstance(node, yaml.ScalarNode):
        raise ConfigError("expected a text", where=_where(file, node))
    return str(node.value)


def _seconds(node: yaml.Node, file: str) -> float:
    try:
        return float(Duration.parse(_text(node, file)))
    except ValueError as fault:
        raise ConfigError(str(fault), where=_where(file, node)) from None


def _where(file: str, node: yaml.Node) -> str:
    return f"{file}:{node.start_mark.line + 1}"
