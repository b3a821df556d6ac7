"""Questions put in order: what is printed means what was asked."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from rigs.questions import questions
from watchkeeper.errors import Refused
from watchkeeper.query import parse, pretty


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("sum by(a)(rate(foo[5m]))>bool 1", "sum by (a) (rate(foo[5m])) > bool 1"),
        ("holt_winters( x[5m],0.3,0.7 )", "holt_winters(x[5m], 0.3, 0.7)"),
        (" temperature @ -1 ", "temperature @ -1"),
        (
            'sum by (machine)(rate(requests_total{path="/a/long/path/of/the/application"}[5m]))/on(machine) group_left () x',
            (
                '  sum by (machine) (rate(requests_total{path="/a/long/path/of/the/application"}[5m]))\n'
                "/ on (machine) group_left ()\n  x"
            ),
        ),
    ],
)
def test_spaces_brackets_and_lines(question: str, told: str) -> None:
    """As Prometheus prints them; what the parser cannot print rightly stays as it was."""
    assert pretty(question) == told


@settings(max_examples=120, deadline=None, database=None, derandomize=True)
@given(questions())
def test_what_is_printed_means_the_same(question: str) -> None:
    """Whatever was asked, and printing it again changes nothing."""
    assert pretty(pretty(question)) == pretty(question)
    assert repr(parse(pretty(question))) == repr(parse(question))


def test_what_is_no_question_is_refused() -> None:
    """As everywhere."""
    with pytest.raises(Refused) as refused:
        pretty("sum(")
    assert refused.value.code == "bad_data"
