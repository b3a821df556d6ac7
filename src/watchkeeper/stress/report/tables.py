"""The tables of the load, each from its part of the report."""

from __future__ import annotations

from html import escape

from watchkeeper.stress.report.cells import Raw, pill, quantile, table, with_range
from watchkeeper.stress.report.document import CapacityReport, Report
from watchkeeper.stress.report.wording import NONE, level, number, of_unit, rate, seconds, share, signed, size

SHOWN = ("p50", "p90", "p95", "p99", "p99.9", "p99.99", "max")
BLAMES = {
    "said-no": "the server said no",
    "nobody": "nobody answered",
    "wrong": "answered wrongly",
    "ours": "the generator's own",
}


def thresholds(report: Report) -> str:
    """Objectives, observed values and margins."""
    rows = []
    for one in report.thresholds:
        word, tone = {True: ("held", "good"), False: ("missed", "bad"), None: ("not judged", "doubt")}[one.held]
        margin: str = NONE
        if one.margin is not None:
            part = max(0.0, min(1.0, one.margin if one.margin >= 0 else -one.margin))
            tone_ = " bad" if one.margin < 0 else ""
            bar = f'<span class="margin{tone_}" aria-hidden="true"><i style="width:{part:.0%}"></i></span>'
            margin = Raw(f"{bar}{escape(signed(one.margin))}")
        rows.append((one.objective, pill(word, tone), of_unit(one.observed, one.unit), margin, one.why or ""))
    return table(("objective", "", "observed", "margin", "where"), rows, text=(4,))


def stages(report: Report) -> str:
    """All stages, a row each."""
    heads = (
        "stage",
        "due/s",
        "done/s",
        "good/s",
        "p50",
        "p95",
        "p99",
        "p99.9",
        "max",
        "clean p95 (95 %)",
        "failed",
        "dropped",
        "decision",
    )
    rows, classes = [], []
    for one in report.stages:
        times = [quantile(one.latency, name) for name in ("p50", "p95", "p99", "p99.9", "max")]
        clean = with_range(seconds(one.clean.quantiles.get("p95")), one.p95)
        rows.append(
            (
                one.name,
                rate(one.offered)[:-2] if one.model == "open" else f"{one.users} users",
                number(one.achieved),
                number(one.good),
                *times,
                clean,
                number(one.failed) if one.failed else "",
                number(one.dropped) if one.dropped else "",
                one.decision or ("not ended" if not one.seconds else ""),
            )
        )
        classes.append("off" if one.excluded else "")
    return table(heads, rows, caption="Stages. Latency from the intended start, of what was done.", text=(12,), classes=classes)


def capacity_figures(found: CapacityReport) -> list[tuple[str, str, str]]:
    """Name, value and detail of what the search came to."""
    sure = found.sureness
    detail = f"{number(found.achieved)}/s done there" if found.achieved else found.why
    if sure is not None and sure.surely_not:
        between = f"{level(sure.surely, found.model)} and {level(sure.surely_not, found.model)}"
        detail += f"; between {between} in {sure.tries} tries of {sure.levels} levels"
    elif found.why:
        detail = found.why
    knee, how = (found.bend, "where p95 leaves its line") if found.bend else (found.power, "most throughput per time")
    breaking, ceiling = found.breaking, found.ceiling
    return [
        ("sustained", level(found.sustained, found.model) if found.sustained else "nothing", detail),
        ("knee of the curve", level(knee, found.model) if knee else "not seen", how if knee else "too few levels, or no bend"),
        (
            "breaking point",
            rate(breaking.level) if breaking else "not reached",
            f"{breaking.why}; {rate(breaking.below)} was the most that kept up"
            if breaking
            else ("nothing was left undone at any level" if found.model == "open" else "of rates alone"),
        ),
        (
            "ceiling",
            rate(ceiling.value) if ceiling else "not reached",
            f"done a second where more was due: {rate(ceiling.low)} to {rate(ceiling.high)}"
            if ceiling
            else "no level fell behind",
        ),
        (
            "first level that broke",
            level(found.broken, found.model) if found.broken else "none",
            found.why or "an objective was missed there",
        ),
        ("levels", str(len(found.levels)), f"{sum(one.tries for one in found.levels)} tries in all"),
    ]


def levels(found: CapacityReport) -> str:
    """The search, a row for each level."""
    rows = [
        (
            level(one.level, found.model),
            pill(one.word, {"held": "good", "broken": "bad"}.get(one.word, "doubt")),
            rate(one.achieved),
            seconds(one.p50),
            seconds(one.p95),
            seconds(one.p99),
            number(one.under_way),
            share(one.failed),
            str(one.tries),
        )
        for one in found.levels
    ]
    heads = ("level", "", "done", "p50", "p95", "p99", "under way", "failed", "tries")
    return table(heads, rows, caption="Levels of the search (medians of their tries)")


