"""Write the pages of docs/reference from the code, so that they cannot drift from it.

    python dev.py docs            write them
    python docs/generate.py --check   say which are out of date (dev.py check does this)

Settings come from the structs that read them, metrics from the collectors' own families, verbs from their
--help, routes from the OpenAPI document. Sentences stand in the code, beside what they describe. In pages that are written
by hand, what stands between ``<!-- made: NAME -->`` and ``<!-- end -->`` is made here too.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import socket
import sys
import tempfile
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

HERE = Path(__file__).resolve().parent
HOME = HERE.parent
REFERENCE = HERE / "reference"
RUNBOOKS = HERE / "runbooks"
sys.path.insert(0, str(HOME / "src"))

from cloudnet import settings as cloud_settings  # noqa: E402  # after the path is set
from cloudnet.programs import client as client_program  # noqa: E402  # as above
from cloudnet.server import serve  # noqa: E402  # as above
from watchkeeper import cli, hub, probe, standing, watched  # noqa: E402  # after the path is set
from watchkeeper.alert import runbooks  # noqa: E402  # as above
from watchkeeper.alert.rulebook import read_rules  # noqa: E402  # as above
from watchkeeper.alert.rules import Rule  # noqa: E402  # as above
from watchkeeper.alert.settings import AlertSettings, BranchSettings  # noqa: E402  # as above
from watchkeeper.cli.settings import schema  # noqa: E402  # as above
from watchkeeper.collect import CollectSettings, itself, leaves, openmetrics, process, rounds, scraping  # noqa: E402  # as above
from watchkeeper.config import Document, encode_hook  # noqa: E402  # as above
from watchkeeper.control import DRIVERS, AnyServer  # noqa: E402  # as above
from watchkeeper.control.conditions import Condition  # noqa: E402  # as above
from watchkeeper.control.heartbeat import HeartbeatFileSettings  # noqa: E402  # as above
from watchkeeper.control.limits import LimitSettings  # noqa: E402  # as above
from watchkeeper.drill.drills import FAMILIES as DRILL_FAMILIES  # noqa: E402  # as above
from watchkeeper.fetch import fetch  # noqa: E402  # as above
from watchkeeper.figures import REMOTE_FAMILIES  # noqa: E402  # as above
from watchkeeper.heartbeat import incoming, outgoing  # noqa: E402  # as above
from watchkeeper.judging.own import FAMILIES as JUDGE_FAMILIES  # noqa: E402  # as above
from watchkeeper.model import Family  # noqa: E402  # as above
from watchkeeper.notify import outbox  # noqa: E402  # as above
from watchkeeper.probe import probing  # noqa: E402  # as above
from watchkeeper.quantities import Duration, Secret, Size  # noqa: E402  # as above
from watchkeeper.stress import phases, protocols  # noqa: E402  # as above
from watchkeeper.stress import plan as stress  # noqa: E402  # as above
from watchkeeper.stress.report.writing import schema as report_schema  # noqa: E402  # as above

MADE = "<!-- Made by docs/generate.py from the code: change that, then run `python dev.py docs`. -->\n"
STRESS_SHARED = {
    "name": "what it is called in results; a phase without one is called by its kind",
    "weight": "how often it comes, beside the others",
    "think": "how long a user thinks after it (closed model), or a sequence before its next step",
    "operations": "only these of the mix run in this phase; one of no weight runs only where it is named",
    "only": "the protocols that this phase is for; with any other it is left out",
    "connections": "how many there are in this phase; 0: as the plan says",
    "lasts": "how long it takes",
    "rate": "starts a second, all connections together",
    "of_knee": "instead: a share of the level that the search before it has found sustainable",
    "users": "instead: so many users, each of whom starts anew once done (closed model)",
}
"""The same for the tables of a stress plan."""

SHARED = {
    "enabled": "whether the collector runs at all",
    "period": "how often; left out, as often as the agent reads (`[agent] period`)",
    "name": "tells several of one kind apart; left out, the kind is the name",
    "timeout": "how long an answer may take",
    "misses": "how many failures in a row count as down",
    "liveness": "whether a server that does not answer it counts as hung",
    "fallback": "the channel that tells it too when this one has not within its `patience`, or is refused for what it sends",
    "patience": "how long a message may wait before the fall-back is asked",
    "keep_trying": "how long a message is tried at all",
    "per_minute": "how many attempts a minute there are at most; the rest waits",
    "zone": "the time zone of the times in it (`Europe/Berlin`)",
}
"""Keys that many tables have and that mean the same in each."""

KERNEL = {
    "memory": "`node_memory_<field>_bytes`, one for each line of /proc/meminfo (gauge); counts of huge pages without the ending",
    "netstat": "`node_netstat_<protocol>_<field>` (untyped): connections, segments, retransmissions, errors of TCP, UDP, IP, ICMP",
    "sockstat": "`node_sockstat_<protocol>_<field>` (gauge): sockets in use, orphaned, in time-wait, and the memory they hold",
}
"""Collectors whose metrics are the kernel's to name."""


