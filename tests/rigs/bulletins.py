"""Bulletins to tell: one with everything in it, and short ones by number."""

from __future__ import annotations

import math

from watchkeeper.telling import Alert, AlertState, Bulletin, BulletinAlert, BulletinKind, BulletinProcess

BEGAN = 1_795_000_000_000
"""2026-11-18 11:06:40 UTC."""

TREND = tuple((BEGAN - 3_600_000 + step * 10_000, 60 + step / 12 + 4 * math.sin(step / 15)) for step in range(361))


def alert(rule: str = "DiskFilling", *, resolved: bool = False, number: int = 1, value: float = 0.934) -> Alert:
    """An alert of the machine alpha."""
    labels = {"alertname": rule, "severity": "critical", "machine": "alpha", "mountpoint": "/srv"}
    return Alert(
        id=f"alert-{number}",
        rule=rule,
        labels=labels,
        annotations={"team": "storage"},
        state=AlertState.RESOLVED if resolved else AlertState.FIRING,
        severity="critical",
        value=value,
        active_at=BEGAN,
        fired_at=BEGAN + 60_000,
        resolved_at=BEGAN + 1_260_000 if resolved else 0,
        changed_at=BEGAN + 60_000,
        reason="above 90 % for 1m",
    )


def full(*, resolved: bool = False, drill: bool = False) -> Bulletin:
    """Everything that a bulletin may hold, with what others may have put into it."""
    told = BulletinAlert(
        alert(resolved=resolved),
        summary="/srv of alpha is 93 % full",
        description="At this rate it is full in 2 h 10 min.",
        threshold="> 0.9",
        slope="+1.2 GiB an hour",
        runbook="https://docs.example.org/runbooks/DiskFilling",
    )
    return Bulletin(
        kind="resolved" if resolved else "firing",
        at=BEGAN + (1_260_000 if resolved else 61_000),
        title="The disk of alpha fills",
        severity="critical",
        incident="incident-7",
        thread="incident-7",
        group={"machine": "alpha", "alertname": "DiskFilling"},
        alerts=(told,),
        machine="alpha",
        server="web",
        drill=drill,
        processes=(
            BulletinProcess(4711, "postgres", 1.42, 3 << 30),
            BulletinProcess(99, "<script>alert(1)</script>", 0.07, 812 << 10),
        ),
        log_lines=("ERROR:  could not extend file: No space left", "\x1b[31m@channel <!everyone>\x1b[0m & more"),
        last_change="web was deployed by anna at 11:02",
        links={
            "page": "https://watch.example.org/incidents/incident-7",
            "acknowledge": "https://watch.example.org/ack/WyJpbmNpZGVudC03Il0.c2lnbmF0dXJl",
        },
        trend=TREND,
    )


def numbered(number: int, kind: BulletinKind = "firing", thread: str = "") -> Bulletin:
    """A short one; its title holds the number."""
    over = kind == "resolved"
    return Bulletin(
        kind=kind,
        at=BEGAN + number,
        title=f"Bulletin {number}",
        severity="warning",
        incident=thread or f"incident-{number}",
        thread=thread or f"incident-{number}",
        group={"machine": "alpha"},
        alerts=(BulletinAlert(alert("Numbered", resolved=over, number=number, value=float(number)), f"Number {number}"),),
        machine="alpha",
    )
