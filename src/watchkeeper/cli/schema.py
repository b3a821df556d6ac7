"""A JSON Schema of the configuration, made from the types that read it.

msgspec describes its own types; ours (durations, sizes, paths) appear as the strings that people
write. So each struct is described by a twin whose quantities are strings, defaults included.
"""

from __future__ import annotations

import types
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from watchkeeper.config import encode_hook
from watchkeeper.quantities import Duration, Size

_WRITTEN = {
    Duration: Annotated[str, msgspec.Meta(extra_json_schema=Duration.schema)],
    Size: Annotated[str, msgspec.Meta(extra_json_schema=Size.schema)],
    Path: str,
}


def json_schema(wanted: Any) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a configuration type."""
    schema = msgspec.json.schema(_twin(wanted, {}))
    for described in schema.get("$defs", {}).values():
        if described.get("properties", {}).get("driver", {}).get("enum") == ["process"]:
            described["required"].remove("driver")  # what a server is that does not say
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _twin(wanted: Any, known: dict[type, Any]) -> Any:
    if wanted in _WRITTEN:
        return _WRITTEN[wanted]
    if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        if wanted not in known:
            known[wanted] = _twin_struct(wanted, known)
        return known[wanted]
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        return Annotated[(_twin(arguments[0], known), *arguments[1:])]
    if origin is types.UnionType or origin is Union:
        return Union[tuple(_twin(arm, known) for arm in arguments)]  # noqa: UP007  # made at run time, arm by arm
    if origin in {tuple, list, dict, set, frozenset}:
        return origin[tuple(arm if arm is ... else _twin(arm, known) for arm in arguments)]
    return wanted


def _twin_struct(wanted: type[msgspec.Struct], known: dict[type, Any]) -> type[msgspec.Struct]:
    config = wanted.__struct_config__
    fields: list[Any] = []
    for field in msgspec.structs.fields(wanted):
        kind = _twin(field.type, known)
        if field.required:
            fields.append((field.encode_name, kind))
        else:
            default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
            fields.append((field.encode_name, kind, _plain(default)))
    twin = msgspec.defstruct(
        wanted.__name__,
        fields,
        tag_field=config.tag_field,
        tag=config.tag,
        forbid_unknown_fields=config.forbid_unknown_fields,
        kw_only=True,
    )
    twin.__doc__ = wanted.__doc__
    return twin


def _plain(default: Any) -> Any:
    written = msgspec.to_builtins(default, enc_hook=encode_hook)
    return msgspec.field(default_factory=lambda: written) if isinstance(written, (list, dict)) and written else written
