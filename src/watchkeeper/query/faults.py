"""The ways in which a question can fail, with the codes that Prometheus' API gives them.

``bad_data``: the question is none. ``execution``: it is one, but its figures do not allow an answer.
``timeout``: it took longer than it may. ``too-much``: it would touch more than it may.
"""

from __future__ import annotations

from watchkeeper.errors import Refused


def bad_data(why: str, at: str = "") -> Refused:
    """The text of the question is wrong, `at` a line and column of it (``1:8``) if that is known."""
    return Refused(f"{at}: parse error: {why}" if at else f"parse error: {why}", code="bad_data")


def execution(why: str) -> Refused:
    """The figures that were found cannot be put together as asked."""
    return Refused(why, code="execution")


def too_much(what: str, most: int | str) -> Refused:
    """More than the limits allow; `what` says how much it would be."""
    allowed = most if isinstance(most, str) else f"{most:,}"
    return Refused(
        f"this would touch {what}, and {allowed} are allowed; ask for fewer series or a shorter time", code="too-much"
    )


def timeout(seconds: float) -> Refused:
    """The time budget is spent."""
    return Refused(f"query timed out: it may take {seconds:g} s", code="timeout")
