"""The certificate of a drill: what is kept of one beside its row, for whoever wants to see that alerts arrive. JSON and HTML.

Pure: a drill in, texts out. The HTML is one file without scripts, fit to be mailed and printed.
"""

from __future__ import annotations

import hashlib
import html
from datetime import UTC, datetime
from typing import Any

import msgspec

from watchkeeper import __version__
from watchkeeper.telling import Drill

LEVELS = (
    ("acknowledged", "acknowledged by a person"),
    ("delivered", "delivered: the receiver has said that it has it"),
    ("handed-over", "handed over to the receiver, which has not said that it has it"),
    ("firing", "judged, and not handed over to anybody"),
    ("", "not noticed"),
)
"""How far the word came, the furthest first: the three honest levels of proof, and what falls short of them."""
NAMES = {
    "fault": "fault",
    "detected": "detected",
    "pending": "pending",
    "firing": "firing",
    "claimed": "claimed for its channel",
    "handed-over": "handed over",
    "delivered": "delivered",
    "acknowledged": "acknowledged",
    "reverted": "fault undone",
    "resolved": "resolved",
    "told": "end told",
}
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c;background:#fff}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #ddd;"
    "vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    ".passed{color:#137333}.failed,.interrupted{color:#b3261e}footer{margin-top:2rem;color:#666;font-size:.85rem}"
)


def level(drill: Drill) -> str:
    """How far the word came, in words."""
    return next(words for name, words in LEVELS if not name or drill.leg(name))


def as_json(drill: Drill) -> bytes:
    """All of it, with times since the fault, and a digest that tells whether somebody has changed it."""
    fault = drill.leg("fault")
    told: dict[str, Any] = msgspec.to_builtins(drill)
    told |= {
        "product": f"watchkeeper {__version__}",
        "proof": level(drill),
        "seconds": [
            {"leg": leg.name, "channel": leg.channel, "after_fault": round((leg.at - fault) / 1000, 3)} for leg in drill.legs
        ],
    }
    body = msgspec.json.encode(told)
    return msgspec.json.format(msgspec.json.encode(told | {"sha256": hashlib.sha256(body).hexdigest()}), indent=2) + b"\n"


def as_html(drill: Drill) -> str:
    """The same for people."""
    fault = drill.leg("fault")
    rows, before = [], fault
    for leg in drill.legs:
        name = NAMES[leg.name] + (f" ({leg.channel})" if leg.channel else "")
        cells = (_when(leg.at), f"{(leg.at - fault) / 1000:.3f} s", f"{max(0, leg.at - before) / 1000:.3f} s")
        figures = "".join(f'<td class="n">{cell}</td>' for cell in cells)
        rows.append(f"<tr><td>{_text(name)}</td>{figures}<td>{_text(leg.text)}</td></tr>")
        before = max(before, leg.at)
    verdict = {"passed": "The drill has passed", "failed": "The drill has failed", "interrupted": "The drill was interrupted"}
    facts = (
        ("Scenario", drill.scenario),
        ("Done to", f"{drill.server} on {drill.machine}"),
        ("Fault", drill.fault or "none was done"),
        ("Rule", drill.rule or "none fired"),
        ("Message", drill.summary),
        ("Proof", level(drill)),
        ("Begun", f"{_when(drill.at)} by {drill.by}"),
        ("Over", _when(drill.ended_at) if drill.ended_at else "not yet"),
        ("Incident", drill.incident),
    )
    told = "".join(f"<tr><th>{name}</th><td>{_text(text)}</td></tr>" for name, text in facts if text)
    why = f"<p><strong>Why:</strong> {_text(drill.why)}</p>" if drill.why else ""
    heading = verdict.get(drill.state, "The drill is under way")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Drill {_text(drill.scenario)}, {_when(drill.at)}</title><style>{STYLE}</style></head><body>"
        f'<h1 class="{drill.state}">{heading}</h1>{why}<table>{told}</table><h2>The way of the word</h2>'
        f"<table><tr><th>Leg</th><th>At</th><th>After the fault</th><th>After the leg before</th><th>Seen</th></tr>"
        f"{''.join(rows)}</table><footer>Drill {_text(drill.id)} · Watchkeeper {_text(__version__)}. "
        "The fault was real, harmless, and undone. Every instant is that of a row that was durable before anything "
        "followed from it.</footer></body></html>\n"
    )


def _when(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S}.{at % 1000:03d} UTC"


def _text(text: str) -> str:
    return html.escape(text, quote=True)
