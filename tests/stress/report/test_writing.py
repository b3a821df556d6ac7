"""Every format is well-formed, has the same figures, and lets nothing from outside through unescaped."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from rigs.recorded import usual
from watchkeeper.stress.record import Record
from watchkeeper.stress.report.building import build
from watchkeeper.stress.report.document import Report
from watchkeeper.stress.report.reading import read
from watchkeeper.stress.report.writing import FOLDER, FORMATS, NAMES, schema, write
from watchkeeper.stress.run import Held

EVIL = "</script><script>alert(1)</script>&\"'"


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Of a run whose target and plan would like to be code."""
    more = {
        "target": f"http://127.0.0.1:1/{EVIL}",
        "server": EVIL,
        "verdict": "fail",
        "reasons": (EVIL,),
        "objectives": (Held("p99 < 100ms", 0.2, False, EVIL), Held("errors < 1%", None, None, "nothing was due")),
        "command": ("watchkeeper", EVIL),
    }
    found = usual(tmp_path_factory.mktemp("run"), **more)
    write(found)
    return found


def text(record: Record, name: str) -> str:
    """A file of the report."""
    return (record.folder / FOLDER / name).read_text(encoding="utf-8")


class Seen(HTMLParser):
    """What a browser would make of it."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.scripts = 0
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count what matters."""
        given = dict(attrs)
        self.scripts += tag == "script"
        if tag not in {"meta", "link", "br", "input", "img"}:
            self.open.append(tag)
        if given.get("id"):
            self.ids.add(str(given["id"]))
        if tag == "a":
            self.links.append(str(given.get("href")))
        self.outside += [str(given[name]) for name in ("src", "href") if given.get(name) and "://" in str(given[name])]

    def handle_endtag(self, tag: str) -> None:
        """Every element is closed in its order."""
        assert self.open.pop() == tag


def test_the_page_is_whole_and_asks_for_nothing(record: Record) -> None:
    """Two scripts, its own; all elements closed; every link leads somewhere in it; no address of any other place."""
    page = text(record, "report.html")
    seen = Seen()
    seen.feed(page)
    seen.close()
    assert not seen.open
    assert seen.scripts == 2
    assert not seen.outside
    assert {link.removeprefix("#") for link in seen.links} <= seen.ids
    assert "<script>alert(1)" not in page
    assert '<div class="verdict" role="status">FAIL</div>' in page
    for question in ("Did it hold", "How much does it take", "What broke first", "beyond that", "as before?", "How sure"):
        assert question in page
    assert "What was not tested" in page


def test_the_json_is_what_the_schema_says(record: Record) -> None:
    """Decoded strictly by the types that the schema is made of; every field of the report is in both."""
    found = json.loads(text(record, "report.json"))
    told = schema()
    fields = told["$defs"]["Report"]["properties"]
    assert set(found) == set(fields)
    assert found["capacity"]["sustained"] == 1000
    assert found["run"]["seed"] == 7


def test_junit_is_read_by_any_build_server(record: Record) -> None:
    """A failure for the missed one, skipped for the other, and totals that agree."""
    root = ET.fromstring(text(record, "junit.xml"))
    suite = root.find("testsuite")
    assert suite is not None
    cases = suite.findall("testcase")
    assert int(suite.get("tests", "")) == len(cases) == 3
    assert [case.get("name") for case in cases if case.find("failure") is not None] == ["p99 < 100ms"]
    assert [case.get("name") for case in cases if case.find("skipped") is not None] == ["errors < 1%"]
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("1", "0", "1")


def test_csv_has_every_second(record: Record) -> None:
    """With its stage; the sum of what was due is all that was."""
    rows = list(csv.DictReader(io.StringIO(text(record, "series.csv"), newline="")))
    report = build(read(record))
    assert sum(float(row["due"]) for row in rows) == sum(stage.scheduled for stage in report.stages)
    assert {row["kind"] for row in rows} >= {"steps", "soak", "overload"}
    assert rows[0]["generator_cpu"] == "0.25"


def test_the_log_is_read_by_hdrhistograms_own_reader(record: Record) -> None:
    """All intervals of the tag, added up: as many as were done, and the same p99. Warm-up is left out."""
    path = record.folder / FOLDER / "latency.hlog"
    whole = HdrHistogram(64, 3_600_000_000_000, 3)
    reader = HistogramLogReader(str(path), whole)
    many = 0
    while True:
        found = reader.get_next_interval_histogram()
        if found is None:
            break
        if found.get_tag() == "get":
            whole.add(found)
            many += 1
    reader.close()
    report = build(read(record))
    counted = [stage for stage in report.stages if not stage.excluded]
    assert whole.get_total_count() == sum(stage.done for stage in counted)
    assert many == sum(stage.seconds for stage in counted)


def test_markdown_has_the_verdict_and_no_html(record: Record) -> None:
    """On its first line."""
    found = text(record, "report.md")
    assert found.startswith("# ❌ FAIL")
    assert "<script>" not in found
    assert "| question | answer |" in found


def test_formats_are_chosen_and_replaced_as_a_whole(record: Record, tmp_path: Path) -> None:
    """One of them alone; nothing half-written stays behind."""
    files = write(record, formats=["junit"])
    assert [file.name for file in files] == ["junit.xml"]
    assert not list((record.folder / FOLDER).glob("*.new"))
    assert set(NAMES) == {*FORMATS, "hdr"}


def test_a_passed_run_is_an_empty_error_list(tmp_path: Path) -> None:
    """Neither failures nor errors."""
    report: Report = build(read(usual(tmp_path)))
    root = ET.fromstring(FORMATS["junit"][1](report))
    assert (root.get("failures"), root.get("errors")) == ("0", "0")
