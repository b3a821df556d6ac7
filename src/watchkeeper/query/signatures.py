"""Every function of PromQL that is stable in Prometheus 2.42: what it takes and what it gives.

A table that `parsing` checks calls against, since the parser knows newer functions too. Those that work on
native histograms are known by name so that they can be refused by it.
"""

from __future__ import annotations

from typing import NamedTuple

from watchkeeper.query.tree import Type


class Signature(NamedTuple):
    """Types of the arguments; the last `optional` of them may be left out; `endless`: the last may be repeated."""

    takes: tuple[Type, ...]
    gives: Type = "vector"
    optional: int = 0
    endless: bool = False


_V: tuple[Type, ...] = ("vector",)
_M: tuple[Type, ...] = ("matrix",)

OVER_TIME = [
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "deriv",
    "resets",
    "changes",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "last_over_time",
    "present_over_time",
    "absent_over_time",
]
POINTWISE = [
    "abs",
    "ceil",
    "floor",
    "exp",
    "ln",
    "log2",
    "log10",
    "sqrt",
    "sgn",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cos",
    "cosh",
    "sin",
    "sinh",
    "tan",
    "tanh",
    "deg",
    "rad",
]
DATES = ["minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"]

FUNCTIONS: dict[str, Signature] = (
    {name: Signature(_M) for name in OVER_TIME}
    | {name: Signature(_V) for name in (*POINTWISE, "absent", "sort", "sort_desc", "timestamp")}
    | {name: Signature(_V, optional=1) for name in DATES}
    | {
        "quantile_over_time": Signature(("scalar", "matrix")),
        "predict_linear": Signature(("matrix", "scalar")),
        "holt_winters": Signature(("matrix", "scalar", "scalar")),
        "round": Signature(("vector", "scalar"), optional=1),
        "clamp": Signature(("vector", "scalar", "scalar")),
        "clamp_min": Signature(("vector", "scalar")),
        "clamp_max": Signature(("vector", "scalar")),
        "histogram_quantile": Signature(("scalar", "vector")),
        "label_replace": Signature(("vector", "string", "string", "string", "string")),
        "label_join": Signature(("vector", "string", "string", "string"), optional=1, endless=True),
        "scalar": Signature(_V, "scalar"),
        "vector": Signature(("scalar",)),
        "time": Signature((), "scalar"),
        "pi": Signature((), "scalar"),
    }
)
NATIVE_HISTOGRAMS = {"histogram_count", "histogram_sum", "histogram_fraction"}
AGGREGATIONS = {
    "sum": None,
    "avg": None,
    "count": None,
    "min": None,
    "max": None,
    "group": None,
    "stddev": None,
    "stdvar": None,
    "topk": "scalar",
    "bottomk": "scalar",
    "quantile": "scalar",
    "count_values": "string",
}
"""Each aggregation and the type of its parameter."""
COMPARISONS = {"==", "!=", "<", ">", "<=", ">="}
SETS = {"and", "or", "unless"}
ARITHMETIC = {"+", "-", "*", "/", "%", "^", "atan2"}
