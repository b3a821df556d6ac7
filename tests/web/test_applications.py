"""The charts of a server's own figures: chosen for what we know, made from the families of what we do not."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigs.cloud import cloud
from watchkeeper.collect.exposition import Parser
from watchkeeper.model import Family, Series
from watchkeeper.web.applications import CLOUD, MOST, MOST_LINES, OWN, application_panel, found, quantiles
from watchkeeper.web.panels import PANELS, Column

NAN = math.nan
FAMILIES = {
    family.name: family
    for family in (
        Family("jobs_done_total", "counter", "Jobs done."),
        Family("jobs_spent", "counter", ""),
        Family("queue_bytes", "gauge", "What waits."),
        Family("build_info", "info", "Who we are."),
    )
}


def column(*series: tuple[dict[str, str], list[float]]) -> Column:
    """A column of series with these labels."""
    named = tuple(Series("x", tuple(sorted((labels | {"machine": "a", "server": "s"}).items()))) for labels, _ in series)
    return Column(named, np.array([values for _, values in series], np.float64).T.reshape(-1, len(series)))


def buckets(counts: dict[str, float]) -> Column:
    """Rates of a histogram's buckets, at one time."""
    return column(*(({"le": bound}, [rate]) for bound, rate in counts.items()))


@pytest.mark.slow
async def test_the_chosen_charts_are_of_figures_that_the_cloud_server_tells(tmp_path: Path) -> None:
    """Every term of them stands on a real server's page, but those that have no series before the first fault."""
    async with cloud(tmp_path) as here:
        text = await here.page()
    told = {series.name for series in Parser(5000).read(text).series}
    described = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    for panel in CLOUD:
        for term in panel.terms:
            assert term.metric in told or term.metric.removesuffix("_total") in described, term.metric
    assert tuple(found(told, {})) == CLOUD


@pytest.mark.parametrize("panel", CLOUD, ids=lambda panel: panel.name)
def test_every_chosen_chart_says_what_it_is(panel) -> None:
    """A name that no other chart has, a sentence, and with nothing to draw it draws nothing."""
    assert panel.name not in PANELS
    assert panel.about.endswith(".")
    assert application_panel(panel.name, {}) is panel
    assert panel.draw({term.metric: Column((), np.zeros((2, 0))) for term in panel.terms}) == {}


def test_a_server_that_has_dropped_nothing_has_a_line_of_noughts() -> None:
    """None is an answer; once there are reasons, each has its line."""
    drops = application_panel("cloud_drops", {})
    assert drops is not None
    received = column(({}, [3.0, NAN]))
    none = Column((), np.zeros((2, 0)))
    lines = drops.draw({"cloud_drops_total": none, "cloud_messages_received_total": received})
    np.testing.assert_array_equal(lines["any reason"], [0, NAN])
    some = column(({"reason": "too-big"}, [1.0, 2]), ({"reason": "expired"}, [0.0, 0]))
    assert set(drops.draw({"cloud_drops_total": some, "cloud_messages_received_total": received})) == {"too-big", "expired"}


def test_families_of_an_unknown_application_become_charts() -> None:
    """Titles, units and sentences come from their names and help; ours, the runtime's and constants are left out."""
    names = ["jobs_done_total", "queue_bytes", "build_info", "probe_success", "process_cpu_seconds_total", "python_gc_total"]
    names += [
        "spent_seconds_total",
        "took_seconds_bucket",
        "took_seconds_sum",
        "took_seconds_count",
        "full_ratio",
        "sent_bytes_total",
    ]
    panels = {panel.name.removeprefix(OWN): panel for panel in found(names, FAMILIES)}
    assert {name: (panel.title, panel.unit, panel.terms[0].counter) for name, panel in panels.items()} == {
        "full_ratio": ("Full", "ratio", False),
        "jobs_done_total": ("Jobs done", "per_second", True),
        "queue_bytes": ("Queue", "bytes", False),
        "sent_bytes_total": ("Sent", "bytes_per_second", True),
        "spent_seconds_total": ("Spent", "ratio", True),
        "took_seconds_bucket": ("Took", "seconds", True),
    }
    assert panels["jobs_done_total"].about == "Jobs done. Its name is jobs_done_total."
    assert panels["full_ratio"].about == "The server's own figure full_ratio."


