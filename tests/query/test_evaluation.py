"""What an evaluation may cost, and what it does without a Prometheus beside it: staleness, NaN, several streams, limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from rigs.store import BEGIN, Bench, layout_of, made_times, made_values
from watchkeeper.errors import Refused
from watchkeeper.model import NOT_A_NUMBER, STALE, Block, Matcher, Series, dictionary
from watchkeeper.query import Limits, Value, evaluate
from watchkeeper.query.reading import Account
from watchkeeper.seams import Admit, Store
from watchkeeper.store import StoreSettings

MINUTE = 60_000


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An empty store."""
    made = Bench(tmp_path / "store", StoreSettings())
    yield made
    made.store.close()


def put(bench: Bench, *values: float, name: str = "x", stream: str = "10s", begin: int = BEGIN, step: int = 60_000) -> None:
    """One series of machine a, a figure a minute."""
    layout = dictionary((Series(name, (("machine", "a"),)),))
    bench.put("a", layout, begin + step * np.arange(len(values)), np.array(values)[:, None], stream)


def at(store: Store, question: str, minute: float, **limits: float) -> Value:
    """An instant query so many minutes after the beginning."""
    instant = BEGIN + round(minute * MINUTE)
    return evaluate(question, store, instant, instant, 0, Limits(**limits))


def only(value: Value) -> list[float]:
    """The figures of an answer."""
    return [figure for _, _, figures in value.lines() for figure in figures.tolist()]


def test_a_sample_counts_for_five_minutes_and_not_a_millisecond_longer(bench: Bench) -> None:
    """The look-back includes both its ends."""
    put(bench, 1.0)
    assert only(at(bench.store, "x", 5)) == [1.0]
    assert only(at(bench.store, "x", 5 + 1 / MINUTE)) == []
    assert only(at(bench.store, "x", -1 / MINUTE)) == []


def test_a_stale_marker_ends_a_series_and_a_gap_does_not(bench: Bench) -> None:
    """Sealed or not: the bits of the marker are kept."""
    put(bench, 1.0, np.nan, np.nan, 2.0, STALE, np.nan, 3.0)
    for _ in range(2):
        assert only(at(bench.store, "x", 2)) == [1.0]
        assert only(at(bench.store, "x", 3.5)) == [2.0]
        assert only(at(bench.store, "x", 5)) == []
        assert only(at(bench.store, "count_over_time(x[10m])", 6)) == [3.0]
        bench.store.seal_everything()


def test_not_a_number_is_a_figure(bench: Bench) -> None:
    """Told apart from absence, in heads and in chunks, after a restart too."""
    put(bench, 1.0, NOT_A_NUMBER, np.nan)
    for _ in range(2):
        assert np.isnan(only(at(bench.store, "x", 1))).all()
        assert len(only(at(bench.store, "x", 2))) == 1
        assert only(at(bench.store, "count_over_time(x[10m])", 2)) == [2.0]
        bench.store.seal_everything()
        bench.reopen()


def test_a_series_goes_on_in_another_stream(bench: Bench) -> None:
    """An agent whose period is changed: one series, across chunks and heads."""
    put(bench, 1.0, 2.0, 3.0)
    bench.store.seal_everything()
    put(bench, 4.0, 5.0, stream="60s", begin=BEGIN + 3 * MINUTE)
    assert only(at(bench.store, "increase(x[4m])", 4)) == [4.0]
    assert only(at(bench.store, "count_over_time(x[4m])", 4)) == [5.0]


def test_what_is_asked_twice_is_answered_from_memory_and_alike(bench: Bench) -> None:
    """Kept columns are those of the chunk, whatever was asked before; new ones come in."""
    bench.put("a", layout_of("a", 12), made_times(1500), made_values(1500, 12))
    bench.store.seal_everything()
    asked = [
        "sum(m1)",
        'm4{machine="a"}',
        'last_over_time({__name__=~"m[34]",machine="a"}[3h]) or sum({__name__=~"m[0-9]"})',
        "sum(m1) + sum(m4)",
    ]
    first = [only(at(bench.store, one, 240)) for one in asked]
    assert [only(at(bench.store, one, 240)) for one in asked] == first
    bench.store.forget_read()
    assert [only(at(bench.store, one, 240)) for one in asked] == first


@pytest.mark.parametrize("question", ["sum_over_time(m1[1d])", "m1 + m2", "sum({machine='a'})", "max_over_time(m1[1d:1s])"])
def test_a_question_that_touches_too_many_samples_is_refused_with_their_number(bench: Bench, question: str) -> None:
    """Whether read or made on the way."""
    bench.put("a", layout_of("a", 12), made_times(600), made_values(600, 12))
    with pytest.raises(Refused, match=r"\d+ (samples|figures)") as refused:
        at(bench.store, question, 99, samples=40, figures=1000)
    assert refused.value.code == "too-much"
    assert len(only(at(bench.store, question, 99))) <= 1 or "+" not in question


