"""How a configuration is read: TOML + conf.d/*.toml, merged by name, decoded strictly.

A `Document` is the merged text with its provenance; each owner asks it for the tables it
owns (`Document.part`, `Document.named`) and gets frozen structs back. A fault is a
`ConfigError` that names file, line and table, what was expected and the nearest known key.
This room knows no setting of its own and never holds a secret's text.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from watchkeeper.errors import ConfigError
from watchkeeper.quantities import BY_REFERENCE, Duration, Secret, Size

__all__ = [
    "Asked",
    "Document",
    "Duration",
    "Part",
    "Secret",
    "Size",
    "Timed",
    "decode_hook",
    "encode_hook",
    "load",
    "parse",
]

T = TypeVar("T")
Place = tuple[str | int, ...]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
"""What servers, probes and machines may be called: it becomes a label, a file name and a URL segment."""


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A leaf that is its own configuration; the class keyword `tag` is its `kind` in TOML."""


class Timed(Part, frozen=True, kw_only=True):
    """A part that its frame runs again and again; no `period` of its own = that of its agent."""

    period: Duration | None = None


class Asked(Timed, frozen=True, kw_only=True):
    """A part that asks something outside and may wait in vain; `misses` in a row make it count as failed.

    `name` tells several of one kind apart; left out, the kind is the name. With `liveness`, a server that does not answer it
    counts as hung (see ``[server.NAME.liveness]``).
    """

    name: str = ""
    timeout: Duration = Duration(2)
    misses: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3
    liveness: bool = False


def decode_hook(wanted: type, written: Any) -> Any:
    """Turn what TOML wrote into our quantities (for `msgspec.convert(dec_hook=…)`)."""
    if wanted is Duration:
        return Duration.parse(written)
    if wanted is Size:
        return Size.parse(written)
    if wanted is Path:
        if isinstance(written, str):
            return Path(written)
        raise ValueError(f"expected a path, got {written!r}")
    raise NotImplementedError(wanted)


def encode_hook(value: Any) -> Any:
    """Write our quantities as people write them (for `config show`)."""
    if isinstance(value, (Duration, Size, Path)):
        return str(value)
    raise NotImplementedError(type(value))


class Document:
    """A configuration as merged from its files, not yet understood."""

    def __init__(self, tables: dict[str, Any], origins: dict[str, str]) -> None:
        """Take the merged `tables` and the text of each file, by name, for finding lines again."""
        self.tables = tables
        self._origins = origins

    @property
    def folder(self) -> Path:
        """Where the first file is: what relative paths in it are relative to; without a file, where we stand."""
        return Path(next(iter(self._origins))).absolute().parent if self._origins else Path.cwd()

    def part(self, table: str, wanted: type[T]) -> T:
        """Decode one top-level table (or the empty one, if absent) as `wanted`."""
        decoded: T = self.decode(self.tables.get(table, {}), wanted, (table,))
        return decoded

    def named(self, table: str, wanted: Any, *, tagged: tuple[str, str] | None = None) -> dict[str, Any]:
        """Decode ``[table.NAME]`` sections, each as `wanted`, keyed by name; refuses names that cannot be labels.

        `tagged`: the key that says which of a union it is, and what it is without that key.
        """
        entries = self.tables.get(table, {})
        if not isinstance(entries, dict):
            raise self.fault((table,), f"expected sections [{table}.NAME], got {_kind(entries)}")
        found = {}
        for name, entry in entries.items():
            if not NAME.fullmatch(name):
                raise self.fault((table, name), "a name has 1 to 63 letters, digits, dots, dashes or underscores")
            whole = {tagged[0]: tagged[1]} | entry if tagged and isinstance(entry, dict) else entry
            found[name] = self.decode(whole, wanted, (table, name))
        return found

    def decode(self, raw: Any, wanted: Any, place: Place) -> Any:
        """Convert `raw`, found at `place`, strictly; the fault names file, line, table and the nearest key."""
        try:
            return msgspec.convert(raw, wanted, dec_hook=decode_hook)
        except msgspec.ValidationError as fault:
            problem, inner = _split(str(fault))
            whole = place + inner
            if found := re.search(r"unknown field `(.+?)`", problem):
                known = sorted(_keys(wanted, raw, inner))
                whole += (found[1],)
                problem = f"unknown key {found[1]!r}{nearest(found[1], known)}"
            elif found := re.search(r"missing required field `(.+?)`", problem):
                problem = f"the key {found[1]!r} is missing"
            elif found := re.search(r"Invalid value ['\"](.+?)['\"]$", problem):
                problem = f"{found[1]!r} is not one of the known values{nearest(found[1], _values(wanted, raw, inner))}"
            elif Secret in _arms(*_at(wanted, raw, inner)) and problem.startswith("Expected `object"):
                problem = BY_REFERENCE
            raise self.fault(whole, problem) from None

    def only(self, known: Mapping[str, str]) -> None:
        """Refuse top-level tables that nobody owns."""
        for table in self.tables:
            if table not in known:
                raise self.fault((table,), f"unknown table {table!r}{nearest(table, sorted(known))}")

    def fault(self, place: Place, problem: str) -> ConfigError:
        """A ConfigError for what stands at `place`, with file and line where they can be found."""
        dotted = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).lstrip(".")
        best: tuple[int, str] | None = None
        for file, text in self._origins.items():
            depth, line = _locate(text, place)
            if line and (best is None or depth > best[0]):
                best = depth, f"{file}:{line}"
        return ConfigError(problem, where=f"{best[1]} ({dotted})" if best else dotted)


