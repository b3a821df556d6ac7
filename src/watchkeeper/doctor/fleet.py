"""Agents and servers: is every machine in touch, are its figures fresh, does an answer come back, is every server up?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from watchkeeper.doctor.finding import Asked, Finding, Patient
from watchkeeper.errors import Failed, Refused

LATE_ROUNDS = 4
NAMED = 6


def examine(patient: Patient) -> Iterator[Finding]:
    """Machines, then what their servers say."""
    if patient.asked is None:
        return
    try:
        overview = patient.asked.ask("GET", "/api/overview", dict[str, Any])
    except (Failed, Refused):
        return  # `hub` has told
    yield judge_machines(overview.get("machines", ()), round(time.time() * 1000))
    yield judge_servers(overview.get("servers", ()))
    yield from _round_trip(patient.asked, overview.get("servers", ()))


def judge_machines(machines: Any, now: int) -> Finding:
    """Every agent in touch, and its last round no older than `LATE_ROUNDS` of them. Pure; `now` in ms."""
    if not machines:
        return Finding("agents", "fail", "no agent has ever come", "`watchkeeper up` runs one on this machine")
    away = [one["machine"]["name"] for one in machines if not one["connected"]]
    late = [
        one["machine"]["name"]
        for one in machines
        if one["connected"] and now - one["seen_at"] > LATE_ROUNDS * 1000 * max(one["period_seconds"], 1.0)
    ]
    if away:
        return Finding("agents", "fail", f"out of touch: {_names(away)}", "look at the agent's log on that machine")
    if late:
        return Finding(
            "agents", "warn", f"figures come late from {_names(late)}", "a slow link, a busy machine, or a wrong clock"
        )
    return Finding("agents", "pass", f"all {len(machines)} in touch, figures fresh")


def judge_servers(servers: Any) -> Finding:
    """Every server up. Pure."""
    if not servers:
        return Finding("servers", "skip", "none is configured", "`watchkeeper init --print` proposes some")
    down = [f"{one['machine']}/{one['status']['name']}" for one in servers if one["health"] == "down"]
    if down:
        return Finding("servers", "fail", f"down: {_names(down)}", "`watchkeeper status`, `watchkeeper logs NAME`")
    unknown = [f"{one['machine']}/{one['status']['name']}" for one in servers if one["health"] == "unknown"]
    if unknown:
        return Finding("servers", "warn", f"not known: {_names(unknown)}")
    return Finding("servers", "pass", f"all {len(servers)} up")


def _round_trip(asked: Asked, servers: Any) -> Iterator[Finding]:
    """A question to an agent and its answer, through hub and link: the last line of a server's log."""
    first = next((one for one in servers if one["status"]["driver"] == "process"), None)
    if first is None:
        return
    path = f"/api/machines/{first['machine']}/servers/{first['status']['name']}/logs?lines=1"
    began = time.monotonic()
    try:
        asked.ask("GET", path, dict[str, Any])
    except (Failed, Refused) as fault:
        yield Finding("round trip", "fail", f"an agent does not answer: {fault.why}")
        return
    yield Finding("round trip", "pass", f"hub, link, agent and back in {(time.monotonic() - began) * 1000:.0f} ms")


def _names(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
