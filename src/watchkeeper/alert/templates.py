"""Words for people: annotations and labels of rules, expanded as Prometheus expands them.

`{{ $value }}`, `{{ $labels.machine }}`, `{{ $value | humanize1024 }}`, `{{ with query "…" }}`: the functions here are those of
Prometheus 2.42. A template that fails never keeps an alert from being told: the fault is handed back beside plain facts.
"""

from __future__ import annotations

import html
import math
import re
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from watchkeeper.alert.gotemplate import Template, TemplateFault, truth
from watchkeeper.errors import Refused
from watchkeeper.store.finding import expression

LONGEST = 4096
"""Characters of a template."""
Ask = Callable[[str], Sequence[tuple[Mapping[str, str], float]]]
"""Answers a PromQL question at the instant of the alert: labels and value of each series; raises Refused."""

_ABOVE = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_ABOVE_1024 = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_BELOW = ("m", "u", "n", "p", "f", "a", "z", "y")


class Facts(NamedTuple):
    """What a template may speak of. `ask` answers `query`."""

    labels: Mapping[str, str]
    value: float
    external_labels: Mapping[str, str] = {}
    external_url: str = ""
    ask: Ask | None = None


class Expanded(NamedTuple):
    """The text, and what went wrong (then `text` is plain facts)."""

    text: str
    fault: str = ""


@lru_cache(maxsize=2048)
def template(text: str) -> Template:
    """Parse a template; raises TemplateFault for one that is none, or that names a function that there is not."""
    if len(text) > LONGEST:
        raise TemplateFault(f"it has more than {LONGEST:,} characters")
    parsed = Template(text)
    if unknown := parsed.words() - _NAMES:
        raise TemplateFault(f'function "{min(unknown)}" not defined')
    return parsed


def asks(text: str) -> bool:
    """Whether expanding it asks the store, which takes a while."""
    return "query" in text and "{{" in text


def expand(text: str, facts: Facts) -> Expanded:
    """Put the facts in; never raises: where it cannot be done, the text says so and why."""
    if "{{" not in text:
        return Expanded(text)
    dot = {
        "Labels": facts.labels,
        "ExternalLabels": facts.external_labels,
        "ExternalURL": facts.external_url,
        "Value": facts.value,
    }
    variables = {
        "$": dot,
        "$labels": facts.labels,
        "$externalLabels": facts.external_labels,
        "$externalURL": facts.external_url,
        "$value": facts.value,
    }
    try:
        return Expanded(template(text).run(dot, variables, _functions(facts), show))
    except (TemplateFault, Refused) as fault:
        return Expanded(f"<error expanding template: {fault}>", str(fault))


def show(value: Any) -> str:
    """A value as Go prints it."""
    match value:
        case None:
            return "<no value>"
        case bool():
            return "true" if value else "false"
        case float():
            return go_float(value)
        case Mapping():
            return f"map[{' '.join(f'{key}:{show(one)}' for key, one in sorted(value.items()))}]"
        case list() | tuple():
            return f"[{' '.join(map(show, value))}]"
    return str(value)


def go_float(value: float) -> str:
    """A float as Go's ``%v`` writes it: the shortest that reads back, with an exponent from a million on or below 1e-4."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    power = len(digits) - 1 + exponent
    if value and (power < -4 or power >= 6):
        body = "".join(map(str, digits))
        return f"{'-' if sign else ''}{body[0]}{'.' * (len(body) > 1)}{body[1:]}e{power:+03d}"
    return f"{value:.{max(-exponent, 0)}f}"


def number(value: Any) -> float:
    """A figure of whatever a template hands over."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TemplateFault(f"can't convert {show(value)} to float") from None


def humanize(given: Any) -> str:
    """``1.5k``: four digits with the prefix of a thousand."""
    value = number(given)
    if value == 0 or not math.isfinite(value):
        return _g(value)
    return _scaled(value, _ABOVE, 1000.0) if abs(value) >= 1 else _small(value)


def humanize1024(given: Any) -> str:
    """``1.5Ki``: the same with the prefixes of 1024."""
    value = number(given)
    if abs(value) <= 1 or not math.isfinite(value):
        return _g(value)
    return _scaled(value, _ABOVE_1024, 1024.0)


