"""The certificate says how far the word came, holds all of it, and no text of it can become markup."""

from __future__ import annotations

import hashlib
import json

import msgspec
import pytest

from watchkeeper.drill.certificate import as_html, as_json, level
from watchkeeper.telling import Drill, DrillLeg

AT = 1_760_000_000_000
DRILL = Drill(
    id="0199-1", at=AT - 3000, scenario="killed", by="<b>ann</b>", state="passed", machine="m", server="canary",
    fault="killed", rule="ServerDown/critical", ended_at=AT + 900,
    legs=(DrillLeg("fault", AT), DrillLeg("firing", AT + 50), DrillLeg("delivered", AT + 250, "HTTP 200", "ops")),
)  # fmt: skip


def test_json_holds_all_of_it_and_a_digest() -> None:
    """Each leg with its seconds; the digest is over what stands before it."""
    told = json.loads(as_json(DRILL))
    assert told["seconds"][2] == {"leg": "delivered", "channel": "ops", "after_fault": 0.25}
    digest = told.pop("sha256")
    assert hashlib.sha256(msgspec.json.encode(told)).hexdigest() == digest


def test_html_is_for_people_and_harmless() -> None:
    """Verdict, legs, level of proof; what somebody is called is text."""
    page = as_html(DRILL)
    assert "The drill has passed" in page
    assert "0.250 s" in page
    assert "&lt;b&gt;ann&lt;/b&gt;" in page
    assert "<script" not in page
    failed = msgspec.structs.replace(DRILL, state="failed", why="a < b", legs=(), ended_at=0)
    assert "a &lt; b" in as_html(failed)
    assert "not noticed" in as_html(failed)


@pytest.mark.parametrize(
    ("leg", "words"),
    [("acknowledged", "by a person"), ("delivered", "delivered"), ("handed-over", "has not said"), ("firing", "judged")],
)
def test_the_levels_of_proof(leg: str, words: str) -> None:
    """The furthest leg that was reached decides."""
    assert words in level(msgspec.structs.replace(DRILL, legs=(DrillLeg("fault", AT), DrillLeg(leg, AT + 1))))
