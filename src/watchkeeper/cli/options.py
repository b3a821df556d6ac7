"""What may be said to every verb, and where its value comes from: flag, environment, default.

`Options` is what the programs (`up`, `hub`, `agent`) and `config` start from; `Reach` is how all other
verbs find a hub. This room looks for files but reads none, and is loaded by the agent: keep it light.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from watchkeeper.errors import ConfigError

LogLevel = Literal["debug", "info", "warning", "error"]

SYSTEM_CONFIG = Path("/etc/watchkeeper/watchkeeper.toml")
SYSTEM_DATA = Path("/var/lib/watchkeeper")


class Options(msgspec.Struct, frozen=True):
    """What a program starts from; all paths are absolute, so that a child process reads the same files.

    `config` None: no file was named and none found, so the built-in defaults hold (this machine, no servers).
    `listen` is ``HOST:PORT``; None: the configuration's, else 127.0.0.1:8600.
    """

    config: Path | None
    data: Path
    listen: str | None = None
    log_level: LogLevel = "info"
    json: bool = False
    quiet: bool = False
    debug: bool = False


class Reach(msgspec.Struct, frozen=True):
    """How to find a hub. `url` None: the one that wrote ``hub.json`` into `data`; `chosen`: the operator named `data`."""

    data: Path
    chosen: bool
    url: str | None = None
    token_file: Path | None = None


def add_arguments(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """Add what every verb takes; `again` below a verb, where an unsaid flag must not undo what stood before the verb."""
    everywhere = parser.add_argument_group("everywhere")
    unsaid: dict[str, Any] = {"default": argparse.SUPPRESS} if again else {}
    everywhere.add_argument("--config", metavar="FILE", help="the configuration (WATCHKEEPER_CONFIG)", **unsaid)
    everywhere.add_argument("--data", metavar="DIR", help="where state is kept (WATCHKEEPER_DATA)", **unsaid)
    everywhere.add_argument("--url", metavar="URL", help="a hub elsewhere (WATCHKEEPER_URL)", **unsaid)
    everywhere.add_argument("--token-file", metavar="FILE", help="its token (WATCHKEEPER_TOKEN_FILE)", **unsaid)
    everywhere.add_argument("--json", action="store_true", help="print JSON, in base units", **unsaid)
    everywhere.add_argument("-q", "--quiet", action="store_true", help="print problems alone", **unsaid)
    everywhere.add_argument("--debug", action="store_true", help="show where a fault came from", **unsaid)


def add_program_arguments(parser: argparse.ArgumentParser, *, listen: bool = True) -> None:
    """Add what the programs take beyond that; `listen` for those that open a port."""
    if listen:
        parser.add_argument("--listen", metavar="HOST:PORT", type=address, help="where the hub answers (WATCHKEEPER_LISTEN)")
    parser.add_argument("--log-level", choices=get_args(LogLevel), help="how much to tell (WATCHKEEPER_LOG_LEVEL; info)")


def program_options(args: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Options:
    """What a program starts from: flag, else environment, else default; raises ConfigError where a value cannot be used."""
    listen = getattr(args, "listen", None) or environ.get("WATCHKEEPER_LISTEN") or None
    level = getattr(args, "log_level", None) or environ.get("WATCHKEEPER_LOG_LEVEL") or "info"
    if level not in get_args(LogLevel):
        raise ConfigError(f"expected one of {', '.join(get_args(LogLevel))}, got {level!r}", where="WATCHKEEPER_LOG_LEVEL")
    try:
        listen = address(listen) if listen else None
    except argparse.ArgumentTypeError as fault:
        raise ConfigError(str(fault), where="WATCHKEEPER_LISTEN") from None
    return Options(
        config=config_file(args.config, environ),
        data=data_folder(args.data, environ),
        listen=listen,
        log_level=level,  # type: ignore[arg-type]  # checked against the literal's own words above
        json=args.json,
        quiet=args.quiet,
        debug=args.debug,
    )


def reach(args: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Reach:
    """How to find the hub, from the same sources in the same order."""
    token_file = args.token_file or environ.get("WATCHKEEPER_TOKEN_FILE")
    return Reach(
        data=data_folder(args.data, environ),
        chosen=bool(args.data or environ.get("WATCHKEEPER_DATA")),
        url=args.url or environ.get("WATCHKEEPER_URL") or None,
        token_file=_absolute(token_file) if token_file else None,
    )


def config_file(named: str | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The configuration to use: the named one, else the first found here, in the home folder, in /etc; else None."""
    for written, where in ((named, "--config"), (environ.get("WATCHKEEPER_CONFIG"), "WATCHKEEPER_CONFIG")):
        if written:
            path = _absolute(written)
            if not path.is_file():
                raise ConfigError(f"there is no file {path}", where=where)
            return path
    places = (Path("watchkeeper.toml"), _home(environ, "XDG_CONFIG_HOME", ".config") / "watchkeeper.toml", SYSTEM_CONFIG)
    return next((place.absolute() for place in places if place.is_file()), None)


def data_folder(named: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Where state is kept: as named, else /var/lib/watchkeeper for root, else the user's own folder for such data."""
    if written := named or environ.get("WATCHKEEPER_DATA"):
        return _absolute(written)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return SYSTEM_DATA
    return _home(environ, "XDG_DATA_HOME", ".local/share")


def address(written: str) -> str:
    """Check ``HOST:PORT`` (``[::1]:8600`` for IPv6; port 0: any free one)."""
    host, colon, port = written.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535 or (":" in host and host[0] + host[-1] != "[]"):
        raise argparse.ArgumentTypeError(f"expected HOST:PORT such as 127.0.0.1:8600, got {written!r}")
    return written


def _absolute(written: str) -> Path:
    return Path(written).expanduser().absolute()


def _home(environ: Mapping[str, str], variable: str, below: str) -> Path:
    """The user's folder for configuration or data: XDG where it is set, else the custom of the system."""
    if chosen := environ.get(variable):
        return Path(chosen) / "watchkeeper"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "watchkeeper"
    if sys.platform == "win32" and (local := environ.get("LOCALAPPDATA")):
        return Path(local) / "watchkeeper"
    return Path.home() / below / "watchkeeper"
