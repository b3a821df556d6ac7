"""The noun Rule, and how one is made of what was written: parameters put in, expressions parsed, templates checked.

`rulebook` gathers them from the configuration, the stock and Prometheus' files; `court` judges by them. A rule knows where it
was written, so that whatever is wrong with it can be told with file and line. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from watchkeeper.alert.gotemplate import TemplateFault
from watchkeeper.alert.judge import Terms
from watchkeeper.alert.matchers import matches
from watchkeeper.alert.settings import Figure, RuleSettings
from watchkeeper.alert.shape import metrics, reach
from watchkeeper.alert.templates import template
from watchkeeper.errors import Refused
from watchkeeper.model import Matcher, Severity
from watchkeeper.quantities import Duration, Size
from watchkeeper.query import parse, type_of
from watchkeeper.query.lexing import LABEL
from watchkeeper.query.tree import Node

_PARAMETER = re.compile(r"\$\{(\w+)\}")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_GRAVE = {"critical", "crit", "page", "fatal", "emergency", "disaster", "error", "high", "p1"}
_SLIGHT = {"info", "informational", "none", "debug", "low", "notice", "p4", "p5"}


class Fault(Exception):
    """A rule that cannot be used: `part` is the key that is wrong (``expr``)."""

    def __init__(self, part: str, why: str) -> None:
        super().__init__(why)
        self.part = part
        self.why = why


class Rule(msgspec.Struct, frozen=True):
    """One rule, ready to be judged by. `key` is its name in the journal and in the API, stable while name and severity are.

    `text` and `clear_text` are its expressions with their parameters put in; `tree` and `clear` the same, parsed; `written` are
    both before that. Times are ms; `interval` is how often it is judged if it looks back. `where` is file and line. `needs`
    says what it waits for as long as no series of it has been seen. It holds for labels that match `only` and none of `but`.
    """

    key: str
    name: str
    kind: Literal["alert", "record"]
    text: str
    tree: Node
    hold: int = 0
    keep: int = 0
    clear_text: str = ""
    clear: Node | None = None
    severity: Severity = "warning"
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    group: str = ""
    interval: int = 15_000
    where: str = ""
    file: str = ""
    stock: bool = False
    why: str = ""
    first: str = ""
    runbook: str = ""
    needs: str = ""
    parameters: dict[str, Figure] = {}
    only: tuple[Matcher, ...] = ()
    but: tuple[tuple[Matcher, ...], ...] = ()
    written: tuple[str, str] = ("", "")

    def is_for(self, labels: Mapping[str, str]) -> bool:
        """Whether it is meant for these labels at all: changes of a rule may hold for some machines alone."""
        return matches(self.only, labels) and not any(matches(one, labels) for one in self.but)

    @property
    def terms(self) -> Terms:
        """Its times, as the judge wants them."""
        return Terms(self.hold, self.keep)

    @property
    def reads(self) -> frozenset[str]:
        """The metrics that it reads."""
        return metrics(self.tree) | (metrics(self.clear) if self.clear is not None else frozenset())

    @property
    def reach(self) -> int:
        """How far back it looks, ms."""
        return reach(self.tree)


def make(settings: RuleSettings, *, interval: float, where: str, file: str, group: str, stock: bool = False) -> Rule:
    """The rule that was written; raises Fault."""
    text = filled(settings.expr, settings.parameters, "expr")
    clear_text = filled(settings.clear, settings.parameters, "clear") if settings.clear else ""
    tree = _vector(text, "expr")
    labels = dict(settings.labels)
    if settings.severity is not None:
        labels.setdefault("severity", settings.severity)
    _check_labels(labels)
    name = settings.alert or settings.record
    if settings.record and not _METRIC.fullmatch(name):
        raise Fault("record", f"{name!r} is not a metric's name")
    if settings.alert:
        labels.setdefault("severity", "warning")
        for part in ("labels", "annotations"):
            for key, written in getattr(settings, part).items():
                _check_template(f"{part}.{key}", written)
    severity = severity_of(labels.get("severity", ""))
    return Rule(
        key=f"{name}/{labels['severity']}" if settings.alert else name,
        name=name,
        kind="alert" if settings.alert else "record",
        text=text,
        tree=tree,
        hold=round(settings.for_ * 1000),
        keep=round(settings.keep_firing_for * 1000),
        clear_text=clear_text,
        clear=_vector(clear_text, "clear") if clear_text else None,
        severity=severity,
        labels=labels,
        annotations=_annotations(settings),
        group=settings.group or group,
        interval=round((settings.interval or interval) * 1000),
        where=where,
        file=file,
        stock=stock,
        why=settings.why,
        first=settings.first,
        runbook=settings.runbook,
        needs=settings.needs,
        parameters=settings.parameters,
        written=(settings.expr, settings.clear),
    )


def tuned(rule: Rule, changes: Mapping[str, Figure], hold: int) -> Rule:
    """The rule with other parameters, and another `hold` (ms; 0: its own), as `[[tune]]` would make it; raises Fault."""
    for name, value in changes.items():
        if (known := rule.parameters.get(name)) is None:
            raise Fault("set", f"{rule.name} has no parameter {name!r}; known: {', '.join(sorted(rule.parameters)) or 'none'}")
        if kind_of(known) != kind_of(value):
            raise Fault("set", f"{name}: expected a {kind_of(known)} such as {known!r}, got {value!r}")
    parameters = rule.parameters | dict(changes)
    text = filled(rule.written[0], parameters, "expr")
    clear_text = filled(rule.written[1], parameters, "clear") if rule.written[1] else ""
    return msgspec.structs.replace(
        rule,
        text=text,
        tree=_vector(text, "expr"),
        clear_text=clear_text,
        clear=_vector(clear_text, "clear") if clear_text else None,
        hold=hold or rule.hold,
        parameters=parameters,
    )


def filled(text: str, parameters: Mapping[str, Figure], part: str) -> str:
    """An expression with its parameters put in; raises Fault for one that there is not."""

    def one(found: re.Match[str]) -> str:
        if found[1] not in parameters:
            known = ", ".join(sorted(parameters)) or "none"
            raise Fault(part, f"there is no parameter {found[1]!r}; known: {known}")
        return figure_text(parameters[found[1]], f"parameters.{found[1]}")

    return " ".join(_PARAMETER.sub(one, text).split())


def figure_text(value: Figure, part: str) -> str:
    """A parameter as PromQL has it: sizes as bytes, durations as they are; raises Fault."""
    if isinstance(value, str):
        if re.fullmatch(r"\d+(ms|[smhdwy])(\d+(ms|[smhdwy]))*", value):
            return value
        try:
            return str(int(Size.parse(value)))
        except ValueError:
            raise Fault(part, f"expected a number, a size such as 20GiB or a duration such as 10m, got {value!r}") from None
    if isinstance(value, bool) or not math.isfinite(value):
        raise Fault(part, f"expected a number, got {value!r}")
    return repr(value)


def kind_of(value: Figure) -> str:
    """What a parameter is, so that a change is of the same kind: ``number``, ``size`` or ``duration``."""
    if not isinstance(value, str):
        return "number"
    try:
        Duration.parse(value)
    except ValueError:
        return "size"
    return "duration"


def severity_of(written: str) -> Severity:
    """How grave a rule is whose label says so in whatever words.

    `page` is critical, `none` is info, what we do not know warns.
    """
    word = written.lower()
    return "critical" if word in _GRAVE else "info" if word in _SLIGHT else "warning"


def _vector(text: str, part: str) -> Node:
    try:
        tree = parse(text)
    except Refused as fault:
        raise Fault(part, f"{fault.why} in: {text}" if len(text) < 200 else fault.why) from None
    if type_of(tree) not in {"vector", "scalar"}:
        raise Fault(part, f"expected an instant vector, got a {type_of(tree)}: {text}")
    if type_of(tree) == "scalar":
        return parse(f"vector({text})")
    return tree


def _check_labels(labels: Mapping[str, str]) -> None:
    for label in labels:
        if not LABEL.fullmatch(label) or label in {"__name__", "alertname"}:
            raise Fault(f"labels.{label}", f"{label!r} cannot be a label of a rule")


def _check_template(part: str, written: str) -> None:
    try:
        template(written)
    except TemplateFault as fault:
        raise Fault(part, f"this is no template: {fault}") from None


def _annotations(settings: RuleSettings) -> dict[str, str]:
    found = dict(settings.annotations)
    if settings.runbook:
        here = "{{ externalURL }}" if settings.runbook.startswith("/") else ""
        found.setdefault("runbook_url", here + settings.runbook)
    return found
