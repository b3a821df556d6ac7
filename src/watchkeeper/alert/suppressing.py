"""Why nobody is told of an alert at present: inhibited by a graver one, silenced, in maintenance, or its server paused. Pure.

Alertmanager's semantics: an inhibiting alert fires, and labels that are equal may both be absent; one that is itself both
source and target does not inhibit itself or its like. A silence holds while all its matchers do, between its two instants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from watchkeeper.alert.matchers import matches, parse_matcher, written
from watchkeeper.alert.settings import InhibitSettings, MaintenanceSettings
from watchkeeper.alert.windows import Window, window
from watchkeeper.model import Matcher
from watchkeeper.telling import Alert, AlertState, Silence


class Inhibition(NamedTuple):
    """One rule of inhibition."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]


class Maintenance(NamedTuple):
    """A window and for what it holds; without matchers, for nothing by itself."""

    window: Window
    matchers: tuple[Matcher, ...]


class Suppression:
    """All reasons together; silences come and go, the rest is configuration."""

    def __init__(self, inhibitions: Sequence[Inhibition], maintenance: Sequence[Maintenance]) -> None:
        """No silences yet."""
        self._inhibitions = tuple(inhibitions)
        self._maintenance = tuple(maintenance)
        self.silences: Mapping[str, Silence] = {}
        self.paused: Mapping[tuple[str, str], str] = {}
        """Servers (machine, name) that people want left alone at present, and why."""

    def reasons(self, alerts: Iterable[Alert], now: int) -> dict[str, str]:
        """By id, why nobody is told of each alert; empty: somebody is.

        Alerts that have ended are judged too: their end is told.
        """
        found = list(alerts)
        sources = [
            [alert for alert in found if alert.state is AlertState.FIRING and matches(one.source, alert.labels)]
            for one in self._inhibitions
        ]
        open_windows = [one for one in self._maintenance if one.matchers and one.window.is_open(now)]
        silences = [one for one in self.silences.values() if one.starts_at <= now < one.ends_at]
        return {
            alert.id: self._inhibited(alert, sources)
            or _silenced(alert, silences)
            or _maintained(alert, open_windows)
            or self.paused.get((alert.labels.get("machine", ""), alert.labels.get("server", "")), "")
            for alert in found
        }

    def _inhibited(self, alert: Alert, sources: Sequence[Sequence[Alert]]) -> str:
        for one, firing in zip(self._inhibitions, sources, strict=True):
            if not firing or not matches(one.target, alert.labels):
                continue
            is_source_too = matches(one.source, alert.labels)
            for source in firing:
                if source.id == alert.id or (is_source_too and matches(one.target, source.labels)):
                    continue
                if all(source.labels.get(label, "") == alert.labels.get(label, "") for label in one.equal):
                    return f"inhibited by {source.name}"
        return ""

    def is_muted(self, names: Sequence[str], now: int) -> str:
        """The name of a window among `names` that is open, for routes that are mute then; empty: none is."""
        return next((one.window.name for one in self._maintenance if one.window.name in names and one.window.is_open(now)), "")


def inhibitions(settings: Sequence[InhibitSettings]) -> list[Inhibition]:
    """What was written, ready to be used."""
    return [
        Inhibition(tuple(map(parse_matcher, one.source)), tuple(map(parse_matcher, one.target)), one.equal) for one in settings
    ]


def maintenance(settings: Sequence[MaintenanceSettings]) -> list[Maintenance]:
    """What was written, ready to be used."""
    return [Maintenance(window(one), tuple(map(parse_matcher, one.matchers))) for one in settings]


def silence_state(silence: Silence, now: int) -> str:
    """``pending``, ``active`` or ``expired``, in Alertmanager's words."""
    return "pending" if now < silence.starts_at else "active" if now < silence.ends_at else "expired"


def _silenced(alert: Alert, silences: Sequence[Silence]) -> str:
    for one in silences:
        if matches(one.matchers, alert.labels):
            return f"silenced by {one.author}: {one.comment}" if one.comment else f"silenced by {one.author}"
    return ""


def _maintained(alert: Alert, windows: Sequence[Maintenance]) -> str:
    for one in windows:
        if matches(one.matchers, alert.labels):
            return f"in maintenance: {one.window.name}"
    return ""


def is_pause(why: str) -> bool:
    """Whether such a reason is neither an inhibition nor a silence nor a maintenance: then a server is paused."""
    return bool(why) and not why.startswith(("inhibited by ", "silenced by ", "in maintenance: "))


def silences_of(alert: Alert, silences: Iterable[Silence], now: int) -> list[str]:
    """The ids of the silences that hold for an alert now."""
    return [one.id for one in silences if one.starts_at <= now < one.ends_at and matches(one.matchers, alert.labels)]


def told(matchers: Sequence[Matcher]) -> str:
    """Matchers as one line."""
    return ", ".join(map(written, matchers))
