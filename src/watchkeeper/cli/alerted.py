"""How alerts, incidents, silences and rules look in a terminal: shape, word and colour, the newest or the gravest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from watchkeeper.cli import figures, signs
from watchkeeper.cli.console import paper
from watchkeeper.model import Matcher
from watchkeeper.telling import Alert, Incident
from watchkeeper.web.alert_shapes import AlertDetail, BackTest, IncidentDetail, RuleView, SilenceView

SHORT = 19
"""Characters of an id that are shown: when it was made, and which of that moment."""
_STATES = {
    "firing": "red",
    "pending": "yellow",
    "unknown": "magenta",
    "resolved": "green",
    "open": "red",
    "acknowledged": "yellow",
}


def print_alerts(alerts: Sequence[Alert], now: int, *, past: bool = False) -> None:
    """A table; `past`: with how long each lasted."""
    table = _table("ID", "STATE", "SEVERITY", "WHERE", "ALERT", "LASTED" if past else "SINCE", "SAYS")
    for one in alerts:
        sign = signs.SEVERITIES[one.severity]
        began = one.fired_at or one.active_at
        lasted = figures.duration(((one.resolved_at or now) - began) / 1000)
        state = Text(one.state.value, _STATES.get(one.state.value, ""))
        if one.suppressed:
            state.append(" (quiet)", "dim")
        says = one.suppressed or one.annotations.get("summary", "") or one.reason
        when = Text(f"{figures.when(began, now)}, {lasted}" if past else lasted)
        table.add_row(_short(one.id), state, Text(sign.text(), sign.style), _where(one), one.name, when, says)
    paper().print(table)


def print_alert(detail: AlertDetail, now: int) -> None:
    """One alert, whole."""
    console, alert = paper(), detail.alert
    sign = signs.SEVERITIES[alert.severity]
    console.print(Text.assemble((sign.shape, sign.style), " ", (alert.annotations.get("summary", alert.name), "bold")))
    facts = {
        "id": alert.id,
        "rule": alert.rule,
        "state": f"{alert.state.value}: {alert.reason}",
        "quiet": alert.suppressed,
        "value": f"{alert.value:g}",
        "since": figures.when(alert.fired_at or alert.active_at, now),
        "says": alert.annotations.get("description", ""),
        "labels": ", ".join(f'{name}="{value}"' for name, value in alert.labels.items()),
        "incident": f"{detail.incident.id} ({detail.incident.state})" if detail.incident else "",
    }
    if detail.rule:
        facts |= {"expr": detail.rule.expr, "why": detail.rule.why, "first": detail.rule.first, "written": detail.rule.where}
    facts["runbook"] = alert.annotations.get("runbook_url", "")
    for name, said in facts.items():
        if said:
            console.print(Text.assemble((f"{name:>9}  ", "dim"), said), soft_wrap=True)
    for step in detail.history:
        line = Text.assemble((f"{figures.when(step.at, now):>9}  ", "dim"), (step.state, _STATES.get(step.state, "")))
        console.print(line.append(f"  {step.reason}"), soft_wrap=True)


def print_incidents(incidents: Sequence[Incident], now: int) -> None:
    """A table."""
    table = _table("ID", "STATE", "SEVERITY", "OPENED", "LASTED", "ALERTS", "FOR", "TITLE")
    for one in incidents:
        sign = signs.SEVERITIES[one.severity]
        lasted = figures.duration(((one.resolved_at or now) - one.opened_at) / 1000)
        state = Text(one.state, _STATES.get(one.state, ""))
        whose = one.assigned_to or one.acknowledged_by
        opened = figures.when(one.opened_at, now)
        table.add_row(
            _short(one.id), state, Text(sign.text(), sign.style), opened, lasted, str(len(one.alerts)), whose, one.title
        )
    paper().print(table)


def print_incident(detail: IncidentDetail, now: int) -> None:
    """One incident with its timeline."""
    console, one = paper(), detail.incident
    sign = signs.SEVERITIES[one.severity]
    console.print(Text.assemble((sign.shape, sign.style), " ", (one.title, "bold"), f"  {one.state}  ", (one.id, "dim")))
    for entry in detail.timeline:
        where = "/".join(filter(None, (entry.machine, entry.server)))
        line = Text.assemble(
            (figures.when(entry.at, now), "dim"), "  ", (f"{entry.kind:<7}", "dim"), "  ", (where, "bold"), "  "
        )
        console.print(line.append(entry.text), soft_wrap=True)


def print_silences(silences: Sequence[SilenceView], now: int) -> None:
    """A table."""
    table = _table("ID", "STATE", "ENDS", "ALERTS", "BY", "MATCHERS", "WHY")
    for one in silences:
        matchers = ", ".join(map(_matcher, one.matchers))
        table.add_row(
            _short(one.id), one.state, figures.when(one.ends_at, now), str(one.alerts), one.author, matchers, one.comment
        )
    paper().print(table)


def print_rules(rules: Sequence[RuleView]) -> None:
    """A table; a dormant rule says what it waits for."""
    table = _table("RULE", "SEVERITY", "FOR", "JUDGED", "ALERTS", "WRITTEN", "SAYS")
    for one in rules:
        sign = signs.SEVERITIES[one.severity]
        severity = Text(sign.text(), sign.style) if one.kind == "alert" else Text("record", "dim")
        says = (
            Text(f"cannot be judged: {one.fault}", "red")
            if one.fault
            else Text(one.dormant and f"dormant: {one.dormant}", "dim")
        )
        table.add_row(
            one.name, severity, figures.duration(one.for_seconds), one.judged, str(one.alerts), one.where, says or one.why
        )
    paper().print(table)


def print_test(found: BackTest) -> None:
    """What a rule would have done."""
    console = paper()
    console.print(Text(found.expr, "bold"), soft_wrap=True)
    console.print(
        f"{_day(found.start)} to {_day(found.end)}, looked at every {figures.duration(found.step_seconds)}:"
        f" it would have fired {_times(found.fired, 'time')}, for {figures.duration(found.firing_seconds)} in all, in"
        f" {_times(found.messages, 'message')}.",
        soft_wrap=True,
    )
    for one in found.firings:
        labels = ", ".join(f'{name}="{value}"' for name, value in one.labels.items() if name not in {"job", "instance"})
        lasted = figures.duration((one.until - one.since) / 1000)
        line = Text.assemble(
            (_day(one.since), "dim"), f"  {lasted}{' and still' if one.ongoing else ''}  ", (f"{one.value:g}", "bold")
        )
        console.print(line.append(f"  {labels}"), soft_wrap=True)
    if found.fired > len(found.firings):
        console.print(f"… and {found.fired - len(found.firings)} more")


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings[:-1]:
        table.add_column(heading, no_wrap=True)
    table.add_column(headings[-1], overflow="fold")
    return table


def _short(identity: str) -> str:
    return identity[:SHORT].rstrip("-")


def _where(alert: Alert) -> str:
    machine = alert.labels.get("machine", "") or alert.labels.get("instance", "")
    return "/".join(filter(None, (machine, alert.labels.get("server", "") or alert.labels.get("mountpoint", ""))))


def _matcher(one: Matcher) -> str:
    return f'{one.label}{one.op}"{one.value}"'


def _times(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
