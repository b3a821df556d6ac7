"""The forms of some bulletins as they should be: `python tests/message/golden.py` writes them anew, a test holds them.

Whoever changes a form reads the difference before it is committed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from rigs.bulletins import full, numbered
from watchkeeper.message import html, picture, text
from watchkeeper.message.version4 import body
from watchkeeper.notify import Alertmanager, Slack
from watchkeeper.outward import time_zone
from watchkeeper.quantities import Secret
from watchkeeper.telling import Bulletin

FOLDER = Path(__file__).parent / "golden"
ZONE = time_zone("Europe/Berlin")


def several() -> Bulletin:
    """Twelve alerts in one, the first over."""
    alerts = (numbered(1, "resolved").alerts[0], *(numbered(number).alerts[0] for number in range(2, 13)))
    return msgspec.structs.replace(numbered(1), title="12 alerts of alpha", alerts=alerts)


def forms() -> dict[str, str]:
    """Every form by the name of its file."""
    bulletins = {"firing": full(), "resolved": full(resolved=True), "drill": full(drill=True), "several": several()}
    bulletins |= {kind: numbered(3, kind) for kind in ("reminder", "escalation", "test")}  # type: ignore[arg-type]  # each is one of the kinds
    found = {}
    for name, bulletin in bulletins.items():
        found[f"{name}.txt"] = text.whole(bulletin, ZONE)
        found[f"{name}.short.txt"] = text.short(bulletin, ZONE, 500) + "\n"
    for name in ("firing", "several"):
        bulletin = bulletins[name]
        found[f"{name}.html"] = html.page(
            bulletin, ZONE, "cid" if bulletin.trend else "", picture.caption(bulletin.trend, ZONE)
        )
        found[f"{name}.v4.json"] = _json(body(bulletin, "ops", ZONE))
        found[f"{name}.slack.json"] = _json(Slack(url=Secret(env="X"), channel="#ops").body(bulletin))
        found[f"{name}.upstream.json"] = _json(Alertmanager(url="http://127.0.0.1:9093").alerts(bulletin))
    return found


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode() + "\n"


if __name__ == "__main__":
    for path in FOLDER.glob("*"):
        path.unlink()
    for name, form in forms().items():
        (FOLDER / name).write_text(form, encoding="utf-8")
