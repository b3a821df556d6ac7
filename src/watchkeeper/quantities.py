"""Values as people write them in a configuration: durations, sizes and secrets.

Each decodes from TOML through `config.decode_hook` and describes itself in the JSON Schema.
A secret never holds its own text: it knows where to find it, so it cannot be printed by mistake.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import ClassVar

import msgspec

from watchkeeper.errors import ConfigError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w|y)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB|kB|MB|GB|TB)?")
_BYTES = {
    "B": 1,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "TiB": 1 << 40,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
}


class Duration(float):
    """A length of time in seconds, written ``500ms``, ``30s``, ``5m``, ``1h30m``, ``7d``, ``1y`` (365 days)."""

    schema: ClassVar = {"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d|w|y))+$", "examples": ["30s", "5m", "1h30m"]}

    @classmethod
    def parse(cls, written: object) -> Duration:
        """Read one; raises ValueError with what was expected."""
        if isinstance(written, str):
            parts = _DURATION.findall(written)
            if parts and "".join(number + unit for number, unit in parts) == written:
                return cls(sum(float(number) * _SECONDS[unit] for number, unit in parts))
        raise ValueError(f'expected a duration such as "30s", "5m" or "1h30m", got {written!r}')

    def __str__(self) -> str:
        """The shortest way to write it."""
        left = round(float(self) * 1000)
        parts = []
        for unit in ("d", "h", "m", "s", "ms"):
            size = round(_SECONDS[unit] * 1000)
            number, left = divmod(left, size)
            if number:
                parts.append(f"{number}{unit}")
        return "".join(parts) or "0s"


class Size(int):
    """A number of bytes, written ``512KiB``, ``10MiB``, ``2GiB`` (or ``kB``, ``MB``, ``GB`` for powers of ten)."""

    schema: ClassVar = {"type": "string", "pattern": r"^\d+(\.\d+)?\s*(B|[KMGT]iB|kB|[MGT]B)?$", "examples": ["10MiB", "2GiB"]}

    @classmethod
    def parse(cls, written: object) -> Size:
        """Read one; raises ValueError with what was expected."""
        if isinstance(written, int) and not isinstance(written, bool) and written >= 0:
            return cls(written)
        if isinstance(written, str) and (found := _SIZE.fullmatch(written)):
            unit = _BYTES[found[2] or "B"]
            return cls(round(float(found[1]) * unit) if "." in found[1] else int(found[1]) * unit)
        raise ValueError(f'expected a size such as "10MiB" or "2GiB", got {written!r}')

    def __str__(self) -> str:
        """The largest binary unit that divides it."""
        for unit in ("TiB", "GiB", "MiB", "KiB"):
            if self and self % _BYTES[unit] == 0:
                return f"{int(self) // _BYTES[unit]}{unit}"
        return f"{int(self)}B"


BY_REFERENCE = 'expected a secret by reference: { env = "NAME" } or { file = "path" }'


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a secret is: ``{ env = "NAME" }`` or ``{ file = "path" }``, never the secret itself."""

    env: str = ""
    file: str = ""

    def __post_init__(self) -> None:
        """Refuse both or neither, while the place in the file is still known."""
        if bool(self.env) == bool(self.file):
            raise ValueError(BY_REFERENCE)

    def reveal(self) -> str:
        """The secret's text, read now so that a changed file takes effect; raises ConfigError naming the reference only."""
        if self.env:
            if not (value := os.environ.get(self.env)):
                raise ConfigError("the environment variable is not set or empty", where=f"secret env {self.env}")
            return value
        try:
            return Path(self.file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as fault:
            reason = fault.strerror if isinstance(fault, OSError) else "not UTF-8 text"
            raise ConfigError(f"cannot be read ({reason})", where=f"secret file {self.file}") from None
