"""The routing tree: which routes an alert takes, and what each of them says about telling. Pure; Alertmanager's semantics.

The first branch that fits takes an alert; after one with `continue` the next are tried too; when none fits, the root does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import msgspec

from watchkeeper.alert.matchers import matches, parse_matcher
from watchkeeper.alert.settings import BranchSettings, RouteSettings
from watchkeeper.model import Matcher, Severity
from watchkeeper.telling import Alert

INCIDENT = "incident"
"""The pseudo label that groups by incident."""
ALL = "..."
"""Alertmanager's way to say: by all labels."""


class Route(msgspec.Struct, frozen=True):
    """One way to be told. `name` is its place (``root``, ``0``, ``1``); times are ms. `channels` empty: all there are."""

    name: str
    matchers: tuple[Matcher, ...]
    channels: tuple[str, ...]
    least: Severity
    group_by: tuple[str, ...]
    group_wait: int
    group_interval: int
    repeat_interval: int
    resolved: bool
    escalate_after: int
    escalate: tuple[str, ...]
    mute: tuple[str, ...]
    goes_on: bool = False

    def takes(self, alert: Alert) -> bool:
        """Whether an alert that has come here is told: one less grave than `least` is only shown."""
        severities = get_args(Severity)
        return severities.index(alert.severity) >= severities.index(self.least)

    def group(self, labels: Mapping[str, str], incident: str) -> dict[str, str]:
        """The labels by which an alert shares a message here."""
        if ALL in self.group_by:
            return dict(labels)
        found = {label: labels.get(label, "") for label in self.group_by if label != INCIDENT}
        if INCIDENT in self.group_by:
            found[INCIDENT] = incident
        return found


class Routing:
    """The whole tree."""

    def __init__(self, settings: RouteSettings) -> None:
        """Put what was written in order; what a branch does not say is as at the root."""
        self.root = _route("root", settings, settings)
        self.branches = tuple(_route(str(number), one, settings) for number, one in enumerate(settings.routes))

    def __eq__(self, other: object) -> bool:
        """Whether all alerts take the same ways."""
        return isinstance(other, Routing) and (self.root, self.branches) == (other.root, other.branches)

    def __hash__(self) -> int:
        """Of what is equal when trees are."""
        return hash(tuple(one.name for one in self.branches))

    def routes(self, alert: Alert) -> tuple[Route, ...]:
        """The routes that an alert takes."""
        found = []
        for branch in self.branches:
            if matches(branch.matchers, alert.labels):
                found.append(branch)
                if not branch.goes_on:
                    break
        return tuple(found) or (self.root,)

    def route(self, name: str) -> Route | None:
        """One by its name."""
        return next((one for one in (self.root, *self.branches) if one.name == name), None)

    def channels(self) -> frozenset[str]:
        """Every channel that is named."""
        return frozenset(channel for one in (self.root, *self.branches) for channel in (*one.channels, *one.escalate))

    def windows(self) -> frozenset[str]:
        """Every maintenance window that a route is mute in."""
        return frozenset(name for one in (self.root, *self.branches) for name in one.mute)


def missing(names: Sequence[str] | frozenset[str], known: Sequence[str]) -> str:
    """The first of `names` that is not among `known`; empty: none."""
    return next((name for name in sorted(names) if name not in known), "")


def _route(name: str, written: RouteSettings | BranchSettings, root: RouteSettings) -> Route:
    """What a branch leaves out is the root's."""

    def said(key: str) -> Any:
        value = getattr(written, key)
        return getattr(root, key) if value is None else value

    return Route(
        name=name,
        matchers=tuple(map(parse_matcher, getattr(written, "matchers", ()))),
        goes_on=getattr(written, "continue_", False),
        **{key: said(key) for key in ("channels", "least", "group_by", "resolved", "escalate", "mute")},
        **{key: round(said(key) * 1000) for key in ("group_wait", "group_interval", "repeat_interval", "escalate_after")},
    )
