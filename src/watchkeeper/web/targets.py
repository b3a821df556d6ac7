"""What is read, as Prometheus' API lists its targets: each machine's agent and each page of figures of a server.

Nothing is pulled by the hub: agents read, and send. So a target's address names who reads what
(``watchkeeper://alpha``, ``watchkeeper://alpha/web/openmetrics``), and its last scrape is its newest frame. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from watchkeeper.model import Matcher, Series
from watchkeeper.quantities import Duration
from watchkeeper.web.desk import Presence

SCRAPES = (Matcher("__name__", "=~", "watchkeeper_scrape_(success|duration_seconds)"),)
"""The figures of the store that pages are known by."""
STALE = 300_000
Latest = tuple[Series, int, float]


def active(machines: Iterable[Presence], scrapes: Sequence[Latest], now: int) -> list[dict[str, Any]]:
    """All targets; `scrapes` is the newest of what `SCRAPES` matches, `now` in ms."""
    found = []
    known = {one.machine.name: one for one in machines}
    for name, one in sorted(known.items()):
        why = "" if one.connected else "its agent is not connected"
        found.append(
            _target(
                "agents",
                {"instance": name, "job": "node", "machine": name},
                "up" if one.connected else "down",
                why,
                one.seen_at,
                math.nan,
                one.period,
            )
        )
    pages: dict[tuple[tuple[str, str], ...], dict[str, tuple[int, float]]] = {}
    for series, at, value in scrapes:
        pages.setdefault(series.labels, {})[series.name.removeprefix("watchkeeper_scrape_")] = (at, value)
    for labels, figures in sorted(pages.items()):
        at, value = figures.get("success", (0, math.nan))
        home = known.get(dict(labels).get("machine", ""))
        if home is None or math.isnan(value):
            continue
        fresh = home.connected and now - at <= STALE
        health = "unknown" if not fresh else "up" if value else "down"
        why = "" if health == "up" else "the page could not be read" if health == "down" else "nothing was heard of it lately"
        took = figures.get("duration_seconds", (0, math.nan))[1]
        found.append(_target("pages", dict(labels), health, why, at, took, home.period))
    return found


def _target(pool: str, labels: dict[str, str], health: str, why: str, at: int, took: float, period: float) -> dict[str, Any]:
    names = ("machine", "server", "page")
    url = "watchkeeper://" + "/".join(quote(labels[name], safe="") for name in names if name in labels)
    interval = str(Duration(period))
    return {
        "discoveredLabels": {"__address__": labels["machine"], "job": labels.get("job", pool)},
        "labels": labels,
        "scrapePool": pool,
        "scrapeUrl": url,
        "globalUrl": url,
        "lastError": why,
        "lastScrape": datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "lastScrapeDuration": 0.0 if math.isnan(took) else took,
        "health": health,
        "scrapeInterval": interval,
        "scrapeTimeout": interval,
    }