def load(path: Path) -> Document:
    """Read a configuration file and the ``conf.d/*.toml`` beside it, merged in name order."""
    beside = sorted((path.parent / "conf.d").glob("*.toml"))
    texts = {}
    for file in (path, *beside):
        try:
            texts[str(file)] = file.read_text(encoding="utf-8")
        except OSError as fault:
            raise ConfigError(f"cannot be read: {fault.strerror}", where=str(file)) from None
        except UnicodeDecodeError as fault:
            raise ConfigError(f"is not UTF-8 text (byte {fault.start})", where=str(file)) from None
    return parse(texts)


def parse(texts: dict[str, str]) -> Document:
    """Merge TOML texts, keyed by file name: tables join, a value set twice is a fault that names both files."""
    merged: dict[str, Any] = {}
    owner: dict[Place, str] = {}
    for file, text in texts.items():
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as fault:
            found = re.search(r"\(at line (\d+)", str(fault))
            line = f":{found[1]}" if found else ""
            raise ConfigError(re.sub(r" \(at .*\)", "", str(fault)), where=file + line) from None
        _merge(merged, tables, file, owner, ())
    return Document(merged, texts)


def nearest(word: str, known: list[str]) -> str:
    """A hint for a mistyped word: the nearest known one, else the list of them."""
    import difflib  # noqa: PLC0415  # only a mistake needs it, and the agent counts its memory

    if close := difflib.get_close_matches(word, known, 1, 0.6):
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(known)}" if known else ""


def _merge(into: dict[str, Any], tables: dict[str, Any], file: str, owner: dict[Place, str], at: Place) -> None:
    for key, value in tables.items():
        place = (*at, key)
        if isinstance(value, dict) and isinstance(into.get(key, {}), dict):
            _merge(into.setdefault(key, {}), value, file, owner, place)
        elif isinstance(value, list) and isinstance(into.get(key), list) and _holds_tables(value + into[key]):
            into[key] = into[key] + value
        elif key in into:
            dotted = ".".join(map(str, place))
            raise ConfigError(f"{dotted} is set here and in {owner.get(place, 'another file')}", where=file)
        else:
            into[key] = value
            owner[place] = file


def _holds_tables(values: list[Any]) -> bool:
    return all(isinstance(value, dict) for value in values)


