"""The same questions to Prometheus 2.42 and to us, over the same samples: same labels, same figures, same errors.

Where 2.42 is wrong by its own documentation it is not asked: `predict_linear` over a pinned window (`x[5m] @ t`),
which it slides along with the steps; `timestamp` of a selector with both `@` and an offset, of which it forgets the
offset; pinned subqueries within one another, for which it reads the wrong span. Native histograms are refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from rigs import figures
from rigs.alike import deviates, difference, differences
from rigs.prometheus import Prometheus
from rigs.questions import deviations, questions, waves
from watchkeeper.errors import Refused
from watchkeeper.query import parse
from watchkeeper.seams import Store

HERE = Path(__file__).parent
RANGES = (
    (figures.END, figures.END, 0),
    (figures.BEGIN + 3_600_007, figures.BEGIN + 3_600_007, 0),
    (figures.BEGIN, figures.END, 60_000),
    (figures.BEGIN - 600_000, figures.END + 900_000, 97_001),
)
SPANS = ((figures.END - 1_800_000, figures.END - 1_800_000, 0), (figures.BEGIN + 300_000, figures.END, 113_000))
"""When made questions are asked: at an instant, and over a range."""
Made = TypeVar("Made")
QUICK = settings(
    max_examples=700,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def lines(name: str) -> list[str]:
    """A file's questions."""
    return (HERE / name).read_text(encoding="utf-8").splitlines()[1:]


@pytest.mark.slow
def test_questions_written_by_hand_are_answered_alike(pair: tuple[Prometheus, Store]) -> None:
    """Every function, operator and modifier, at instants and over ranges."""
    assert not differences(*pair, ((question, *span) for question in lines("questions.promql") for span in RANGES))


def test_wrong_questions_are_refused_alike(pair: tuple[Prometheus, Store]) -> None:
    """What Prometheus calls bad data, so do we."""
    prometheus, store = pair
    for question in lines("wrong.promql"):
        assert prometheus.instant(question, figures.END).error == "bad_data", question
        assert not difference(prometheus, store, question, figures.END, figures.END, 0), question
        with pytest.raises(Refused) as refused:
            parse(question)
        assert refused.value.code == "bad_data"


@pytest.mark.slow
def test_questions_made_from_the_grammar_are_answered_alike(pair: tuple[Prometheus, Store]) -> None:
    """Seven hundred of them, the same on every run, each at an instant and over a range."""
    compare(pair, seven_hundred())


def test_waves_of_what_was_worked_out_are_answered_alike(pair: tuple[Prometheus, Store]) -> None:
    """Sine, cosine and tangent of fifty made questions."""
    compare(pair, some_waves())


def test_deviations_of_figures_of_any_size_are_answered_alike(pair: tuple[Prometheus, Store]) -> None:
    """Fifty windows, of instants and of large counters too: as near as the running mean of 2.42 is to the true one."""
    prometheus, store = pair
    wrong = [deviates(prometheus, store, one, span) for one in some_deviations() for span in SPANS]
    assert not [told for told in wrong if told]


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_many_more_made_questions_are_answered_alike(other_pair: tuple[Prometheus, Store]) -> None:
    """Thousands, others on every run, over other figures."""
    compare(other_pair, made(settings(QUICK, max_examples=5000, derandomize=False), questions()))
    compare(other_pair, made(settings(QUICK, max_examples=1000, derandomize=False), waves()))
    some = made(settings(QUICK, max_examples=1000, derandomize=False), deviations())
    wrong = [deviates(*other_pair, one, span) for one in some for span in SPANS]
    assert not [told for told in wrong if told]


@cache
def seven_hundred() -> tuple[str, ...]:
    """Made once for both stores."""
    return made(QUICK, questions())


@cache
def some_waves() -> tuple[str, ...]:
    """Made once for both stores."""
    return made(settings(QUICK, max_examples=50), waves())


@cache
def some_deviations() -> tuple[tuple[str, str], ...]:
    """Made once for both stores."""
    return made(settings(QUICK, max_examples=50), deviations())


def made(how: settings, what: SearchStrategy[Made]) -> tuple[Made, ...]:
    """As many as `how` says."""
    found: list[Made] = []

    @how
    @given(what)
    def make(question: Made) -> None:
        found.append(question)

    make()
    return tuple(found)


def compare(pair: tuple[Prometheus, Store], asked: Sequence[str]) -> None:
    """Ask each at an instant and over a range; tell all that differ."""
    assert not differences(*pair, ((question, *span) for question in asked for span in SPANS))
