"""Rules, figures and alerts for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from watchkeeper.alert.rules import Rule, make
from watchkeeper.alert.settings import RuleSettings
from watchkeeper.quantities import Duration
from watchkeeper.telling import Alert, AlertState


@pytest.fixture
def make_rule() -> Callable[..., Rule]:
    """A rule of an expression; durations as they are written."""

    def made(expr: str, alert: str = "Test", hold: str = "0s", keep: str = "0s", **more: Any) -> Rule:
        settings = RuleSettings(alert=alert, expr=expr, for_=Duration.parse(hold), keep_firing_for=Duration.parse(keep), **more)
        return make(settings, interval=15, where="test.toml:1", file="test.toml", group="test")

    return made


@pytest.fixture
def make_alert() -> Callable[..., Alert]:
    """An alert that fires, with these labels."""
    count = 0

    def made(name: str, severity: str = "critical", at: int = 1000, state: str = "firing", **labels: str) -> Alert:
        nonlocal count
        count += 1
        whole = {"alertname": name, "severity": severity} | labels
        return Alert(
            f"{count:04}",
            f"{name}/{severity}",
            whole,
            {},
            AlertState(state),
            severity,  # type: ignore[arg-type]  # one of three
            1.0,
            at,
            fired_at=at,
            changed_at=at,
            resolved_at=at if state == "resolved" else 0,
        )

    return made
