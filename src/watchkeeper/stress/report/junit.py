"""The verdict as JUnit XML, so that any build server shows it: a case for each objective, and one for the generator."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

from watchkeeper.stress.report.document import Report
from watchkeeper.stress.report.wording import listed, of_unit

_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd]")
"""What XML 1.0 has no place for (2.2)."""


def junit(report: Report) -> str:
    """A missed objective is a failure; one that was not judged is skipped; an invalid run is an error."""
    run = report.run
    cases = []
    failures = skipped = 0
    for one in report.thresholds:
        inside = ""
        observed = of_unit(one.observed, one.unit)
        if one.held is False:
            failures += 1
            inside = f'<failure message={_quoted(f"{one.objective}: {observed} {one.why}".strip())} type="objective"/>'
        elif one.held is None:
            skipped += 1
            inside = f"<skipped message={_quoted(one.why or 'not judged')}/>"
        cases.append(_case(one.objective, report, inside, f"observed {observed}"))
    errors = 0
    inside = ""
    if report.verdict not in {"pass", "fail"}:
        errors = 1
        why = listed(list(run.reasons) or [run.why or report.verdict], 5)
        inside = f"<error message={_quoted(f'{report.verdict}: {why}')} type={_quoted(report.verdict)}/>"
    elif report.verdict == "fail" and not failures:
        failures = 1
        inside = f'<failure message={_quoted(listed(list(run.reasons), 5))} type="run"/>'
    cases.append(_case("the run came to its end, and the generator was good enough", report, inside, ""))
    took = f"{max(0.0, (run.ended_at - run.started_at) / 1000):.3f}"
    totals = f'tests="{len(cases)}" failures="{failures}" errors="{errors}" skipped="{skipped}" time="{took}"'
    properties = "".join(
        f"<property name={_quoted(name)} value={_quoted(value)}/>"
        for name, value in (("run", run.id), ("target", run.target), ("seed", str(run.seed)), ("plan_hash", run.plan_hash))
    )
    name = _quoted(f"watchkeeper stress {run.plan}")
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name={name} {totals}>\n<testsuite name={name} {totals} '
        f"hostname={_quoted(run.environment.get('machine', ''))}>\n<properties>{properties}</properties>\n"
        + "\n".join(cases)
        + f"\n<system-out>{escape(_plain(report.headline))}</system-out>\n</testsuite>\n</testsuites>\n"
    )


def _case(name: str, report: Report, inside: str, out: str) -> str:
    told = f"<system-out>{escape(_plain(out))}</system-out>" if out else ""
    return f"<testcase name={_quoted(name)} classname={_quoted(f'stress.{report.run.plan}')}>{inside}{told}</testcase>"


def _quoted(text: str) -> str:
    return quoteattr(_plain(text))


def _plain(text: str) -> str:
    return _FORBIDDEN.sub("?", text)
