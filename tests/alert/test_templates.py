"""Templates say what Prometheus says: held against promtool where there is one, and against its known answers."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from watchkeeper.alert.gotemplate import MOST_STEPS, TemplateFault
from watchkeeper.alert.templates import Facts, expand, go_float, template
from watchkeeper.errors import Refused

LABELS = {"x": "lab", "instance": "h:1", "__name__": "m"}


def ask(question: str) -> Sequence[tuple[Mapping[str, str], float]]:
    """One series for m, none for anything else."""
    if question == "broken(":
        raise Refused("no question", code="bad_data")
    return [(LABELS, 2.5)] if question == "m" else []


def said(text: str, value: float = 2.5) -> str:
    """What a template says."""
    return expand(text, Facts(LABELS, value, {"region": "north"}, "http://watch.example/base", ask)).text


TEXTS = [
    "{{ $value }}",
    '{{ printf "%.2f" $value }}',
    "{{ $value | humanize }}",
    "{{ $value | humanize1024 }}B of {{ $labels.x }}",
    "{{ $value | humanizeDuration }}",
    "{{ $value | humanizePercentage }}",
    "{{ $value | humanizeTimestamp }}",
    '{{ printf "%v %s %q" $labels.x $labels.x $labels.x }}',
    '{{ $value | printf "%g" }} {{ printf "%e" $value }} {{ printf "%d" $value }} {{ printf "%s" $value }}',
    '{{ printf "%5d|%-5s|%06.2f|%x" 3 "a" 3.14159 255 }}',
    '{{ printf "%s %s" "a" }}{{ printf "a" 5 }}{{ printf "%t" true }}',
    "{{ $labels }}",
    '{{ "ab-cd ef" | title }} {{ toUpper "a" }} {{ toLower "B" }}',
    '{{ reReplaceAll "(.*):(.*)" "$2-${1}x" "h:1" }} {{ match "^a" "abc" }}',
    '{{ stripPort "a:1" }} {{ stripDomain "a.b.c:80" }} {{ stripDomain "10.0.0.1:80" }}',
    '{{ len "abc" }} {{ print 1 2 "x" 3 }} {{ not true }} {{ and 1 0 }} {{ or 0 "x" }}',
    "{{ 1.5 }} {{ 1e9 }} {{ 0.00001 }} {{ 3 }}",
    '{{ index $labels "x" }} {{ $labels.missing }}|{{ .Labels.x }} {{ .Value }}',
    '{{ range $i, $e := query "m" }}{{ $i }}{{ $e | label "x" }}{{ end }}{{ with query "no" }}a{{ else }}b{{ end }}',
    "{{ range $k, $v := $labels }}{{ $k }}={{ $v }},{{ end }}",
    '{{ $x := "q" }}{{ if true }}{{ $x = "r" }}{{ end }}{{ $x }}',
    '{{- " x " -}}  y {{- /* said */ -}} z',
    '{{ if gt $value 100.0 }}big{{ else if eq $labels.x "lab" }}lab{{ else }}small{{ end }}',
    '{{ eq "a" "b" "a" }} {{ lt 1.0 2.0 }} {{ slice "abcdef" 1 3 }} {{ urlquery "a b&" }} {{ html "<a>" }}',
    '{{ printf "%c" \'a\' }} {{ graphLink "up > 1" }}',
    '{{ (printf "%s" "q") | title }}{{ println "a" 1 }}',
]
VALUES = [0.0, 1.0, 0.05, 1234567.5, 1e6, 123456789.0, 1e9, 0.00012345, 0.000012345, -3.25, 100.0, 259205.0, 1 / 3]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (on Debian: apt install prometheus)")
@pytest.mark.parametrize("value", VALUES)
def test_words_are_prometheus_words(tmp_path: Path, value: float) -> None:
    """Every function and verb, for figures of every size."""
    annotations = {f"a{place}": text for place, text in enumerate(TEXTS)}
    rules = {"groups": [{"name": "g", "rules": [{"alert": "A", "expr": "m != 12345.678", "annotations": annotations}]}]}
    expected = {"eval_time": "0m", "alertname": "A", "exp_alerts": [{"exp_labels": {"never": "so"}}]}
    series = [{"series": 'm{x="lab",instance="h:1"}', "values": repr(value)}]
    tests = [{"interval": "1m", "input_series": series, "alert_rule_test": [expected]}]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
    (tmp_path / "test.yml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests})
    )
    run = subprocess.run(["promtool", "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False)
    told = (run.stdout + run.stderr).partition("Annotations:{")[2]
    theirs = {name: json.loads(f'"{text}"') for name, text in re.findall(r'(a\d+)="((?:[^"\\]|\\.)*)"', told)}
    facts = Facts(LABELS, value, ask=lambda question: [(LABELS, value)] if question == "m" else [])
    mine = {name: expand(text, facts).text for name, text in annotations.items()}
    assert mine == theirs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ $externalLabels.region }} {{ externalURL }} {{ pathPrefix }}", "north http://watch.example/base /base"),
        ('{{ with query "m" }}{{ . | first | value | humanize }}{{ end }}', "2.5"),
        ("{{ with $labels.x }}{{ . }}{{ end }}", "lab"),
        ("plain { braces } and %", "plain { braces } and %"),
        ('{{ (query "m" | first).Value }}', "2.5"),
        ('{{ parseDuration "1h" }}', "3600"),
        ('{{ range sortByLabel "x" (query "m") }}{{ .Labels.x }}{{ end }}', "lab"),
    ],
)
def test_more_words(text: str, expected: str) -> None:
    """What promtool cannot be asked."""
    assert said(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ nope }}", 'function "nope" not defined'),
        ("a {{ b", "unclosed action"),
        ("{{ if true }}a", "an {{ end }} is missing"),
        ("{{ end }}", "unexpected {{ end }}"),
        ("{{ }}", "missing value"),
        ("{{ $nope }}", "undefined variable"),
        ("{{ $value | | humanize }}", "missing value"),
        ('{{ define "x" }}{{ end }}', "not known here"),
        ("{{ (1 }}", "unclosed left paren"),
        ("{{ $value.x }}", "can't evaluate field"),
        ('{{ query "no" | first }}', "no elements"),
        ('{{ query "broken(" }}', "no question"),
        ('{{ "a" | humanize }}', "can't convert"),
        ('{{ reReplaceAll "(" "" "a" }}', "regular expression"),
        ('{{ lt 1 "a" }}', "TypeError"),
        ("{{ \x00 }}", "unexpected"),
        ("x" * 5000, "more than 4,096"),
    ],
)
def test_what_fails_says_so_and_raises_nothing(text: str, why: str) -> None:
    """A template that cannot be expanded is a text that says why; the alert is told all the same."""
    found = expand(text + "{{ 1 }}" if text.startswith("xxx") else text, Facts(LABELS, 2.5, ask=ask))
    assert why in found.fault
    assert found.text.startswith("<error expanding template: ")


def test_a_template_cannot_run_on_for_ever() -> None:
    """Steps and characters are bounded, whatever it multiplies."""
    many = [({"x": "y"}, 1.0)] * 300
    facts = Facts(LABELS, 1.0, ask=lambda _: many)
    inner = '{{ range query "m" }}' * 2 + "x" + "{{ end }}" * 2
    assert "steps" in expand(inner, facts).fault
    assert "characters" in expand('{{ range query "m" }}' + "x" * 200 + "{{ end }}", facts).fault
    assert MOST_STEPS < 300 * 300


@given(st.text(max_size=60), st.sampled_from(["{{ %s }}", "{{ $labels.%s }}", '{{ printf "%s" $value }}', "%s"]))
@example("\x00", '{{ printf "%s" $value }}')
@example("\\x", '{{ printf "%s" $value }}')
def test_no_text_breaks_it(text: str, form: str) -> None:
    """Whatever is written: a text comes back, and a fault at load is a TemplateFault alone."""
    written = form.replace("%s", text, 1)
    assert isinstance(said(written), str)
    with contextlib.suppress(TemplateFault):
        template(written)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_read_back(value: float) -> None:
    """As Go writes them: the shortest text that means the same."""
    assert float(go_float(value)) == value
