"""The exposition formats, to the letter."""

from __future__ import annotations

import math

import pytest

from watchkeeper.model import Family
from watchkeeper.web.metrics import Sample, exposition, wants_open_metrics


def family(name: str, kind: str, sentence: str = "A sentence.") -> dict[str, Family]:
    """One family, by its name."""
    return {name: Family(name, kind, sentence)}  # type: ignore[arg-type]  # the test's own word for a kind


@pytest.mark.parametrize(
    ("accept", "open_metrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", True),
        ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;q=0.5", True),
        ("application/openmetrics-text;q=0.3, text/plain;version=0.0.4;q=0.9", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;version=9.0.0", False),
        ("application/openmetrics-text;q=high", False),
        (";,;;q=,", False),
    ],
)
def test_which_format_is_wanted(accept: str, open_metrics: bool) -> None:
    """By weight and by a version that we speak; whatever is malformed means plain text."""
    assert wants_open_metrics(accept) is open_metrics


def test_series_of_a_metric_stand_together_under_one_head() -> None:
    """In both formats, sorted by name, whatever order they came in."""
    samples = [
        Sample("b_total", (("machine", "x"),), 1, 1_700_000_000_123),
        Sample("a", (), 0.25),
        Sample("b_total", (("machine", "y"),), 2),
    ]
    families = family("b_total", "counter") | family("a", "gauge", "")
    assert exposition(samples, families, open_metrics=False) == (
        "# TYPE a gauge\na 0.25\n"
        '# HELP b_total A sentence.\n# TYPE b_total counter\nb_total{machine="x"} 1 1700000000123\nb_total{machine="y"} 2\n'
    )
    assert exposition(samples, families, open_metrics=True) == (
        "# TYPE a gauge\na 0.25\n"
        '# HELP b A sentence.\n# TYPE b counter\nb_total{machine="x"} 1 1700000000.123\nb_total{machine="y"} 2\n# EOF\n'
    )


@pytest.mark.parametrize(
    ("kind", "name", "plain", "open_"),
    [
        ("counter", "x_total", "x_total counter", "x counter"),
        ("counter", "x_count", "x_count counter", "x_count unknown"),
        ("info", "x_info", "x_info gauge", "x info"),
        ("info", "x", "x gauge", "x unknown"),
        ("untyped", "x", "x untyped", "x unknown"),
        ("gauge", "x_total", "x_total gauge", "x_total gauge"),
    ],
)
def test_each_kind_in_each_format(kind: str, name: str, plain: str, open_: str) -> None:
    """OpenMetrics is strict about suffixes; what does not keep to them is unknown there."""
    samples = [Sample(name, (), 1)]
    assert f"# TYPE {plain}\n" in exposition(samples, family(name, kind), open_metrics=False)
    assert f"# TYPE {open_}\n" in exposition(samples, family(name, kind), open_metrics=True)


def test_a_metric_that_nobody_described_is_untyped() -> None:
    """It is shown all the same."""
    assert exposition([Sample("x", (), 1)], {}, open_metrics=False) == "# TYPE x untyped\nx 1\n"
    assert exposition([], {}, open_metrics=True) == "# EOF\n"


def test_what_a_server_says_breaks_no_line() -> None:
    """Line ends, quotes and backslashes in values and sentences are escaped as each format has it."""
    odd = 'a"b\\c\nd'
    text = exposition([Sample("x", (("path", odd),), 1)], family("x", "gauge", odd), open_metrics=False)
    assert text == '# HELP x a"b\\\\c\\nd\n# TYPE x gauge\nx{path="a\\"b\\\\c\\nd"} 1\n'
    text = exposition([Sample("x", (("path", odd),), 1)], family("x", "gauge", odd), open_metrics=True)
    assert text == '# HELP x a\\"b\\\\c\\nd\n# TYPE x gauge\nx{path="a\\"b\\\\c\\nd"} 1\n# EOF\n'


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0"),
        (-1.5, "-1.5"),
        (1e15, "1000000000000000.0"),
        (123456789012345.0, "123456789012345"),
        (1e300, "1e+300"),
        (0.1, "0.1"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_lose_nothing(value: float, written: str) -> None:
    """Each value reads back as it was."""
    assert exposition([Sample("x", (), value)], {}, open_metrics=False).endswith(f"x {written}\n")
    assert repr(float(written)) == repr(value)
