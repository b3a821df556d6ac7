"""Whom `stress run` is to load: an address as it stands, or a supervised server out of this machine's configuration.

A server's own word is its configuration (``stress = true``), and its addresses are those of its probes and figures: so a
plan can name a server and no more. Nothing is asked over the network here.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from watchkeeper.cli.config import without_none
from watchkeeper.cli.options import config_file
from watchkeeper.cli.settings import read_document
from watchkeeper.config import nearest
from watchkeeper.errors import ConfigError, Refused
from watchkeeper.introduce import machine_name
from watchkeeper.probe import Cloud, Http, Tcp
from watchkeeper.stress.plan import Plan, read, settled, written
from watchkeeper.stress.protocols import Own
from watchkeeper.stress.target import Supervised
from watchkeeper.watched import WatchedServer, read_settings


def prepare(path: Path, changes: dict[str, object], args: argparse.Namespace) -> tuple[Plan, dict[str, Any], Supervised | None]:
    """The plan, settled; its tables as they will be recorded; and the server that it loads, if it is one."""
    texts = {str(path): path.read_text(encoding="utf-8")}
    if args.target:
        changes = {"target.server": "", "target.url": "", **changes}
        changes["target.url" if "://" in args.target else "target.server"] = args.target
    plan, _ = read(texts, changes)
    supervised = None
    if plan.target.server:
        server, machine = _server(plan.target.server, args)
        pages = tuple(one.url for one in server.metrics if not one.headers)
        supervised = Supervised(plan.target.server, server.stress, addresses(server), machine, pages)
        if not plan.target.url:
            wanted = args.protocol or (str(plan.protocol.__struct_config__.tag) if plan.protocol else "")
            url, spoken = _choose(plan.target.server, server, wanted)
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
    return plan, without_none(written(plan)), supervised


def addresses(server: WatchedServer) -> tuple[str, ...]:
    """Where a server is asked and read."""
    found = []
    for probe in server.probe:
        match probe:
            case Http(url=url) | Cloud(url=url):
                found.append(url)
            case Tcp(host=host, port=port):
                found.append(f"tcp://{host}:{port}")
            case _:
                pass
    return tuple(dict.fromkeys((*found, *(one.url for one in server.metrics))))


def _server(name: str, args: argparse.Namespace) -> tuple[WatchedServer, str]:
    """A server's settings, and its machine's name."""
    settings = read_settings(read_document(config_file(args.config)))
    servers = settings.server
    if name not in servers:
        raise Refused(
            f"there is no server {name!r} in this machine's configuration{nearest(name, sorted(servers))}",
            code="unknown-server",
        )
    return servers[name], settings.machine.name or machine_name()


def here(args: argparse.Namespace) -> str:
    """What this machine is called: as its configuration has it, which need not be there or in order for a run."""
    try:
        return read_settings(read_document(config_file(args.config))).machine.name or machine_name()
    except (ConfigError, Refused):
        return machine_name()


def _choose(name: str, server: WatchedServer, wanted: str) -> tuple[str, str]:
    """The address to load and what is spoken there: a Cloud Server's, else a web address, else a port."""
    for probe in sorted(server.probe, key=lambda one: not isinstance(one, Cloud)):
        match probe:
            case Cloud(url=url) if wanted in {"", "cloud", "websocket"}:
                return url, wanted or "cloud"
            case Http(url=url) if wanted in {"", "http"}:
                return url, "http"
            case Tcp(host=host, port=port) if wanted in {"", "tcp"}:
                return f"tcp://{host}:{port}", "tcp"
            case _:
                pass
    spoken = f" that speaks {wanted}" if wanted else ""
    raise Refused(f"the server {name} has no probe{spoken}, so its address is not known: give target.url", code="no-target")
