"""The sections of the page, each from its part of the report; empty where the run has nothing for it."""

from __future__ import annotations

from html import escape

from watchkeeper.stress.report import side_tables, tables
from watchkeeper.stress.report.cells import figure, table
from watchkeeper.stress.report.charts import server_charts
from watchkeeper.stress.report.document import Report
from watchkeeper.stress.report.pieces import chart, first_up, head, items, section
from watchkeeper.stress.report.wording import number, rate, share

UNITS = {"seconds/s": "seconds a second", "1/s": "a second", "bytes/s": "bytes a second"}


def asked(report: Report) -> str:
    """Objectives and margins."""
    if not report.thresholds:
        return section("asked", "Objectives", "The plan asks for nothing, so there is nothing to hold.", "")
    return section(
        "asked",
        "Objectives",
        "What was asked, what was seen, and how far apart they are.",
        tables.thresholds(report),
        flows=True,
    )


def load(report: Report) -> str:
    """Charts over time, and all stages."""
    lede = (
        "One clock for everything. Drag to look closer, double-click to see all again; arrow keys move along a chart in focus."
    )
    return (
        head("load", "Load over time", lede)
        + chart(
            "throughput",
            "Throughput",
            "a second; due is what the schedule asked for, good is what was done within the objective",
        )
        + chart("latency", "Latency", "from the intended start, of what was done in each second")
        + f'<div class="card flows"><div class="wide">{tables.stages(report)}</div>{_clean_note()}</div></section>'
    )


def _clean_note() -> str:
    told = "Clean: without what ended while the generator waited for a processor; its interval is a block bootstrap of 95 %."
    return f'<p class="note">{told} n/a: fewer values than that percentile needs.</p>'


def capacity(report: Report) -> str:
    """What the search came to; nothing where there was none."""
    found = report.capacity
    if found is None:
        return ""
    lede = (
        "Four things that one word is often used for: the highest level that met the objectives, the knee of the curve, the "
        "most that was ever done a second, and the level from which on work is left undone."
    )
    cards = "".join(figure(value, name, first_up(detail)) for name, value, detail in tables.capacity_figures(found))
    fit = _usl(report)
    return (
        head("capacity", "Capacity", lede)
        + f'<div class="three">{cards}</div><div class="two">'
        + chart("levels", "Done against due", "hollow: broke an objective")
        + chart("leveltimes", "Latency against load", "hollow: broke an objective")
        + f'</div>{fit}<div class="card flows"><div class="wide">{tables.levels(found)}</div></div></section>'
    )


def _usl(report: Report) -> str:
    assert report.capacity is not None
    fitted = report.capacity.usl
    if fitted.refused or fitted.scale is None or fitted.contention is None or fitted.coherency is None:
        why = escape(fitted.refused)
        return f'<div class="card"><h3>Universal scalability law</h3><p class="note">Not fitted: {why}.</p></div>'
    rows: list[tuple[str, str, str]] = [
        ("one alone (lambda)", rate(fitted.scale.value), f"{rate(fitted.scale.low)} to {rate(fitted.scale.high)}"),
        (
            "waits its turn (sigma)",
            f"{fitted.contention.value:.3g}",
            f"{fitted.contention.low:.3g} to {fitted.contention.high:.3g}",
        ),
        ("must agree (kappa)", f"{fitted.coherency.value:.3g}", f"{fitted.coherency.low:.3g} to {fitted.coherency.high:.3g}"),
        ("explained (R²)", f"{fitted.explained or 0:.3f}", f"median level {share(fitted.error)} off, {fitted.points} levels"),
    ]
    if fitted.peak_n is not None:
        rows.append(("peak", rate(fitted.peak), f"with {number(fitted.peak_n)} under way"))
    elif fitted.ceiling is not None:
        rows.append(("tends to", rate(fitted.ceiling), "no best number under way: it only levels off"))
    else:
        rows.append(("peak", "not claimed", f"it would lie far beyond the {number(fitted.reached)} under way that were seen"))
    drawn = table(("parameter", "value", "95 %"), rows, caption="The universal scalability law, fitted to all levels")
    return (
        f'<div class="two">{chart("usl", "Universal scalability law", "done a second against what was under way")}'
        f'<div class="card"><div class="wide">{drawn}</div></div></div>'
    )


def times(report: Report) -> str:
    """Distributions and operations."""
    lede = (
        "The whole distribution of a stage, and each operation. What lies between the two curves is the queue that a tool that "
        "waits for its answers does not see (coordinated omission)."
    )
    chart = (
        '<div class="card chart" id="curve"><header><h3><label for="which">Distribution in</label></h3>'
        '<select id="which" class="noprint"></select>'
        '<div class="legend"></div></header><div class="plot"></div></div>'
    )
    tables_ = f'<div class="card flows"><div class="wide">{tables.operations(report)}</div></div>'
    spans = tables.spans(report)
    more = f'<div class="card flows"><div class="wide">{spans}</div></div>' if spans else ""
    return head("times", "Latency", lede) + chart + tables_ + more + "</section>"


def beyond(report: Report) -> str:
    """Overloads and recoveries; nothing where there were none."""
    strained = [one for one in report.stages if one.behaviour is not None]
    if not strained and not report.recoveries:
        return ""
    lede = "What it does with more than it can take, and how long it takes until it is as it was before."
    return (
        head("beyond", "Overload and recovery", lede)
        + f'<div class="card flows"><div class="wide">{tables.strains(report)}</div></div>'
        + (f'<div class="card flows"><div class="wide">{tables.recoveries(report)}</div></div>' if report.recoveries else "")
        + "</section>"
    )


