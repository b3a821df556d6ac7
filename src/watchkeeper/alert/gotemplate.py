"""Go's text/template as rule files use it: parsed once, run with given functions, within bounds.

What is there: pipelines, fields, variables, `if`, `with`, `range`, `else`, brackets, comments, trimmed spaces, literals.
What is not (`define`, `block`, methods) is refused when the template is parsed. Text in, text out; `templates` gives it its
words.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

MOST_STEPS = 20_000
MOST_TEXT = 32_768

_ACTION = re.compile(
    r"\{\{(?:(-)(?=\s))?\s*(/\*.*?\*/|(?:`[^`]*`|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|[^`\"'])*?)\s*?(?:(?<=\s)(-))?\}\}",
    re.DOTALL,
)
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
  | (?P<char>'(?:[^'\\\n]|\\.)+')
  | (?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?))
  | (?P<variable>\$\w*(?:\.\w+)*)
  | (?P<field>(?:\.\w+)+|\.)
  | (?P<word>[A-Za-z_]\w*)
  | (?P<punctuation>:=|[|()=,]))""",
    re.VERBOSE,
)


class TemplateFault(Exception):
    """The template cannot be parsed, or cannot be run on what it was given."""


class _Term(msgspec.Struct, frozen=True):
    kind: str
    value: Any
    fields: tuple[str, ...] = ()


class _Pipe(msgspec.Struct, frozen=True):
    """Commands one after another, each a list of terms; `names` are variables that take the result; `fresh`: with ``:=``."""

    commands: tuple[tuple[_Term, ...], ...]
    names: tuple[str, ...] = ()
    fresh: bool = True


class _Block(msgspec.Struct, frozen=True):
    kind: str
    pipe: _Pipe | None
    body: tuple[Any, ...]
    other: tuple[Any, ...] = ()


class Piece(NamedTuple):
    """Plain text (`action` None), or what stands between the brackets."""

    text: str
    action: str | None


class Template:
    """A parsed template."""

    def __init__(self, text: str) -> None:
        """Parse; raises TemplateFault with what is wrong."""
        self._pieces = list(_pieces(text))
        self._place = 0
        self._nodes = self._until(())

    def words(self) -> set[str]:
        """Every function that it names."""
        return set(_words(self._nodes))

    def run(
        self, dot: Any, variables: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]], show: Callable[[Any], str]
    ) -> str:
        """Expand; `show` turns a value to text. Raises TemplateFault."""
        run = _Run(functions, show, dict(variables))
        try:
            run.nodes(self._nodes, dot)
        except TemplateFault:
            raise
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError) as fault:
            raise TemplateFault(f"{type(fault).__name__}: {fault}") from None
        return "".join(run.parts)

    def _until(self, ends: tuple[str, ...]) -> tuple[Any, ...]:
        """Nodes up to one of these words, which stays to be read."""
        nodes: list[Any] = []
        while self._place < len(self._pieces):
            piece = self._pieces[self._place]
            if piece.action is None:
                nodes.append(piece.text)
                self._place += 1
                continue
            word = piece.action.split(None, 1)[0] if piece.action else ""
            if word in {"end", "else"}:
                if word not in ends:
                    raise TemplateFault(f"unexpected {{{{ {word} }}}}")
                return tuple(nodes)
            self._place += 1
            if word in {"if", "with", "range"}:
                nodes.append(self._block(word, piece.action[len(word) :]))
            elif word in {"define", "block", "template", "break", "continue"}:
                raise TemplateFault(f"{word} is not known here")
            elif piece.action:
                nodes.append(_parse_pipe(piece.action))
            else:
                raise TemplateFault("missing value for command")
        if ends:
            raise TemplateFault("unexpected end: an {{ end }} is missing")
        return tuple(nodes)

    def _block(self, kind: str, header: str) -> _Block:
        pipe = _parse_pipe(header)
        body = self._until(("end", "else"))
        action = self._pieces[self._place].action or ""
        self._place += 1
        if action.strip() == "end":
            return _Block(kind, pipe, body)
        rest = action.split(None, 1)[1:] or [""]
        if rest[0].startswith(("if ", "with ")):
            word = rest[0].split(None, 1)[0]
            return _Block(kind, pipe, body, (self._block(word, rest[0][len(word) :]),))
        other = self._until(("end",))
        self._place += 1
        return _Block(kind, pipe, body, other)


