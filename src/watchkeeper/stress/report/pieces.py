"""The pieces that sections of the page are made of. Everything from outside is escaped where it comes in."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


def head(name: str, title: str, lede: str) -> str:
    """A section's beginning. `lede` is HTML."""
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2><p class="lede">{lede}</p>'


def section(name: str, title: str, lede: str, inside: str, *, flows: bool = False) -> str:
    """A whole section: `lede` is text, `inside` HTML."""
    card = f'<div class="card{" flows" if flows else ""}"><div class="wide">{inside}</div></div>' if inside else ""
    return f"{head(name, title, escape(lede))}{card}</section>"


def chart(name: str, title: str, what: str) -> str:
    """The place of a chart that the script draws."""
    return (
        f'<div class="card chart" data-chart="{name}"><header><h3>{escape(title)}</h3><span class="what">{escape(what)}</span>'
        '<div class="legend"></div></header><div class="plot">'
        "<noscript>Charts need JavaScript; the tables do not.</noscript></div></div>"
    )


def items(words: Iterable[str]) -> str:
    """A list's items."""
    return "".join(f"<li>{escape(one)}</li>" for one in words)


def first_up(text: str) -> str:
    """A sentence's beginning, where it is no unit or code."""
    return text[:1].upper() + text[1:] if text[1:2].islower() else text
