"""The charts of a server's own figures: chosen ones for applications that we know, else one for each family on its page.

Which there are depends on what the server tells, so `found` is given the names that it tells, and `application_panel` makes a
panel of a name alone: the stream and the charts need nothing else. One more application is one more entry in `APPLICATIONS`.
Pure, as `panels` is; reading belongs to `charts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from watchkeeper.model import Family
from watchkeeper.web.panels import Column, Columns, Draw, Panel, Term, Unit, Values, by_label, summed, total

MOST = 12
"""Charts of families that we have no choice for: more would be a wall to read, and all can be asked for by query."""
MOST_LINES = 12
"""A family with more series than this is drawn as their sum."""
OWN = "own:"
"""What the name of a family's panel begins with; the metric's name follows."""
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_NOT_SHOWN = re.compile(
    r"(probe|watchkeeper|process|python|go|promhttp|nodejs|jvm)_.*"  # ours, shown elsewhere, or the runtime's
    r"|.*(_info|_created|_timestamp|_timestamp_seconds|_start_time_seconds|_sum|_count)"
)
SHARES = {"median": 0.5, "99 %": 0.99}
"""The lines of a histogram."""
_PLACE = {"machine", "server", "page", "job", "instance"}
"""Labels that all series of a server have in common."""


def quantiles(metric: str) -> Draw:
    """How long half of a histogram's observations, and all but one in a hundred, took at the most.

    As PromQL's histogram_quantile; NaN while nothing is observed. `metric` is the name of its ``…_bucket`` series.
    """

    def draw(columns: Columns) -> dict[str, Values]:
        buckets = {float(bound): rate for bound, rate in by_label(columns[metric], "le").items()}
        if len(buckets) < 2 or np.inf not in buckets:
            return {}
        bounds = np.array(sorted(buckets))
        running = np.maximum.accumulate(np.column_stack([buckets[bound] for bound in bounds]), axis=1)
        return {line: _quantile(bounds, running, share) for line, share in SHARES.items()}

    return draw


def _quantile(bounds: Values, running: Values, share: float) -> Values:
    """`bounds`: float64[buckets], the last infinite; `running`: float64[times, buckets], observations up to each bound."""
    wanted = running[:, -1] * share
    known = running[:, -1] > 0
    place = np.argmax(running >= wanted[:, None], axis=1)
    rows = np.arange(len(running))
    below = np.where(place > 0, running[rows, place - 1], 0.0)
    low = np.where(place > 0, bounds[place - 1], 0.0)
    high = np.where(np.isinf(bounds[place]), low, bounds[place])
    inside = running[rows, place] - below
    part = np.divide(wanted - below, inside, out=np.ones(len(running)), where=inside > 0)
    return np.where(known, low + (high - low) * part, np.nan)


def _undelivered(columns: Columns) -> dict[str, Values]:
    """By reason; a server that has never failed to deliver has a line of noughts, so that it is seen to be none."""
    if columns["cloud_drops_total"].series:
        return by_label(columns["cloud_drops_total"], "reason")
    received = columns["cloud_messages_received_total"]
    return {"any reason": total(received.values) * 0} if received.series else {}


def _clients(columns: Columns) -> dict[str, Values]:
    lines = by_label(columns["cloud_sessions"], "state")
    connections = columns["cloud_connections"]
    return lines | ({"connections": total(connections.values)} if connections.series else {})


CLOUD = (
    Panel(
        "cloud_clients",
        "Clients",
        "count",
        "Sessions that are connected (ready) or may come back to what they left (away); open connections, logged in or not.",
        "server",
        (Term("cloud_sessions"), Term("cloud_connections")),
        _clients,
    ),
    Panel(
        "cloud_messages",
        "Messages",
        "per_second",
        "Each second: received from clients, sent on to recipients who are there, put into the mailbox for those who are not.",
        "server",
        tuple(Term(f"cloud_messages_{what}_total", counter=True) for what in ("received", "forwarded", "kept")),
        summed(
            **{
                "received": "cloud_messages_received_total",
                "sent on": "cloud_messages_forwarded_total",
                "kept": "cloud_messages_kept_total",
            }
        ),
    ),
    Panel(
        "cloud_drops",
        "Not delivered",
        "per_second",
        "Messages that the server gave back or let go each second, by reason. Nothing is dropped without one.",
        "server",
        (Term("cloud_drops_total", counter=True), Term("cloud_messages_received_total", counter=True)),
        _undelivered,
    ),
    Panel(
        "cloud_delay",
        "Delay",
        "seconds",
        "From a message's arrival to its recipient's application having taken it: half of them, and all but one in a hundred, "
        "were faster.",
        "server",
        (Term("cloud_delay_seconds_bucket", counter=True),),
        quantiles("cloud_delay_seconds_bucket"),
    ),
    Panel(
        "cloud_waiting",
        "Waiting",
        "count",
        "Messages in the mailbox for absent clients, and those sent on that their recipient has not taken yet.",
        "server",
        (Term("cloud_mailbox_messages"), Term("cloud_messages_under_way")),
        summed(**{"in the mailbox": "cloud_mailbox_messages", "under way": "cloud_messages_under_way"}),
    ),
    Panel(
        "cloud_lag",
        "Event loop late by",
        "seconds",
        "How much later than due the server's event loop ran, the worst of each second. All clients wait for it.",
        "server",
        (Term("cloud_loop_lag_newest_seconds"),),
        summed(**{"late by": "cloud_loop_lag_newest_seconds"}),
    ),
)

APPLICATIONS: dict[str, tuple[Panel, ...]] = {"cloud_": CLOUD}
"""What we know, by what its metrics' names begin with."""
_CHOSEN = {panel.name: panel for panels in APPLICATIONS.values() for panel in panels}


