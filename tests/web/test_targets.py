"""Targets: what is read, by whom, and how it goes."""

from __future__ import annotations

import math

import pytest

from watchkeeper.model import Machine, Series
from watchkeeper.web.desk import Presence
from watchkeeper.web.targets import STALE, active

NOW = 1_760_000_400_000


def presence(*, connected: bool = True) -> Presence:
    """One machine."""
    machine = Machine("alpha", "Linux", "6.1", "x86_64", 4, 1 << 33, NOW - 60_000, "0.1.0", NOW)
    return Presence(machine, connected, NOW - 500, 5.0)


def scrape(value: float, at: int = NOW - 1000, page: str = "openmetrics") -> list[tuple[Series, int, float]]:
    """What an agent told of one page."""
    labels = (("machine", "alpha"), ("page", page), ("server", "web"))
    return [
        (Series("watchkeeper_scrape_success", labels), at, value),
        (Series("watchkeeper_scrape_duration_seconds", labels), at, 0.25),
    ]


def test_an_agent_is_a_target() -> None:
    """Up with its last frame's time and its round; down, with the reason, when it is away."""
    [one] = active([presence()], [], NOW)
    assert (one["health"], one["lastError"], one["labels"]) == (
        "up",
        "",
        {"instance": "alpha", "job": "node", "machine": "alpha"},
    )
    assert (one["lastScrape"], one["scrapeInterval"]) == ("2025-10-09T08:59:59.500Z", "5s")
    [one] = active([presence(connected=False)], [], NOW)
    assert (one["health"], one["lastError"]) == ("down", "its agent is not connected")


@pytest.mark.parametrize(
    ("value", "at", "connected", "health"),
    [
        (1.0, NOW - 1000, True, "up"),
        (0.0, NOW - 1000, True, "down"),
        (1.0, NOW - STALE - 1, True, "unknown"),
        (1.0, NOW - 1000, False, "unknown"),
    ],
)
def test_a_page_is_a_target(value: float, at: int, connected: bool, health: str) -> None:
    """Its health is what the agent last told, and not known when that is old or the agent is away."""
    page = active([presence(connected=connected)], scrape(value, at), NOW)[1]
    assert (page["health"], page["lastScrapeDuration"], page["scrapePool"]) == (health, 0.25, "pages")
    assert page["scrapeUrl"] == "watchkeeper://alpha/web/openmetrics"
    assert bool(page["lastError"]) is (health != "up")


def test_a_page_that_is_not_asked_or_of_a_machine_long_gone_is_none() -> None:
    """A stopped server's page is not asked; a forgotten machine has no targets."""
    assert len(active([presence()], scrape(math.nan), NOW)) == 1
    assert active([], scrape(1.0), NOW) == []
