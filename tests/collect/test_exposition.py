"""A server's page of figures: both formats, the odd cases of each, and lines that are none."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.collect.exposition import Parser
from watchkeeper.errors import Failed
from watchkeeper.model import NAN_BITS

PAGE = """# HELP http_requests_total The total number\\nof requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3

# A comment of nobody's.
msdos_file_access_time_seconds{path="C:\\\\DIR\\\\FILE.TXT",error="Cannot find file:\\n\\"FILE.TXT\\""} 1.458255915e9
metric_without_timestamp_and_labels 12.47
something_weird{problem="division by zero"} +Inf -3982045
# TYPE latency histogram
latency_bucket{le="0.1"} 24054 # {trace_id="KOO"} 0.67
latency_bucket{le="+Inf",} 144320
latency_sum 53423
latency_count 144320
nothing NaN
# EOF
"""


def test_the_formats_own_example() -> None:
    """Labels in any order, escapes, timestamps, exemplars, a comma at the end, infinities: as the format has them."""
    page = Parser(100).read(PAGE)
    values = {series.text(): value for series, value in zip(page.series, page.values, strict=True)}
    assert values['http_requests_total{code="200",method="post"}'] == 1027
    assert values["metric_without_timestamp_and_labels"] == 12.47
    assert values['something_weird{problem="division by zero"}'] == math.inf
    assert values['latency_bucket{le="0.1"}'] == 24054
    assert struct.pack("<d", values["nothing"]) == NAN_BITS.to_bytes(8, "little")
    weird = next(series for series in page.series if series.name.startswith("msdos"))
    assert weird.label("path") == "C:\\DIR\\FILE.TXT"
    assert weird.label("error") == 'Cannot find file:\n"FILE.TXT"'


def test_families_have_kind_and_sentence() -> None:
    """A histogram's parts take its kind; what nobody described is untyped."""
    kinds = {family.name: family.kind for family in Parser(100).read(PAGE).families}
    assert kinds["http_requests_total"] == kinds["latency_bucket"] == kinds["latency_count"] == "counter"
    assert kinds["metric_without_timestamp_and_labels"] == "untyped"
    assert Parser(9).read(PAGE.partition("# TYPE")[0] + "http_requests_total 1").families[0].help.endswith("of requests.")


def test_openmetrics_counters_are_found_by_their_family() -> None:
    """OpenMetrics describes `requests`, whose sample is `requests_total`."""
    page = Parser(9).read("# TYPE requests counter\n# HELP requests Told.\nrequests_total 4\nrequests_created 1.5\n# EOF\n")
    assert {family.name: (family.kind, family.help) for family in page.families} == {
        "requests_total": ("counter", "Told."),
        "requests_created": ("counter", "Told."),
    }


def test_the_layout_is_kept_while_lines_are() -> None:
    """The same object while only figures change, a new one when a line comes, goes or changes its labels."""
    parser = Parser(9)
    first = parser.read('a{x="1"} 1\nb 2\n')
    second = parser.read('a{x="1"} 3\nb 4\n')
    assert second.series is first.series
    assert second.values == [3.0, 4.0]
    assert parser.read('a{x="1"} 3\nb 4\nc 5\n').series is not first.series
    third = parser.read('a{x="2"} 3\nb 4\nc 5\n')
    assert third.series[0].label("x") == "2"
    assert parser.read('a{x="2"} 3\nbb 4\nc 5\n').series[1].name == "bb"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ok 1\n<html>", "line 2 is no sample"),
        ("a{b=c} 1", "labels cannot be read"),
        ("a one", "is no figure"),
        ("a 1\na 2", "is there twice"),
        ("a 1\nb 2\nc 3\nd 4", "more than 3 series"),
        ("a{", "no sample"),
    ],
)
def test_what_is_no_page_is_told_with_its_line(text: str, said: str) -> None:
    """The line's number and what is wrong with it."""
    with pytest.raises(Failed, match=said):
        Parser(3).read(text)


def test_a_bad_page_does_not_spoil_the_next() -> None:
    """After a fault the same parser reads a good page."""
    parser = Parser(3)
    parser.read("a 1")
    with pytest.raises(Failed):
        parser.read("a one")
    assert parser.read("a 2").values == [2.0]


@given(st.text(max_size=200))
def test_anything_is_read_or_refused(text: str) -> None:
    """No page whatever makes the parser break in another way."""
    try:
        page = Parser(10).read(text)
    except Failed:
        return
    assert len(page.series) == len(page.values)


@pytest.mark.parametrize("junk", ["1 ' {} 1", "1 2 3", "1 x", "x 1", "# 1"])
def test_what_is_behind_a_figure_is_looked_at_every_time(junk: str) -> None:
    """A line that is no sample is told on a page whose other lines are known, as on the first."""
    parser = Parser(9)
    assert parser.read("a 1\nb 2 5 # {} 1\n").values == [1, 2]
    assert parser.read("a 3 7\nb 4\n").values == [3, 4]
    with pytest.raises(Failed, match="line 1"):
        parser.read(f"a {junk}\nb 2\n")


def test_not_a_number_is_told_and_not_absent_when_a_page_is_read_again() -> None:
    """Pages whose lines stay are read by their figures alone: there too; infinities of both signs stay what they are."""
    parser = Parser(9)
    parser.read("a 1\nb 2\nc 3\n")
    values = parser.read("a NaN\nb +Inf\nc -Inf\n").values
    assert struct.pack("<d", values[0]) == NAN_BITS.to_bytes(8, "little")
    assert values[1:] == [math.inf, -math.inf]
