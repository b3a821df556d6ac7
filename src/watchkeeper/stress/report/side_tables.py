"""The tables of what lies beside the load: the server, slopes, the generator, how sure all is, and the files."""

from __future__ import annotations

import math
from html import escape

from watchkeeper.stress.analysis.chance import Interval
from watchkeeper.stress.report.cells import Raw, figure, pill, table, with_range, within
from watchkeeper.stress.report.document import Repeats, Report, StageReport
from watchkeeper.stress.report.wording import NONE, number, of_unit, rate, seconds, share, signed, size
from watchkeeper.stress.serverside.joined import Cost

WORDS = {"grows": "bad", "unclear": "doubt", "steady": "good", "settles": "good", "shrinks": "good"}


def server(report: Report) -> str:
    """What was concluded of the server's side."""
    found = report.server
    first = found.saturated[0] if found.saturated else None
    cost, each = found.bytes_per_connection, found.seconds_per_message
    cards = [
        (
            "first saturated resource",
            first.resource if first else "none seen",
            first.text if first else found.saturated_why,
        ),
        ("a connection costs", size(cost.value), _cost(cost, "bytes")),
        ("a message costs", seconds(each.value), _cost(each, "s")),
    ]
    shown = "".join(figure(value, name, detail) for name, value, detail in cards)
    parts = [f'<div class="three">{shown}</div>']
    if len(found.saturated) > 1:
        rows = [(one.resource, seconds(one.at), one.stage, one.text) for one in found.saturated]
        parts.append(
            _card(
                table(
                    ("resource", "full at", "stage", "in words"),
                    rows,
                    caption="In the order in which they were full",
                    text=(2, 3),
                )
            )
        )
    if found.alerts:
        fired = [
            (
                one.name,
                one.severity,
                one.stage,
                seconds(one.lag),
                seconds(one.after_load),
                seconds(one.to_resolve),
                one.text,
            )
            for one in found.alerts
        ]
        heads = ("alert", "severity", "stage", "from cause to firing", "after the load began", "to resolved", "text")
        parts.append(_card(table(heads, fired, caption="Alerts that fired", text=(2, 6))))
    parts.append(
        f'<p class="note">{number(found.restarts)} restarts, {number(found.hangs)} hang flags, {len(found.alerts)} alerts.</p>'
    )
    return "".join(parts)


def _card(inside: str) -> str:
    return f'<div class="card flows"><div class="wide">{inside}</div></div>'


def _cost(cost: Cost, unit: str) -> str:
    if cost.value is None:
        return cost.why or "not known"
    if cost.low < cost.high:
        return f"95 %: {of_unit(cost.low, unit)} to {of_unit(cost.high, unit)}, from {cost.points} moments"
    return cost.why


def marks(report: Report) -> str:
    """What was marked on the clock."""
    rows = [(seconds(one.at), one.kind, one.text) for one in report.marks[:60]]
    return table(("at", "kind", "what"), rows, caption="Marked on the clock", text=(1, 2))


def trends(report: Report) -> str:
    """Slopes."""
    rows = [
        (
            one.series,
            one.stage,
            pill(one.slope.word, WORDS[one.slope.word]),
            of_unit(one.slope.level, one.unit),
            f"{_signed(one.slope.per_hour, one.unit)}/h",
            f"{_signed(one.slope.low * 3600, one.unit)} to {_signed(one.slope.high * 3600, one.unit)}",
            _signed(one.slope.growth, one.unit),
            seconds(one.slope.seconds),
        )
        for one in report.trends
    ]
    heads = ("series", "in", "it", "level", "slope, if it went on", "95 %", "over the time watched", "watched")
    return table(heads, rows, text=(1,))


def _signed(value: float, unit: str) -> str:
    return f"{'+' if value > 0 else ''}{of_unit(value, unit)}"


