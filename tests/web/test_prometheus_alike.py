"""Prometheus' API beside a real Prometheus 2.42 with the same samples: same answers, same envelopes, same status codes."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from rigs import figures
from rigs.pair import Pair
from rigs.prometheus import PROGRAM, Prometheus
from watchkeeper.query import pretty

pytestmark = pytest.mark.slow
END, BEGIN = figures.END / 1000, figures.BEGIN / 1000
FORM = {"content-type": "application/x-www-form-urlencoded"}
RANGE = {"start": str(BEGIN + 600), "end": str(END), "step": "60"}
Fields = dict[str, str | list[str]]


async def both(web, pair: Pair, method: str, path: str, fields: Fields) -> tuple[tuple[int, Any], tuple[int, Any]]:
    """The same request to both: status and what came, ours first."""
    prometheus, web.desk.store = pair
    told = urllib.parse.urlencode(fields, doseq=True)
    async with web.client() as client:
        if method == "POST":
            answer = await client.post(path, content=told, headers=FORM)
            theirs = prometheus.ask("POST", path, told.encode())
        else:
            answer = await client.get(f"{path}?{told}")
            theirs = prometheus.ask("GET", f"{path}?{told}")
    return (answer.status_code, answer.json()), (theirs[0], json.loads(theirs[1]))


GRAFANA: list[tuple[str, str, Fields]] = [
    ("GET", "/api/v1/query", {"query": "1+1", "time": str(END)}),
    ("POST", "/api/v1/query_range", {"query": 'rate(requests_total{path="/"}[5m])', **RANGE}),
    ("POST", "/api/v1/query_range", {"query": "temperature", **RANGE, "step": "1m30s"}),
    ("POST", "/api/v1/query_range", {"query": "time()", **RANGE, "step": "15.5"}),
    ("POST", "/api/v1/query", {"query": "sum by (path) (requests_total)", "time": str(END)}),
    ("POST", "/api/v1/query", {"query": "level[1m]", "time": "2025-10-09T10:00:00.5+01:00"}),
    ("GET", "/api/v1/query", {"query": '"text"', "time": str(END), "dedup": "true", "partial_response": "1"}),
    ("GET", "/api/v1/labels", {}),
    ("GET", "/api/v1/labels", {"start": str(BEGIN), "end": str(END)}),
    ("POST", "/api/v1/labels", {"match[]": ["temperature", "info"], "start": str(BEGIN), "end": str(END)}),
    ("GET", "/api/v1/label/__name__/values", {"start": str(BEGIN), "end": str(END)}),
    ("GET", "/api/v1/label/room/values", {"match[]": ["temperature"]}),
    ("GET", "/api/v1/label/nosuch/values", {}),
    ("GET", "/api/v1/series", {"match[]": ['{__name__=~"temp.*|load"}'], "start": str(BEGIN), "end": str(END)}),
    ("POST", "/api/v1/series", {"match[]": ["level", 'info{os="linux"}', "level"]}),
    ("GET", "/api/v1/series", {"match[]": ["nosuch"]}),
    ("GET", "/api/v1/series", {"match[]": ["level"], "start": str(END), "end": str(BEGIN)}),
    ("GET", "/api/v1/rules", {}),
    ("GET", "/api/v1/rules", {"type": "alert"}),
    ("GET", "/api/v1/alerts", {}),
    ("GET", "/api/v1/metadata", {"metric": "nosuch"}),
    ("GET", "/api/v1/metadata", {"limit": "0"}),
    ("POST", "/api/v1/format_query", {"query": "sum by(a)(rate(foo[5m]))>bool 1"}),
    ("POST", "/api/v1/query_exemplars", {"query": 'rate(requests_total{path="/"}[5m])', "start": str(BEGIN), "end": str(END)}),
    ("GET", "/api/v1/query_exemplars", {"query": "nosuch"}),
]


@pytest.mark.parametrize(("method", "path", "fields"), GRAFANA, ids=lambda one: str(one)[:60])
async def test_what_grafana_asks_is_answered_alike(web, pair: Pair, method: str, path: str, fields: Fields) -> None:
    """The whole document is the same: envelope, order of names and series, times, figures to the last digit."""
    ours, theirs = await both(web, pair, method, path, fields)
    assert sorted_vector(ours) == sorted_vector(theirs)


def sorted_vector(told: tuple[int, Any]) -> tuple[int, Any]:
    """An instant vector has no order of its own."""
    status, document = told
    data = document.get("data")
    if isinstance(data, dict) and data.get("resultType") == "vector":
        data["result"].sort(key=lambda one: sorted(one["metric"].items()))
    return status, document


WRONG: list[tuple[str, Fields]] = [
    ("query", {"query": "1+"}),
    ("query", {}),
    ("query", {"query": "up", "time": "yesterday"}),
    ("query", {"query": "up", "timeout": "soon"}),
    ("query", {"query": "up", "timeout": "1e99"}),
    ("query", {"query": "1", "timeout": "0"}),
    ("query", {"query": "1", "timeout": "-1"}),
    ("query", {"query": "load * on(machine) capacity * on (machine) load", "time": str(END)}),
    ("query_range", {"query": "up", "start": "1", "end": "0", "step": "1"}),
    ("query_range", {"query": "up", "start": "1", "end": "2", "step": "0"}),
    ("query_range", {"query": "up", "start": "1", "end": "2", "step": "-5"}),
    ("query_range", {"query": "up", "start": "1", "end": "2"}),
    ("query_range", {"query": "up", "end": "2", "step": "1"}),
    ("query_range", {"query": "up", "start": "1", "end": "20000", "step": "1"}),
    ("query_range", {"query": "up[5m]", "start": "1", "end": "2", "step": "1"}),
    ("query_range", {"query": "sum(", "start": "1", "end": "2", "step": "1"}),
    ("series", {}),
    ("series", {"match[]": "{}"}),
    ("series", {"match[]": "sum(x)"}),
    ("series", {"match[]": "x offset 5m"}),
    ("series", {"match[]": "x", "start": "x"}),
    ("labels", {"match[]": "{"}),
    ("labels", {"start": "x"}),
    ("label/a-b/values", {}),
    ("metadata", {"limit": "x"}),
    ("query_exemplars", {"query": "1+"}),
    ("query_exemplars", {"query": "up", "start": "2", "end": "1"}),
    ("query_exemplars", {"query": "up", "start": "x"}),
    ("format_query", {"query": "1+"}),
    ("format_query", {}),
    ("rules", {"type": "x"}),
]


@pytest.mark.parametrize(("path", "fields"), WRONG, ids=lambda one: str(one)[:60])
async def test_what_is_wrong_is_refused_alike(web, pair: Pair, path: str, fields: Fields) -> None:
    """Same status code, same fields, same error type; the sentence is ours where the parser is."""
    ours, theirs = await both(web, pair, "GET", f"/api/v1/{path}", fields)
    assert (ours[0], ours[1].keys(), ours[1]["errorType"]) == (theirs[0], theirs[1].keys(), theirs[1]["errorType"])


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("query", {"query": "1", "timeout": "x"}),
        ("query_range", {"query": "up", "start": "1", "end": "0", "step": "1"}),
        ("query_range", {"query": "up", "start": "1", "end": "2", "step": "0"}),
        ("query_range", {"query": "up", "start": "1", "end": "20000", "step": "1"}),
        ("query_range", {"query": "up[5m]", "start": "1", "end": "2", "step": "1"}),
        ("series", {}),
        ("label/a-b/values", {}),
    ],
)
async def test_errors_that_programs_read_have_the_same_words(web, pair: Pair, path: str, fields: Fields) -> None:
    """Where the sentence is not the parser's, it is Prometheus' own."""
    ours, theirs = await both(web, pair, "GET", f"/api/v1/{path}", fields)
    assert ours == theirs


async def test_questions_are_put_in_order_alike(web, pair: Pair) -> None:
    """Of every question written by hand: the same text, or at least one that is its own answer and means the same."""
    prometheus, _ = pair
    file = Path(__file__).parents[1] / "query" / "questions.promql"
    apart = []
    questions = file.read_text(encoding="utf-8").splitlines()[1:]
    for question in questions:
        status, told = prometheus.ask("GET", "/api/v1/format_query?" + urllib.parse.urlencode({"query": question}))
        if status == 200 and pretty(question) != json.loads(told)["data"]:
            apart.append(question)
    # Left apart: a plus before an operand, which the parser drops, figures of many digits, and a name among the conditions.
    assert len(apart) <= 19, apart


SCRAPES = """
scrape_configs:
  - job_name: itself
    scrape_interval: 1s
    static_configs: [{targets: ["127.0.0.1:{port}"]}]
