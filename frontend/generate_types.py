"""Write `src/api/types.ts` from the API's own shapes, so that page and hub cannot drift apart.

Run it after a change of `watchkeeper/web/shapes.py`, its other halves (`SHAPES`) or of the nouns they show; `--check` writes
nothing and fails when the file is out of date. Every struct becomes an interface with its docstring,
every union of the shapes a type of the same name.
"""

# ruff: noqa: INP001, T201 - a script beside the page's source, run by hand and by dev.py

from __future__ import annotations

import inspect
import re
import sys
import typing
from pathlib import Path

import msgspec
from msgspec import inspect as shapes_of

from watchkeeper.stress.hubside import launching
from watchkeeper.web import alert_shapes, evidence_shapes, people_shapes, shapes, stress_shapes

SHAPES = (shapes, alert_shapes, evidence_shapes, people_shapes, stress_shapes, launching)
"""The rooms that hold the API's shapes."""
TARGET = Path(__file__).parent / "src" / "api" / "types.ts"
PREFACE = """\
// Written by frontend/generate_types.py from the shapes in watchkeeper/web: change those, then run it again.
// Times are milliseconds since the epoch, figures in base units; null is "not known".
"""


class Writer:
    """Collects TypeScript declarations, each once, in the order in which they are first needed."""

    def __init__(self) -> None:
        self.declared: dict[str, str] = {}

    def text(self) -> str:
        """The whole file."""
        return PREFACE + "\n" + "\n".join(self.declared.values())

    def write(self, wanted: shapes_of.Type) -> str:  # noqa: C901, PLR0911  # one arm for each kind of type
        """The TypeScript for a type, declaring what it names on the way."""
        match wanted:
            case shapes_of.StructType():
                return self.interface(wanted)
            case shapes_of.EnumType(cls=cls):
                return self.alias(cls.__name__, cls.__doc__, " | ".join(f'"{member.value}"' for member in cls))
            case shapes_of.UnionType(types=arms):
                return " | ".join(dict.fromkeys(self.write(arm) for arm in arms))
            case shapes_of.LiteralType(values=values):
                return " | ".join(f'"{value}"' for value in values)
            case shapes_of.ListType(item_type=item) | shapes_of.VarTupleType(item_type=item):
                inner = self.write(item)
                return f"({inner})[]" if " | " in inner else f"{inner}[]"
            case shapes_of.DictType(value_type=value):
                return f"Record<string, {self.write(value)}>"
            case shapes_of.StrType():
                return "string"
            case shapes_of.IntType() | shapes_of.FloatType():
                return "number"
            case shapes_of.BoolType():
                return "boolean"
            case shapes_of.NoneType():
                return "null"
        raise TypeError(f"no TypeScript for {wanted}")

    def interface(self, struct: shapes_of.StructType) -> str:
        """Declare a struct. What the hub takes may leave defaults out; what it gives is always whole."""
        name = struct.cls.__name__
        if name in self.declared:
            return name
        if struct.array_like:
            return self.alias(name, struct.cls.__doc__, f"[{', '.join(self.write(field.type) for field in struct.fields)}]")
        may_be_left_out = struct.forbid_unknown_fields or struct.cls.__struct_config__.omit_defaults
        lines = [f"  {struct.tag_field}: {struct.tag!r};".replace("'", '"')] if struct.tag_field else []
        for field in struct.fields:
            mark = "?" if may_be_left_out and not field.required else ""
            lines.append(f"  {field.encode_name}{mark}: {self.write(field.type)};")
        body = "\n".join(lines)
        self.declared[name] = f"{remark(struct.cls.__doc__)}export interface {name} {{\n{body}\n}}\n"
        return name

    def alias(self, name: str, about: str | None, meaning: str) -> str:
        """Declare a name for a union."""
        self.declared.setdefault(name, f"{remark(about)}export type {name} = {meaning};\n")
        return name


def remark(docstring: str | None) -> str:
    """A docstring as a JSDoc comment."""
    text = " ".join(re.sub(r"``?", "`", inspect.cleandoc(docstring or "")).split())
    return f"/** {text} */\n" if text else ""


def generate() -> str:
    """The text that `types.ts` should have."""
    writer = Writer()
    for name, thing in ((name, thing) for room in SHAPES for name, thing in vars(room).items()):
        if isinstance(thing, type) and issubclass(thing, msgspec.Struct):
            writer.write(shapes_of.type_info(thing))
        elif typing.get_args(thing) and not name.startswith("_"):
            writer.alias(name, None, writer.write(shapes_of.type_info(thing)))
    return writer.text()


def main() -> int:
    """Write the file, or with `--check` say whether it is up to date."""
    wanted = generate()
    if "--check" in sys.argv[1:]:
        if not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != wanted:
            print(f"{TARGET} is out of date: run python frontend/generate_types.py", file=sys.stderr)
            return 1
        return 0
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(wanted, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