def main(arguments: list[str]) -> int:
    """Write or check all pages; returns the exit code."""
    pages = {
        "configuration.md": configuration(),
        "watchkeeper.schema.json": json.dumps(schema(), indent=2, ensure_ascii=False) + "\n",
        "metrics.md": metrics(),
        "cli.md": commands(),
        "api.md": api(),
        "stress-plan.md": stress_plan(),
        "stress-report.schema.json": json.dumps(report_schema(), indent=2, ensure_ascii=False) + "\n",
    }
    whole = {REFERENCE / name: text for name, text in pages.items()}
    whole |= {RUNBOOKS / name: text for name, text in runbook_pages().items()}
    whole |= {HERE / name: filled(HERE / name) for name in ("cloud-server.md", "cloud-client.md")}
    drifted = [path for path, text in whole.items() if not same(path, text)]
    if "--check" in arguments:
        for path in drifted:
            print(f"{path.relative_to(HOME)} is out of date: run `python dev.py docs`", file=sys.stderr)
        return 1 if drifted else 0
    REFERENCE.mkdir(exist_ok=True)
    RUNBOOKS.mkdir(exist_ok=True)
    for path in drifted:
        path.write_text(whole[path], encoding="utf-8", newline="\n")
        print(f"wrote {path.relative_to(HOME)}")
    return 0


def same(path: Path, text: str) -> bool:
    """Whether the page says this already."""
    return path.is_file() and path.read_text(encoding="utf-8") == text


# -- configuration ----------------------------------------------------------------------------------


def configuration() -> str:
    """Every table and key."""
    parts = [
        MADE,
        "# Configuration\n",
        "One TOML file, and `conf.d/*.toml` beside it, joined table by table; a value that two files set is an error. Every key has a "
        "default but those marked *needed*. Mistakes are told with file, line and the nearest known key: `watchkeeper config check`. What is "
        "in effect: `watchkeeper config show`. For editors: [watchkeeper.schema.json](watchkeeper.schema.json).\n",
        'Durations are written `"500ms"`, `"30s"`, `"5m"`, `"1h30m"`, `"7d"`; sizes `"10MiB"`, `"2GiB"`; secrets '
        '`{ env = "NAME" }` or `{ file = "/path" }`, never as text. Relative paths are relative to the file.\n',
        "Keys that many tables have: " + "; ".join(f"`{key}`: {about}" for key, about in SHARED.items()) + ".\n",
    ]
    for name, kind in tables():
        parts.append(f"## {name}\n\n{prose(kind)}\n\n{keys(kind)}")
    return "\n".join(parts)


def tables() -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """Every struct that a table of the file is read by, with the table's name as it is written."""
    yield "[machine]", watched.MachineSettings
    yield "[agent]", watched.AgentSettings
    for name in ("control", "evidence", "logs", "lost"):
        yield f"[agent.{name}]", struct_field(watched.AgentSettings, name)
    for field in msgspec.structs.fields(CollectSettings):
        yield f"[collect.{field.name}]", field.type
    yield "[server.NAME]", watched.WATCHED[0]
    for driver in DRIVERS[1:]:
        yield f'[server.NAME] with driver = "{driver.__struct_config__.tag}"', own_keys(driver)
    for name in ("backoff", "log", "liveness", "limits", "schedule"):
        yield f"[server.NAME.{name}]", struct_field(watched.WatchedServer, name)
    yield "[server.NAME.liveness.heartbeat]", HeartbeatFileSettings
    for field in msgspec.structs.fields(LimitSettings):
        yield f"[server.NAME.limits.{field.name}]", struct_field(LimitSettings, field.name)
    for condition in get_args(Condition):
        yield f'[[server.NAME.start_when]] with kind = "{condition.__struct_config__.tag}"', condition
    for leaf in get_args(probe.Leaf):
        yield f'[[server.NAME.probe]], [probe.NAME] with kind = "{leaf.__struct_config__.tag}"', leaf
    yield "[[server.NAME.metrics]]", openmetrics.OpenMetrics
    for field in msgspec.structs.fields(hub.HubSettings):
        yield from hub_tables(field.name, field.type)
        if field.name == "route":
            yield "[[route.routes]]", BranchSettings