def test_a_wall_of_charts_is_not_built() -> None:
    """However much a server tells; beside an application that we know, others still have theirs."""
    assert len(found([f"figure_{number}" for number in range(500)], {})) == MOST
    names = [term.metric for panel in CLOUD for term in panel.terms]
    assert [panel.name for panel in found([*names, "cloud_profiles", "jobs"], {})] == [
        *(one.name for one in CLOUD),
        f"{OWN}jobs",
    ]


@pytest.mark.parametrize("name", ["", "own:", "own:a b", 'own:x{y="z"}', "jobs", "cloud_nothing"])
def test_what_is_no_name_of_a_metric_is_no_panel(name: str) -> None:
    """The name comes from a browser."""
    assert application_panel(name, {}) is None


def test_lines_are_named_by_what_tells_them_apart() -> None:
    """Labels that all share are not repeated; a single series is just its value; of many only the sum is drawn."""
    panel = application_panel("own:jobs", {})
    assert panel is not None
    two = column(({"kind": "mail", "zone": "a"}, [1.0]), ({"kind": "web", "zone": "a"}, [2.0]))
    assert {name: line.tolist() for name, line in panel.draw({"jobs": two}).items()} == {"mail": [1], "web": [2]}
    assert list(panel.draw({"jobs": column(({"zone": "a"}, [1.0]))})) == ["value"]
    assert sorted(panel.draw({"jobs": column(({"a": "1", "b": "2"}, [1.0]), ({"a": "2"}, [1.0]))})) == ["1, 2", "2, -"]
    many = column(*(({"n": str(number)}, [1.0]) for number in range(MOST_LINES + 1)))
    assert {name: line.tolist() for name, line in panel.draw({"jobs": many}).items()} == {"all": [MOST_LINES + 1]}


@pytest.mark.parametrize(
    ("counts", "median", "slowest"),
    [
        ({"0.1": 10, "1": 10, "+Inf": 10}, 0.05, 0.099),
        ({"0.1": 0, "1": 100, "+Inf": 100}, 0.55, 0.991),
        ({"0.1": 0, "1": 0, "+Inf": 5}, 1.0, 1.0),
        ({"0.1": 50, "1": 100, "+Inf": 100}, 0.1, 0.982),
        ({"0.1": 0, "1": 0, "+Inf": 0}, NAN, NAN),
    ],
)
def test_shares_of_a_histogram(counts: dict[str, float], median: float, slowest: float) -> None:
    """Linear within a bucket, the last bound for what lies beyond it, and nothing where nothing was observed."""
    lines = quantiles("x")({"x": buckets(counts)})
    np.testing.assert_allclose([lines["median"][0], lines["99 %"][0]], [median, slowest])


@given(st.lists(st.floats(0, 1e6), min_size=3, max_size=3))
def test_a_share_lies_within_the_bounds(rates: list[float]) -> None:
    """Whatever is observed, and the slower share is not faster."""
    lines = quantiles("x")({"x": buckets(dict(zip(("0.1", "1", "+Inf"), np.cumsum(rates).tolist(), strict=True)))})
    median, slowest = lines["median"][0], lines["99 %"][0]
    if sum(rates) > 0:
        assert 0 <= median <= slowest <= 1
    else:
        assert math.isnan(median)


def test_what_is_no_histogram_draws_nothing() -> None:
    """Buckets without an end, or none at all."""
    assert quantiles("x")({"x": column(({"le": "1"}, [1.0]))}) == {}
    assert quantiles("x")({"x": Column((), np.zeros((2, 0)))}) == {}