def _pieces(text: str) -> Iterator[Piece]:
    place, trim = 0, False
    for found in _ACTION.finditer(text):
        plain = text[place : found.start()]
        if "{{" in plain:
            break
        plain = plain.lstrip() if trim else plain
        plain = plain.rstrip() if found[1] else plain
        if plain:
            yield Piece(plain, None)
        if not found[2].startswith("/*"):
            yield Piece("", found[2].strip())
        place, trim = found.end(), bool(found[3])
    rest = text[place:]
    if "{{" in rest:
        raise TemplateFault("unclosed action")
    rest = rest.lstrip() if trim else rest
    if rest:
        yield Piece(rest, None)


def _tokens(text: str) -> list[tuple[str, str, bool]]:
    """Kind, text, and whether a space stands before it: ``(x).y`` is a field, ``(x) .y`` another word."""
    found, place = [], 0
    text = text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.end() == place:
            raise TemplateFault(f"unexpected {text[place:].strip()[:20]!r} in {text[:80]!r}")
        kind = match.lastgroup or ""
        found.append((kind, match[kind], match.start(kind) > place))
        place = match.end()
    return found


def _parse_pipe(text: str) -> _Pipe:
    tokens = _tokens(text)
    names: list[str] = []
    fresh = True
    for mark in (":=", "="):
        here = [number for number, token in enumerate(tokens) if token[1] == mark and token[0] == "punctuation"]
        if here:
            names = [token[1] for token in tokens[: here[0]] if token[0] == "variable"]
            fresh = mark == ":="
            tokens = tokens[here[0] + 1 :]
            break
    pipe, place = _commands(tokens, 0)
    if place < len(tokens):
        raise TemplateFault(f"unexpected {tokens[place][1]!r}")
    return _Pipe(pipe, tuple(names), fresh)


def _commands(tokens: list[tuple[str, str, bool]], place: int) -> tuple[tuple[tuple[_Term, ...], ...], int]:
    commands: list[tuple[_Term, ...]] = []
    terms: list[_Term] = []
    while place < len(tokens):
        kind, text, spaced = tokens[place]
        if text == ")" and kind == "punctuation":
            break
        place += 1
        if kind == "punctuation" and text == "|":
            if not terms:
                raise TemplateFault("missing value for command")
            commands.append(tuple(terms))
            terms = []
        elif kind == "punctuation" and text == "(":
            inner, place = _commands(tokens, place)
            if place >= len(tokens):
                raise TemplateFault("unclosed left paren")
            place += 1
            terms.append(_Term("pipe", _Pipe(inner)))
        elif kind == "field" and not spaced and terms and terms[-1].kind == "pipe" and text != ".":
            terms[-1] = _Term("pipe", terms[-1].value, tuple(text[1:].split(".")))
        else:
            terms.append(_term(kind, text))
    if not terms:
        raise TemplateFault("missing value for command")
    return (*commands, tuple(terms)), place


def _term(kind: str, text: str) -> _Term:  # noqa: PLR0911  # a table of kinds
    match kind:
        case "string" if text[0] == "`":
            return _Term("literal", text[1:-1])
        case "string":
            return _Term("literal", _unquoted(text))
        case "char":
            return _Term("literal", ord(_unquoted(text)))
        case "number":
            plain = text.lstrip("+-")
            whole = plain.isdigit() or plain.lower().startswith("0x")
            return _Term("literal", int(text, 0 if plain.lower().startswith("0x") else 10) if whole else float(text))
        case "variable":
            name, *fields = text.split(".")
            return _Term("variable", name, tuple(fields))
        case "field":
            return _Term("dot", None, tuple(text[1:].split(".")) if text != "." else ())
        case "word" if text in {"true", "false", "nil"}:
            return _Term("literal", {"true": True, "false": False, "nil": None}[text])
        case "word":
            return _Term("word", text)
    raise TemplateFault(f"unexpected {text!r}")


def _unquoted(text: str) -> str:
    try:
        return str(ast.literal_eval(text))
    except (SyntaxError, ValueError):  # an escape that there is not, a NUL
        raise TemplateFault(f"bad quoted text {text!r}") from None


