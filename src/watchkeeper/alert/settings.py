"""What is written about alerts in the configuration: rules, changes of stock rules, routes, inhibitions, windows, witnesses.

Each struct is one table of the file. `rules` and `routing` make of them what the judge works with; nothing here decides.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from watchkeeper.alert.matchers import parse_matcher
from watchkeeper.config import Duration, Part
from watchkeeper.errors import Refused
from watchkeeper.model import Severity

Figure = int | float | str
"""A parameter of a rule: a number, a size (``20GiB``) or a duration (``10m``)."""


class AlertSettings(Part, frozen=True, kw_only=True):
    """``[alert]``: which rules there are besides `[[rule]]`, and how often those are judged that look back over a range.

    `stock` brings the rules that come with Watchkeeper. `rules` are files of Prometheus' form (YAML), read as they are, also as
    patterns (``rules/*.yml``). Rules on newest figures are judged when figures come in; all others every `interval`, if their
    group names none. Figures that come in more than `late` after they were read are history: they page nobody.
    `external_labels` are those of Prometheus: they are put to what goes to an Alertmanager, and templates may speak of them.
    """

    stock: bool = True
    rules: tuple[str, ...] = ()
    interval: Duration = Duration(15)
    late: Duration = Duration(120)
    external_labels: dict[str, str] = {}

    def __post_init__(self) -> None:
        """Refuse what would never end or never begin."""
        if not 1 <= self.interval <= 86400:
            raise ValueError("interval: expected 1s to 1d")
        if self.late < 10:
            raise ValueError("late: expected 10s or more")


class RuleSettings(Part, frozen=True, kw_only=True, rename={"for_": "for"}):
    """``[[rule]]``: one rule in Prometheus' words: `alert` or `record`, `expr`, `for`, `keep_firing_for`.

    `labels` and `annotations` are put to its alerts and may be templates (``{{ $labels.machine }}``, ``{{ $value }}``);
    `severity` is short for that label. `clear` is a second condition that must hold before the alert ends (hysteresis).
    `parameters` are figures that `expr` and `clear` name as ``${name}``. `why` says what the rule is for, `first` what to do
    first, `runbook` is an address with more, `needs` what it waits for where nobody tells its figures. `group` and
    `interval` are Prometheus' too.
    """

    alert: str = ""
    record: str = ""
    expr: str
    for_: Duration = Duration(0)
    keep_firing_for: Duration = Duration(0)
    clear: str = ""
    severity: Severity | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    parameters: dict[str, Figure] = {}
    why: str = ""
    first: str = ""
    runbook: str = ""
    needs: str = ""
    group: str = ""
    interval: Duration | None = None

    def __post_init__(self) -> None:
        """Refuse a rule that is both or neither."""
        if bool(self.alert) == bool(self.record):
            raise ValueError("expected `alert` or `record`")
        if self.record and (self.for_ or self.keep_firing_for or self.annotations or self.clear):
            raise ValueError("a recording rule has no for, keep_firing_for, clear or annotations")
        if self.interval is not None and not 1 <= self.interval <= 86400:
            raise ValueError("interval: expected 1s to 1d")


class TuneSettings(Part, frozen=True, kw_only=True, rename={"for_": "for"}):
    """``[[tune]]``: change a stock rule instead of copying it: `rule` is its name, `only` one of its severities.

    `off` takes it away; `set` changes parameters (``{ used = 95 }``), `for`, `keep_firing_for` and `severity` what they say.
    With `where` (labels, as ``{ machine = "db-1" }``) the change holds for these alone, and all others keep the rule as it is.
    """

    rule: str
    only: Severity | None = None
    off: bool = False
    set: dict[str, Figure] = {}
    for_: Duration | None = None
    keep_firing_for: Duration | None = None
    severity: Severity | None = None
    where: dict[str, str] = {}


class RouteSettings(Part, frozen=True, kw_only=True):
    """``[route]``: who is told of what, and when: Alertmanager's routing tree with its defaults.

    `channels` are names of channels (none: all of them); alerts less grave than `least` are shown and not sent. `group_by`
    are the labels by which alerts share a message, ``incident`` the incident they belong to. A new group waits `group_wait`
    for company, and so does what is graver than all that was told of one; else a changed one waits `group_interval`. One that
    goes on is told again after `repeat_interval`, its end is told if `resolved`. What nobody has acknowledged goes
    to the next of `escalate` after each `escalate_after`. `mute` are names of `[[maintenance]]` windows.
    """

    channels: tuple[str, ...] = ()
    least: Severity = "warning"
    group_by: tuple[str, ...] = ("incident",)
    group_wait: Duration = Duration(30)
    group_interval: Duration = Duration(300)
    repeat_interval: Duration = Duration(4 * 3600)
    resolved: bool = True
    escalate_after: Duration = Duration(900)
    escalate: tuple[str, ...] = ()
    mute: tuple[str, ...] = ()
    routes: tuple[BranchSettings, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what would send without end."""
        _sane(self.group_interval, self.repeat_interval, self.escalate_after)


class BranchSettings(Part, frozen=True, kw_only=True, rename={"continue_": "continue"}):
    """``[[route.routes]]``: a branch for alerts that all `matchers` hold for; the first that fits, and more after `continue`.

    `matchers` are Alertmanager's: ``severity="critical"``, ``machine=~"db-.*"``. The other keys mean what they mean in
    ``[route]``, and what a branch does not say is as there: `channels`, `least`, `group_by`, `group_wait`, `group_interval`,
    `repeat_interval`, `resolved`, `escalate`, `escalate_after`, `mute`.
    """

    matchers: tuple[str, ...]
    channels: tuple[str, ...] | None = None
    least: Severity | None = None
    group_by: tuple[str, ...] | None = None
    group_wait: Duration | None = None
    group_interval: Duration | None = None
    repeat_interval: Duration | None = None
    resolved: bool | None = None
    escalate_after: Duration | None = None
    escalate: tuple[str, ...] | None = None
    mute: tuple[str, ...] | None = None
    continue_: bool = False

    def __post_init__(self) -> None:
        """Refuse matchers that are none while file and line are known."""
        _check(self.matchers)
        _sane(self.group_interval, self.repeat_interval, self.escalate_after)


class InhibitSettings(Part, frozen=True, kw_only=True):
    """``[[inhibit]]``: while an alert of `source` fires, nobody is told of those of `target` with the same `equal` labels."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    equal: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse matchers that are none while file and line are known."""
        _check((*self.source, *self.target))


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class MaintenanceSettings(Part, frozen=True, kw_only=True):
    """``[[maintenance]]``: when nobody is told of what `matchers` hold for, once or again and again.

    Once: `start` and `end`, ``2026-03-01 22:00``. Again and again: `days` (all), `from` and `to` as ``22:00``, past midnight if
    `to` is the earlier one. All in `zone`, a name such as ``Europe/Berlin``. Without `matchers` it holds for nothing by itself:
    a route names it, by its `name`, in `mute`.
    """

    name: str
    matchers: tuple[str, ...] = ()
    start: str = ""
    end: str = ""
    days: tuple[Day, ...] = ()
    since: Annotated[str, msgspec.Meta(pattern=r"^$|^([01]\d|2[0-3]):[0-5]\d$")] = msgspec.field(default="", name="from")
    until: Annotated[str, msgspec.Meta(pattern=r"^$|^([01]\d|2[0-3]|24):[0-5]\d$")] = msgspec.field(default="", name="to")
    zone: str = "UTC"

    def __post_init__(self) -> None:
        """Refuse what is never, or not a time, while file and line are known."""
        from watchkeeper.alert.windows import window  # noqa: PLC0415  # which reads these settings

        _check(self.matchers)
        window(self)


class TopologySettings(Part, frozen=True, kw_only=True):
    """``[topology]``: what needs what, so that alerts of one cause become one incident.

    `requires` names for a server, as ``machine/server``, the servers that it cannot do without, each as ``machine/server``
    or as a server's name alone, wherever it runs.
    """

    requires: dict[str, tuple[str, ...]] = {}


class WitnessSettings(Part, frozen=True, kw_only=True):
    """``[witness]``: whom the hub asks whether its own link is up, before it takes others for silent.

    `targets` are ``HOST:PORT`` (who accepts or refuses a connection is there) or ``gateway``, this machine's way out. Each
    is asked every `period`, and is gone after `misses` in a row without an answer within `timeout`; when all are, the hub is
    blind.
    """

    targets: tuple[str, ...] = ("gateway",)
    period: Duration = Duration(10)
    timeout: Duration = Duration(3)
    misses: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3

    def __post_init__(self) -> None:
        """Refuse what cannot be dialled."""
        for target in self.targets:
            host, colon, port = target.rpartition(":")
            if target != "gateway" and not (colon and host and port.isdecimal() and 0 < int(port) < 65536):
                raise ValueError(f'targets: expected "gateway" or HOST:PORT, got {target!r}')
        if self.period < 1 or self.timeout <= 0:
            raise ValueError("expected a period of 1s or more and a timeout")


def _check(matchers: tuple[str, ...]) -> None:
    for one in matchers:
        try:
            parse_matcher(one)
        except Refused as fault:
            raise ValueError(fault.why) from None


def _sane(group_interval: Duration | None, repeat_interval: Duration | None, escalate_after: Duration | None) -> None:
    for name, value, least in (
        ("group_interval", group_interval, 1),
        ("repeat_interval", repeat_interval, 1),
        ("escalate_after", escalate_after, 1),
    ):
        if value is not None and value < least:
            raise ValueError(f"{name}: expected {least}s or more")