def faults(report: Report) -> str:
    """What failed, and what was counted beside."""
    if not report.faults and not any(one.dropped for one in report.stages):
        counted = tables.counts(report)
        return section("faults", "Failures", "None: everything that was due was started and ended well.", counted, flows=True)
    lede = (
        "By whose word they are: the server said no, nobody answered, it answered wrongly, or it was the generator's doing. "
        "What failed is in no latency percentile but in the censored ones, as long as it was waited for."
    )
    return (
        head("faults", "Failures", lede)
        + chart("faults", "Failures over time", "a second")
        + f'<div class="card flows"><div class="wide">{tables.faults(report)}</div></div>'
        + (f'<div class="card flows"><div class="wide">{counted}</div></div>' if (counted := tables.counts(report)) else "")
        + "</section>"
    )


def server(report: Report) -> str:
    """The target's side."""
    server = report.server
    if not server.seen:
        return section("server", "Server", f"{first_up(server.why)}.", "")
    sources = escape(", ".join(server.sources)) or "its record"
    lede = f"What was seen of the target's own machine, on the same clock. Sources: {sources}."
    charts = "".join(
        chart(f"server{place}", one.title, UNITS.get(one.unit, one.unit))
        for place, one in enumerate(server_charts(server.lines))
    )
    return (
        head("server", "Server", lede)
        + side_tables.server(report)
        + f'<div class="two">{charts}</div>'
        + (f'<div class="card flows"><div class="wide">{side_tables.marks(report)}</div></div>' if report.marks else "")
        + "</section>"
    )


def stability(report: Report) -> str:
    """Slopes; nothing where no stage was long enough."""
    if not report.trends:
        return ""
    lede = (
        "Does anything grow while the load stays? Slopes are Theil and Sen's, with 95 %, widened by how alike neighbours are."
    )
    return section("stability", "Stability", lede, side_tables.trends(report), flows=True)


def generator(report: Report) -> str:
    """How good the generator was."""
    found = report.generator
    word = (
        "good enough: what was measured tells of the target"
        if found.ok
        else "the limit: what was measured does not tell of the target"
    )
    lede = f"The generator was {word}. Starts are never early; how late they were, and whether it had a processor, is below."
    named = "<h3>Stages that it was not good enough for</h3>"
    reasons = f'<div class="card">{named}<ul class="plainly">{items(found.reasons)}</ul></div>' if found.reasons else ""
    return (
        head("generator", "Generator", lede)
        + reasons
        + f'<div class="three">{chart("cores", "Processor", "cores")}{chart("lag", "Lateness", "")}'
        + f"{chart('held', 'Held', '')}</div>"
        + f'<div class="card flows"><div class="wide">{side_tables.generator(report)}</div></div></section>'
    )


def spread(report: Report) -> str:
    """How sure it is."""
    lede = (
        "What is uncertain within this run comes from blocks of its time that were drawn anew; halves show drift; Little's law "
        "checks that throughput, time and what was under way, each measured apart, agree."
    )
    parts = []
    if report.repeats is not None:
        parts.append(f'<div class="card flows"><div class="wide">{side_tables.repeats(report.repeats)}</div></div>')
    parts.append(f'<div class="card flows"><div class="wide">{side_tables.sureness(report)}</div></div>')
    return head("spread", "Sureness", lede) + "".join(parts) + "</section>"


def workload(report: Report) -> str:
    """The load in words."""
    return section(
        "workload",
        "Workload",
        "The model of the load, in words.",
        f'<ul class="plainly">{items(report.workload)}</ul>',
        flows=True,
    )


def limits(report: Report) -> str:
    """What to know, and what was not tested."""
    caveats = f'<div class="card"><h3>What to know</h3><ul class="plainly">{items(report.caveats)}</ul></div>'
    untested = f'<div class="card"><h3>What was not tested</h3><ul class="plainly">{items(report.untested)}</ul></div>'
    return head("limits", "Limits", "Made from facts of this run.") + f'<div class="two">{caveats}{untested}</div></section>'


def again(report: Report) -> str:
    """What it takes to run it again."""
    run = report.run
    pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in sorted(run.environment.items()))
    own = (
        ("seed", str(run.seed)),
        ("plan's SHA-256", run.plan_hash),
        ("made with", f"Watchkeeper {run.version}, {run.workers} workers"),
        ("consent", run.consent),
        ("address", run.address or run.target),
        *((f"the server's {name}", digest) for name, digest in sorted(report.server.subject.items()) if digest),
    )
    facts = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in own)
    command = f"watchkeeper stress run plan.toml --seed {run.seed}" if run.seed else "watchkeeper stress run plan.toml"
    return (
        head(
            "again",
            "Environment and reproduction",
            "What it takes to run this again, and to see that nothing was changed since.",
        )
        + '<div class="card"><h3>Again</h3><p class="note">The plan below, kept as plan.toml, with the seed of this run:</p>'
        f'<div class="command"><code id="again-command">{escape(command)}</code>'
        '<button type="button" class="noprint" data-copy="again-command">Copy</button></div>'
        f'<p class="note">This run was started by <code>{escape(" ".join(run.command))}</code></p>'
        f"<details data-print><summary>plan.toml</summary><pre>{escape(report.plan)}</pre></details></div>"
        f'<div class="two"><div class="card"><h3>Run</h3><dl class="pairs">{facts}</dl></div>'
        f'<div class="card"><h3>Raw data</h3><div class="wide">{side_tables.files(report)}</div></div></div>'
        f'<div class="card"><h3>Machine that made the load</h3><dl class="pairs many">{pairs}</dl></div></section>'
    )