def humanize_duration(given: Any) -> str:
    """``1d 2h 3m 4s``."""
    value = number(given)
    if not math.isfinite(value):
        return _g(value)
    if value == 0:
        return f"{_g(value)}s"
    if abs(value) < 1:
        return f"{_small(value)}s"
    sign, value = ("-", -value) if value < 0 else ("", value)
    minutes, seconds = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    return f"{sign}{minutes}m {seconds}s" if minutes else f"{sign}{_g(value)}s"


def humanize_percentage(given: Any) -> str:
    """``12.5%`` of 0.125."""
    return f"{_g(number(given) * 100)}%"


def humanize_timestamp(given: Any) -> str:
    """Unix seconds as a date in UTC."""
    value = number(given)
    if not math.isfinite(value):
        return _g(value)
    if abs(value) > 9.2e9:
        raise TemplateFault(f"{_g(value)} cannot be represented as a timestamp")
    at = datetime.fromtimestamp(value, UTC)
    part = f".{at.microsecond // 1000:03d}".rstrip("0").rstrip(".")
    return f"{at:%Y-%m-%d %H:%M:%S}{part} +0000 UTC"


def sprintf(form: str, *values: Any) -> str:
    """Go's Sprintf, for the verbs that rule files have."""
    left = list(values)

    def one(found: re.Match[str]) -> str:
        flags, verb = found[1], found[2]
        if verb == "%":
            return "%"
        if not left:
            return f"%!{verb}(MISSING)"
        return _verb(flags, verb, left.pop(0))

    text = re.sub(r"%([-+# 0]*\d*(?:\.\d+)?)([a-zA-Z%])", one, form)
    return text + (f"%!(EXTRA {', '.join(f'{_go_type(one)}={show(one)}' for one in left)})" if left else "")


def _verb(flags: str, verb: str, value: Any) -> str:  # noqa: PLR0911  # a table of verbs
    match verb:
        case "v" | "s" if verb == "v" or isinstance(value, str):
            plain = re.sub(r"[+#0]|\.\d+$", "", flags) if verb == "v" else flags
            return ("%" + plain + "s") % (show(value),)
        case "q" if isinstance(value, str):
            escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            return f'"{escaped}"'
        case "d" | "x" | "X" | "o" | "c" if isinstance(value, int) and not isinstance(value, bool):
            return ("%" + flags + verb) % (value,)
        case "f" | "F" | "e" | "E" | "g" | "G" if isinstance(value, float):
            if verb in "gG" and "." not in flags:
                return ("%" + flags + "s") % (go_float(value),)
            return _finite("%" + flags + verb, value)
        case "t" if isinstance(value, bool):
            return show(value)
    return f"%!{verb}({_go_type(value)}={show(value)})"


def _finite(form: str, value: float) -> str:
    return form % (value,) if math.isfinite(value) else go_float(value)


def _go_type(value: Any) -> str:
    return {bool: "bool", int: "int", float: "float64", str: "string", type(None): "<nil>"}.get(
        type(value), type(value).__name__
    )


def _g(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else go_float(value)


def _scaled(value: float, prefixes: Sequence[str], step: float) -> str:
    prefix = ""
    for one in prefixes:
        if abs(value) < step:
            break
        prefix = one
        value /= step
    return _g(value) + prefix


def _small(value: float) -> str:
    prefix = ""
    for one in _BELOW:
        if abs(value) >= 1:
            break
        prefix = one
        value *= 1000
    return _g(value) + prefix


def _equal(first: Any, *others: Any) -> bool:
    return any(first == other for other in others)


def _first(samples: Sequence[Any]) -> Any:
    if not samples:
        raise TemplateFault("first() called on vector with no elements")
    return samples[0]


def _matches(pattern: str, text: str) -> bool:
    return expression(pattern).search(text) is not None


def _replaced(pattern: str, replacement: str, text: str) -> str:
    form = re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: f"\\g<{found[1] or found[2]}>", replacement.replace("\\", "\\\\"))

    def one(found: Any) -> str:
        def group(reference: re.Match[str]) -> str:
            name = reference[1]
            try:
                return found.group(int(name) if name.isdigit() else name) or ""
            except (IndexError, KeyError):
                return ""

        return re.sub(r"\\g<(\w+)>", group, form)

    return str(expression(pattern).sub(one, text))