def hub_tables(name: str, kind: Any) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """The tables of one of the hub's settings: one, a list, or one for each name and kind."""
    arguments = get_args(kind)
    if get_origin(kind) is tuple:
        yield f"[[{name}]]", arguments[0]
    elif get_origin(kind) is dict and get_origin(arguments[1]) in {Union, types.UnionType}:
        for leaf in get_args(arguments[1]):
            yield f'[{name}.NAME] with kind = "{leaf.__struct_config__.tag}"', leaf
    elif get_origin(kind) is dict:
        yield f"[{name}.NAME]", arguments[1]
    else:
        yield f"[{name}]", kind


def own_keys(driver: type[AnyServer]) -> type[msgspec.Struct]:
    """What a driver adds to the keys that all servers have, and those whose default is another with it."""
    shared = {field.name: field.default for field in msgspec.structs.fields(AnyServer)}
    fields = [
        (field.name, field.type) if field.required else (field.name, field.type, _default(field))
        for field in msgspec.structs.fields(driver)
        if field.name not in shared or field.default != shared[field.name]
    ]
    return msgspec.defstruct(driver.__name__, fields, kw_only=True, namespace={"__doc__": driver.__doc__})


def _default(field: msgspec.structs.FieldInfo) -> Any:
    """A default as `msgspec.defstruct` takes it."""
    return field.default if field.default is not msgspec.NODEFAULT else msgspec.field(default_factory=field.default_factory)


def struct_field(kind: type[msgspec.Struct], name: str) -> Any:
    """The type of one field; of one that may be left out, the type of what it is when it is there."""
    found = next(field.type for field in msgspec.structs.fields(kind) if field.name == name)
    arms = [arm for arm in get_args(found) if arm is not type(None)]
    return arms[0] if get_origin(found) in {Union, types.UnionType} and len(arms) == 1 else found


def prose(kind: type) -> str:
    """What a struct's docstring says, without the name of its table in front."""
    text = inspect.cleandoc(kind.__doc__ or "")
    text = re.sub(r"^``[^`]*``: ", "", text).replace("``", "`")
    text = re.sub(r"(?<!\n)\n(?!\n)", " ", text)
    return text[:1].upper() + text[1:]


def keys(kind: type[msgspec.Struct]) -> str:
    """A table of a struct's keys; those that are tables of their own stand elsewhere."""
    lines = ["| key | kind | default |", "|---|---|---|"]
    for field in msgspec.structs.fields(kind):
        if is_table(field.type):
            continue
        default = "*needed*" if field.required else shown(field)
        lines.append(f"| `{field.encode_name}` | {worded(field.type)} | {default} |")
    return "\n".join(lines) + "\n" if len(lines) > 2 else ""


def is_table(kind: Any) -> bool:
    """Whether a field is a table or a list of tables."""
    if get_origin(kind) is tuple:
        kind = get_args(kind)[0]
    arms = get_args(kind) if get_origin(kind) in {Union, types.UnionType} else (kind,)
    arms = tuple(arm for arm in arms if arm is not type(None))
    return all(isinstance(arm, type) and issubclass(arm, msgspec.Struct) and arm is not Secret for arm in arms)


def shown(field: msgspec.structs.FieldInfo) -> str:
    """A default as it would be written."""
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    plain = msgspec.to_builtins(default, enc_hook=encode_hook)
    if plain is None or plain in ("", [], {}, ()):
        return "–"
    text = json.dumps(plain, ensure_ascii=False).replace("|", "\\|")
    return f"`{text}`"