def generator(report: Report) -> str:
    """How good it was."""
    one = report.generator
    late = one.lag.quantiles
    rows = [
        (
            "starts, in moments with a processor",
            f"{one.lag.n:,}",
            f"late {seconds(late.get('p50'))} at p50, {seconds(late.get('p99'))} at p99, {seconds(late.get('max'))} at most",
        ),
        (
            "starts, in starved moments",
            f"{one.lag_starved.n:,}",
            f"late {seconds(one.lag_starved.quantiles.get('p99'))} at p99",
        ),
        (
            "without a processor",
            share(one.starved),
            "of the workers' time, in looks of some ms in which they waited for more than a tenth",
        ),
        ("processor", f"{one.cpu_mean:.3g} cores", f"on average, {one.cpu_most:.3g} at most, with {one.workers} workers"),
        ("longest turn of a loop", seconds(one.loop_worst), f"longest collection of garbage {seconds(one.gc_worst)}"),
        ("memory", size(one.rss_most), "all workers together, at most"),
        (
            "open files of a worker",
            number(one.descriptors_most),
            f"of {report.run.environment.get('descriptors', '?')} allowed",
        ),
        ("connections", number(one.connections_most), f"at most{_ports(report)}"),
    ]
    if one.cost is not None:
        rows.append(
            ("an operation costs it", seconds(one.cost), f"of a processor, measured beforehand: up to {rate(one.ceiling)}")
        )
    return table(("", "", ""), rows, text=(2,))


def repeats(found: Repeats) -> str:
    """Several runs, side by side."""
    rows = [
        (
            one.what,
            *(of_unit(value, one.unit) for value in one.values),
            of_unit(one.median, one.unit),
            _spread(one.low, one.high, one.median),
            _mean(one.mean, one.unit),
        )
        for one in found.figures
    ]
    heads = (
        "figure",
        *(f"run {place + 1} ({verdict})" for place, verdict in enumerate(found.verdicts)),
        "median",
        "spread",
        "mean (95 %)",
    )
    return table(heads, rows, caption=f"The same plan {len(found.runs)} times: {', '.join(found.runs)}")


def _spread(low: float, high: float, middle: float) -> str:
    return share((high - low) / middle) if middle else NONE


def _mean(found: Interval | None, unit: str) -> str:
    return f"{of_unit(found.value, unit)}{within(found, unit)}" if found is not None else NONE


def sureness(report: Report) -> str:
    """Intervals, halves and Little's law by stage."""
    rows = []
    for one in report.stages:
        if one.excluded or not one.latency.n:
            continue
        rows.append(
            (
                one.name,
                pill("good enough", "good") if one.valid else pill("the limit", "doubt"),
                _interval(one.p95),
                _interval(one.p99),
                signed(one.halves.change) if one.halves is not None and one.halves.first else NONE,
                *_little(one),
                share(one.starved),
                seconds(one.lag_p99),
            )
        )
    heads = (
        "stage",
        "generator",
        "clean p95 (95 %)",
        "clean p99 (95 %)",
        "p95, second half",
        "N = X·R",
        "N seen",
        "agree",
        "starved",
        "late p99",
    )
    return table(heads, rows)


def _interval(found: Interval | None) -> str:
    return with_range(seconds(found.value), found) if found is not None else NONE


def _little(stage: StageReport) -> tuple[str, str, str]:
    one = stage.little
    word = {True: pill("yes", "good"), False: pill("no", "bad"), None: NONE}[one.holds]
    seen = NONE if one.seen is None else f"{number(one.seen)} ± {number(one.error)}"
    return number(one.expected if one.expected is not None else math.nan), seen, word


def files(report: Report) -> str:
    """The record's files with their hashes."""
    rows = [(one.name, size(one.bytes), Raw(f"<code>{escape(one.sha256)}</code>")) for one in report.files]
    return table(("file", "size", "SHA-256"), rows, text=(2,))


def _ports(report: Report) -> str:
    """How many connections one source address has ports for, where the machine told its range."""
    first, _, last = report.run.environment.get("ip_local_port_range", "").partition(" ")
    if not first.isdigit() or not last.isdigit():
        return ""
    return f"; one source address has {number(int(last) - int(first) + 1)} ports to the target"
