"""The court: figures come in, rules are held against them at once, changes come out. Synchronous, no I/O, `now` is handed in.

    frame, overlay → source (newest figures) → program → docket → changes      rules on newest figures, as they come in
    answer         → docket → changes                                          rules that look back, as the engine answers
    tick           → docket → changes                                          what is due by time alone

A rule is answered from one source when nothing else can have a say in it (`compiling`), else it is one of `questions`.
Figures that come in late go through a docket of their own: they are noted as missed and page nobody.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from watchkeeper.alert.compiling import Wanted, compile_rules
from watchkeeper.alert.docket import Change, Docket, Entry, Words
from watchkeeper.alert.judge import Sight
from watchkeeper.alert.locality import OF_SOURCE, is_local
from watchkeeper.alert.program import Floats, Program, Registers
from watchkeeper.alert.rules import Rule
from watchkeeper.alert.shape import can_answer, figure, selectors
from watchkeeper.alert.source import LOOKBACK, Held, Source
from watchkeeper.model import Dictionary, Labels, Matcher, Series
from watchkeeper.store.finding import condition
from watchkeeper.telling import AlertState

FRESH = 20_000
"""What was seen so many ms ago may be decided by time alone; older figures wait for newer ones."""
LEFT_ALONE = 3_600_000
"""What looks back over figures that nobody tells since a restart waits so many ms for them: some are told once an hour."""
PROGRAMS = 256
"""Programs that are kept; all are dropped together once there are more."""
HUB, AGENTS, OTHERS = "hub", "agents", "others"
"""Where a metric comes from: the hub's own figures, agents, or what others have written to us."""


class Missed(NamedTuple):
    """An alert that late figures would have fired, from `since` to `until` (ms)."""

    rule: Rule
    labels: Labels
    since: int
    until: int
    value: float


