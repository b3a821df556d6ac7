"""The report as one HTML page that needs nothing else: no network, no other file; readable without a script, on paper, by ear.

All text and all tables are in the page as it is written; only charts are drawn by its script, from the same numbers, which are
embedded. Whatever came from outside is escaped here.
"""

from __future__ import annotations

from html import escape
from importlib import resources

import msgspec

from watchkeeper.stress.report import sections
from watchkeeper.stress.report.cells import moment
from watchkeeper.stress.report.charts import server_charts
from watchkeeper.stress.report.document import Answer, Report
from watchkeeper.stress.report.pieces import first_up
from watchkeeper.stress.report.wording import number, seconds

SECTIONS = (
    ("asked", "Objectives"),
    ("load", "Load over time"),
    ("capacity", "Capacity"),
    ("times", "Latency"),
    ("beyond", "Overload and recovery"),
    ("faults", "Failures"),
    ("server", "Server"),
    ("stability", "Stability"),
    ("generator", "Generator"),
    ("spread", "Sureness"),
    ("workload", "Workload"),
    ("limits", "Limits"),
    ("again", "Environment"),
)
LONG_ANSWER = 16
"""Letters from which an answer is set smaller."""


def page(report: Report) -> str:
    """The whole of it."""
    tone = {"pass": "good", "fail": "bad"}.get(report.verdict, "doubt")
    body = "".join(
        (
            _hero(report, tone),
            sections.asked(report),
            sections.load(report),
            sections.capacity(report),
            sections.times(report),
            sections.beyond(report),
            sections.faults(report),
            sections.server(report),
            sections.stability(report),
            sections.generator(report),
            sections.spread(report),
            sections.workload(report),
            sections.limits(report),
            sections.again(report),
        )
    )
    have = [(name, title) for name, title in SECTIONS if f'id="{name}"' in body]
    links = "".join(f'<a href="#{name}">{title}</a>' for name, title in have)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{report.verdict.upper()} · {escape(report.run.plan)} · {escape(_target(report))}</title>"
        f'<meta name="generator" content="{escape(report.made_by)}"><link rel="icon" href="data:,">'
        f"<style>{_asset('report.css')}</style></head>\n<body>"
        '<a class="skip" href="#asked">to the report</a>'
        f'<header class="bar"><div><b>Stress report</b><nav aria-label="sections">{links}</nav>'
        '<button type="button" class="unzoom" hidden>Show all of the time</button>'
        '<button type="button" id="theme">Dark</button></div></header>'
        f"<main>{body}"
        f"<footer>{escape(report.made_by)} · run {escape(report.run.id)} · all figures are in report.json, in base units; "
        "percentiles come from merged histograms and are never averaged.</footer></main>\n"
        f'<script type="application/json" id="data">{_data(report)}</script>'
        f"<script>{_asset('report.js')}</script></body></html>\n"
    )


def _asset(name: str) -> str:
    return (resources.files("watchkeeper.stress.report") / "assets" / name).read_text(encoding="utf-8")


def _data(report: Report) -> str:
    """What charts are drawn from. ``<`` is escaped, so that no text can end the element."""
    drawn = {
        "step": report.step,
        "bound": report.bound,
        "moments": report.moments,
        "generator_moments": report.generator_moments,
        "marks": report.marks,
        "stages": [
            {
                "index": one.index,
                "phase": one.phase,
                "kind": one.kind,
                "name": one.name,
                "began": one.began,
                "seconds": one.seconds,
                "judged": one.judged,
                "failed": one.failed,
                "dropped": one.dropped,
                "latency": {"n": one.latency.n},
                "curve": one.curve,
            }
            for one in report.stages
        ],
        "capacity": report.capacity,
        "server_charts": server_charts(report.server.lines),
    }
    return msgspec.json.encode(drawn).decode().replace("<", "\\u003c")


def _target(report: Report) -> str:
    return report.run.server or report.run.target


def _hero(report: Report, tone: str) -> str:
    run = report.run
    took = (run.ended_at - run.started_at) / 1000 if run.ended_at else sum(one.seconds for one in report.stages)
    done = sum(one.done for one in report.stages)
    facts = (
        ("target", f"{run.server + ' at ' if run.server else ''}{run.address or run.target} ({run.protocol})"),
        ("plan", run.plan),
        ("began", moment(run.started_at)),
        ("took", seconds(took)),
        ("operations done", number(done)),
        ("run", run.id),
    )
    listed = "".join(f"<li>{name} <b>{escape(value)}</b></li>" for name, value in facts)
    answers = "".join(map(_answer, report.answers))
    return (
        f'<section class="hero {tone}" aria-label="verdict"><div class="verdict" role="status">{report.verdict.upper()}</div>'
        f'<div><h1>{escape(report.headline)}</h1><ul class="facts">{listed}</ul></div></section>'
        f'<ul class="answers" aria-label="the six questions">{answers}</ul>'
    )


def _answer(one: Answer) -> str:
    long = ' class="long"' if len(one.answer) > LONG_ANSWER else ""
    return (
        f'<li class="{one.tone}"><h3>{escape(one.question)}</h3><strong{long}>{escape(one.answer)}</strong>'
        f"<p>{escape(first_up(one.detail))}</p></li>"
    )
