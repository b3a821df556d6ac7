"""Whom `stress run` is to load: an address as it stands, or a supervised server, of this machine or of another.

A server's own word is its configuration (``stress = true``), and its addresses are those of its probes and figures: so a
plan can name a server and no more. Of this machine's servers the configuration says so, of another's (``MACHINE/SERVER``)
its agent, through the hub.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from watchkeeper.cli.client import connect
from watchkeeper.cli.config import without_none
from watchkeeper.cli.options import config_file, reach
from watchkeeper.cli.settings import read_document
from watchkeeper.config import nearest
from watchkeeper.errors import ConfigError, Refused
from watchkeeper.introduce import machine_name
from watchkeeper.stress.plan import Plan, TargetSettings, read, settled, written
from watchkeeper.stress.protocols import Own
from watchkeeper.stress.target import Supervised, of_server
from watchkeeper.watched import Settings, WatchedServer, asked_at, read_settings
from watchkeeper.web.stress_shapes import StressTarget


class Found(NamedTuple):
    """A supervised server: its own word, and where it may be loaded (``protocol url`` each)."""

    supervised: Supervised
    addresses: tuple[str, ...]


def prepare(path: Path, changes: dict[str, object], args: argparse.Namespace) -> tuple[Plan, dict[str, Any], Supervised | None]:
    """The plan, settled; its tables as they will be recorded; and the server that it loads, if it is one."""
    texts = {str(path): path.read_text(encoding="utf-8")}
    if args.target:
        changes = {"target.server": "", "target.url": "", **changes}
        changes["target.url" if "://" in args.target else "target.server"] = args.target
    plan, _ = read(texts, changes)
    found = None
    if plan.target.server:
        found = _server(plan.target.server, args)
        if not plan.target.url:
            wanted = args.protocol or (str(plan.protocol.__struct_config__.tag) if plan.protocol else "")
            url, spoken = _choose(found, wanted)
            changes = {**changes, "target.url": url}
            if plan.protocol is None and not args.protocol:
                changes["protocol.kind"] = spoken
    if args.protocol:
        if plan.protocol is not None and args.protocol != plan.protocol.__struct_config__.tag:
            raise ConfigError(f"the plan speaks {plan.protocol.__struct_config__.tag} already", where="--protocol")
        changes.setdefault("protocol.kind", args.protocol)
    if isinstance(plan.protocol, Own):  # as it is written: relative to the plan
        changes["protocol.file"] = str((path.parent / plan.protocol.file).absolute())
    plan, document = read(texts, changes)
    plan = settled(plan, document)
    return plan, without_none(written(plan)), found.supervised if found else None


def here(args: argparse.Namespace) -> str:
    """What this machine is called: as its configuration has it, which need not be there or in order for a run."""
    try:
        return _settings(args).machine.name or machine_name()
    except (ConfigError, Refused):
        return machine_name()


def _settings(args: argparse.Namespace) -> Settings:
    return read_settings(read_document(config_file(args.config)))


def _server(named: str, args: argparse.Namespace) -> Found:
    """A server of this machine's configuration (``SERVER``), or of any machine that the hub knows (``MACHINE/SERVER``)."""
    machine, slash, name = named.rpartition("/")
    if slash and machine != here(args):
        return _elsewhere(machine, name, args)
    settings = _settings(args)
    if name not in settings.server:
        raise Refused(
            f"there is no server {name!r} in this machine's configuration{nearest(name, sorted(settings.server))}",
            code="unknown-server",
        )
    server = settings.server[name]
    return Found(_supervised(name, server, settings.machine.name or machine_name()), asked_at(server.probe))


def _supervised(name: str, server: WatchedServer, machine: str) -> Supervised:
    urls = tuple(
        dict.fromkeys((*(one.partition(" ")[2] for one in asked_at(server.probe)), *(one.url for one in server.metrics)))
    )
    pages = tuple(one.url for one in server.metrics if not one.headers)
    return Supervised(name, server.stress, urls, machine, pages)


def _elsewhere(machine: str, name: str, args: argparse.Namespace) -> Found:
    """A server of another machine, as its agent has told the hub."""
    targets = connect(reach(args)).ask("GET", "/api/stress/targets", list[StressTarget])
    for one in targets:
        if (one.machine, one.server) == (machine, name):
            urls = tuple(address.partition(" ")[2] for address in one.addresses)
            return Found(Supervised(name, bool(one.addresses), urls, machine), one.addresses)
    known = sorted(f"{one.machine}/{one.server}" for one in targets)
    raise Refused(f"the hub knows no server {machine}/{name}{nearest(f'{machine}/{name}', known)}", code="unknown-server")


def _choose(found: Found, wanted: str) -> tuple[str, str]:
    """The address to load and what is spoken there: a Cloud Server's, else a web address, else a port."""
    if not found.supervised.stress:  # said with what its operator has to do, before an address is looked for
        of_server(TargetSettings(), found.supervised)
    for address in found.addresses:
        kind, _, url = address.partition(" ")
        if wanted in {"", kind} or (kind == "cloud" and wanted == "websocket"):
            return url, wanted or kind
    spoken = f" that speaks {wanted}" if wanted else ""
    name = found.supervised.name
    raise Refused(f"the server {name} has no probe{spoken}, so its address is not known: give target.url", code="no-target")
