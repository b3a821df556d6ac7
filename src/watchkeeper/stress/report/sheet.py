"""The series as CSV: an instant a row, with the stage it belongs to; and what the server's side said, a reading a row.

RFC 4180, in base units; an empty cell is a figure that was not seen.
"""

from __future__ import annotations

import csv
import io

from watchkeeper.stress.report.document import Report
from watchkeeper.stress.report.trends import titled

_RISKY = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings that spreadsheets take for formulas."""


def series(report: Report) -> str:
    """Load and generator by instant."""
    load, generator = report.moments, report.generator_moments
    load_names = [name for name in load if name != "at"]
    own_names = [name for name in generator if name != "at"]
    places = {at: place for place, at in enumerate(generator.get("at", []))}
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["at", "stage", "kind", *load_names, *(f"generator_{name}" for name in own_names)])
    for place, at in enumerate(load.get("at", [])):
        stage = next((one for one in reversed(report.stages) if at is not None and one.began <= at + report.step / 2), None)
        row = [load[name][place] for name in load_names]
        own_place = places.get(at)
        row += [generator[name][own_place] if own_place is not None else None for name in own_names]
        writer.writerow([at, _text(stage.name) if stage else "", stage.kind if stage else "", *row])
    return out.getvalue()


def server(report: Report) -> str:
    """What the target's side said."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["at", "series", "unit", "value"])
    for line in report.server.lines:
        name = _text(titled(line))
        for at, value in zip(line.at, line.values, strict=True):
            writer.writerow([at, name, line.unit, value])
    return out.getvalue()


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(_RISKY) else text
