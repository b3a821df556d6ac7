"""A bulletin as plain text: whole, for mail; short, for chat, push and SMS.

The short form keeps what one must know to act when it has to be cut: the subject stands elsewhere, then what, where and since
when, and the link to acknowledge, which is never cut in two.
"""

from __future__ import annotations

from datetime import tzinfo

from watchkeeper.message.facts import Fact, facts, is_resolved, since, subject, summaries, where
from watchkeeper.telling import Bulletin

WIDTH = 14


def whole(bulletin: Bulletin, zone: tzinfo, *, titled: bool = True) -> str:
    """All facts, labels in a column, with the subject above where it stands nowhere else; ends with a newline."""
    parts = [subject(bulletin), ""] if titled else []
    for fact in facts(bulletin, zone):
        parts += _log(fact) if fact.kind == "log" else _lines(fact)
    return "\n".join(parts) + "\n"


def short(bulletin: Bulletin, zone: tzinfo, most: int = 1000) -> str:
    """What, where, since when, and where to acknowledge, in at most `most` signs."""
    place = where(bulletin)
    began = since(bulletin.alerts, bulletin.at, zone, over=is_resolved(bulletin))
    lines = summaries(bulletin, 5) or [bulletin.title]
    lines += [f"{label}: {line}" for label, line in (("Where", place), ("Since", began)) if line]
    links = [f"{fact.label}: {fact.lines[0]}" for fact in facts(bulletin, zone) if fact.kind == "link"]
    kept: list[str] = []
    left = most
    for link in links:
        if len(link) + 1 <= left:
            kept.append(link)
            left -= len(link) + 1
    told = "\n".join(lines)
    if len(told) > left:
        told = told[: max(0, left - 1)].rstrip() + "…" if left > 1 else ""
    return "\n".join(filter(None, (told, *kept)))[:most]


def _lines(fact: Fact) -> list[str]:
    if fact.kind == "link":
        return [f"{fact.label}:", f"  {fact.lines[0]}"]
    return [
        f"{(f'{fact.label}:' if fact.label and number == 0 else ''):<{WIDTH}} {line}" for number, line in enumerate(fact.lines)
    ]


def _log(fact: Fact) -> list[str]:
    return ["", f"{fact.label}:", *(f"    {line}" for line in fact.lines), ""]
