"""A commented configuration for what was found. Pure: values in, text out; the text decodes as the program reads it.

Nothing is proposed that takes a server out of the hands that keep it now: what a unit or a container engine keeps stays with
it and is watched; what nobody keeps is asked by probes, and the file says how to have it kept.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from watchkeeper.survey.found import Found, Port
from watchkeeper.survey.known import KNOWN, Known

HEAD = """\
# Watchkeeper's configuration, made by `watchkeeper init` from what ran on this machine. Change it as you like:
# `watchkeeper config check` says what is wrong with it, and `kill -HUP` or `watchkeeper service restart` takes it up.
# Every key, with defaults: docs/reference/configuration.md, or `watchkeeper config show`.
"""


def proposal(
    found: Sequence[Found], *, machine: str = "", period: str = "5s", drivers: frozenset[str] = frozenset({"systemd", "docker"})
) -> str:
    """The whole file. `machine` empty: the host's name, as it is now and will be. `drivers`: which of them may be proposed."""
    parts = [HEAD]
    if machine:
        parts.append(f"[machine]\nname = {_text(machine)}\n")
    parts.append(f"[agent]\nperiod = {_text(period)}                        # how often figures are read\n")
    if not found:
        parts.append(NOTHING)
    parts += [_server(one, drivers) for one in found]
    return "\n".join(parts)


NOTHING = """\
# No server was found that listens here. This is how one is kept alive:
#
# [server.web]
# command = ["/usr/bin/python3", "-m", "http.server", "8000", "--bind", "127.0.0.1"]
#
# [[server.web.probe]]
# kind = "http"
# url = "http://127.0.0.1:8000/"
"""


def _server(one: Found, drivers: frozenset[str]) -> str:
    known = KNOWN.get(one.program)
    title = known.title if known else one.program or "somebody's server"
    where = ", ".join(f"{port.address}:{port.number}" for port in one.ports[:6])
    more = f" and {len(one.ports) - 6} more" if len(one.ports) > 6 else ""
    lines = [f"# {title}{f' ({one.path})' if one.path else ''}, on {where}{more}"]
    kept = _kept(one, drivers)
    table = f"server.{one.name}.probe" if kept else f"probe.{one.name}"
    lines += kept or _unkept(one)
    probe = _probe(one, known)
    lines += ["", f"[[{table}]]" if kept else f"[{table}]", *probe]
    if known and known.note:
        lines.append(f"# {known.note}")
    if kept and (page := next((port for port in one.ports if port.metrics), None)):
        lines += ["", f"[[server.{one.name}.metrics]]          # its own figures", f"url = {_text(_url(page, page.metrics))}"]
    return "\n".join(lines) + "\n"


def _kept(one: Found, drivers: frozenset[str]) -> list[str]:
    """The table of a server that somebody keeps; empty when nobody does."""
    if one.unit and "systemd" in drivers:
        how = ['driver = "systemd"', f"unit = {_text(one.unit)}"]
    elif one.container and "docker" in drivers:
        how = ['driver = "docker"', f"container = {_text(one.container)}"]
    else:
        return []
    return [f"[server.{one.name}]", *how]


def _unkept(one: Found) -> list[str]:
    if keeper := one.unit or one.container:
        return [f"# {keeper} keeps it; it is asked whether it answers."]
    return [
        "# Nobody keeps it alive, as far as can be seen; it is asked whether it answers. To have it kept, stop it, and then:",
        f"# [server.{one.name}]",
        f'# command = [{_text(one.path or "/path/to/program")}, "and its arguments"]',
    ]


def _probe(one: Found, known: Known | None) -> list[str]:
    port = next((port for port in one.ports if known and port.number == known.port), one.ports[0])
    web = next((port for port in one.ports if port.speaks in {"http", "https"}), None)
    if known and known.asks == "http":
        chosen = port if port.speaks in {"", "http", "https"} else web
        if chosen:
            return _http(chosen, known.path if chosen.number == known.port or not known.port else "/")
    elif not known and web:
        return _http(web, "/")
    lines = ['kind = "tcp"', f"port = {port.number}"]
    if port.host != "127.0.0.1":
        lines.append(f"host = {_text(port.host)}")
    if known and known.send:
        lines.append(f"send = {_text(known.send)}")
    if known and known.expect:
        lines.append(f"expect = {_text(known.expect)}")
    return lines


def _http(port: Port, path: str) -> list[str]:
    lines = ['kind = "http"', f"url = {_text(_url(port, path))}"]
    if port.status >= 400 and path == "/":
        lines.append(f'status = ["200-399", {port.status}]             # it answered {port.status}: a path of yours tells more')
    if port.speaks == "https":
        lines.append("verify = false                          # asked by its address, for which no certificate is made")
    return lines


def _url(port: Port, path: str) -> str:
    return f"{'https' if port.speaks == 'https' else 'http'}://{port.place}{path}"


def _text(value: str) -> str:
    """A TOML string: JSON's escapes are TOML's too, as long as nothing beyond ASCII is escaped in pairs."""
    return json.dumps(value, ensure_ascii=False)
