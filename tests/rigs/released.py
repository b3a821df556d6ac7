"""Questions about data that a released version has left, and what of their answers may never change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

RELEASED = Path(__file__).parents[1] / "released"

QUESTIONS = {
    "/api/machines": "machine name system release architecture",
    "/api/events?limit=200&until={end}000": "id at kind severity machine server text",
    "/api/incidents": "id key title opened_at acknowledged_by acknowledged_at severity alerts",
    "/api/silences": "id matchers label op value starts_at ends_at author comment",
    "/api/people": "name role created_at",
    "/api/tokens": "name kind",
    "/api/audit?limit=200&until={end}000": "at by what about",
    "/api/v1/label/__name__/values?start={start}&end={end}": "*",
    "/api/v1/query_range?query=node_memory_MemTotal_bytes&start={start}&end={end}&step=1": "*",
    "/api/v1/query_range?query=watchkeeper_server_up&start={start}&end={end}&step=1": "*",
}
"""Path to the fields that stay as they were whatever the time is; ``*``: all of them. Times are whole seconds."""


def asked(path: str, start: int, end: int) -> str:
    """The question about a frozen span."""
    return path.format(start=start, end=end)


def lasting(answer: object, fields: str) -> list[str]:
    """One line for each row of an answer, with its lasting fields alone, sorted."""
    rows = answer if isinstance(answer, list) else next((v for v in _values(answer) if isinstance(v, list)), [answer])
    return sorted(repr(_bare(row, fields.split())) for row in rows)


def _values(answer: object) -> list[Any]:
    found = list(answer.values()) if isinstance(answer, dict) else []
    return [inner for value in found for inner in (value.values() if isinstance(value, dict) else [value])]


def _bare(row: object, fields: list[str]) -> object:
    if isinstance(row, dict):
        return {key: _bare(row[key], fields) for key in sorted(row) if fields == ["*"] or key in fields}
    return [_bare(one, fields) for one in row] if isinstance(row, list) else row
