"""The text of a question, before it is parsed: words that our parser and Prometheus 2.42 read differently.

The parser follows a newer grammar than 2.42 and unquotes strings in its own way, so no literal reaches it:
each string, number and duration is put into a table and travels as its place there. What only the newer grammar has
(numbers as durations, quoted names, `or` between matchers) is refused here, sizes and depths are bounded
(the parser's own stack is not), and `holt_winters` travels under its newer name.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from watchkeeper.query.faults import bad_data

LONGEST = 65_536
"""Characters of a question."""
DEEPEST = 100
"""Brackets within brackets."""
MOST_TOKENS = 4_000

NEWER, OLDER = "double_exponential_smoothing", "holt_winters"
_TOKENS = re.compile(
    r"""(?P<space>[ \t\r\n]+|\#[^\r\n]*)
  | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
  | (?P<duration>(?:[0-9]+(?:ms|[smhdwy]))+(?![0-9A-Za-z_]))
  | (?P<number>(?:0[xX][0-9a-fA-F]+|[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)(?![0-9A-Za-z_]))
  | (?P<word>[a-zA-Z_:][a-zA-Z0-9_:]*)
  | (?P<op>=~|!~|==|!=|<=|>=|[-+*/%^<>=(){}\[\],:@])
  """,
    re.VERBOSE,
)
_DURATION = re.compile(r"(?:([0-9]+)y)?(?:([0-9]+)w)?(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?(?:([0-9]+)ms)?")
_UNITS = (31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1_000, 1)
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.|$))", re.DOTALL
)
_PLAIN = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", "'": "'", '"': '"'}
_CLOSES = {")": "(", "}": "{", "]": "["}
_LISTS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Token(NamedTuple):
    """One word of a question: what it is, its text, and in which line and column it begins (``1:8``)."""

    kind: str
    text: str
    at: str


class Prepared(NamedTuple):
    """What goes to the parser, and the literals that it names by their place (from 1 on)."""

    text: str
    strings: list[str]
    numbers: list[float]
    durations: list[int]
    tokens: list[Token]
    """The words of the original, one for each of `text`."""
    end: str
    """Where the original ends."""


def prepare(text: str) -> Prepared:
    """Read a question's words and put its literals aside; raises Refused (``bad_data``)."""
    tokens = _read(text)
    strings: list[str] = []
    numbers: list[float] = []
    durations: list[int] = []
    parts: list[str] = []
    told: list[Token] = []
    opened: list[Token] = []
    for place, token in enumerate(tokens):
        before = tokens[place - 1].text if place else ""
        spoken = token.text
        if token.kind == "string":
            if opened and opened[-1].text == "{" and before in {"{", ","}:
                raise _wrong(token, f"unexpected string {token.text} in label matching, expected identifier or right_brace")
            if opened and opened[-1].text == "(" and tokens[tokens.index(opened[-1]) - 1].text.lower() in _LISTS:
                raise _wrong(token, f"unexpected string {token.text} in grouping opts, expected label")
            strings.append(_unquoted(token))
            spoken = f'"{len(strings)}"'
        elif token.kind in {"number", "duration"}:
            spoken = _counted(tokens, place, opened, numbers, durations)
        elif before == "@" and token.text in {"+", "-"} and _is_number(tokens, place + 1):
            continue
        elif token.kind == "word":
            spoken = _word(tokens, place, opened, numbers)
        else:
            if token.text == "+":
                _check_plus(tokens, place)
            _bracket(token, opened)
        parts.append(spoken)
        told.append(token)
    if opened:
        names = {"(": "parenthesis", "{": "brace", "[": "bracket"}
        raise _wrong(opened[-1], f"unclosed left {names[opened[-1].text]}")
    line, _, column = tokens[-1].at.partition(":")
    return Prepared(" ".join(parts), strings, numbers, durations, told, f"{line}:{int(column) + len(tokens[-1].text)}")


def duration(token: Token) -> int:
    """Milliseconds of ``1h30m``; raises Refused where units are out of order or come to nothing."""
    found = _DURATION.fullmatch(token.text)
    if found is None:
        raise _wrong(token, f"not a valid duration string: {token.text!r}")
    total = sum(int(count) * unit for count, unit in zip(found.groups(), _UNITS, strict=True) if count)
    if not total:
        raise _wrong(token, "duration must be greater than 0")
    if total > 1 << 53:
        raise _wrong(token, "duration out of range")
    return total


def _read(text: str) -> list[Token]:
    if len(text) > LONGEST:
        raise bad_data(f"a question of {len(text)} characters; {LONGEST} are allowed")
    tokens = []
    place = 0
    timed = False
    line, begin = 1, 0
    while place < len(text):
        if timed and text[place] == ":":  # elsewhere a name may begin with it
            tokens.append(Token("op", ":", f"{line}:{place - begin + 1}"))
            place += 1
            continue
        found = _TOKENS.match(text, place)
        if found is None:
            raise bad_data(_unread(text, place), f"{line}:{place - begin + 1}")
        if found.lastgroup != "space":
            timed = found.group() == "[" or (timed and found.group() != "]")
            tokens.append(Token(str(found.lastgroup), found.group(), f"{line}:{place - begin + 1}"))
        if "\n" in found.group():
            line += found.group().count("\n")
            begin = text.rindex("\n", place, found.end()) + 1
        place = found.end()
    if not tokens:
        raise bad_data("no expression found in input")
    if len(tokens) > MOST_TOKENS:
        raise bad_data(f"a question of {len(tokens)} words; {MOST_TOKENS} are allowed")
    return tokens


def _unread(text: str, place: int) -> str:
    if text[place] in "\"'`":
        return "unterminated quoted string" if text[place] != "`" else "unterminated raw string"
    if text[place].isdigit():
        return f"bad number or duration syntax: {text[place : place + 20]!r}"
    return f"unexpected character: {text[place]!r}"


def _wrong(token: Token, why: str) -> Exception:
    return bad_data(why, token.at)


def _counted(tokens: list[Token], place: int, opened: list[Token], numbers: list[float], durations: list[int]) -> str:
    """A number or a duration as the parser should see it; a sign between it and an ``@`` is its own."""
    token = tokens[place]
    timed = _expects_duration(tokens, place, opened)
    if timed != (token.kind == "duration"):
        raise _wrong(token, f"unexpected {token.kind} {token.text!r}" + (", expected duration" if timed else ""))
    if timed:
        durations.append(duration(token))
        return f"{len(durations)}s"
    pinned = place > 1 and tokens[place - 2].text == "@" and tokens[place - 1].text == "-"
    numbers.append(-_number(token) if pinned else _number(token))
    return str(len(numbers))


def _expects_duration(tokens: list[Token], place: int, opened: list[Token]) -> bool:
    """Whether 2.42's grammar has a duration here: in brackets, or after `offset` and a sign."""
    if opened and opened[-1].text == "[":
        return True
    after = place - 2 if place and tokens[place - 1].text == "-" else place - 1
    return after > 0 and tokens[after].text.lower() == "offset" and _ends_operand(tokens[after - 1])


def _ends_operand(token: Token) -> bool:
    """Whether an expression can end with this word: what comes after it is no operand."""
    return (
        token.text in {")", "}", "]"}
        or token.kind in {"number", "string"}
        or (token.kind == "word" and token.text.lower() not in {"and", "or", "unless", "atan2", "bool", *_LISTS})
    )


def _is_number(tokens: list[Token], place: int) -> bool:
    return place < len(tokens) and (tokens[place].kind == "number" or tokens[place].text.lower() in {"inf", "nan"})


def _check_plus(tokens: list[Token], place: int) -> None:
    """Refuse a sign before what has none: the parser drops a plus without looking at what follows, a string or a range."""
    if place and _ends_operand(tokens[place - 1]):
        return
    end = place + 1
    if end < len(tokens) and tokens[end].kind == "word":
        end += 1
    while end < len(tokens) and tokens[end].text in {"(", "{"}:
        deep = 0
        while end < len(tokens):
            deep += (tokens[end].text in {"(", "{"}) - (tokens[end].text in {")", "}"})
            end += 1
            if not deep:
                break
    if end < len(tokens) and (tokens[end].text == "[" or (end == place + 1 and tokens[end].kind == "string")):
        raise _wrong(tokens[place], "unary expression only allowed on expressions of type scalar or instant vector")


def _bracket(token: Token, opened: list[Token]) -> None:
    if token.text in {"(", "{", "["}:
        opened.append(token)
        if len(opened) > DEEPEST:
            raise _wrong(token, f"more than {DEEPEST} brackets within one another")
    elif token.text in _CLOSES and (not opened or opened.pop().text != _CLOSES[token.text]):
        raise _wrong(token, f"unexpected right bracket {token.text!r}")


def _word(tokens: list[Token], place: int, opened: list[Token], numbers: list[float]) -> str:
    """A word as the parser should see it: figures become places, one function has another name."""
    token = tokens[place]
    after = tokens[place + 1].text if place + 1 < len(tokens) else ""
    if opened and opened[-1].text == "{":
        if not LABEL.fullmatch(token.text) or after not in {"=", "!=", "=~", "!~"}:
            raise _wrong(token, f"unexpected identifier {token.text!r} in label matching")
        return token.text
    if token.text == NEWER and after == "(":
        raise _wrong(token, f'unknown function with name "{NEWER}"')
    if token.text == OLDER and after == "(":
        return NEWER
    if token.text.lower() in {"inf", "nan"}:
        if _expects_duration(tokens, place, opened):
            raise _wrong(token, f"unexpected number {token.text!r}, expected duration")
        numbers.append(float(token.text))
        return str(len(numbers))
    return token.text


def _number(token: Token) -> float:
    """As Go reads it: 0x… is hexadecimal, a leading zero octal where it can be."""
    text = token.text
    if text[:2].lower() == "0x":
        return float(int(text, 16))
    if len(text) > 1 and text[0] == "0" and re.fullmatch(r"[0-7]+", text):
        return float(int(text, 8))
    try:
        return float(text)
    except ValueError:
        raise _wrong(token, f"error parsing number: {text!r}") from None


def _unquoted(token: Token) -> str:
    """A string's content, by Go's rules: raw in backticks, escapes in the others."""
    quote, inside = token.text[0], token.text[1:-1]
    if quote == "`":
        return inside.replace("\r", "")
    if "\\" not in inside:
        return inside

    def plain(found: re.Match[str]) -> str:
        if found[1] is not None:
            if found[1] in "'\"" and found[1] != quote:
                raise _wrong(token, f"unknown escape sequence {found[0]!r}")
            return _PLAIN[found[1]]
        if found[6] is not None:
            raise _wrong(token, f"unknown escape sequence {found[0]!r}")
        code = int(found[2] or found[4] or found[5], 16) if found[3] is None else int(found[3], 8)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000 or (found[3] is not None and code > 255):
            raise _wrong(token, f"invalid escape {found[0]!r}")
        # Two and three digits stand for a byte: those beyond ASCII are put together with their neighbours below.
        return chr(code) if code < 128 or found[4] or found[5] else chr(0xDC00 + code)

    replaced = _ESCAPE.sub(plain, inside)
    return replaced.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
