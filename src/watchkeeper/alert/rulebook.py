"""All rules of a hub: the stock, changed by `[[tune]]`, `[[rule]]` of the configuration, and Prometheus' files.

Whatever is wrong is a ConfigError with file and line, before anything is judged by it.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.alert.rulefiles import read_file
from watchkeeper.alert.rules import Fault, Rule, kind_of, make
from watchkeeper.alert.settings import AlertSettings, RuleSettings, TuneSettings
from watchkeeper.config import Document, nearest, parse
from watchkeeper.errors import ConfigError
from watchkeeper.model import Matcher

RUNBOOKS = "/runbooks/"
"""Where the hub shows what to do when a stock rule fires."""
MOST = 20_000
"""Rules of one hub."""


def read_rules(document: Document, settings: AlertSettings) -> tuple[Rule, ...]:
    """Every rule of a configuration, stock first; raises ConfigError."""
    tunes: tuple[TuneSettings, ...] = document.decode(document.tables.get("tune", ()), tuple[TuneSettings, ...], ("tune",))
    found = list(_stock(document, settings, tunes))
    found += _own(document, "rule", float(settings.interval))
    for pattern in settings.rules:
        found += _files(document, pattern, float(settings.interval))
    if len(found) > MOST:
        raise ConfigError(f"{len(found):,} rules are more than the {MOST:,} that there may be")
    return tuple(_named_apart(found))


@lru_cache(maxsize=1)
def stock() -> tuple[tuple[str, Document], ...]:
    """The files of the stock, each as a document under its name."""
    folder = resources.files("watchkeeper.alert") / "rules"
    names = sorted(one.name for one in folder.iterdir() if one.name.endswith(".toml"))
    return tuple((name, parse({f"alert/rules/{name}": (folder / name).read_text(encoding="utf-8")})) for name in names)


def stock_settings() -> Iterator[tuple[str, int, Document, RuleSettings]]:
    """Every rule of the stock as it was written: its group, its place in its file, the file, and what it says."""
    for name, document in stock():
        rules: tuple[RuleSettings, ...] = document.decode(document.tables.get("rule", ()), tuple[RuleSettings, ...], ("rule",))
        for number, rule in enumerate(rules):
            yield name.removesuffix(".toml"), number, document, rule


def _stock(document: Document, settings: AlertSettings, tunes: tuple[TuneSettings, ...]) -> Iterator[Rule]:
    names = {rule.alert or rule.record for _, _, _, rule in stock_settings()}
    for number, tune in enumerate(tunes):
        if tune.rule not in names:
            hint = nearest(tune.rule, sorted(names))
            raise document.fault(("tune", number, "rule"), f"there is no stock rule {tune.rule!r}{hint}")
    if not settings.stock:
        return
    used: set[int] = set()
    for group, number, origin, rule in stock_settings():
        yield from _tuned(document, tunes, rule, (group, number, origin), float(settings.interval), used)
    for number, tune in enumerate(tunes):
        if number not in used:
            raise document.fault(("tune", number), f"{tune.rule} has no rule of that severity")


def _tuned(
    document: Document,
    tunes: tuple[TuneSettings, ...],
    rule: RuleSettings,
    origin: tuple[str, int, Document],
    interval: float,
    used: set[int],
) -> Iterator[Rule]:
    """A stock rule as changed, and one more for each change that holds for some labels alone."""
    mine = [
        (number, tune)
        for number, tune in enumerate(tunes)
        if tune.rule == (rule.alert or rule.record) and tune.only in {None, rule.severity}
    ]
    used.update(number for number, _ in mine)
    whole: RuleSettings | None = rule
    for number, tune in mine:
        if not tune.where and whole is not None:
            whole = _changed(document, whole, number, tune)
    but = []
    for number, tune in mine:
        if tune.where:
            only = tuple(Matcher(label, "=", value) for label, value in sorted(tune.where.items()))
            but.append(only)
            if (apart := _changed(document, whole or rule, number, tune)) is not None:
                made = _stock_rule(document, apart, origin, interval, number)
                told = ",".join(f"{label}={value}" for label, value in sorted(tune.where.items()))
                yield msgspec.structs.replace(made, key=f"{made.key}@{told}", only=only)
    if whole is not None:
        yield msgspec.structs.replace(_stock_rule(document, whole, origin, interval, None), but=tuple(but))


def _changed(document: Document, rule: RuleSettings, number: int, tune: TuneSettings) -> RuleSettings | None:
    if tune.off:
        return None
    changes: dict[str, Any] = {}
    for name, value in tune.set.items():
        known = rule.parameters.get(name)
        if known is None:
            hint = nearest(name, sorted(rule.parameters)) if rule.parameters else "; it has none"
            raise document.fault(("tune", number, "set"), f"{tune.rule} has no parameter {name!r}{hint}")
        if kind_of(known) != kind_of(value) and not (kind_of(known) == "size" and kind_of(value) == "number"):
            raise document.fault(
                ("tune", number, "set"), f"{name}: expected a {kind_of(known)} such as {known!r}, got {value!r}"
            )
    if tune.set:
        changes["parameters"] = rule.parameters | tune.set
    for name in ("for_", "keep_firing_for", "severity"):
        if getattr(tune, name) is not None:
            changes[name] = getattr(tune, name)
    return msgspec.structs.replace(rule, **changes)


def _stock_rule(
    document: Document, rule: RuleSettings, origin: tuple[str, int, Document], interval: float, tune: int | None
) -> Rule:
    group, number, source = origin
    where = source.fault(("rule", number), "").where.partition(" ")[0]
    runbook = f"{RUNBOOKS}{rule.alert}" if rule.alert else ""
    try:
        return make(
            msgspec.structs.replace(rule, runbook=rule.runbook or runbook),
            interval=interval,
            where=where,
            file=where.partition(":")[0],
            group=group,
            stock=True,
        )
    except Fault as fault:
        if tune is not None:
            raise document.fault(("tune", tune), fault.why) from None
        raise source.fault(("rule", number, *fault.part.split(".")), fault.why) from None


def _own(document: Document, table: str, interval: float) -> Iterator[Rule]:
    rules: tuple[RuleSettings, ...] = document.decode(document.tables.get(table, ()), tuple[RuleSettings, ...], (table,))
    for number, rule in enumerate(rules):
        where = document.fault((table, number), "").where.partition(" ")[0]
        try:
            yield make(rule, interval=interval, where=where, file=where.rpartition(":")[0] or where, group="rules")
        except Fault as fault:
            raise document.fault((table, number, *fault.part.split(".")), fault.why) from None


def _files(document: Document, pattern: str, interval: float) -> Iterator[Rule]:
    whole = str(document.folder / Path(pattern).expanduser())
    paths = sorted(glob.glob(whole, recursive=True))  # noqa: PTH207  # an absolute pattern, as an operator writes it
    if not paths and not glob.has_magic(whole):
        raise document.fault(("alert", "rules"), f"there is no file {whole}")
    for path in paths:
        yield from read_file(Path(path), interval)


def _named_apart(rules: list[Rule]) -> Iterator[Rule]:
    """Several rules of one name and severity are several; each keeps its key as long as their order stays."""
    counts: dict[str, int] = {}
    for rule in rules:
        counts[rule.key] = counts.get(rule.key, 0) + 1
        yield rule if counts[rule.key] == 1 else msgspec.structs.replace(rule, key=f"{rule.key}#{counts[rule.key]}")