def _kind(value: Any) -> str:
    return {dict: "a table", list: "an array", str: "a string", bool: "a boolean", int: "a number"}.get(type(value), "a value")


def _split(message: str) -> tuple[str, Place]:
    """Part msgspec's message into the problem and the path behind ``- at `$.a[0].b` ``."""
    problem, _, path = message.partition(" - at `$")
    steps: list[str | int] = []
    for name, index in re.findall(r"\.([^.\[\]`]+)|\[(\d+|\.\.\.)\]", path):
        if name:
            steps.append(name)
        elif index.isdigit():
            steps.append(int(index))
    return problem, tuple(steps)


def _arms(wanted: Any, raw: Any) -> Iterator[Any]:
    """The struct types that `wanted` may mean for `raw`: a tagged union narrows by its tag."""
    arms = getattr(wanted, "__args__", None) if not isinstance(wanted, type) else None
    for arm in arms or (wanted,):
        if isinstance(arm, type) and issubclass(arm, msgspec.Struct):
            config = arm.__struct_config__
            if arms and config.tag_field and isinstance(raw, dict) and raw.get(config.tag_field) not in (None, config.tag):
                continue
            yield arm


def _at(wanted: Any, raw: Any, inner: Place) -> tuple[Any, Any]:
    """Follow `inner` through types and data to the type and value in question."""
    for step in inner:
        if isinstance(step, int):
            wanted = getattr(wanted, "__args__", (None,))[0]
        else:
            for arm in _arms(wanted, raw):
                types = {field.encode_name: field.type for field in msgspec.structs.fields(arm)}
                if step in types:
                    wanted = types[step]
                    break
        raw = _item(raw, step)
    return wanted, raw


def _item(raw: Any, step: str | int) -> Any:
    if isinstance(raw, dict):
        return raw.get(step)
    return raw[step] if isinstance(raw, list) and isinstance(step, int) and step < len(raw) else None


def _keys(wanted: Any, raw: Any, inner: Place) -> set[str]:
    wanted, raw = _at(wanted, raw, inner)
    return {field.encode_name for arm in _arms(wanted, raw) for field in msgspec.structs.fields(arm)}


def _values(wanted: Any, raw: Any, inner: Place) -> list[str]:
    if inner:
        holder, _ = _at(wanted, raw, inner[:-1])
        tags = [arm.__struct_config__.tag for arm in getattr(holder, "__args__", ()) if hasattr(arm, "__struct_config__")]
        if tags and inner[-1] in {"kind", "driver"}:
            return sorted(map(str, tags))
    wanted, _ = _at(wanted, raw, inner)
    return sorted(str(value) for value in getattr(wanted, "__args__", ()) or getattr(wanted, "__members__", ()))


def _locate(text: str, place: Place) -> tuple[int, int]:
    """How many steps of `place` this text holds, and the line of the deepest; (0, 0) if none.

    TOML's parser keeps no positions, so headers and keys are looked for again, by eye as it were:
    good for pointing at a line, never for deciding anything.
    """
    names = [step for step in place if isinstance(step, str)]
    indices = [step for step in place if isinstance(step, int)]
    seen: dict[str, int] = {}
    best = (0, 0)
    header: list[str] = []
    inside_right_item = True
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if found := re.match(r"\[\[?\s*([^\]]+?)\s*\]\]?", stripped):
            header = [step.strip().strip("\"'") for step in found[1].split(".")]
            inside_right_item = True
            if stripped.startswith("[["):
                count = seen[found[1]] = seen.get(found[1], -1) + 1
                inside_right_item = not indices or count == indices[0]
            here = header
        elif found := re.match(r"([A-Za-z0-9_.\"'-]+)\s*=", stripped):
            here = header + [step.strip("\"'") for step in found[1].split(".")]
        else:
            continue
        depth = len(here) if here == names[: len(here)] else 0
        if depth > best[0] and inside_right_item:
            best = (depth, number)
    return best
