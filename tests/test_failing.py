"""Whether a server fails: by what is known of it, and what was."""

from __future__ import annotations

import math
from typing import Any

import pytest

from watchkeeper.failing import FAMILIES, figures, has_ended, is_failing, is_wanted
from watchkeeper.model import ServerState, ServerStatus


def status(state: str = "running", health: str = "up", **more: Any) -> ServerStatus:
    """A server's."""
    return ServerStatus("web", "process", ServerState(state), health, 1000, **more)  # type: ignore[arg-type]  # one of them


@pytest.mark.parametrize(
    ("state", "last_exit", "wanted"),
    [
        ("running", "", True),
        ("starting", "", True),
        ("waiting", "", True),
        ("backoff", "exit status 1", True),
        ("stopped", "", False),
        ("stopping", "", False),
        ("exited", "exit status 0", False),
        ("exited", "killed by signal 9", True),
    ],
)
def test_who_was_stopped_need_not_run(state: str, last_exit: str, *, wanted: bool) -> None:
    """One that has ended as it may, neither."""
    assert is_wanted(status(state, "down", last_exit=last_exit)) is wanted


@pytest.mark.parametrize(
    ("before", "was", "now", "failing"),
    [
        (None, False, status(), False),
        (None, False, status("starting", "unknown"), False),
        (None, False, status("backoff", "down"), True),
        (status(), False, status("running", "down"), True),
        (status(), True, status("starting", "unknown"), True),
        (status(), False, status("starting", "unknown"), False),
        (status(), False, status("starting", "unknown", restarts=1), True),
        (status("backoff", "down"), True, status(), False),
        (status(), True, status("stopped", "down"), False),
        (status(), False, status("stopping", "down"), False),
    ],
)
def test_it_fails_from_its_first_fault_until_it_is_up(
    before: ServerStatus | None, now: ServerStatus, *, was: bool, failing: bool
) -> None:
    """A fault at whose end nothing is known yet is none; one that came before it lasts."""
    assert is_failing(before, was, now) is failing


def test_an_end_between_two_words_is_seen() -> None:
    """However quickly it was started again."""
    assert has_ended(status(), status(restarts=1))
    assert not has_ended(status(restarts=1), status(restarts=1))
    assert not has_ended(None, status(restarts=7))


def test_figures_are_as_the_families_say() -> None:
    """One each, in order; what is not known has no value."""
    names = [family.name.removeprefix("watchkeeper_server_") for family in FAMILIES]
    told = dict(zip(names, figures(status("backoff", "down", restarts=2, next_attempt_at=9000), failing=True), strict=True))
    expected = {"up": 0, "wanted": 1, "failing": 1, "restarts_total": 2, "backoff_seconds": 8, "hung": 0, "needs_person": 0}
    assert told == expected
    told = dict(zip(names, figures(status(health="unknown", liveness="hung", asks="start it"), failing=False), strict=True))
    assert math.isnan(told["up"])
    assert (told["hung"], told["needs_person"], told["backoff_seconds"]) == (1, 1, 0)
