"""Every page, wide and on a phone, in both themes: nothing of weight that axe finds, nothing that the browser complains of.

Two of the four ways are walked with every run of the suite, the other two with the long batteries.
"""

from __future__ import annotations

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from rigs.browsing import DESKTOP, PHONE
from rigs.scenery import EVIDENCE, RULES, fill, load
from watchkeeper.model import Event, EventKind, ProbeResult

STANDARD = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
ALPHA = "/machines/alpha"
WAYS = [
    pytest.param(DESKTOP, "dark", id="wide-dark"),
    pytest.param(PHONE, "light", id="phone-light"),
    pytest.param(DESKTOP, "light", id="wide-light", marks=pytest.mark.long),
    pytest.param(PHONE, "dark", id="phone-dark", marks=pytest.mark.long),
]


async def furnished(web) -> list[str]:
    """Something to see on every page; returns their addresses."""
    web.desk.rules = RULES
    fill(web)
    await load(web, 2.5)
    now = web.desk.now()
    web.desk.saved["e1"] = EVIDENCE
    web.desk.turn("web", probes=(ProbeResult("http", "http", ok=False, at=now, why="refused"),))
    await web.desk.journal.events.add(
        [
            Event("x1", now - 60_000, EventKind.SERVER_EXITED, "web exited with code 1", "alpha", "web", "critical"),
            Event("x2", now - 30_000, EventKind.EVIDENCE_SAVED, "saved", "alpha", "web", facts={"evidence": "e1"}),
            Event("x3", now - 20_000, EventKind.MARK, "version 7 rolled out", "alpha"),
        ]
    )
    (incident,) = await web.desk.journal.incidents.page()
    return [
        "/",
        "/incidents",
        f"/incidents/{incident.id}",
        "/machines",
        ALPHA,
        f"{ALPHA}?at={now - 20_000}",
        f"{ALPHA}/servers/web",
        f"{ALPHA}/servers/web?from={now - 100_000}&to={now - 20_000}",
        f"{ALPHA}/evidence/e1",
        "/events",
        "/explore",
        "/explore?q=node_memory_MemTotal_bytes",
        "/rules#Busy",
        "/channels",
        "/drills",
        "/stress",
        "/more",
        "/nowhere",
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("size", "scheme"), WAYS)
async def test_every_page_is_sound(web, read, size: dict[str, int], scheme: str) -> None:
    """No finding against WCAG 2.2 A and AA or axe's best practices, one heading, no sideways scroll, a quiet browser."""
    pages = await furnished(web)
    async with read(web, size, scheme) as reader:
        for path in pages:
            await reader.turn(path)
            await expect(reader.page.locator("h1")).to_have_count(1)
            await expect(reader.page.locator(".waiting")).to_have_count(0)
            found = await Axe().run(reader.page, options=STANDARD)
            told = [f"{one['impact']} {one['id']}: {one['nodes'][0]['html'][:300]}" for one in found.response["violations"]]
            assert not told, (path, told)
            assert await reader.page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
        assert not await reader.verdict()


async def test_dialogs_are_sound_too(web, read) -> None:
    """What opens over a page is looked at as the pages are: silence, assign, palette, keys."""
    await furnished(web)
    async with read(web, scheme="dark", at="/incidents") as reader:
        page = reader.page

        async def look() -> None:
            await expect(page.get_by_role("dialog")).to_have_count(1)
            found = await Axe().run(page, options=STANDARD)
            told = [f"{one['id']}: {one['nodes'][0]['html'][:300]}" for one in found.response["violations"]]
            assert not told, told
            await page.keyboard.press("Escape")
            await expect(page.get_by_role("dialog")).to_have_count(0)

        await page.get_by_role("button", name="Silence: alpha is busy").click()
        await look()
        await page.locator("main").focus()
        await page.keyboard.press("Control+k")
        await look()
        await page.keyboard.press("?")
        await look()
