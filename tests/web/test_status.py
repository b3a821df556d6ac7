"""The public page: only where it is configured, for everybody, and with nothing of the inside on it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rigs.desk import StandInDesk, Web, running
from watchkeeper.web.hall import Told
from watchkeeper.web.routes.status import _percent, _verdict
from watchkeeper.web.settings import ServiceSettings, StatusSettings, WebSettings
from watchkeeper.web.statusboard import ServiceReport, StatusReport
from watchkeeper.web.uptime import DAY

SERVICES = (
    ServiceSettings(title="Relay <of ours>", machine="alpha", server="web", about="Through which clients reach each other"),
    ServiceSettings(title="Post", machine="beta", server="mail"),
)
STATUS = Told(status=StatusSettings(title="Example's services", about="help@example.org", days=3, services=SERVICES))


def seen(web: Web, *, days_ago: int, hours: int, value: float, server: str = "web") -> None:
    """A figure each half minute for some hours of a day of UTC."""
    start = (web.desk.now() // DAY - days_ago) * DAY
    for at in range(start, min(start + hours * 3_600_000, web.desk.now()), 30_000):
        web.desk.store.put(web.series("watchkeeper_server_up", server=server), at, value)


async def test_there_is_none_unless_it_is_configured(web) -> None:
    """Off by default: for strangers and for admins nothing is there."""
    async with web.stranger() as client, web.client() as admin:
        for path in ("/status", "/status.json"):
            assert (await client.get(path)).status_code == 404
            assert (await admin.get(path)).status_code == 404


async def test_everybody_reads_it_and_nobody_sees_the_inside(tmp_path: Path) -> None:
    """Titles, states and days; no machine, server, reason, script or cookie; it may be kept for a minute."""
    async with running(tmp_path, WebSettings(), told=STATUS) as web:
        seen(web, days_ago=1, hours=24, value=1.0)
        seen(web, days_ago=2, hours=12, value=0.0)
        async with web.stranger() as client:
            page, data = await client.get("/status"), (await client.get("/status.json"))
    assert page.status_code == 200
    assert page.headers["cache-control"] == "public, max-age=60"
    assert "set-cookie" not in page.headers
    assert "script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "Relay &lt;of ours&gt;" in page.text
    assert "Not known right now: Post." in page.text
    told = data.json()
    for inside in ("alpha", "beta", "mail", "reason", "pid"):
        assert not re.search(rf"\b{inside}\b", page.text + data.text), inside
    relay, post = told["services"]
    assert [round(day["down"]) for day in relay["days"]] == [43200, 0, 0]
    assert [round(day["up"]) for day in relay["days"]][:2] == [0, 86400]
    assert round(relay["days"][0]["unknown"]) == 43200
    assert (post["state"], post["share"], [day["unknown"] for day in post["days"]]) == ("unknown", None, [0, 0, 0])


async def test_it_is_made_once_a_minute_however_many_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crowd costs one reading of the store."""
    asked: list[int] = []
    async with running(tmp_path, WebSettings(), told=STATUS) as web:
        rollups = web.desk.store.rollups
        monkeypatch.setattr(web.desk.store, "rollups", lambda *more: asked.append(1) or rollups(*more))
        async with web.stranger() as client:
            for _ in range(20):
                assert (await client.get("/status")).status_code == 200
    assert len(asked) == 2 * len(SERVICES)  # days that are over, and today


async def test_it_reads_what_a_hub_would_say(tmp_path: Path) -> None:
    """A server that is up is Up in words, beside a sign."""
    told = Told(status=StatusSettings(services=SERVICES[:1]))
    async with running(tmp_path, WebSettings(), told=told) as web, web.stranger() as client:
        assert isinstance(web.desk, StandInDesk)
        page = (await client.get("/status")).text
    assert "Relay &lt;of ours&gt; is up." in page
    assert re.search(r'class="state up"><span aria-hidden=true>●</span> Up<', page)


@pytest.mark.parametrize(
    ("states", "sentence", "word"),
    [
        (["up", "up"], "All 2 services are up.", "up"),
        (["up", "down"], "Down: b.", "down"),
        (["unknown", "down"], "Down: b. Not known: a.", "down"),
        (["unknown", "up"], "Not known right now: a.", "unknown"),
        (["unknown", "unknown"], "Nothing is known right now.", "unknown"),
        (["up"], "a is up.", "up"),
    ],
)
def test_the_first_line(states: list[str], sentence: str, word: str) -> None:
    """What is down comes first, and what is not known is never called up."""
    services = tuple(
        ServiceReport(title, "", state, None, None, ())  # type: ignore[arg-type]  # one of them
        for title, state in zip("ab", states, strict=False)
    )
    assert _verdict(StatusReport("", "", 0, services)) == (sentence, word)


@pytest.mark.parametrize(
    ("share", "told"), [(1.0, "100 %"), (0.999999, "99.999 %"), (0.5, "50 %"), (0.0, "0 %"), (0.98765, "98.765 %")]
)
def test_a_share_is_rounded_down(share: float, told: str) -> None:
    """100 % is said of nothing that was ever down."""
    assert _percent(share) == told
