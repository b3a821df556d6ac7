"""The page of figures is OpenMetrics by the reference parser, and says what was counted."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed

from cloudnet.client import connect
from cloudnet.errors import Refused
from cloudnet.figures import BOUNDS, EXPOSITION, Figures, Histogram, Page, process
from cloudnet.keys import Identity
from rigs.cloud import cloud
from watchkeeper.collect.exposition import Parser


def test_a_page_of_every_kind_is_read_by_the_reference_parser() -> None:
    """Gauges, counters, labels that need escapes, infinities, and the end that OpenMetrics demands."""
    page = Page()
    page.one("a_gauge", "gauge", "One.", 1.5)
    page.one("a_counter", "counter", "Two.", 3)
    page.add(
        "labelled",
        "gauge",
        "Three.",
        [((("one", 'a"b\\c\nd'), ("two", "é")), math.inf), ((("one", ""), ("two", "")), math.nan)],
    )
    page.counts("counted", "reason", "Four.", Counter({"z": 1, "a": 2}))
    page.counts("never", "reason", "Five.", Counter())
    families = {family.name: family for family in parsed(page.text())}
    assert [family.type for family in families.values()] == ["gauge", "counter", "gauge", "counter", "counter"]
    assert families["a_gauge"].samples[0].value == 1.5
    assert families["a_counter"].samples[0][:3] == ("a_counter_total", {}, 3)
    first, second = families["labelled"].samples
    assert (first.labels, first.value) == ({"one": 'a"b\\c\nd', "two": "é"}, math.inf)
    assert math.isnan(second.value)
    assert [(one.labels, one.value) for one in families["counted"].samples] == [({"reason": "a"}, 2), ({"reason": "z"}, 1)]
    assert families["a_gauge"].documentation == "One."


@pytest.mark.parametrize("seconds", [0.0, BOUNDS[0], math.nextafter(BOUNDS[0], 1), 0.3, BOUNDS[-1], 11.0, 1e9])
def test_a_duration_is_in_its_bucket_and_in_all_above(seconds: float) -> None:
    """A bound itself counts below it (`le`); the last bucket has everything."""
    histogram = Histogram()
    histogram.observe(seconds, 3)
    page = Page()
    page.histogram("delay_seconds", "How late.", histogram)
    (family,) = parsed(page.text())
    buckets = {float(one.labels["le"]): one.value for one in family.samples if one.name.endswith("_bucket")}
    assert buckets == {bound: 3.0 if seconds <= bound else 0.0 for bound in (*BOUNDS, math.inf)}
    values = {one.name: one.value for one in family.samples if not one.labels}
    assert values == {"delay_seconds_count": 3.0, "delay_seconds_sum": pytest.approx(3 * seconds)}


def test_the_process_is_described_as_everywhere() -> None:
    """The names that each Prometheus client library has, with sane values."""
    page = Page()
    process(page, 1_700_000_000.25)
    found = {sample.name: sample.value for family in parsed(page.text()) for sample in family.samples}
    assert found["process_start_time_seconds"] == 1_700_000_000.25
    assert found["process_cpu_seconds_total"] > 0
    assert found["process_resident_memory_bytes"] > 1e6
    assert found["process_open_fds"] >= 3


def test_our_own_collector_reads_it_too() -> None:
    """What Watchkeeper makes of the page: as many series as there are samples."""
    page = Page()
    page.histogram("delay_seconds", "How late.", Histogram())
    page.one("a_counter", "counter", "Two.", 3)
    read = Parser(1000).read(page.text())
    assert len(read.series) == len(BOUNDS) + 1 + 2 + 1
    assert read.values[-1] == 3


@pytest.mark.parametrize("value", [0, 1, -1.5, 1e15, 123456789012345678, 5e-324, 1.7e308])
def test_a_number_is_read_back_as_it_was(value: float) -> None:
    """Whole ones without a point, others with all their digits."""
    page = Page()
    page.one("a", "gauge", "One.", value)
    (family,) = parsed(page.text())
    assert family.samples[0].value == float(value)


def test_figures_begin_at_zero() -> None:
    """And know since when they count."""
    figures = Figures()
    assert figures.started_at > 1_700_000_000
    assert not any(value for name, value in vars(figures).items() if isinstance(value, (int, float)) and name != "started_at")


async def test_a_servers_whole_page_is_read_by_the_reference_parser(tmp_path: Path) -> None:
    """With clients, messages and refusals behind it; and what came in is accepted, rejected or under way."""
    ann, bob = Identity.new(), Identity.new()
    async with cloud(tmp_path) as here, connect(here.url, ann) as a, connect(here.url, bob):
        await a.send(bob.key, b"body")
        with pytest.raises(Refused):
            await a.send(Identity.new().key, b"body")
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{here.metrics_port}/metrics")
    assert answer.headers["content-type"] == EXPOSITION
    families = {family.name: family for family in parsed(answer.text)}
    values = {sample.name: sample.value for family in families.values() for sample in family.samples if not sample.labels}
    names = ("received", "accepted", "rejected")
    assert [values[f"cloud_messages_{name}_total"] for name in names] == [2, 1, 1]
    assert {name for name in families if not name.startswith(("cloud_", "process_"))} == set()
