"""What to do when a stock rule fires: one page a rule, served by the hub so that it is there when nothing else is."""

from __future__ import annotations

import re
from importlib import resources

from watchkeeper.errors import Refused

_NAME = re.compile(r"[A-Za-z0-9]{1,64}")


def page(name: str) -> str:
    """A rule's page; raises Refused (``unknown-rule``)."""
    file = resources.files(__package__) / f"{name}.md"
    if not _NAME.fullmatch(name) or not file.is_file():
        raise Refused(f"there is no runbook {name[:80]!r}", code="unknown-rule")
    return file.read_text(encoding="utf-8")


def names() -> list[str]:
    """All pages."""
    return sorted(one.name.removesuffix(".md") for one in resources.files(__package__).iterdir() if one.name.endswith(".md"))