"""


async def test_targets_metadata_and_build_have_the_same_fields(web, tmp_path: Path) -> None:
    """A Prometheus that reads a page of its own describes it with the fields that we describe ours with."""
    if PROGRAM is None:
        pytest.skip("prometheus is not installed (on Debian: apt install prometheus): nothing to compare with")
    with Prometheus(tmp_path / "prometheus", SCRAPES) as prometheus:

        def theirs(path: str) -> Any:
            return json.loads(prometheus.ask("GET", f"/api/v1/{path}")[1])

        await web.until(lambda: '"up"' in json.dumps(theirs("targets")) and theirs("metadata")["data"])
        async with web.client() as client:
            for path, inner in (
                ("targets", lambda data: data["activeTargets"][0]),
                ("metadata", lambda data: next(iter(data.values()))[0]),
                ("status/buildinfo", lambda data: data),
            ):
                ours = (await client.get(f"/api/v1/{path}")).json()
                wanted = theirs(path)
                assert ours["data"].keys() == wanted["data"].keys() or path == "metadata"
                mine, other = inner(ours["data"]), inner(wanted["data"])
                assert {name: type(value) for name, value in mine.items()} == {
                    name: type(value) if name != "lastScrapeDuration" else float for name, value in other.items()
                }


async def test_another_prometheus_reads_our_federation(web, tmp_path: Path) -> None:
    """It takes the samples with their own times and labels, the newest of each series."""
    if PROGRAM is None:
        pytest.skip("prometheus is not installed (on Debian: apt install prometheus): nothing to read it with")
    at = web.desk.now() - 2000
    web.desk.store.put(web.series("node_load1"), at, 0.5)
    web.desk.store.put(web.series("node_load5"), at, 0.7)
    scrapes = f"""
scrape_configs:
  - job_name: hub
    honor_labels: true
    scrape_interval: 1s
    metrics_path: /federate
    params: {{"match[]": ["node_load1"]}}
    authorization: {{credentials: "{web.token}"}}
    static_configs: [{{targets: ["127.0.0.1:{web.port}"]}}]
"""
    with Prometheus(tmp_path / "prometheus", scrapes) as prometheus:
        await web.until(lambda: prometheus.instant("node_load1", at + 1).data)
        found = prometheus.instant('{__name__=~"node_load.*"}', at + 1).data
    assert [(one["metric"], one["value"][1]) for one in found] == [
        ({"__name__": "node_load1", "job": "hub", "machine": "alpha"}, "0.5")
    ]
