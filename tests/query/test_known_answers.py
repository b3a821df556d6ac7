"""Answers that can be worked out on paper, for where there is no Prometheus to compare with."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from rigs.store import BEGIN, Bench
from watchkeeper.errors import Refused
from watchkeeper.model import Series, dictionary
from watchkeeper.query import Limits, evaluate
from watchkeeper.store import FrameStore, StoreSettings

MINUTE = 60_000
END = BEGIN + 5 * MINUTE
SERIES = {
    ("jobs_total", "a", "kind", "fast"): (0, 60, 120, 30, 90, 150),
    ("jobs_total", "a", "kind", "slow"): (0, 6, 12, 18, 24, 30),
    ("jobs_total", "b", "kind", "fast"): (0, 120, 240, 360, 480, 600),
    ("level", "a", "", ""): (1, 2, 3, 4, 5, 6),
    ("level", "b", "", ""): (4, 4, 4, 4, 4, 4),
    ("wait_bucket", "a", "le", "1"): (0, 0, 0, 0, 0, 10),
    ("wait_bucket", "a", "le", "2"): (0, 0, 0, 0, 0, 30),
    ("wait_bucket", "a", "le", "+Inf"): (0, 0, 0, 0, 0, 40),
    ("info", "a", "version", "1.2"): (1, 1, 1, 1, 1, 1),
    ("info", "b", "version", "1.3"): (1, 1, 1, 1, 1, 1),
}
ANSWERS = {
    'increase(jobs_total{kind="slow"}[5m])': {"a slow": 30},
    'rate(jobs_total{kind="fast"}[5m])': {"a fast": 0.9, "b fast": 2},  # 120 before the reset, 150 after it
    'resets(jobs_total{kind="fast"}[5m])': {"a fast": 1, "b fast": 0},
    'irate(jobs_total{kind="fast"}[5m])': {"a fast": 1, "b fast": 2},
    "delta(level[5m])": {"a": 5, "b": 0},
    "idelta(level[5m])": {"a": 1, "b": 0},
    "deriv(level[5m])": {"a": 1 / 60, "b": 0},
    "predict_linear(level[5m], 120)": {"a": 8, "b": 4},
    "changes(level[5m])": {"a": 5, "b": 0},
    "avg_over_time(level[5m])": {"a": 3.5, "b": 4},
    "sum_over_time(level[2m])": {"a": 15, "b": 12},
    "stdvar_over_time(level[2m])": {"a": 2 / 3, "b": 0},
    "quantile_over_time(0.25, level[4m])": {"a": 3, "b": 4},
    "holt_winters(level[5m], 0.5, 0.5)": {"a": 6, "b": 4},
    "sum by (kind) (jobs_total)": {"fast": 750, "slow": 30},
    "avg without (kind) (jobs_total)": {"a": 90, "b": 600},
    "topk(1, jobs_total)": {"b fast": 600},
    "bottomk(1, level)": {"b": 4},
    "quantile(0.5, level)": {"": 5},
    "stddev(level)": {"": 1},
    'count_values("v", info)': {"1": 2},
    "level / ignoring(version) group_left info": {"a": 6, "b": 4},
    "jobs_total * on(machine) group_left(version) info": {"a fast 1.2": 150, "a slow 1.2": 30, "b fast 1.3": 600},
    "level > 5": {"a": 6},
    "level > bool 5": {"a": 1, "b": 0},
    "5 < level": {"a": 6},
    "level and on(machine) (jobs_total > 500)": {"b": 4},
    "level unless on(machine) (jobs_total > 500)": {"a": 6},
    'level{machine="a"} or level': {"a": 6, "b": 4},
    "-level % 4": {"a": -2, "b": 0},
    "2 ^ 3 ^ 2": {"": 512},
    "-1 ^ 2": {"": -1},
    "histogram_quantile(0.5, wait_bucket)": {"a": 1.5},
    "histogram_quantile(0.9, wait_bucket)": {"a": 2},
    'label_replace(level, "kind", "m-$1", "machine", "(b)")': {"a": 6, "b m-b": 4},
    'label_join(info, "version", "/", "machine", "version")': {"a a/1.2": 1, "b b/1.3": 1},
    "absent(nosuch{machine='x'})": {"x": 1},
    "absent(level)": {},
    "clamp(level, 5, 5.5)": {"a": 5.5, "b": 5},
    "round(level / 4, 0.5)": {"a": 1.5, "b": 1},
    "scalar(level)": {"": math.nan},
    "sort_desc(level)": {"a": 6, "b": 4},
    "timestamp(level) - time()": {"a": 0, "b": 0},
    "max_over_time(sum(level)[5m:1m])": {"": 9},  # the grid's last minute is 20 s ago
    "level offset 2m": {"a": 4, "b": 4},
    f"level @ {BEGIN / 1000}": {"a": 1, "b": 4},
    "day_of_week() * 100 + hour()": {"": 408},  # a Thursday, 08:58 UTC
}
REFUSED = {
    "level + on() jobs_total": "found duplicate series",
    "jobs_total + on(machine) info": "many-to-one matching must be explicit",
    "{__name__=~'level|info', machine='a'} * on(machine) group_right() level{machine='a'}": "found duplicate series",
    'label_replace(level, "machine", "same", "machine", ".*")': "same labelset",
    'label_replace(level, "1", "", "", "")': "invalid destination label name",
    "holt_winters(level[5m], 2, 0.5)": "invalid smoothing factor",
    'count_values("a b", level)': "invalid label name",
    "topk(Inf, level)": "overflows",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrameStore]:
    """Six rounds of ten series."""
    bench = Bench(tmp_path_factory.mktemp("known") / "store", StoreSettings())
    names = [
        Series(name, tuple(sorted({"machine": machine, label: value}.items())) if label else (("machine", machine),))
        for name, machine, label, value in SERIES
    ]
    bench.put("a", dictionary(tuple(names)), BEGIN + MINUTE * np.arange(6), np.array(list(SERIES.values()), float).T)
    yield bench.store
    bench.store.close()


@pytest.mark.parametrize("question", ANSWERS)
def test_the_answer_is_the_one_on_paper(store: FrameStore, question: str) -> None:
    """Series are told by their labels' values, the machine's first."""
    value = evaluate(question, store, END, END, 0, Limits())
    found = {
        " ".join(text for _, text in sorted(series.labels, key=lambda pair: pair[0] != "machine")): figures[0]
        for series, _, figures in value.lines()
    }
    assert found == pytest.approx(ANSWERS[question], nan_ok=True)


@pytest.mark.parametrize("question", REFUSED)
def test_what_cannot_be_put_together_is_refused(store: FrameStore, question: str) -> None:
    """With the reason, as a fault of execution."""
    with pytest.raises(Refused, match=REFUSED[question]) as refused:
        evaluate(question, store, END, END, 0, Limits())
    assert refused.value.code == "execution"
