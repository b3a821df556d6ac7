"""Where the hub is and which token it takes: ``hub.json`` and ``token`` in its data folder, or as the operator says.

Who comes in: `client`. It reads two small files and never talks to anyone. Its messages name whose a
file is and which rights it has, because that is what a person at night must find out next.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import msgspec

from watchkeeper.cli.options import SYSTEM_DATA, Reach
from watchkeeper.errors import Failed, Refused

START = "start it with: watchkeeper up"
SMALL = 4096
"""Neither file is longer; more than that is not ours."""


class HubFile(msgspec.Struct, frozen=True):
    """``DATA/hub.json``: what a running hub says of itself. `machine` is its host name, where it says so."""

    url: str
    pid: int
    machine: str = ""


class Found(msgspec.Struct, frozen=True):
    """A hub's address and the token to show it; `pid` is 0 unless ``hub.json`` told it."""

    url: str
    token: str
    token_file: str
    pid: int = 0

    def __repr__(self) -> str:
        """Without the token, which must not get into a traceback."""
        return f"Found({self.url!r}, token from {self.token_file!r})"

    def if_silent(self) -> str:
        """What to add when nobody answers there."""
        if self.pid and not _is_alive(self.pid):
            return f": the hub that ran as pid {self.pid} is gone; {START}"
        if self.pid:
            return f", though pid {self.pid} is alive; it may be starting or stopping"
        return f"; {START}" if _is_loopback(urlsplit(self.url)) else ""


def look_up(reach: Reach) -> Found:
    """Find address and token. Raises `Failed` when no hub runs here, `Refused` when we may not ask it."""
    if reach.url:
        return _named(reach, reach.url)
    folder = reach.data
    if not reach.chosen and not (folder / "hub.json").exists() and _exists(SYSTEM_DATA / "hub.json"):
        folder = SYSTEM_DATA  # a user asks on a machine whose hub runs as a service
    written = _read(folder / "hub.json")
    if written is None:
        raise Failed(f"no hub is running here (there is no {folder / 'hub.json'}); {START}, or name its folder with --data DIR")
    try:
        told = msgspec.json.decode(written, type=HubFile)
    except msgspec.DecodeError as fault:
        raise Failed(f"{folder / 'hub.json'} cannot be read: {fault}; {START}", retry=False) from None
    if told.machine and told.machine != socket.gethostname():
        raise Refused(
            f"the hub of {folder} runs on {told.machine}, and this is {socket.gethostname()}; "
            "ask there, or name it with --url and --token-file",
            code="wrong-machine",
        )
    return _with_token(told.url, reach.token_file or folder / "token", told.pid)


def _named(reach: Reach, url: str) -> Found:
    """The hub at an address that the operator gave."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or port == -1:
        raise Refused(f"expected an address such as https://hub.example:8600, got {url!r}", code="bad-url")
    if _is_loopback(parts):
        return _with_token(parts.geturl(), reach.token_file or reach.data / "token")
    if parts.scheme == "http":
        raise Refused(
            f"the token would travel to {parts.hostname} in clear text; use https://, or a tunnel such as: "
            f"ssh -L 8600:127.0.0.1:{port or 80} {parts.hostname}, then --url http://127.0.0.1:8600",
            code="clear-text",
        )
    if reach.token_file is None:
        raise Refused(f"the hub at {parts.hostname} needs its own token: name it with --token-file FILE", code="no-token")
    return _with_token(parts.geturl(), reach.token_file)


def _with_token(url: str, file: Path, pid: int = 0) -> Found:
    token = _read(file)
    if token is None:
        raise Refused(f"there is no token in {file}; name the hub's with --token-file FILE", code="no-token")
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable():
        raise Refused(f"{file} holds no token", code="no-token")
    return Found(url.rstrip("/"), token, str(file), pid)


def _read(file: Path) -> str | None:
    """A small file's text, None if there is none; a file that we may not read is told with owner and rights."""
    try:
        with file.open("rb") as opened:
            return opened.read(SMALL).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except PermissionError:
        raise Refused(f"you may not read {_whose(file)}", code="no-permission") from None
    except OSError as fault:
        raise Refused(f"{file} cannot be read: {fault.strerror}", code="no-permission") from None


def _exists(file: Path) -> bool:
    """Whether a file is there or might be: a folder that we may not look into counts."""
    try:
        file.stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _whose(file: Path) -> str:
    """The file, or the folder that bars the way to it, with owner and rights, and what to do about it."""
    for place in (file, *file.parents):
        try:
            seen = place.stat()
        except OSError:
            continue
        break
    owner = str(seen.st_uid)
    try:
        import pwd  # noqa: PLC0415  # not on Windows, and only a fault needs it

        owner = pwd.getpwuid(seen.st_uid).pw_name
    except (ImportError, KeyError):
        pass
    rights = f"{stat.S_IMODE(seen.st_mode):04o}"
    within = f" (in {place}, which" if place != file else " (which"
    return f"{file}{within} belongs to {owner}, mode {rights}); run this as {owner}, or give a token with --token-file FILE"


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
