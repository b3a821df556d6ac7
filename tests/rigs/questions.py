"""Questions made from PromQL's grammar, typed, so that most of them mean something: strategies for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from rigs.figures import BEGIN, END
from watchkeeper.query.signatures import DATES, POINTWISE

GAUGES = ("temperature", "load", "capacity", "gappy", "ended", "sparse", "once", "level", "odd", "bench_gauge", "tiny")
COUNTERS = ("requests_total", "errors_total", "gappy_total", "late_total", "bench_busy_counter", "bench_cpu_seconds")
SAFE_RANGE = (
    *("rate", "increase", "delta", "irate", "idelta", "resets", "changes", "avg_over_time", "min_over_time", "max_over_time"),
    *("sum_over_time", "count_over_time", "stddev_over_time", "stdvar_over_time", "last_over_time", "present_over_time"),
    *("deriv", "absent_over_time"),
)
RANKING = ("topk", "bottomk", "count_values")
LABELS = ("machine", "room", "path", "code", "number", "le", "nosuch")
MATCHERS = (
    *('machine="a"', 'machine!="a"', 'machine=~"a|b"', 'machine!~"b.*"', 'room="x"', 'room=~".+"', 'code="200"', 'path="/"'),
    *('nosuch=""', 'number="0"', 'machine=~"machine-.*"', 'room!=""', 'machine=~"[ab]"'),
)


def durations(least: int, most: int) -> st.SearchStrategy[str]:
    """``95s`` and the like, of so many seconds."""
    written = st.integers(least, most)
    return st.one_of(
        written.map(lambda s: f"{s}s"), written.map(lambda s: f"{s // 60 + 1}m"), written.map(lambda s: f"{s}s7ms")
    )


@st.composite
def moved(draw: st.DrawFn) -> str:
    """Offset and ``@``, in either order, mostly neither."""
    offset = draw(st.sampled_from(["", "", "", "", " offset 5m", " offset -3m", " offset 1h", " offset 7s"]))
    instants = [f" @ {BEGIN / 1000 + 3000}", f" @ {END / 1000:.3f}", " @ start()", " @ end()"]
    at = draw(st.sampled_from([""] * 8 + instants))
    return at + offset if draw(st.booleans()) else offset + at


@st.composite
def selectors(draw: st.DrawFn, names: tuple[str, ...] = GAUGES + COUNTERS) -> str:
    """A metric and some matchers."""
    inside = ",".join(draw(st.lists(st.sampled_from(MATCHERS), max_size=2)))
    return draw(st.sampled_from(names)) + (f"{{{inside}}}" if inside else "")


@st.composite
def instants(draw: st.DrawFn) -> str:
    """An instant selector."""
    return draw(selectors()) + draw(moved())


@st.composite
def over_time(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    """A function over a range selector or a subquery."""
    function = draw(st.sampled_from(SAFE_RANGE))
    if draw(st.integers(0, 3)) == 0:
        step = draw(st.sampled_from(["", "30s", "1m", "17s"]))
        body = draw(inner)  # pinned within pinned, 2.42 reads another span than it then looks at
        if "std" in function and "time" in body:
            function = "max_over_time"
        if ("std" in body or "avg" in body) and function in {"rate", "increase", "irate", "resets", "changes"}:
            function = "max_over_time"  # a rounding error would be a reset
        window = f"({body})[{draw(durations(60, 900))}:{step}]{'' if '@' in body else draw(moved())}"
    else:
        names = COUNTERS if function in {"rate", "increase", "irate", "resets"} and draw(st.integers(0, 4)) else GAUGES
        window = f"{draw(selectors(names))}[{draw(durations(10, 1200))}]{draw(moved())}"
    if "std" in function and "busy" in window:  # 1e11 and a millionth of that: 2.42's running mean is not good to 1e-9 there
        function = "max_over_time"
    match draw(st.integers(0, 12)):
        case 0:
            return f"quantile_over_time({draw(st.sampled_from(['0', '0.25', '0.5', '0.99', '1', '-1', '2']))}, {window})"
        case 1 if "@" not in window:  # 2.42 slides the pinned window of this one function along (see test_differential)
            return f"predict_linear({window}, {draw(st.sampled_from(['60', '3600', '-60']))})"
        case 2:
            return f"holt_winters({window}, 0.{draw(st.integers(1, 9))}, 0.{draw(st.integers(1, 9))})"
    return f"{function}({window})"


def grouping() -> st.SearchStrategy[str]:
    """by, without, or nothing."""
    labels = st.lists(st.sampled_from(LABELS), max_size=2, unique=True).map(", ".join)
    return st.one_of(st.just(""), labels.map(lambda some: f" by ({some})"), labels.map(lambda some: f" without ({some})"))


@st.composite
def aggregates(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    """An aggregation."""
    op = draw(st.sampled_from(["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "quantile", *RANKING]))
    if op in RANKING:  # of figures that differ by a rounding error or not at all, what comes first is nobody's rule
        inner = selectors(("level", "info", "wide") if op == "count_values" else ("temperature", "odd", "gappy"))
    parameters = {"quantile": ["0.5, ", "0.9, ", "0, ", "1.5, "], "count_values": ['"v", ', '"machine", ']}
    parameter = draw(st.sampled_from(parameters.get(op, ["1, ", "2, ", "4, "] if op in RANKING else [""])))
    body = draw(inner)
    if "std" in op and "time" in body:  # 2.42 adds up plainly, in any order: of 1e9 and some it knows no nine digits itself
        op = "max"
    return f"{op}{draw(grouping())} ({parameter}{body})"


@st.composite
def pointwise(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    """A function of each figure, or one of labels."""
    body = draw(inner)
    names = (*POINTWISE, *DATES)
    if "(" in body:  # of what was worked out, a rounding error may be a minute, and large figures have no sine to nine digits
        names = tuple(name for name in POINTWISE if name not in {"sin", "cos", "tan"})
    shapes = [
        *(f"{name}({body})" for name in draw(st.lists(st.sampled_from(names), min_size=3, max_size=3))),
        *(f"round({body}, 0.5)", f"clamp({body}, -3, 7)", f"clamp_min({body}, 1)", f"clamp_max({body}, 20)", f"-({body})"),
        # Of a selector with both, 2.42 forgets the offset.
        *(
            f"timestamp(({body}) + 0)" if "@" in body else f"timestamp({body})",
            f"absent({body})",
            f"sort({body})",
            f"vector(scalar({body}))",
            f"({body})",
        ),
        f'label_replace({body}, "room", "$1-z", "machine", "([ab])")',
        f'label_join({body}, "both", "/", "machine", "room")',
        f"histogram_quantile(0.8, sum by (le, machine) (rate(latency_bucket[{draw(durations(60, 600))}])))",
    ]
    return draw(st.sampled_from(shapes))


@st.composite
def binaries(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    """Two sides."""
    op = draw(st.sampled_from(["+", "-", "*", "/", "%", "^", "atan2", "==", "!=", "<", ">", "<=", ">=", "and", "or", "unless"]))
    compares = op in {"==", "!=", "<", ">", "<=", ">="}
    bool_ = " bool" if compares and draw(st.booleans()) else ""
    number = draw(st.sampled_from(["0", "1", "-2.5", "10", "1e3", "NaN", "Inf", "0.1", "time()", "pi()"]))
    if op == "^":
        number = "0.5"  # the thousandth power of a rounding error is none
    if op not in {"and", "or", "unless", "%"} and draw(st.integers(0, 2)) == 0:
        body = draw(inner)
        return draw(st.sampled_from([f"({body}) {op}{bool_} {number}", f"{number} {op}{bool_} ({body})"]))
    if compares or op == "%":  # of figures that differ by a rounding error, which is the greater is nobody's rule
        inner = instants()
    matches = ["", "", " on (machine)", " ignoring (room)", " on (machine, room)", " ignoring (path, code)", " on ()"]
    matching = draw(st.sampled_from(matches))
    group = ""
    if matching and op not in {"and", "or", "unless"} and draw(st.booleans()):
        group = draw(st.sampled_from([" group_left", " group_right", " group_left (path)", " group_right (nosuch)"]))
        group += "" if group.endswith(")") else " ()"
    return f"({draw(inner)}) {op}{bool_}{matching}{group} ({draw(inner)})"


def waves() -> st.SearchStrategy[str]:
    """The sine, cosine or tangent of anything that was worked out.

    Of moderate size, since a large angle has lost its place; the tangent short of its poles, where a rounding error is
    infinite.
    """
    shapes = ["sin(clamp({}, -1000, 1000))", "cos(clamp({}, -1000, 1000))", "tan(clamp({}, -1000, 1000) / 700)"]
    return st.builds(str.format, st.sampled_from(shapes), questions())


@st.composite
def deviations(draw: st.DrawFn) -> tuple[str, str]:
    """A deviation and its window: of large figures close to one another too, plain and worked out."""
    function = draw(st.sampled_from(["stddev_over_time", "stdvar_over_time"]))
    selector = draw(selectors(("bench_busy_counter", *GAUGES, *COUNTERS)))
    if draw(st.booleans()):
        return function, f"{selector}[{draw(durations(10, 1200))}]{draw(moved())}"
    body = draw(
        st.sampled_from([f"timestamp({selector})", f"{selector} + time()", f"rate({selector}[5m])", f"{selector} * 1e6 + 1e9"])
    )
    return function, f"({body})[{draw(durations(60, 900))}:{draw(st.sampled_from(['30s', '1m', '17s']))}]{draw(moved())}"


def questions() -> st.SearchStrategy[str]:
    """Vectors of all kinds within one another. A deeper one every now and then."""
    return st.recursive(
        instants(),
        lambda inner: st.one_of(over_time(inner), over_time(instants()), aggregates(inner), pointwise(inner), binaries(inner)),
        max_leaves=6,
    )
