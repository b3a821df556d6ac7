"""What a hub answers to questions, for the tests of the verb that asks."""

from __future__ import annotations

from typing import Any

START = 1_760_000_000


def vector() -> dict[str, Any]:
    """Two series at an instant."""
    made = [("load", "a", "0.123456789"), ("load", "b", "8589934592")]
    return {
        "resultType": "vector",
        "result": [{"metric": {"__name__": name, "machine": machine}, "value": [START, one]} for name, machine, one in made],
    }


def matrix(count: int = 2, points: int = 61) -> dict[str, Any]:
    """Series that rise, each from another height, and say NaN once."""
    return {
        "resultType": "matrix",
        "result": [
            {
                "metric": {"machine": chr(ord("a") + number)},
                "values": [[START + 60 * at, "NaN" if at == 30 else str(number * 100 + at)] for at in range(points)],
            }
            for number in range(count)
        ],
    }


def success(data: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Status and envelope."""
    return 200, {"status": "success", "data": data}


def error(status: int, kind: str, why: str) -> tuple[int, dict[str, Any]]:
    """The same of a refusal."""
    return status, {"status": "error", "errorType": kind, "error": why}
