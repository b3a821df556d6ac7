"""`watchkeeper config check|show|schema`: is the configuration right, what is in effect, what could be said.

A check also asks the hub that runs here, if one does, whether rules read what was never seen, or would have paged today.
Secrets are shown as where they are, never as what they are: the structs do not know more.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.cli.client import connect
from watchkeeper.cli.console import note, print_json, say
from watchkeeper.cli.exits import OK
from watchkeeper.cli.options import config_file, reach
from watchkeeper.cli.settings import Settings, read, read_document, schema
from watchkeeper.config import Document, encode_hook
from watchkeeper.errors import Failed, Refused

if TYPE_CHECKING:
    from watchkeeper.web.alert_shapes import RuleFinding

AT_ONCE = 20
"""Rules that a hub is asked about at once."""
CHECK_SECONDS = 120.0
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "what",
        choices=("check", "show", "schema"),
        help="check: is it right; show: what is in effect, defaults included, as TOML; schema: its JSON Schema, for editors",
    )


def run(args: argparse.Namespace) -> int:
    """Do one of the three; a mistake in the configuration is a ConfigError, which is exit 2."""
    if args.what == "schema":
        print_json(schema())
        return OK
    path = config_file(args.config, os.environ)
    document = read_document(path)
    settings = read(document)
    shown = in_effect(settings)
    if args.what == "show":
        if args.json:
            print_json(shown)
        else:
            print(as_toml(shown))
        return OK
    if args.what == "check":
        findings, why = checked(document, args)
        told = {"ok": True, "file": str(path or ""), "servers": list(shown["server"])}
        if args.json:
            print_json(told | {"rules": findings, "unchecked": why})
            return OK
        say(args, _verdict(path, shown))
        for one in findings:
            note(f"{one.where}: {one.rule}: {one.problem}")
        if why:
            note(f"your rules were not held against history: {why}")
    return OK


def in_effect(settings: Settings) -> dict[str, Any]:
    """Every table as plain values, quantities as people write them; what is not set at all is left out."""
    plain: dict[str, Any] = {}
    for part in (settings.agent, settings.hub):
        plain |= msgspec.to_builtins(part, enc_hook=encode_hook)
    shown: dict[str, Any] = without_none(plain)
    return shown


def as_toml(tables: Mapping[str, Any]) -> str:
    """The same as TOML that `load` reads back."""
    return "\n".join(_tables(tables, ())).strip("\n")


def checked(document: Document, args: argparse.Namespace) -> tuple[list[RuleFinding], str]:
    """What a running hub finds wrong with the rules that are not of the stock, by what it has stored.

    Or why it was not asked.
    """
    from watchkeeper.alert.reading import read_alerting  # noqa: PLC0415  # the hub's, and only a check needs it
    from watchkeeper.web.alert_shapes import RuleFinding  # noqa: PLC0415  # only this verb needs it

    asks = [
        {
            "rule": rule.name,
            "expr": rule.text,
            "for_seconds": rule.hold / 1000,
            "keep_firing_for_seconds": rule.keep / 1000,
            "clear": rule.clear_text,
            "severity": rule.severity,
            "where": rule.where,
        }
        for rule in read_alerting(document).rules
        if not rule.stock and rule.kind == "alert"
    ]
    found: list[RuleFinding] = []
    try:
        for first in range(0, len(asks), AT_ONCE):
            some = asks[first : first + AT_ONCE]
            found += connect(reach(args)).ask("POST", "/api/rules/check", list[RuleFinding], some, seconds=CHECK_SECONDS)
    except (Refused, Failed) as fault:
        return found, str(fault)
    return found, ""


def _verdict(path: Path | None, shown: Mapping[str, Any]) -> str:
    servers = ", ".join(shown["server"]) or "none"
    where = path or "no file, every default"
    return f"The configuration is right ({where}). Servers: {servers}."


def without_none(value: Any) -> Any:
    """The same without keys that are not set at all, which TOML cannot say."""
    if isinstance(value, dict):
        return {key: without_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, (list, tuple)):
        return [without_none(inner) for inner in value]
    return value


def _tables(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Plain keys first, then the tables below, as TOML demands."""
    below = {key: value for key, value in table.items() if _is_table(value)}
    plain = {key: value for key, value in table.items() if key not in below}
    if plain and path:
        yield f"\n[{'.'.join(map(_key, path))}]"
    for key, value in plain.items():
        yield f"{_key(key)} = {_value(value)}"
    for key, value in below.items():
        if isinstance(value, list):
            for item in value:
                yield f"\n[[{'.'.join(map(_key, (*path, key)))}]]"
                for inner, said in item.items():
                    yield f"{_key(inner)} = {_value(said)}"
        else:
            yield from _tables(value, (*path, key))


def _is_table(value: Any) -> bool:
    if isinstance(value, dict):
        return not (set(value) <= {"env", "file"} and value)
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items()) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)  # strings, numbers and booleans are written alike in both
