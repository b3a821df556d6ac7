"""What a Cloud Server is told: command line over ``[cloud]`` in a TOML file over defaults, each checked where it stands."""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from cloudnet import __version__
from cloudnet.errors import ConfigError
from cloudnet.packets import BODY_BYTES, Limits

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[cloud]``: all of it, with the names of the flags; sizes in bytes, times in seconds; 0 is no limit where it may be."""

    listen: str = "127.0.0.1:8765"
    data: str = "cloud-data"
    metrics: str = "127.0.0.1:8766"
    tls_certificate: str = ""
    tls_key: str = ""
    names: tuple[str, ...] = ()
    behind_proxy: bool = False
    nats: str = ""
    nats_credentials: str = ""
    network: str = "cloud"
    advertise: str = ""
    workers: int = 1
    backups: tuple[str, ...] = ()
    connections: int = 20_000
    connections_per_address: int = 1_000
    handshakes_per_second: float = 200.0
    messages_per_second: int = 10_000
    body_bytes: int = BODY_BYTES
    under_way: int = 1024
    resume_seconds: int = 120
    mailbox_messages: int = 10_000
    mailbox_bytes: int = 16 << 20
    mailbox_seconds: int = 604_800
    mailbox_total: int = 1 << 30
    memory: int = 0
    lag_seconds: float = 2.0
    devices: int = 1_000_000
    profiles_total: int = 256 << 20
    forget_days: int = 90
    log_level: str = "info"
    log_format: str = "text"

    @property
    def limits(self) -> Limits:
        """What clients are granted."""
        return Limits(
            self.body_bytes,
            self.under_way,
            self.messages_per_second,
            self.resume_seconds,
            self.mailbox_messages,
            self.mailbox_bytes,
            self.mailbox_seconds,
        )


ABOUT = {
    "listen": "HOST:PORT for clients (127.0.0.1:8765)",
    "data": "folder of identity, mailbox and directory (./cloud-data)",
    "metrics": "HOST:PORT of /metrics, /healthz and /readyz (127.0.0.1:8766); an empty one is off",
    "tls_certificate": "PEM file of our certificate and its chain; with --tls-key clients use wss://",
    "tls_key": "PEM file of its key",
    "names": "HOST or HOST:PORT as clients dial it, comma-separated; a login for another one is refused (any is taken)",
    "behind_proxy": "the client's address is the last in X-Forwarded-For, set by a proxy of ours",
    "nats": "nats://… joins the Cloud Servers that share it into one network",
    "nats_credentials": "file of NATS credentials; a name and password belong into the file of --config, not here",
    "network": "name of that network, if several share one NATS (cloud)",
    "advertise": "ws://… or wss://… under which clients of the other servers may turn to this one",
    "workers": "processes that share the address (1)",
    "backups": "wss://… of servers that clients may turn to, comma-separated",
    "connections": "connections at the same time (20000)",
    "connections_per_address": "of these from one address (1000)",
    "handshakes_per_second": "new ones a second from one address (200)",
    "messages_per_second": "messages a second of one client (10000)",
    "body_bytes": "longest body of a message (64k)",
    "under_way": "messages of one client under way, either direction (1024)",
    "resume_seconds": "how long a lost client may come back to its session (120)",
    "mailbox_messages": "messages that may wait for one client (10000)",
    "mailbox_bytes": "and their bytes (16m)",
    "mailbox_seconds": "how long they wait (604800, a week)",
    "mailbox_total": "bytes that wait for all clients, and 350 for each message (1g)",
    "memory": "resident memory at which newcomers are turned away at nine tenths (no limit)",
    "lag_seconds": "lateness of the event loop at which newcomers are turned away (2)",
    "devices": "devices that the server knows at the most; no new one is let in beyond (1000000)",
    "profiles_total": "bytes of memory for all registered profiles, each counted with 1000 beside its texts (256m)",
    "forget_days": "days after which a client that was not seen is forgotten (90)",
    "log_level": "debug, info, warning or error",
    "log_format": "text, or json: one object a line, for programs",
}
"""The sentence of each flag; docs and ``--help`` come from here."""

_SIZES = {"body_bytes", "mailbox_bytes", "mailbox_total", "profiles_total", "memory"}
_RANGES: dict[str, tuple[float, float]] = {
    "workers": (1, 32),
    "body_bytes": (1, 512 << 10),
    "under_way": (1, 65536),
    "resume_seconds": (1, 86_400),
    "mailbox_messages": (1, 1 << 40),
    "mailbox_bytes": (1, 1 << 40),
    "mailbox_seconds": (1, 1 << 40),
    "mailbox_total": (1, 1 << 50),
    "forget_days": (1, 100_000),
}
"""Least and most; other numbers are from 0 on."""


def parser() -> argparse.ArgumentParser:
    """The command line of `cloud-server`."""
    made = argparse.ArgumentParser(
        prog="cloud-server",
        description="A relay through which clients that cannot reach each other exchange messages.",
        allow_abbrev=False,  # else a flag of a later version would change what a script's shortened one means
    )
    made.add_argument("--version", action="version", version=f"cloud-server {__version__}")
    made.add_argument("--config", metavar="FILE", type=Path, help="TOML file whose table [cloud] holds the same names")
    for name, about in ABOUT.items():
        flag = _flag(name)
        if name == "behind_proxy":
            made.add_argument(flag, action="store_true", default=None, help=about)
        else:
            made.add_argument(flag, metavar="…", help=about)
    return made


def read(arguments: Sequence[str] | None = None) -> Settings:
    """Settings of a command line; raises ConfigError with file or flag, what is wrong and what was expected."""
    given = vars(parser().parse_args(arguments))
    file: Path | None = given.pop("config")
    told: dict[str, Any] = {}
    if file is not None:
        told = _from_file(file)
    if "@" in (given["nats"] or ""):
        raise ConfigError("--nats: everybody sees a command line; put the name and password into the file of --config")
    for name, text in given.items():
        if text is not None:
            told[name] = _from_flag(name, text)
    try:
        settings = msgspec.convert(told, Settings, strict=True)
    except msgspec.ValidationError as fault:
        raise ConfigError(_located(str(fault), file)) from None
    return _checked(settings, lambda name: _flag(name) if given.get(name) is not None or file is None else f"{file}: {name}")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _from_file(file: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as fault:
        raise ConfigError(f"{file}: {fault.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise ConfigError(f"{file}: {fault}") from None
    table = document.get("cloud")
    if not isinstance(table, dict):
        near = get_close_matches("cloud", document, 1)
        meant = f"; is [{near[0]}] meant to be it?" if near and near[0] != "cloud" else ""
        raise ConfigError(f"{file}: there is no table [cloud]{meant}")
    for name in table:
        if name not in ABOUT:
            near = get_close_matches(name, ABOUT, 1)
            raise ConfigError(f"{file}: [cloud] has no key {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return {
        name: size(value, f"{file}: {name}: ") if name in _SIZES and isinstance(value, str) else value
        for name, value in table.items()
    }


def _from_flag(name: str, text: str | bool) -> Any:  # noqa: FBT001  # a flag without a value
    if name in _SIZES and isinstance(text, str):
        return size(text, f"{_flag(name)}: ")
    wanted = {field.name: field.type for field in msgspec.structs.fields(Settings)}[name]
    if name in {"backups", "names"}:
        return tuple(part.strip() for part in str(text).split(",") if part.strip())
    try:
        return msgspec.convert(text, wanted, strict=False)
    except msgspec.ValidationError as fault:
        raise ConfigError(f"{_flag(name)}: {fault}, got {text!r}") from None


def size(text: str, place: str = "") -> int:
    """``64k``, ``16m`` and ``1g`` in bytes; raises ConfigError."""
    found = re.fullmatch(r"([0-9]{1,15})\s*([kmg]?)(i?b)?", text.strip().lower())
    if not found:
        raise ConfigError(f"{place}expected bytes such as 64k, 16m or 1g, got {text!r}")
    return int(found[1]) * _UNITS[found[2]]


def split_address(written: str, name: str = "listen") -> tuple[str, int]:
    """Host and port of ``HOST:PORT`` or ``[::1]:PORT``; raises ConfigError."""
    host, _, port = written.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise ConfigError(f"{name}: expected HOST:PORT, got {written!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _checked(settings: Settings, place: Callable[[str], str]) -> Settings:
    """The same settings, if their values make sense; `place` says where a key was set. Raises ConfigError."""
    split_address(settings.listen, place("listen"))
    if settings.metrics:
        split_address(settings.metrics, place("metrics"))
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise ConfigError(
            f"{place('tls_certificate' if settings.tls_certificate else 'tls_key')}: both or none of the two TLS files"
        )
    for name, kind in Settings.__annotations__.items():
        if kind in {"int", "float"}:
            least, most = _RANGES.get(name, (0, 1e18))
            if not least <= (given := getattr(settings, name)) <= most:
                raise ConfigError(f"{place(name)}: expected {least} to {most:.0f}, got {given}")
    if settings.log_level not in {"debug", "info", "warning", "error"}:
        raise ConfigError(f"{place('log_level')}: expected debug, info, warning or error, got {settings.log_level!r}")
    if settings.log_format not in {"text", "json"}:
        raise ConfigError(f"{place('log_format')}: expected text or json, got {settings.log_format!r}")
    _check_network(settings, place)
    return settings


def _check_network(settings: Settings, place: Callable[[str], str]) -> None:
    if settings.nats and not re.match(r"(nats|tls)://[^/]", settings.nats):
        raise ConfigError(f"{place('nats')}: expected nats://HOST:PORT or tls://HOST:PORT")
    if not re.fullmatch(r"[a-z0-9_-]{1,40}", settings.network):
        raise ConfigError(f"{place('network')}: expected up to 40 of a-z, 0-9, _ and -, got {settings.network!r}")
    for name, backups in (("backups", settings.backups), ("advertise", filter(None, [settings.advertise]))):
        for backup in backups:
            if not re.match(r"wss?://[^/]", backup):
                raise ConfigError(f"{place(name)}: expected ws:// or wss:// addresses, got {backup!r}")


def _located(fault: str, file: Path | None) -> str:
    what, _, path = fault.partition(" - at `$.")
    return f"{file or 'command line'}: {path.rstrip('`')}: {what}" if path else fault
