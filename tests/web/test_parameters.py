"""Parameters of Prometheus' API: times, lengths of time, forms, selectors."""

from __future__ import annotations

import pytest

from watchkeeper.errors import Refused
from watchkeeper.web.parameters import FIELDS, FOREVER, Form, instant, seconds, selector


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        ("0", 0),
        ("1760000400.5", 1_760_000_400_500),
        ("1.7600004e9", 1_760_000_400_000),
        ("-1.5", -1500),
        ("1e99", FOREVER),
        ("2025-10-09T09:00:00Z", 1_760_000_400_000),
        ("2025-10-09T11:00:00.123456+02:00", 1_760_000_400_123),
        ("2025-13-09T11:00:00Z", None),
        ("2025-10-09T09:00:00", None),
        ("2025-10-09", None),
        ("nan", None),
        ("1_000", None),
        (" 1", None),
        ("", None),
    ],
)
def test_instants(written: str, ms: int | None) -> None:
    """Unix seconds and RFC 3339 with a zone; nothing else."""
    assert instant(written) == ms


@pytest.mark.parametrize(
    ("written", "told"),
    [
        *(("15", 15), ("0.5", 0.5), ("1m", 60), ("1h30m", 5400), ("250ms", 0.25), ("1y", 31_536_000), ("-3", -3)),
        *((wrong, None) for wrong in ("30m1h", "1.5h", "", "m", "nan")),
    ],
)
def test_lengths_of_time(written: str, told: float | None) -> None:
    """Seconds, or units from large to small."""
    assert seconds(written) == told


def test_a_posted_form_stands_before_the_query() -> None:
    """The first value of a name counts; repeated names keep all."""
    form = Form("query=b&match[]=x", "query=a&match%5B%5D=y&empty=")
    assert (form.text("query"), form.every("match[]"), form.text("empty"), form.text("none")) == ("a", ["y", "x"], "", "")


def test_forms_are_bounded() -> None:
    """A thousand fields, and no more."""
    with pytest.raises(Refused, match="more than"):
        Form("&".join("a=1" for _ in range(FIELDS + 1)))


@pytest.mark.parametrize("written", ["", "x[5m]", "x offset 1m", "x @ 5", "sum(x)", "{}", "1", "(x)", '{a="b"', '{a=~"("}'])
def test_only_a_selector_is_one(written: str) -> None:
    """What more a question can have is refused where series are looked for."""
    with pytest.raises(Refused) as refused:
        selector(written)
    assert refused.value.code == "bad_data"


def test_a_range_has_as_many_steps_as_prometheus_allows() -> None:
    """11,001 points pass, one more does not."""
    assert Form("start=0&end=11000&step=1").range() == (0, 11_000_000, 1000)
    with pytest.raises(Refused, match="11,000 points"):
        Form("start=0&end=11001&step=1").range()