def test_too_many_series_are_refused(bench: Bench) -> None:
    """Counted over the whole question."""
    bench.put("a", layout_of("a", 12), made_times(10), made_values(10, 12))
    with pytest.raises(Refused, match="samples of 13 series, and 50,000,000 samples of 12 series are allowed") as refused:
        at(bench.store, '{machine="a"} + on (machine) group_left m1', 1, series=12)
    assert refused.value.code == "too-much"


class Unread:
    """A store that has much to read and must not be read from."""

    def select(
        self, matchers: Sequence[Matcher], start: int, end: int, admit: Callable[[int, int], None] | None = None
    ) -> list[Block]:
        """Tell the size, and then fail."""
        assert admit is not None
        admit(1_000, 50)
        raise AssertionError("this was read")


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (Limits(samples=999), "1,000 samples of 50 series"),
        (Limits(series=49), "1,000 samples of 50 series"),
        (Limits(figures=149), r"150 figures \(50 series at 3 steps\)"),
    ],
)
def test_a_question_beyond_a_limit_is_refused_with_its_size_before_it_is_read(limits: Limits, told: str) -> None:
    """Samples, series and what would be made of them."""
    with pytest.raises(Refused, match=told) as refused:
        evaluate("rate(x[5m])", Unread(), 0, 120_000, 60_000, limits)  # type: ignore[arg-type]  # select is all that is asked
    assert refused.value.code == "too-much"


def test_a_table_that_would_be_too_large_is_refused_before_it_is_made(bench: Bench) -> None:
    """Few samples at very many steps."""
    put(bench, 1.0)
    with pytest.raises(Refused, match="figures") as refused:
        evaluate("x", bench.store, BEGIN, BEGIN + 10**9, 1, Limits())
    assert refused.value.code == "too-much"


def test_the_time_budget_is_looked_at_between_nodes(bench: Bench) -> None:
    """A question whose time is over ends with the next node."""
    put(bench, 1.0)
    with pytest.raises(Refused, match="timed out") as refused:
        at(bench.store, "x + x", 0, seconds=-1.0)
    assert refused.value.code == "timeout"
    times = iter([0.0, 1.0, 31.0])
    account = Account(Limits(), lambda: next(times))
    account.look()
    with pytest.raises(Refused):
        account.look()


@pytest.mark.parametrize(
    ("start", "end", "step"), [(BEGIN, BEGIN - 1, 1000), (BEGIN, BEGIN, -1)], ids=["end before start", "negative step"]
)
def test_a_range_that_is_none_is_bad_data(bench: Bench, start: int, end: int, step: int) -> None:
    """As the API refuses it."""
    with pytest.raises(Refused) as refused:
        evaluate("x", bench.store, start, end, step, Limits())
    assert refused.value.code == "bad_data"


def test_a_range_is_answered_in_the_order_of_labels(bench: Bench) -> None:
    """Whatever the question ordered by."""
    for machine in "cab":
        layout = dictionary((Series("x", (("machine", machine),)),))
        bench.put(machine, layout, BEGIN + MINUTE * np.arange(3), np.ones((3, 1)))
    value = evaluate("sort_desc(x)", bench.store, BEGIN, BEGIN + 2 * MINUTE, MINUTE, Limits())
    assert [series.label("machine") for series in value.series] == ["a", "b", "c"]


class Asked:
    """A store that notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def select(self, matchers: Sequence[Matcher], start: int, end: int, admit: Admit | None = None) -> list[Block]:
        """Nothing is there."""
        self.asked.append((start, end))
        return []


SPANS: list[tuple[str, tuple[int, int]]] = [
    ("x", (-5 * MINUTE, 0)),
    ("x offset 1h", (-65 * MINUTE, -60 * MINUTE)),
    ("x offset -1h", (55 * MINUTE, 60 * MINUTE)),
    ("rate(x[10m])", (-10 * MINUTE, 0)),
    ("rate(x[10m] @ end())", (20 * MINUTE, 30 * MINUTE)),
    ("max_over_time(rate(x[5m])[1h:1m])", (-65 * MINUTE, 0)),
]


@pytest.mark.parametrize(("question", "span"), SPANS)
def test_no_more_is_read_than_the_question_needs(question: str, span: tuple[int, int]) -> None:
    """The span of all its windows over the range, to the millisecond but for a subquery's grid."""
    store = Asked()
    evaluate(question, store, BEGIN, BEGIN + 30 * MINUTE, MINUTE, Limits())  # type: ignore[arg-type]  # it selects, and that is all that is asked of it
    ((start, end),) = store.asked
    last = 0 if "@" in question else 30 * MINUTE
    assert abs(start - BEGIN - span[0]) < MINUTE
    assert abs(end - BEGIN - span[1] - last) < MINUTE
