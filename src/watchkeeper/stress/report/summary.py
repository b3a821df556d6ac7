"""The report in Markdown: what fits a pull request or a chat, with the same figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from watchkeeper.stress.report.cells import moment
from watchkeeper.stress.report.document import Report
from watchkeeper.stress.report.tables import capacity_figures
from watchkeeper.stress.report.wording import number, of_unit, rate, seconds, share, signed

MARKS = {"pass": "✅", "fail": "❌", "invalid": "⚠️"}
WORDS = {True: "held", False: "**missed**", None: "not judged"}
QUANTILES = ("p50", "p95", "p99", "p99.9", "max")


def summary(report: Report) -> str:
    """Markdown, with tables as GitHub has them."""
    run = report.run
    target = _safe(run.server or run.target)
    parts = [
        f"# {MARKS.get(report.verdict, '⚠️')} {report.verdict.upper()}: {_safe(report.headline)}",
        f"Plan {run.plan} against {target} ({run.protocol}), {moment(run.started_at)}, run `{run.id}`.",
        _table(("question", "answer", ""), ((one.question, f"**{_safe(one.answer)}**", one.detail) for one in report.answers)),
        "## Objectives",
        _table(
            ("objective", "", "observed", "margin", "where"),
            (
                (one.objective, WORDS[one.held], of_unit(one.observed, one.unit), signed(one.margin), one.why)
                for one in report.thresholds
            ),
        ),
    ]
    if report.capacity is not None:
        parts += [
            "## Capacity",
            _table(("", "", ""), ((name, f"**{value}**", detail) for name, value, detail in capacity_figures(report.capacity))),
        ]
    parts += ["## Stages", _stages(report)]
    if report.recoveries:
        parts.append("\n".join(f"- {_safe(one.text)}" for one in report.recoveries))
    if report.faults:
        rows = (
            (one.code, one.blame, number(one.count), share(one.share), seconds(one.first), one.sample) for one in report.faults
        )
        parts += ["## Failures", _table(("code", "whose word", "count", "of all due", "first at", "sample"), rows)]
    if report.trends:
        rows_ = (
            (one.series, one.stage, one.slope.word, of_unit(one.slope.level, one.unit), of_unit(one.slope.growth, one.unit))
            for one in report.trends
        )
        parts += ["## Stability", _table(("series", "in", "it", "level", "growth while watched"), rows_)]
    if report.repeats is not None:
        heads = ("figure", *(f"run {place + 1}" for place in range(len(report.repeats.runs))), "median", "spread")
        spread = (
            (
                one.what,
                *(of_unit(value, one.unit) for value in one.values),
                of_unit(one.median, one.unit),
                share((one.high - one.low) / one.median) if one.median else "",
            )
            for one in report.repeats.figures
        )
        parts += [f"## The same plan {len(report.repeats.runs)} times", _table(heads, spread)]
    parts += [
        "## What to know",
        _list(report.caveats),
        "## What was not tested",
        _list(report.untested),
        "## Again",
        _again(report),
    ]
    return "\n\n".join(one for one in parts if one) + "\n"


def _stages(report: Report) -> str:
    rows = (
        (
            f"{one.name}{' (not counted)' if one.excluded else ''}",
            rate(one.offered) if one.model == "open" else f"{one.users} users",
            rate(one.achieved),
            *(seconds(one.latency.quantiles[name]) if name in one.latency.quantiles else "n/a" for name in QUANTILES),
            number(one.failed + one.dropped) if one.failed + one.dropped else "",
            one.decision,
        )
        for one in report.stages
    )
    return _table(("stage", "due", "done", *QUANTILES, "failed", "decision"), rows)


def _again(report: Report) -> str:
    run = report.run
    machine = ", ".join(
        f"{name} {run.environment[name]}" for name in ("processor", "cores", "system", "python") if name in run.environment
    )
    lines = [f"Watchkeeper {run.version}, seed {run.seed}, plan SHA-256 `{run.plan_hash}`.", f"Load from: {_safe(machine)}."]
    lines += [f"`{_safe(' '.join(run.command))}`"] if run.command else []
    return "\n\n".join(lines)


def _list(words: Iterable[str]) -> str:
    return "\n".join(f"- {_safe(one)}" for one in words)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    lines += [f"| {' | '.join(_cell(one) for one in row)} |" for row in rows]
    return "\n".join(lines) if len(lines) > 2 else ""


def _cell(text: str) -> str:
    return _safe(text).replace("|", "\\|").replace("\n", " ")


def _safe(text: str) -> str:
    """Whatever came from outside makes no HTML."""
    return text.replace("<", "&lt;") if "<" in text and ">" in text else text
