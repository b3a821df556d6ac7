"""Rules as they are written: parameters, faults with their key, severities; tuning; the stock; Prometheus' files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.alert.court import Court
from watchkeeper.alert.reading import read_alerting
from watchkeeper.alert.rulebook import read_rules, stock_settings
from watchkeeper.alert.rulefiles import read_file, read_text
from watchkeeper.alert.rules import Fault, Rule, make, severity_of
from watchkeeper.alert.runbooks import names, page
from watchkeeper.alert.settings import AlertSettings, RuleSettings
from watchkeeper.config import Document, parse
from watchkeeper.errors import ConfigError, Refused
from watchkeeper.query.tree import Node

TABLE = [
    "ServerDown",
    "ServerHung",
    "ServerCrashLooping",
    "ServerStillFailing",
    "ServerRestarted",
    "ServerLogFlood",
    "ServerFlapping",
    "ServerSlow",
    "ServerErrors",
    "RelayLoss",
    "ServerConnectionsNearLimit",
    "ProcessFDHigh",
    "ProcessMemoryLeak",
    "ProcessMemoryHigh",
    "ProcessCpuSaturated",
    "CertExpiring",
    "HostSilent",
    "AgentLate",
    "HostRebooted",
    "DiskFillingUp",
    "DiskFillingFast",
    "DiskLow",
    "DiskCritical",
    "InodesLow",
    "FilesystemReadOnly",
    "DiskBusy",
    "DiskSlow",
    "DiskUnhealthy",
    "MemoryLow",
    "MemoryCritical",
    "OomKill",
    "SwapThrashing",
    "CpuSaturated",
    "LoadHigh",
    "CpuSteal",
    "NetErrors",
    "NetSaturated",
    "ListenOverflow",
    "TcpPortsOrConntrack",
    "KernelFDs",
    "KernelPids",
    "ClockSkew",
    "TooHot",
    "UnitFailed",
    "RebootRequired",
    "Watchdog",
    "NotificationFailing",
    "HubUnreachable",
    "ObserverBlind",
    "ObserverHeavy",
    "HubStorage",
    "ConfigRejected",
    "DrillOverdue",
    "BaselineStale",
    "ServerNeedsPerson",
    "HeartbeatMissed",
]


def one(**settings: Any) -> Rule:
    """A rule of these settings."""
    return make(RuleSettings(**settings), interval=15, where="x.toml:1", file="x.toml", group="g")


def rules(text: str, **alert: Any) -> tuple[Rule, ...]:
    """The rules of a configuration."""
    return read_rules(parse({"x.toml": text}), AlertSettings(**alert))


def test_parameters_are_put_in() -> None:
    """Numbers, sizes as bytes, durations as they are."""
    rule = one(
        alert="A",
        expr="rate(a[${within}]) > ${most} and b < ${free}",
        parameters={"within": "10m", "most": 2.5, "free": "2GiB"},
    )
    assert rule.text == "rate(a[10m]) > 2.5 and b < 2147483648"


@pytest.mark.parametrize(
    ("settings", "part", "why"),
    [
        ({"expr": "a >"}, "expr", "unexpected end"),
        ({"expr": "a > ${x}"}, "expr", "no parameter 'x'; known: none"),
        ({"expr": "a > ${x}", "parameters": {"x": "soon"}}, "parameters.x", "expected a number"),
        ({"expr": "a[5m]"}, "expr", "expected an instant vector"),
        ({"expr": '"a"'}, "expr", "expected an instant vector"),
        ({"expr": "a", "clear": "b <"}, "clear", "parse error"),
        ({"expr": "a", "labels": {"1x": "y"}}, "labels.1x", "cannot be a label"),
        ({"expr": "a", "labels": {"alertname": "y"}}, "labels.alertname", "cannot be a label"),
        ({"expr": "a", "annotations": {"s": "{{ nope }}"}}, "annotations.s", "no template"),
        ({"expr": "a", "labels": {"s": "{{ if }}"}}, "labels.s", "no template"),
    ],
)
def test_a_fault_names_its_key(settings: dict[str, Any], part: str, why: str) -> None:
    """What is wrong, and where in the rule."""
    with pytest.raises(Fault, match=re.escape(why)) as found:
        one(alert="A", **settings)
    assert found.value.part == part


def test_a_scalar_is_a_condition_of_its_own() -> None:
    """As in Prometheus: the vector of one series without labels."""
    assert one(alert="A", expr="1").text == "1"
    assert isinstance(one(alert="A", expr="1").tree, Node)


def test_a_recording_rule_has_a_metrics_name_and_nothing_of_an_alert() -> None:
    """Else it is refused."""
    assert one(record="a:b", expr="sum(a)").kind == "record"
    with pytest.raises(Fault):
        one(record="not a name", expr="a")
    with pytest.raises(ValueError, match="recording"):
        RuleSettings(record="a", expr="a", clear="b")
    with pytest.raises(ValueError, match="`alert` or `record`"):
        RuleSettings(expr="a")


@pytest.mark.parametrize(
    ("word", "severity"), [("page", "critical"), ("CRIT", "critical"), ("none", "info"), ("ticket", "warning")]
)
def test_severities_in_whatever_words(word: str, severity: str) -> None:
    """The label stays as it is; we take it for what it means."""
    assert severity_of(word) == severity


# -- the stock ----------------------------------------------------------------------------------------


def test_the_stock_is_the_whole_table() -> None:
    """Every rule of it, each with why and a first action, words for people and a page of what to do."""
    stock = {rule.alert: rule for _, _, _, rule in stock_settings() if rule.alert}
    assert set(stock) == set(TABLE)
    for _, _, _, rule in stock_settings():
        if rule.alert:
            assert len(rule.why) > 20, rule.alert
            assert len(rule.first) > 10, rule.alert
            assert rule.annotations["summary"], rule.alert
            assert rule.severity, rule.alert


def test_every_rule_has_its_runbook() -> None:
    """And every runbook its rule; each says what it means, what to look at, and how it is tuned."""
    assert set(names()) == set(TABLE)
    for name in names():
        text = page(name)
        assert text.startswith(f"# {name}\n"), name
        for part in ("Look first", "Usual causes", "Mend it", "When it is wrong"):
            assert len(text.partition(f"## {part}\n")[2]) > 30, (name, part)
    with pytest.raises(Refused, match="no runbook"):
        page("../settings")


def test_the_stock_is_on_without_any_configuration() -> None:
    """And off with one word."""
    everything = read_alerting(Document({}, {}))
    assert len({rule.name for rule in everything.rules if rule.kind == "alert"}) == len(TABLE)
    assert len({rule.key for rule in everything.rules}) == len(everything.rules)
    assert rules("", stock=False) == ()


def test_disk_rules_combine_percent_bytes_and_slope() -> None:
    """None of the three alone decides."""
    by_name = {rule.name: rule.text for rule in read_rules(Document({}, {}), AlertSettings())}
    for name in ("DiskLow", "DiskCritical"):
        assert "node_filesystem_size_bytes" in by_name[name]
        assert re.search(r"avail_bytes < \d{9,}", by_name[name]), name
    for name in ("DiskFillingUp", "DiskFillingFast"):
        assert "predict_linear" in by_name[name]
        assert "/ node_filesystem_size_bytes" in by_name[name]


def test_rules_of_newest_figures_are_judged_as_they_come() -> None:
    """Down, hung, silent, disks, certificates: none of them waits for an interval."""
    court = Court(read_rules(Document({}, {}), AlertSettings()))
    asked = {rule.name for rule in court.questions()}
    assert not asked & {
        "ServerDown",
        "ServerHung",
        "HostSilent",
        "DiskLow",
        "DiskCritical",
        "CertExpiring",
        "MemoryLow",
        "ProcessFDHigh",
    }


# -- tuning -------------------------------------------------------------------------------------------


def named(found: tuple[Rule, ...], name: str) -> list[Rule]:
    """The rules of that name."""
    return [rule for rule in found if rule.name == name]


def test_tuning_changes_parameters_times_and_severity() -> None:
    """Rather than a copy of the rule."""
    text = '[[tune]]\nrule = "DiskLow"\nset = { used = 95, free = "50GiB" }\nfor = "1h"\nseverity = "critical"\n'
    (rule,) = named(rules(text), "DiskLow")
    assert "> 95" in rule.text
    assert str(50 << 30) in rule.text
    assert "< 85" in rule.clear_text
    assert (rule.hold, rule.severity, rule.labels["severity"]) == (3_600_000, "critical", "critical")


def test_a_rule_may_be_taken_away_whole_or_one_severity_of_it() -> None:
    """off, only."""
    assert named(rules('[[tune]]\nrule = "OomKill"\noff = true\n'), "OomKill") == []
    left = named(rules('[[tune]]\nrule = "OomKill"\nonly = "critical"\noff = true\n'), "OomKill")
    assert [rule.severity for rule in left] == ["warning"]


def test_a_change_may_hold_for_some_labels_alone() -> None:
    """All others keep the rule as it is."""
    found = named(rules('[[tune]]\nrule = "DiskLow"\nset = { used = 99 }\nwhere = { machine = "db" }\n'), "DiskLow")
    here, there = {"machine": "db"}, {"machine": "web"}
    assert [("> 99" in rule.text, rule.is_for(here), rule.is_for(there)) for rule in found] == [
        (True, True, False),
        (False, False, True),
    ]
    assert len({rule.key for rule in found}) == 2
    off = named(rules('[[tune]]\nrule = "DiskLow"\noff = true\nwhere = { machine = "db" }\n'), "DiskLow")
    assert [rule.is_for(here) for rule in off] == [False]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[[tune]]\nrule = "DiskLov"\n', "x.toml:2 .*did you mean 'DiskLow'"),
        ('[[tune]]\nrule = "DiskLow"\nset = { usde = 1 }\n', "x.toml:3 .*did you mean 'used'"),
        ('[[tune]]\nrule = "DiskLow"\nset = { used = "5m" }\n', "x.toml:3 .*expected a number"),
        ('[[tune]]\nrule = "DiskLow"\nonly = "critical"\n', "x.toml:1 .*no rule of that severity"),
        ('[[tune]]\nrule = "DiskLow"\nseverty = "info"\n', "did you mean 'severity'"),
        ('[[rule]]\nalert = "A"\nexpr = "a >"\n', "x.toml:3 .*unexpected end of input"),
        ('[[rule]]\nalert = "A"\nexpr = "a"\n[[rule]]\nalert = "B"\nexpr = "b > ${x}"\n', "x.toml:6 .*no parameter"),
        ('[[rule]]\nexpr = "a"\n', "x.toml:1 .*expected `alert` or `record`"),
        ('[alert]\nrules = ["nope.yml"]\n', "x.toml:2 .*no file"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(text: str, why: str) -> None:
    """At load, before anything is judged."""
    document = parse({"x.toml": text})
    with pytest.raises(ConfigError, match=why):
        read_rules(document, document.part("alert", AlertSettings))


def test_several_of_one_name_are_told_apart() -> None:
    """By severity, then by their order."""
    found = rules('[[rule]]\nalert = "A"\nexpr = "a"\n[[rule]]\nalert = "A"\nexpr = "b"\n', stock=False)
    assert [rule.key for rule in found] == ["A/warning", "A/warning#2"]


def test_own_rules_know_where_they_stand() -> None:
    """File and line."""
    assert rules('# said\n[[rule]]\nalert = "A"\nexpr = "a"\n', stock=False)[0].where == "x.toml:2"


# -- Prometheus' files --------------------------------------------------------------------------------

COMMUNITY = Path(__file__).parent / "node.rules.yml"


def test_a_community_rule_file_is_read_as_it_is() -> None:
    """Alerting and recording rules, groups with intervals, multi-line expressions, templates with queries."""
    found = read_file(COMMUNITY, 15)
    assert len(found) > 20
    assert {rule.kind for rule in found} == {"alert", "record"}
    by_name = {rule.name: rule for rule in found}
    assert by_name["NodeFilesystemSpaceFillingUp"].hold == 3_600_000
    assert by_name["NodeClockNotSynchronising"].severity == "warning"
    assert by_name["instance:node_cpu:ratio"].interval == 60_000
    assert by_name["HostOutOfMemory"].where.startswith(f"{COMMUNITY}:")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("groups: [", "f.yml:1: is no YAML"),
        ("groups:\n- name: a\n  rulez: []\n", "f.yml:3: unknown key 'rulez'; did you mean 'rules'"),
        ("groups:\n- rules: []\n", "f.yml:2: expected a group with a name"),
        ("groups:\n- name: a\n  rules:\n  - alert: A\n    expr: a >\n", "f.yml:5: .*unexpected end"),
        ("groups:\n- name: a\n  rules:\n  - alert: A\n    expr: a\n    for: soon\n", "f.yml:6: expected a duration"),
        ("groups:\n- name: a\n  rules:\n  - expr: a\n", "f.yml:4: expected `alert` or `record`"),
        (
            "groups:\n- name: a\n  rules:\n  - alert: A\n    expr: a\n    labels:\n      a-b: c\n",
            "f.yml:7: .*cannot be a label",
        ),
        (
            "groups:\n- name: a\n  rules:\n  - alert: A\n    alert: B\n    expr: a\n",
            "f.yml:5: the key 'alert' stands here twice",
        ),
        ("- a\n", "f.yml:1: expected a mapping"),
        ("groups: !!python/object:os.system {}\n", "expected a list|f.yml"),
        ("groups:\n- name: a\n- name: a\n", "f.yml:3: expected a group with a name of its own"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(text: str, why: str) -> None:
    """As strict as Prometheus; no tag of any language is read."""
    with pytest.raises(ConfigError, match=why):
        list(read_text(text, "f.yml", 15))


def test_what_cannot_be_read(tmp_path: Path) -> None:
    """No file, no text, or far too much of it."""
    with pytest.raises(ConfigError, match="cannot be read"):
        read_file(tmp_path / "none.yml", 15)
    (tmp_path / "bytes.yml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_file(tmp_path / "bytes.yml", 15)
    assert list(read_text("", "f.yml", 15)) == []


def test_files_by_pattern(tmp_path: Path) -> None:
    """Relative to the configuration; a pattern that nothing fits is no fault."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yml").write_text("groups:\n- name: a\n  rules:\n  - alert: FromFile\n    expr: a > 1\n")
    config = tmp_path / "watchkeeper.toml"
    config.write_text('[alert]\nstock = false\nrules = ["rules/*.yml", "other/*.yml"]\n')
    document = parse({str(config): config.read_text()})
    assert [rule.name for rule in read_rules(document, document.part("alert", AlertSettings))] == ["FromFile"]