class _Run:
    """One expansion."""

    def __init__(
        self, functions: Mapping[str, Callable[..., Any]], show: Callable[[Any], str], variables: dict[str, Any]
    ) -> None:
        self._functions = functions
        self._show = show
        self._scopes: list[dict[str, Any]] = [variables]
        self._steps = 0
        self._size = 0
        self.parts: list[str] = []

    def nodes(self, nodes: tuple[Any, ...], dot: Any) -> None:
        for node in nodes:
            self._steps += 1
            if self._steps > MOST_STEPS:
                raise TemplateFault(f"it takes more than {MOST_STEPS:,} steps")
            if isinstance(node, str):
                self._write(node)
            elif isinstance(node, _Pipe):
                value = self._piped(node, dot)
                if not node.names:
                    self._write(self._show(value))
            else:
                self._scopes.append({})
                self._blocked(node, dot)
                self._scopes.pop()

    def _write(self, text: str) -> None:
        self._size += len(text)
        if self._size > MOST_TEXT:
            raise TemplateFault(f"it makes more than {MOST_TEXT:,} characters")
        self.parts.append(text)

    def _blocked(self, node: _Block, dot: Any) -> None:
        assert node.pipe is not None
        if node.kind == "range":
            self._ranged(node, dot)
            return
        value = self._piped(node.pipe, dot)
        if truth(value):
            self.nodes(node.body, value if node.kind == "with" else dot)
        else:
            self.nodes(node.other, dot)

    def _ranged(self, node: _Block, dot: Any) -> None:
        assert node.pipe is not None
        names = node.pipe.names
        items = self._piped(_Pipe(node.pipe.commands), dot) or ()
        pairs = sorted(items.items()) if isinstance(items, Mapping) else list(enumerate(items))
        for key, item in pairs:
            if len(names) == 2:
                self._scopes[-1][names[0]] = key
            if names:
                self._scopes[-1][names[-1]] = item
            self.nodes(node.body, item)
        if not pairs:
            self.nodes(node.other, dot)

    def _piped(self, pipe: _Pipe, dot: Any) -> Any:
        value: Any = None
        for number, command in enumerate(pipe.commands):
            value = self._command(command, dot, (value,) if number else ())
        for name in pipe.names:
            self._assign(name, value, fresh=pipe.fresh)
        return value

    def _assign(self, name: str, value: Any, *, fresh: bool) -> None:
        scope = self._scopes[-1]
        if not fresh:
            scope = next((one for one in reversed(self._scopes) if name in one), scope)
        scope[name] = value

    def _command(self, terms: tuple[_Term, ...], dot: Any, last: tuple[Any, ...]) -> Any:
        first = terms[0]
        if first.kind == "word":
            return self._call(first.value, terms[1:], dot, last)
        if len(terms) > 1 or last:
            raise TemplateFault("can't give argument to non-function")
        return self._value(first, dot)

    def _call(self, name: str, terms: tuple[_Term, ...], dot: Any, last: tuple[Any, ...]) -> Any:
        if name in {"and", "or"}:
            value: Any = None
            for work in (
                *((lambda term=term: self._value(term, dot)) for term in terms),
                *((lambda: last[0],) if last else ()),
            ):
                value = work()
                if truth(value) is (name == "or"):
                    break
            return value
        function = self._functions.get(name)
        if function is None:
            raise TemplateFault(f'function "{name}" not defined')
        return function(*(self._value(term, dot) for term in terms), *last)

    def _value(self, term: _Term, dot: Any) -> Any:
        match term.kind:
            case "literal":
                return term.value
            case "dot":
                return _field(dot, term.fields)
            case "variable":
                for scope in reversed(self._scopes):
                    if term.value in scope:
                        return _field(scope[term.value], term.fields)
                raise TemplateFault(f'undefined variable "{term.value}"')
            case "pipe":
                return _field(self._piped(term.value, dot), term.fields)
        return self._call(term.value, (), dot, ())


def truth(value: Any) -> bool:
    """What `if` makes of a value: empty, zero and nil are false."""
    return bool(value) or (isinstance(value, float) and value != value)  # noqa: PLR0124  # NaN is not zero


def _field(value: Any, fields: tuple[str, ...]) -> Any:
    for name in fields:
        if isinstance(value, Mapping):
            value = value.get(name, "")
        else:
            raise TemplateFault(f"can't evaluate field {name} in type {type(value).__name__}")
    return value


def _words(nodes: tuple[Any, ...]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, _Block):
            yield from _words((*((node.pipe,) if node.pipe else ()), *node.body, *node.other))
        elif isinstance(node, _Pipe):
            for command in node.commands:
                for term in command:
                    if term.kind == "word":
                        yield term.value
                    elif term.kind == "pipe":
                        yield from _words((term.value,))
