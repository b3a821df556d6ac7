"""`cloud-client`: the Cloud Client on the command line, for people and for scripts.

One JSON object a line on stdout, sentences for people on stderr. Exit 0: done; 1: refused or failed; 2: used wrongly.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from cloudnet import __version__, keys
from cloudnet.client import Client, Message, connect
from cloudnet.errors import CloudError, ConfigError
from cloudnet.packets import Entry

DEFAULT_SERVER = "ws://127.0.0.1:8765"


class Exact(argparse.ArgumentParser):
    """Takes no shortened flags: a flag of a later version would change what a script's shortened one means."""

    def __init__(self, **more: Any) -> None:
        """As argparse's own, which makes the verbs' parsers too."""
        super().__init__(allow_abbrev=False, **more)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = Exact(prog="cloud-client", description="Talk to others through a Cloud Server.")
    made.add_argument("--version", action="version", version=f"cloud-client {__version__}")
    made.add_argument(
        "--server",
        metavar="URL",
        action="append",
        help=f"ws:// or wss:// address, several in the order to try them (CLOUD_SERVER, {DEFAULT_SERVER})",
    )
    made.add_argument("--identity", metavar="FILE", type=Path, help="file of our key pair (CLOUD_IDENTITY)")
    made.add_argument("--takeover", action="store_true", help="end another connection of this identity")
    made.add_argument("--server-key", metavar="KEY", help="talk to the server with this key alone")
    made.add_argument("--timeout", metavar="SECONDS", type=float, default=15.0, help="for the first login (15)")
    verbs = made.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=Exact)

    identity = verbs.add_parser("identity", help="make or show a key pair").add_subparsers(
        dest="what", required=True, parser_class=Exact
    )
    for what, about in (("new", "make one; prints the public key"), ("show", "print the public key")):
        identity.add_parser(what, help=about).add_argument("file", metavar="FILE", type=Path)

    listen = verbs.add_parser("listen", help="print every message that comes, one JSON object a line")
    listen.add_argument("--count", metavar="N", type=int, default=0, help="end after so many")
    listen.add_argument("--name", default="", help="be found under this name")

    send = verbs.add_parser("send", help="send a message; ends once the server is bound to deliver it")
    send.add_argument("key", metavar="KEY", help="the recipient's public key")
    send.add_argument("text", metavar="TEXT", help="the message; - for standard input")
    send.add_argument("--wait", action="store_true", help="end once the recipient's application has it")
    send.add_argument("--ttl", metavar="SECONDS", type=int, default=0, help="how long the server keeps it")

    find = verbs.add_parser("find", help="search who and what is registered, one JSON object a line")
    find.add_argument("text", metavar="TEXT", nargs="?", default="", help="part of a name or alias")
    find.add_argument("--kind", choices=("device", "service", "identity"), default="")
    find.add_argument("--type", default="", help="such as chat")
    find.add_argument("--key", default="", help="exactly this one")
    find.add_argument("--near", metavar="LAT,LON", help="nearest first")
    find.add_argument("--radius", metavar="METRES", type=float, default=0.0)
    find.add_argument("--present", action="store_true", help="connected now")

    register = verbs.add_parser("register", help="be found; stays until the identity is not seen for long")
    register.add_argument("name", metavar="NAME")
    register.add_argument("--type", default="")
    register.add_argument("--alias", default="")
    register.add_argument("--place", metavar="LAT,LON")

    watch = verbs.add_parser("watch", help="print who comes and goes, one JSON object a line")
    watch.add_argument("keys", metavar="KEY", nargs="+")

    verbs.add_parser("ping", help="milliseconds to the server and back")
    verbs.add_parser("status", help="how the server stands, as JSON")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run a verb; returns the exit status."""
    made = parser()
    args = made.parse_args(arguments)
    try:
        if args.verb == "identity":
            identity = keys.create(args.file) if args.what == "new" else keys.load(args.file)
            print(keys.written(identity.key))
            return 0
        asyncio.run(_connected(args))
    except ConfigError as fault:
        print(f"cloud-client: {fault.why}", file=sys.stderr)
        return 2
    except CloudError as fault:
        print(f"cloud-client: {fault.why}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read us has gone: that is no fault
        return 0
    return 0


async def _connected(args: argparse.Namespace) -> None:
    path = args.identity or os.environ.get("CLOUD_IDENTITY")
    if not path:
        raise ConfigError("say who you are: --identity FILE (make one with: cloud-client identity new FILE)")
    servers = args.server or os.environ.get("CLOUD_SERVER", DEFAULT_SERVER).split(",")
    verbs: dict[str, Any] = {
        "listen": _listen,
        "send": _send,
        "find": _find,
        "register": _register,
        "watch": _watch,
        "ping": _ping,
        "status": _status,
    }
    run: Any = verbs[args.verb]
    server_key = keys.read(args.server_key) if args.server_key else b""
    identity = keys.load(Path(path))
    checked = _prepared(args)
    async with connect(servers, identity, takeover=args.takeover, server_key=server_key, timeout=args.timeout) as client:
        work: Coroutine[Any, Any, None] = run(client, args, checked)
        await work


def _prepared(args: argparse.Namespace) -> Any:
    """What can be said wrongly is told before anything is connected."""
    match args.verb:
        case "send":
            return keys.read(args.key)
        case "watch":
            return [keys.read(key) for key in args.keys]
        case "find":
            return keys.read(args.key) if args.key else b"", _place(args.near)
        case "register":
            return _place(args.place)
    return None


async def _listen(client: Client, args: argparse.Namespace, _: None) -> None:
    if args.name:
        await client.register(args.name)
    print(f"listening as {keys.written(client.identity.key)} at {client.server}", file=sys.stderr, flush=True)
    count = 0
    async for message in client:
        _print(_shown(message))
        count += 1
        if count == args.count:
            return


async def _send(client: Client, args: argparse.Namespace, key: bytes) -> None:
    text = sys.stdin.buffer.read() if args.text == "-" else args.text.encode("utf-8", "surrogateescape")
    identity = await client.send(key, text, wait=args.wait, ttl=args.ttl)
    _print({"id": identity.hex(), "to": args.key, "taken": args.wait})


async def _find(client: Client, args: argparse.Namespace, prepared: tuple[bytes, tuple[float, float] | None]) -> None:
    key, near = prepared
    found = client.find(
        kind=args.kind, type=args.type, text=args.text, key=key, near=near, radius=args.radius, present=args.present
    )
    async for entry in found:
        _print(_profile(entry))


async def _register(client: Client, args: argparse.Namespace, place: tuple[float, float] | None) -> None:
    await client.register(args.name, type=args.type, alias=args.alias, place=place)
    _print({"key": keys.written(client.identity.key), "name": args.name})


async def _watch(client: Client, _: argparse.Namespace, wanted: list[bytes]) -> None:
    async with client.watch(*wanted) as changes:
        async for change in changes:
            _print({"key": keys.written(change.key), "state": change.state, "at": change.at})


async def _ping(client: Client, *_: object) -> None:
    _print({"server": client.server, "milliseconds": round(await client.ping() * 1000, 3)})


async def _status(client: Client, *_: object) -> None:
    status = await client.status()
    _print(
        {
            "server": client.server,
            "version": status.version,
            "since": status.since,
            "sessions": status.sessions,
            "profiles": status.profiles,
            "waiting": status.waiting,
        }
    )


def _shown(message: Message) -> dict[str, Any]:
    """A message as JSON: `body` as text where it is UTF-8, else `body_base64`."""
    shown: dict[str, Any] = {"from": keys.written(message.author), "id": message.id.hex()}
    try:
        shown["body"] = message.body.decode()
    except UnicodeDecodeError:
        shown["body_base64"] = base64.b64encode(message.body).decode()
    return shown | {
        "sent": message.sent,
        "at": message.at,
        "to": keys.written(message.to),
        "device": keys.written(message.sender),
    }


def _profile(entry: Entry) -> dict[str, Any]:
    profile = entry.profile
    shown: dict[str, Any] = {
        "key": keys.written(profile.key),
        "kind": profile.kind,
        "type": profile.type,
        "name": profile.name,
        "alias": profile.alias,
        "place": profile.place,
        "device": keys.written(profile.device),
        "present": entry.present,
    }
    return shown if entry.distance is None else shown | {"distance": round(entry.distance, 1)}


def _place(text: str | None) -> tuple[float, float] | None:
    if not text:
        return None
    try:
        latitude, longitude = map(float, text.split(","))
    except ValueError:
        raise ConfigError(f"expected LAT,LON in degrees such as 52.5,13.4, got {text!r}") from None
    return latitude, longitude


def _print(shown: dict[str, Any]) -> None:
    print(json.dumps(shown, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