def operations(report: Report) -> str:
    """Each operation of each stage: percentiles from the intended and, below, from the actual start."""
    rows, classes = [], []
    for stage in report.stages:
        for one in stage.operations:
            if not one.name or not one.started:
                continue
            for kind, times in (("intended", one.latency), ("actual", one.service)):
                rows.append(
                    (
                        f"{stage.name} · {one.name}" if kind == "intended" else "",
                        kind,
                        f"{times.n:,}",
                        seconds(times.mean),
                        *(quantile(times, name) for name in SHOWN),
                        number(one.failed + one.dropped) if kind == "intended" and one.failed + one.dropped else "",
                        size((one.sent_bytes + one.received_bytes) / stage.seconds) + "/s"
                        if kind == "intended" and stage.seconds
                        else "",
                    )
                )
                classes.append("off" if stage.excluded else "")
    heads = ("stage · operation", "start", "n", "mean", *SHOWN, "failed", "traffic")
    return table(heads, rows, caption="Operations", text=(1,), classes=classes)


def spans(report: Report) -> str:
    """Parts of operations, over the judged stages and searches; empty where no protocol told any."""
    rows = []
    for stage in report.stages:
        for one in stage.operations:
            for name, times in one.spans.items():
                if times.n:
                    told = (f"{times.n:,}", seconds(times.mean), *(quantile(times, shown) for shown in SHOWN))
                    rows.append((f"{stage.name} · {one.name or 'connections'}", name, *told))
    if not rows:
        return ""
    return table(
        ("stage · operation", "part", "n", "mean", *SHOWN),
        rows,
        caption="Parts: steps, connecting, one-way times, skew",
        text=(1,),
    )


def strains(report: Report) -> str:
    """Overloads and what it did."""
    tones = {"absorbs": "good", "sheds": "good", "queues": "plain", "unknown": "doubt"}
    rows = [
        (
            one.name,
            pill(one.behaviour.word, tones.get(one.behaviour.word, "bad")),
            rate(one.offered),
            rate(one.achieved),
            quantile(one.latency, "p95"),
            seconds(one.censored.quantiles.get("p95")),
            share((one.failed + one.dropped) / one.scheduled) if one.scheduled else NONE,
            one.behaviour.text,
        )
        for one in report.stages
        if one.behaviour is not None
    ]
    heads = ("stage", "it", "due", "done", "p95 of done", "p95 with failed, at least", "undone", "in words")
    return table(heads, rows, caption="Beyond what it can take", text=(7,))


def recoveries(report: Report) -> str:
    """How it came back."""
    rows = [
        (
            one.after,
            pill("metastable", "bad")
            if one.metastable
            else pill("not in time", "bad")
            if one.seconds is None
            else pill("as before", "good"),
            NONE if one.seconds is None else seconds(one.seconds),
            seconds(one.baseline_p95),
            seconds(one.limit),
            one.text,
        )
        for one in report.recoveries
    ]
    return table(
        ("after", "", "seconds until as before", "baseline p95", "watched for", "in words"),
        rows,
        caption="Recoveries",
        text=(5,),
    )


def faults(report: Report) -> str:
    """Error codes."""
    rows = [
        (
            one.code,
            BLAMES[one.blame],
            number(one.count),
            share(one.share),
            seconds(one.first),
            seconds(one.last),
            ", ".join(f"{name} {many}" for name, many in list(one.stages.items())[:4]),
            one.sample,
        )
        for one in report.faults
    ]
    dropped = sum(one.dropped for one in report.stages)
    if dropped:
        due = sum(one.scheduled for one in report.stages) or 1
        own = [one for one in report.stages if one.dropped]
        where = ", ".join(f"{one.name} {one.dropped}" for one in own[:4])
        why = "no connection became free before the time-out"
        rows.append(("dropped", "never started", number(dropped), share(dropped / due), seconds(own[0].began), "", where, why))
    heads = ("code", "whose word", "count", "of all due", "first at", "last at", "in", "sample")
    return table(heads, rows, text=(1, 6, 7))


def counts(report: Report) -> str:
    """What the protocol counted beside: loss, duplicates, order."""
    total: dict[str, int] = {}
    for stage in report.stages:
        for name, many in stage.counts.items():
            total[name] = total.get(name, 0) + many
    shown = {name: many for name, many in total.items() if name != "connected"}
    if not shown:
        return ""
    rows = [
        (
            name,
            f"{many:,}",
            ", ".join(f"{one.name} {one.counts[name]:,}" for one in report.stages if one.counts.get(name))[:300],
        )
        for name, many in sorted(shown.items())
    ]
    return table(("counted", "in all", "in"), rows, caption="What the protocol counted beside", text=(2,))
