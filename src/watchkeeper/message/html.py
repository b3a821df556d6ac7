"""A bulletin as HTML for mail: one column, styles inline, nothing fetched from anywhere.

Mail clients drop style sheets, scripts and foreign images, so there are none. The picture, if there is one, comes along in
the mail and is named by its content id.
"""

from __future__ import annotations

from datetime import tzinfo
from html import escape

from watchkeeper.message.facts import Fact, facts, is_resolved, subject
from watchkeeper.telling import Bulletin

COLOURS = {"critical": "#b3261e", "warning": "#a15c00", "info": "#1f5fa8"}
RESOLVED = "#1b6e3c"
_FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:12px"
_LABEL = "padding:3px 14px 3px 0;color:#5b6470;vertical-align:top;white-space:nowrap"
_BUTTON = "display:inline-block;padding:9px 18px;border-radius:6px;text-decoration:none;margin:0 8px 8px 0"


def page(bulletin: Bulletin, zone: tzinfo, picture: str = "", caption: str = "") -> str:
    """The whole mail; `picture` is the content id of its image, with `caption` below it."""
    colour = RESOLVED if is_resolved(bulletin) else COLOURS[bulletin.severity]
    told = facts(bulletin, zone)
    rows = "".join(_row(fact) for fact in told if fact.kind == "line")
    logs = "".join(_log(fact) for fact in told if fact.kind == "log")
    links = "".join(_button(fact, colour, first=number == 0) for number, fact in enumerate(f for f in told if f.kind == "link"))
    image = ""
    if picture:
        image = (
            f'<p style="margin:16px 0 4px"><img src="cid:{escape(picture)}" width="480" height="120" alt="{escape(caption)}"'
            ' style="max-width:100%;height:auto;border:1px solid #e3e6ea"></p>'
            f'<p style="margin:0 0 16px;color:#5b6470;font-size:12px">{escape(caption)}</p>'
        )
    title = escape(subject(bulletin))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>{title}</title></head><body style="margin:0;padding:16px;color:#1c2127;background:#ffffff;{_FONT};'
        f'font-size:14px;line-height:1.45"><div style="max-width:640px;border-top:4px solid {colour};padding-top:12px">'
        f'<h1 style="font-size:18px;margin:0 0 12px;color:{colour}">{title}</h1>'
        f'<table role="presentation" cellspacing="0" cellpadding="0" style="border-collapse:collapse">{rows}</table>'
        f'{image}{logs}<p style="margin:16px 0 0">{links}</p></div></body></html>\n'
    )


def _row(fact: Fact) -> str:
    lines = "<br>".join(escape(line) for line in fact.lines)
    return f'<tr><td style="{_LABEL}">{escape(fact.label)}</td><td style="padding:3px 0">{lines}</td></tr>'


def _log(fact: Fact) -> str:
    lines = "\n".join(escape(line) for line in fact.lines)
    return (
        f'<p style="margin:16px 0 4px;color:#5b6470">{escape(fact.label)}</p>'
        f'<pre style="margin:0;padding:10px;background:#f4f5f7;overflow:auto;white-space:pre-wrap;{_MONO}">{lines}</pre>'
    )


def _button(fact: Fact, colour: str, *, first: bool) -> str:
    look = f"background:{colour};color:#ffffff" if first else "border:1px solid #c6ccd3;color:#1c2127"
    return f'<a href="{escape(fact.lines[0])}" style="{_BUTTON};{look}">{escape(fact.label)}</a>'
