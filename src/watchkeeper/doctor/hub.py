"""The hub: does it answer, is it well, who can reach it, and what has it lost?"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from watchkeeper.doctor.finding import Asked, Finding, Patient
from watchkeeper.errors import Failed, Refused

LOSSES = {
    "watchkeeper_store_refused_commits_total": "commits that the disk did not take",
    "watchkeeper_store_damaged_chunks_total": "damaged chunks of figures",
}


def examine(patient: Patient) -> Iterator[Finding]:
    """Answer, health, reach, losses; the first that fails makes the rest needless."""
    if patient.asked is None:
        yield Finding("hub", "fail", patient.silence, "`watchkeeper up`, or `watchkeeper service status`")
        return
    try:
        overview = patient.asked.ask("GET", "/api/overview", dict[str, Any])
    except (Failed, Refused) as fault:
        yield Finding("hub", "fail", fault.why)
        return
    yield Finding("hub", "pass", f"it answers, and takes this token; {len(overview.get('machines', ()))} machines known")
    yield _ready(patient.asked)
    yield _reach(patient)
    yield _losses(patient.asked)


def _ready(asked: Asked) -> Finding:
    if why := asked.ready():
        return Finding("store", "fail", f"figures and events cannot be kept: {why}", "free some space, check the disk")
    return Finding("store", "pass", "figures and events are being kept")


def _reach(patient: Patient) -> Finding:
    listen = str(patient.settings.hub.web.listen) if patient.settings is not None else "127.0.0.1:8600"
    host = listen.rpartition(":")[0].strip("[]")
    try:
        is_local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = False
    if is_local:
        return Finding("reach", "pass", "the dashboard answers on this computer alone")
    remedy = "put nginx or Caddy with TLS before it, and let the firewall take its port from agents alone"
    return Finding("reach", "warn", f"the dashboard answers on {listen}, to whoever can reach it, without TLS", remedy)


def _losses(asked: Asked) -> Finding:
    lost: list[str] = []
    for metric, words in LOSSES.items():
        told = asked.ask("GET", f"/api/v1/query?query={metric}", dict[str, Any])
        counts = [float(sample["value"][1]) for sample in told.get("data", {}).get("result", ())]
        lost += [f"{count:.0f} {words}" for count in counts if count > 0]
    if lost:
        return Finding("losses", "warn", f"since the hub's start: {', '.join(lost)}", "`watchkeeper events` tells when and why")
    return Finding("losses", "pass", "none since the hub's start")