def worded(kind: Any) -> str:
    """A type in words."""
    simple = {
        str: "text",
        int: "number",
        float: "number",
        bool: "true or false",
        Path: "path",
        Duration: "duration",
        Size: "size",
    }
    simple |= {Secret: "secret", type(None): ""}
    if kind in simple:
        return simple[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return worded(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in {Union, types.UnionType}:
        return " or ".join(dict.fromkeys(word for word in map(worded, arguments) if word))
    if origin is tuple:
        return f"list of {worded(arguments[0])}"
    if origin is dict:
        return f"table of {worded(arguments[1])}"
    return str(getattr(kind, "__name__", kind))


# -- runbooks -----------------------------------------------------------------------------------------


def runbook_pages() -> dict[str, str]:
    """A page for each stock rule: what to do, then what the rule says; and their index."""
    rules = read_rules(Document({}, {}), AlertSettings())
    pages = {}
    rows = ["| rule | tells when | why |", "|---|---|---|"]
    for name in sorted({rule.name for rule in rules if rule.kind == "alert"}):
        mine = [rule for rule in rules if rule.name == name]
        pages[f"{name}.md"] = MADE + runbooks.page(name) + "\n## The rule\n\n" + "\n".join(map(ruled, mine))
        severities = ", ".join(dict.fromkeys(rule.severity for rule in mine))
        rows.append(f"| [{name}]({name}.md) | {severities} | {mine[0].why} |")
    intro = (
        "What to do when a stock rule fires: one page a rule. The hub shows the same at `/runbooks/NAME`, also when nothing else is "
        "reached. What `info` says is shown, not sent. How rules are written and changed: [alerts](../alerts.md).\n"
    )
    return {"README.md": "\n".join([MADE, "# Runbooks\n", intro, *rows]) + "\n", **pages}


def ruled(rule: Rule) -> str:
    """One rule as it is written, with what may be tuned."""
    facts = [f"for {Duration(rule.hold / 1000)}" if rule.hold else "at once"]
    if rule.reach:
        facts.append(f"judged every {Duration(rule.interval / 1000)}")
    lines = [f"**{rule.severity}**, {', '.join(facts)}:\n", "```promql", rule.text, "```\n"]
    if rule.clear_text:
        lines += ["It ends when:\n", "```promql", rule.clear_text, "```\n"]
    if rule.needs:
        lines.append(f"It needs {rule.needs}; until then it sleeps, and says so in `watchkeeper alert rules --dormant`.\n")
    if rule.parameters:
        told = ", ".join(f"`{key}` ({json.dumps(value)})" for key, value in rule.parameters.items())
        lines.append(f"Parameters: {told}.\n")
    return "\n".join(lines)


# -- stress plans -----------------------------------------------------------------------------------


def stress_plan() -> str:
    """Every table and key of a stress plan."""
    parts = [
        MADE,
        "# Stress plans\n",
        "A plan is a TOML file of its own; how plans are used stands in [stress](../stress.md). Mistakes are told with file, line and the "
        "nearest known key. Built-in plans, to begin with: `watchkeeper stress plans NAME`.\n",
        "Keys that many tables have: " + "; ".join(f"`{key}`: {about}" for key, about in STRESS_SHARED.items()) + ".\n",
    ]
    for name, kind in stress_tables():
        parts.append(f"## {name}\n\n{prose(kind)}\n\n{keys(kind)}")
    return "\n".join(parts)


def stress_tables() -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """Every struct that a table of a plan is read by, with the table's name as it is written."""
    yield "At the top", stress.Plan
    yield "[target]", stress.TargetSettings
    for leaf in get_args(protocols.Leaf):
        yield f'[protocol] with kind = "{leaf.__struct_config__.tag}"', leaf
        operation = get_args(struct_field(leaf, "operation"))[0]
        yield f'[[protocol.operation]] of kind = "{leaf.__struct_config__.tag}"', operation
        if "steps" in {field.name for field in msgspec.structs.fields(operation)}:
            yield (
                f'steps of an operation of kind = "{leaf.__struct_config__.tag}"',
                get_args(struct_field(operation, "steps"))[0],
            )
    for phase in get_args(phases.Leaf):
        yield f'[[phase]] with kind = "{phase.__struct_config__.tag}"', phase
    yield "[safety]", stress.Safety
    yield "[generator]", stress.Generator
    yield "[generator.limits]", struct_field(stress.Generator, "limits")


# -- metrics ------------------------------------------------------------------------------------------


def metrics() -> str:
    """Every metric, by who reads it."""
    parts = [
        MADE,
        "# Metrics\n",
        "Host metrics have node_exporter's names, labels and units, so its dashboards and rules work. The hub adds `machine`, "
        "`instance` and `job` to each series; what belongs to a server has `server`. A server's own page of figures "
        "(`[[server.NAME.metrics]]`) comes in under its own names, but what the agent reads of its processes itself is not taken "
        "twice, and where a server has several pages each series has its `page`. The Cloud Server's own: "
        "[cloud-server](../cloud-server.md#its-figures).\n",
    ]
    for name, leaf in leaves(CollectSettings()).items():
        body = f"{KERNEL[name]}.\n" if name in KERNEL else listed(leaf.families())
        parts.append(f"## Collector `{name}`\n\n{prose(type(leaf))}\n\n{body}")
    parts.append(f"## Servers' processes\n\n{listed(process.FAMILIES)}")
    parts.append(f"## Servers\n\n{listed((*standing.SERVER_FAMILIES, *standing.LOG_FAMILIES))}")
    parts.append(f"## Probes\n\nOf every probe, with its name as `probe`, and `server`:\n\n{listed(probing.FAMILIES)}")
    telling = [leaf for leaf in get_args(probe.Leaf) if leaf.FAMILIES]
    parts += [f"## Probe `{leaf.__struct_config__.tag}`\n\n{listed(leaf.FAMILIES)}" for leaf in telling]
    parts.append(f"## Servers' own figures\n\n{listed(scraping.FAMILIES)}")
    parts.append(f"## The agent itself\n\n{listed((*itself.FAMILIES, *standing.LINK_FAMILIES, *rounds.FAMILIES))}")
    parts.append(
        "## The hub itself\n\nRead them at `/metrics` or draw them: `watchkeeper_machine_up{machine}` (in PromQL "
        'also `up{job="node",instance}`), `watchkeeper_machine_seen_timestamp_seconds{machine}`, `watchkeeper_hub_*` (what it took, its cost, open pages) and '
        "`watchkeeper_store_*` (what the store holds and costs). Of [remote write](../remote-write.md), received and handed on:\n\n"
        + listed(REMOTE_FAMILIES)
        + "\nOf the [judge](../alerts.md), and what it knows of machines:\n\n"
        + listed(JUDGE_FAMILIES)
    )
    parts.append(f"## Telling\n\nBy `channel`: see [channels](../channels.md).\n\n{listed(outbox.FAMILIES)}")
    parts.append(f"## Drills\n\nSee [drills](../drills.md).\n\n{listed(DRILL_FAMILIES)}")
    parts.append(
        "## Heartbeats\n\nOf each expected one, by `heartbeat`, and of the hub's own: see [heartbeats](../heartbeats.md).\n\n"
        + listed((*incoming.FAMILIES, *outgoing.FAMILIES))
    )
    return "\n".join(parts)


def listed(families: typing.Iterable[Family]) -> str:
    """A table of metrics."""
    rows = [f"| `{family.name}` | {family.kind} | {family.help} |" for family in families]
    return "\n".join(["| metric | kind | what |", "|---|---|---|", *rows]) + "\n"


# -- command line ---------------------------------------------------------------------------------------


def commands() -> str:
    """Every verb as its --help tells it, at a fixed width."""
    os.environ["COLUMNS"] = "110"
    parts = [MADE, "# Command line\n"]
    grammar = cli.parser()
    parts.append(f"```\n{told(grammar.format_help())}\n```\n")
    verbs = next(action.choices for action in grammar._actions if action.dest == "verb")  # noqa: SLF001  # argparse shows them nowhere else
    assert isinstance(verbs, dict)
    for name, below in verbs.items():
        parts.append(f"## {name}\n\n```\n{told(below.format_help())}\n```\n")
        words = [action.choices for action in below._actions if isinstance(action.choices, dict)]  # noqa: SLF001  # as above
        for word, deeper in (pair for choices in words for pair in choices.items()):
            parts.append(f"### {name} {word}\n\n```\n{told(deeper.format_help())}\n```\n")
    return "\n".join(parts)


def told(text: str) -> str:
    """Help as Python 3.11 words it, whatever Python asks (3.13 writes short and long options once)."""
    return re.sub(r"(-\w), (--[\w-]+) ([A-Z][\w:]*)", r"\1 \3, \2 \3", text.rstrip())


# -- the Cloud Server ---------------------------------------------------------------------------------


def filled(path: Path) -> str:
    """A page written by hand with its made parts as they should be."""
    parts = {"flags": flags, "figures": figures, "client": client_help}

    def part(found: re.Match[str]) -> str:
        return f"{found[1]}\n\n{parts[found[2]]()}\n{found[3]}"

    text = path.read_text(encoding="utf-8")
    return re.sub(r"(<!-- made: (\w+) -->)\n.*?(<!-- end -->)", part, text, flags=re.DOTALL)


def flags() -> str:
    """Every flag of cloud-server."""
    rows = [f"| `--{name.replace('_', '-')}` | {about} |" for name, about in cloud_settings.ABOUT.items()]
    return "\n".join(["| flag | what (default) |", "|---|---|", *rows]) + "\n"


def client_help() -> str:
    """The command line of cloud-client."""
    os.environ["COLUMNS"] = "110"
    return f"```text\n{told(client_program.parser().format_help())}\n```\n"


def figures() -> str:
    """Every figure that a running server shows."""
    told = re.findall(r"^# TYPE \S+ (\w+)\n# HELP (\S+) (.*)$", asyncio.run(cloud_page()), re.MULTILINE)
    rows = [f"| `{name}{'_total' if kind == 'counter' else ''}` | {kind} | {about} |" for kind, name, about in told]
    return "\n".join(["| metric | kind | what |", "|---|---|---|", *rows]) + "\n"


async def cloud_page() -> str:
    """The page of figures of a Cloud Server that has just been started, on a port of loopback that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        metrics = f"127.0.0.1:{free.getsockname()[1]}"
    stop, ready = asyncio.Event(), asyncio.Event()
    with tempfile.TemporaryDirectory() as folder:
        settings = cloud_settings.Settings(listen="127.0.0.1:0", metrics=metrics, data=folder, connections=100)
        async with asyncio.TaskGroup() as group:
            group.create_task(serve(settings, lambda *_: ready.set(), stop), name="cloud server")
            await ready.wait()
            page = (await fetch(f"http://{metrics}/metrics")).body.decode()
            stop.set()
    return page


# -- API ------------------------------------------------------------------------------------------------


def api() -> str:
    """Every route of the hub's own API."""
    document = openapi()
    parts = [
        MADE,
        "# HTTP API\n",
        "The hub describes itself at `/api/openapi.json` (OpenAPI 3.1). Programs send `Authorization: Bearer TOKEN`; on the hub's own "
        "machine the token is in `DATA/token`. Times are milliseconds since the epoch, figures are in base units. Every refusal is "
        '`{"code": …, "why": …, "hint": …}`. Beside these: `/healthz`, `/readyz` (no sign-in), `/metrics` (Prometheus), `/live` '
        "(WebSocket), `/link` (agents).\n",
        "Below `/api/v1` the hub speaks Prometheus' API as version 2.42 has it: times are Unix seconds or RFC 3339, steps seconds or `1m`, "
        "answers and refusals stand in Prometheus' envelope. In Grafana, add a data source *Prometheus* with the hub's address and the "
        "header `Authorization: Bearer TOKEN`, or basic authentication with any name and the token as the password.\n",
        "| method | path | what | parameters |",
        "|---|---|---|---|",
    ]
    for path, methods in sorted(document["paths"].items()):
        for method, route in methods.items():
            what = (
                (route.get("description") or route.get("summary") or "").split("\n\n")[0].replace("\n", " ").replace("``", "`")
            )
            names = ", ".join(f"`{one['name']}`" for one in route.get("parameters", []) if one["in"] == "query")
            parts.append(f"| {method.upper()} | `{path}` | {what} | {names} |")
    return "\n".join(parts) + "\n"


def openapi() -> dict[str, Any]:
    """The document as the running hub would serve it; no request is made, so no hall is needed."""
    from watchkeeper.web.app import application  # noqa: PLC0415  # seconds of import that only this page needs

    document: dict[str, Any] = application(typing.cast("Any", None), {}).openapi_schema.to_schema()
    return document


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