class Court:
    """Rules, sources, and the docket."""

    def __init__(self, rules: Sequence[Rule], words: Words | None = None, own: str = "_hub") -> None:
        """`own` is the source of the hub's own figures."""
        self.docket = Docket(words)
        self._own = own
        self._late = Docket(words)
        self._missed: list[Missed] = []
        self._sources: dict[str, Source] = {}
        self._origins: dict[str, set[str]] = {}
        self._programs: dict[object, tuple[Program, frozenset[str]]] = {}
        self._version = 0
        self.silent: Mapping[str, str] = {}
        """Machines whose figures do not come at present, and why: their alerts are neither over nor going on."""
        self.blind: Mapping[str, str] = {}
        """Machines of which even silence tells nothing, because the hub is cut off."""
        self.since = 0
        """When this judging has begun (ms): what an earlier one has left waits so long for news."""
        self._set_rules(rules)

    # -- rules ----------------------------------------------------------------------------------------

    def replace(self, rules: Sequence[Rule], now: int) -> list[Change]:
        """Judge by these from now on; alerts of rules that are no more end."""
        self._set_rules(rules)
        for entry in self.docket.entries():
            entry.rule = self._by_key.get(entry.rule.key, entry.rule)
        gone = [(entry.rule.key, entry.labels) for entry in self.docket.entries() if entry.rule.key not in self._by_key]
        return self.docket.drop(gone, "its rule is no more", now)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All of them, in the order of their files."""
        return tuple(self._by_key.values())

    def rule(self, key: str) -> Rule | None:
        """One rule."""
        return self._by_key.get(key)

    def questions(self) -> list[Rule]:
        """The rules that the engine must answer, recording rules among them."""
        return [rule for rule in self._by_key.values() if rule.key not in self._here]

    @property
    def asked_keys(self) -> frozenset[str]:
        """The keys of `questions`."""
        return frozenset(self._by_key.keys() - self._here)

    def is_known(self, metric: str) -> bool:
        """Whether anybody has been heard to tell this metric."""
        return metric in self._origins

    def learn(self, names: Iterable[str], origin: str) -> None:
        """These metrics are told by `origin` too: rules on metrics of several origins are the engine's."""
        changed = False
        for name in names:
            known = self._origins.setdefault(name, set())
            if origin not in known:
                known.add(origin)
                changed = changed or name in self._read
        if changed:
            self._settle()

    # -- what comes in ----------------------------------------------------------------------------------

    def frame(
        self, name: str, stream: str, layout: Dictionary, at: int, figures: Floats, *, late: bool = False
    ) -> list[Change]:
        """One frame of a source; `at` is the hub's clock. Late ones are noted (`take_missed`) and change nothing else."""
        source = self._sources.get(name)
        if source is None:
            source = self._sources[name] = Source(name)
        if source.take(stream, layout, at, figures):
            self.learn({one.name for one in layout.series}, HUB if name == self._own else AGENTS)
        if late:
            source.was_late = True
            self._note_missed(self._judge(source, at, self._late))
            return []
        if not source.was_late:
            return self._judge(source, at, self.docket)
        source.was_late = False
        return self._catch_up(source, at)

    def overlay(self, name: str, figures: Mapping[Series, float], at: int, now: int) -> list[Change]:
        """What is known of some series before a frame of `at` or later says so."""
        source = self._sources.get(name)
        if source is None or not source.overlay(figures, at):
            return []
        return self._judge(source, now, self.docket)

    def answer(self, rule: Rule, rows: Sequence[tuple[Labels, float]], clear: Mapping[Labels, Sight], at: int) -> list[Change]:
        """What the engine has found for a rule.

        `clear` says of those that do not hold whether they are over (if not left out).
        """
        changes: list[Change] = []
        held = set()
        for labels, value in rows:
            held.add(labels)
            told = dict(labels)
            if rule.is_for(told):
                _gather(changes, self.docket.see(rule, labels, "", self._as_known(rule, told, Sight.HOLDS), value, at))
        for entry in list(self.docket.of("").values()):
            if entry.rule.key == rule.key and entry.labels not in held:
                sight = self._as_known(rule, dict(entry.labels), clear.get(entry.labels, Sight.OVER))
                _gather(changes, self.docket.see(rule, entry.labels, "", sight, math.nan, at))
        return changes

    def tick(self, now: int) -> list[Change]:
        """What is due by time alone, and what cannot be known any more."""
        changes: list[Change] = []
        if self.silent or self.blind:
            for entry in list(self.docket.entries()):
                if self._as_known(entry.rule, dict(entry.labels), Sight.HOLDS) is Sight.UNKNOWABLE:
                    change = self.docket.see(entry.rule, entry.labels, entry.source, Sight.UNKNOWABLE, math.nan, now)
                    if change is not None:
                        changes.append(self._explained(change))
        return [*changes, *self._end_forgotten(now), *self.docket.tick(now, FRESH)]

    def _end_forgotten(self, now: int) -> list[Change]:
        """End what an earlier hub has left and of which nobody will ever bring news: its metric is told by nobody any more."""
        waited = now - self.since
        if waited <= LOOKBACK:
            return []
        gone = [
            (entry.rule.key, entry.labels)
            for entry in self.docket.of("").values()
            if entry.seen_at < self.since
            and (entry.rule.key in self._here or (waited > LEFT_ALONE and not can_answer(entry.rule.tree, self.is_known)))
            and self._as_known(entry.rule, dict(entry.labels), Sight.OVER) is Sight.OVER
        ]
        return self.docket.drop(gone, "nobody tells its figures any more", now)

    def forget(self, name: str, now: int) -> list[Change]:
        """A machine is no more: its alerts end, whoever brought news of them."""
        self._sources.pop(name, None)
        mine = [
            (entry.rule.key, entry.labels)
            for entry in self.docket.entries()
            if entry.source == name or dict(entry.labels).get("machine") == name
        ]
        return self.docket.drop(mine, f"{name} is no more", now)

    def take_missed(self) -> list[Missed]:
        """What late figures would have fired, and is over; each is told once."""
        missed, self._missed = self._missed, []
        return missed

    # -- leaves -------------------------------------------------------------------------------------

    def _set_rules(self, rules: Sequence[Rule]) -> None:
        self._by_key = {rule.key: rule for rule in rules}
        self._plain = [rule for rule in rules if rule.kind == "alert" and not why_not_local(rule)]
        self._read = frozenset(name for rule in rules for name in rule.reads)
        self._refused: set[str] = set()
        self._about_machine = list(dict.fromkeys(_about_machine(self._plain)))
        self._settle()

    def _settle(self) -> None:
        """Which rules can be answered from one source, as things stand; programs are made anew."""
        self._local = [
            rule
            for rule in self._plain
            if rule.key not in self._refused
            and len(origins := set().union(*(self._origins.get(name, ()) for name in rule.reads))) <= 1
            and OTHERS not in origins
        ]
        self._version += 1
        self._programs.clear()
        self._here = {rule.key for rule in self._local}
        self.docket.rehome(self.home)

    def home(self, rule: Rule, labels: Labels) -> str:
        """Whose frames bring news of an alert: its machine's, the hub's own, or nobody's (the engine's answers do)."""
        if rule.key not in self._here:
            return ""
        return self._own if self._is_of_hub(rule) else dict(labels).get("machine", "")

    def _program(self, source: Source) -> Held:
        while source.held is None or source.held.version != self._version:
            columns = source.columns(self._read)
            key = (source.name == self._own, columns, tuple(condition(one)(source.name) for one in self._about_machine))
            if key not in self._programs:
                wanted = [one for number, rule in enumerate(self._local) for one in _wanted(number, rule)]
                program, left_out = compile_rules(wanted, columns, source.name, alone=source.name == self._own)
                if len(self._programs) >= PROGRAMS:
                    self._programs.clear()
                self._programs[key] = (program, frozenset(self._local[number].key for number in left_out))
            program, refused = self._programs[key]
            if refused:
                self._refused |= refused
                self._settle()
                continue
            rules = [self._local[out.rule] for out in program.holders]
            labels = [source.real(out.labels) for out in program.holders]
            enabled = np.array([rule.is_for(dict(some)) for rule, some in zip(rules, labels, strict=True)], np.bool_)
            others = {
                (self._local[number].key, kind, source.real(some)): register
                for (number, kind, some), register in program.others.items()
            }
            source.held = Held(self._version, program, rules, labels, enabled, others)
        return source.held

    def _judge(self, source: Source, at: int, docket: Docket) -> list[Change]:
        held = self._program(source)
        registers = source.run(at)
        hits = np.flatnonzero(registers.present[held.program.holding] & held.enabled)
        mine = docket.of(source.name)
        if not len(hits) and not mine:
            return []
        changes: list[Change] = []
        seen = set()
        for place in hits.tolist():
            rule, labels = held.rules[place], held.labels[place]
            value = float(registers.values[held.program.holding[place]])
            sight = Sight.HOLDS
            if self.blind and source.name == self._own:
                sight = self._as_known(rule, dict(labels), sight)
            seen.add((rule.key, labels))
            _gather(changes, docket.see(rule, labels, source.name, sight, value, at))
        for key, entry in list(mine.items()):
            if key not in seen:
                sight = self._sight(entry, held, registers, at)
                if self.blind and source.name == self._own:
                    sight = self._as_known(entry.rule, dict(entry.labels), sight)
                _gather(changes, docket.see(entry.rule, entry.labels, source.name, sight, math.nan, at))
        return changes

    def _sight(self, entry: Entry, held: Held, registers: Registers, at: int) -> Sight:
        """Of a condition that does not hold: is it over, or only not cleared?"""
        if entry.rule.clear is None:
            return Sight.OVER
        clears = held.others.get((entry.rule.key, "clear", entry.labels))
        if clears is not None and registers.present[clears]:
            return Sight.OVER
        shows = held.others.get((entry.rule.key, "figure", entry.labels))
        if shows is None:
            return Sight.OVER  # its series is no more
        assert entry.case is not None
        long_gone = at - entry.case.held_at > LOOKBACK
        return Sight.BETWEEN if registers.present[shows] or not long_gone else Sight.OVER

    def _as_known(self, rule: Rule, labels: Mapping[str, str], sight: Sight) -> Sight:
        """UNKNOWABLE where the machine is silent, or where the hub itself is cut off."""
        if not self.silent and not self.blind:
            return sight
        machine = labels.get("machine", "")
        return Sight.UNKNOWABLE if machine in (self.blind if self._is_of_hub(rule) else self.silent) else sight

    def _is_of_hub(self, rule: Rule) -> bool:
        return all(self._origins.get(name) == {HUB} for name in rule.reads)

    def _explained(self, change: Change) -> Change:
        machine = change.alert.labels.get("machine", "")
        why = self.silent.get(machine) or self.blind.get(machine, "")
        alert = msgspec.structs.replace(change.alert, reason=why)
        return change._replace(alert=alert, told=msgspec.structs.replace(change.told, reason=why))

    def _note_missed(self, changes: Sequence[Change]) -> None:
        for change in changes:
            alert = change.alert
            if change.told.state == "resolved":
                labels = tuple(sorted(pair for pair in alert.labels.items()))
                self._miss(alert.rule, labels, alert.fired_at, alert.resolved_at, alert.value)

    def _miss(self, key: str, labels: Labels, since: int, until: int, value: float) -> None:
        rule = self._by_key.get(key)
        if rule is not None and len(self._missed) < 1000:
            self._missed.append(Missed(rule, labels, since, until, value))

    def _catch_up(self, source: Source, at: int) -> list[Change]:
        """The first figures of now after late ones: what held in those, and holds still, has held since then."""
        changes: list[Change] = []
        late = dict(self._late.of(source.name))
        for key, entry in late.items():
            known = self.docket.entry(key)
            fired = known is not None and known.alert is not None and known.alert.fired_at
            if not fired and entry.case is not None:
                _gather(changes, self.docket.adopt(key, entry, at))
        changes += self._judge(source, at, self.docket)
        for key, entry in late.items():
            assert entry.case is not None
            if entry.case.state is AlertState.FIRING and self.docket.entry(key) is None:
                self._miss(key[0], entry.labels, entry.case.fired_at, at, entry.value)
        self._late.drop(list(late), "the figures are of now again", at)
        return changes


def why_not_local(rule: Rule) -> str:
    """Empty when a rule can be answered from one source's newest figures."""
    return is_local(rule.tree) or (is_local(rule.clear) if rule.clear is not None else "")


def _wanted(number: int, rule: Rule) -> list[Wanted]:
    wanted = [Wanted(number, "holds", rule.tree)]
    if rule.clear is not None:
        wanted += [Wanted(number, "clear", rule.clear), Wanted(number, "figure", figure(rule.clear))]
    return wanted


def _about_machine(rules: Sequence[Rule]) -> list[Matcher]:
    """Conditions on a source's own name: machines of one layout share a program where these have the same answers."""
    trees = [tree for rule in rules for tree in (rule.tree, rule.clear) if tree is not None]
    return [one for tree in trees for node in selectors(tree) for one in node.matchers if one.label in OF_SOURCE]


def _gather(changes: list[Change], change: Change | None) -> None:
    if change is not None:
        changes.append(change)