def found(names: Iterable[str], families: Mapping[str, Family]) -> list[Panel]:
    """The charts of a server that tells these metrics, in their order; a few, however many it tells."""
    rest = sorted(set(names))
    panels: list[Panel] = []
    for prefix, known in APPLICATIONS.items():
        if any(panel.terms[0].metric in rest for panel in known):
            panels += known
            rest = [name for name in rest if not name.startswith(prefix)]
    shown = [name for name in rest if not _NOT_SHOWN.fullmatch(name) and _kind(name, families) != "info"]
    own = [panel for name in shown if (panel := application_panel(OWN + name, families))]
    return panels + own[:MOST]


def application_panel(name: str, families: Mapping[str, Family]) -> Panel | None:
    """The panel of this name; None when it can be none. `families` give its sentence and whether it is a counter."""
    if name in _CHOSEN:
        return _CHOSEN[name]
    metric = name.removeprefix(OWN)
    if metric == name or not _METRIC.fullmatch(metric):
        return None
    about = families[metric].help.rstrip(".") if metric in families else ""
    sentence = f"{about}. Its name is {metric}." if about else f"The server's own figure {metric}."
    if metric.endswith("_bucket"):
        shape = metric.removesuffix("_bucket")
        return Panel(name, _title(shape), _unit(shape), sentence, "server", (Term(metric, counter=True),), quantiles(metric))
    is_counter = _kind(metric, families) == "counter"
    plain = metric.removesuffix("_total")
    unit = _rate(plain) if is_counter else _unit(plain)
    return Panel(name, _title(plain), unit, sentence, "server", (Term(metric, counter=is_counter),), series_of(metric))


def series_of(metric: str) -> Draw:
    """One line for each series, named by what tells them apart; of many, their sum alone."""

    def draw(columns: Columns) -> dict[str, Values]:
        column = columns[metric]
        if not column.series:
            return {}
        if len(column.series) > MOST_LINES:
            return {"all": total(column.values)}
        return _lines(column)

    return draw


def _lines(column: Column) -> dict[str, Values]:
    every = [dict(series.labels) for series in column.series]
    varying = sorted(label for label in set().union(*every) - _PLACE if len({labels.get(label) for labels in every}) > 1)
    names = [", ".join(labels.get(label, "-") for label in varying) or "value" for labels in every]
    lines: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        lines.setdefault(name, []).append(place)
    return {name: total(column.values[:, places]) for name, places in sorted(lines.items())}


def _kind(metric: str, families: Mapping[str, Family]) -> str:
    if metric in families and families[metric].kind != "untyped":
        return families[metric].kind
    return "counter" if metric.endswith("_total") else "gauge"


def _title(metric: str) -> str:
    words = re.sub(r"_(seconds|bytes|ratio)$", "", metric).replace("_", " ").replace(":", " ").strip() or metric
    return words[:1].upper() + words[1:]


def _unit(metric: str) -> Unit:
    for ending, unit in (("_seconds", "seconds"), ("_bytes", "bytes"), ("_ratio", "ratio")):
        if metric.endswith(ending):
            return unit  # type: ignore[return-value]  # one of them
    return "count"


def _rate(metric: str) -> Unit:
    """The unit of a counter's rate; seconds a second are a share of the time."""
    return "bytes_per_second" if metric.endswith("_bytes") else "ratio" if metric.endswith("_seconds") else "per_second"