def _title(text: str) -> str:
    return re.sub(r"(?<![\w'])[a-z]", lambda found: found[0].upper(), text)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        value = value.get(key, "") if isinstance(value, Mapping) else value[key]
    return value


def _join(*values: Any) -> str:
    """Go's Sprint: a space between two that are no strings."""
    text = ""
    for number_, value in enumerate(values):
        apart = number_ and not isinstance(value, str) and not isinstance(values[number_ - 1], str)
        text += (" " if apart else "") + show(value)
    return text


_PLAIN: dict[str, Callable[..., Any]] = {
    "not": lambda value: not truth(value),
    "eq": _equal,
    "ne": lambda one, other: one != other,
    "lt": lambda one, other: one < other,
    "le": lambda one, other: one <= other,
    "gt": lambda one, other: one > other,
    "ge": lambda one, other: one >= other,
    "len": len,
    "index": _index,
    "slice": lambda value, *bounds: value[slice(*bounds)] if bounds else value,
    "print": _join,
    "println": lambda *values: " ".join(map(show, values)) + "\n",
    "printf": sprintf,
    "html": lambda *values: html.escape(_join(*values)),
    "urlquery": lambda *values: urllib.parse.quote_plus(_join(*values)),
    "humanize": humanize,
    "humanize1024": humanize1024,
    "humanizeDuration": humanize_duration,
    "humanizePercentage": humanize_percentage,
    "humanizeTimestamp": humanize_timestamp,
    "title": _title,
    "toUpper": lambda text: str(text).upper(),
    "toLower": lambda text: str(text).lower(),
    "match": _matches,
    "reReplaceAll": _replaced,
    "safeHtml": lambda text: text,
    "stripPort": lambda text: text.rpartition(":")[0] if re.search(r"(^[^:]*|\]):\d+$", text) else text,
    "stripDomain": lambda text: _host(text),  # noqa: PLW0108  # it stands below
    "parseDuration": lambda text: _seconds(text),  # noqa: PLW0108  # it stands below
    "first": _first,
    "value": lambda sample: sample["Value"],
    "label": lambda name, sample: sample["Labels"].get(name, ""),
    "strvalue": lambda sample: sample["Labels"].get("__value__", ""),
    "sortByLabel": lambda name, samples: sorted(samples, key=lambda one: one["Labels"].get(name, "")),
    "args": lambda *values: {f"arg{place}": value for place, value in enumerate(values)},
    "graphLink": lambda asked: f"/graph?g0.expr={urllib.parse.quote_plus(asked)}&g0.tab=0",
    "tableLink": lambda asked: f"/graph?g0.expr={urllib.parse.quote_plus(asked)}&g0.tab=1",
}
_NAMES = {*_PLAIN, "and", "or", "query", "externalURL", "pathPrefix"}


def _functions(facts: Facts) -> Mapping[str, Callable[..., Any]]:
    def query(asked: str) -> list[dict[str, Any]]:
        if facts.ask is None:
            raise TemplateFault("there is nothing to ask here")
        return [{"Labels": labels, "Value": value} for labels, value in facts.ask(asked)]

    return {
        **_PLAIN,
        "query": query,
        "externalURL": lambda: facts.external_url,
        "pathPrefix": lambda: urllib.parse.urlsplit(facts.external_url).path,
    }


def _host(text: str) -> str:
    host, colon, port = text.rpartition(":") if re.search(r":\d+$", text) else (text, "", "")
    if re.fullmatch(r"[\d.]+|\[?[0-9a-fA-F:]+\]?", host):
        return text
    return host.partition(".")[0] + colon + port


def _seconds(text: str) -> float:
    from watchkeeper.quantities import Duration  # noqa: PLC0415  # of all functions this one alone needs it

    return float(Duration.parse(text))
