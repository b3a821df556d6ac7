"""Incidents in the browser: they appear by themselves, and what people do about them takes one hand."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from rigs.browsing import PHONE
from rigs.scenery import EVIDENCE, RULES, load
from watchkeeper.telling import Incident


@pytest.fixture
def ruled(web):
    """A server whose judge has a rule, and nothing to complain of yet."""
    web.desk.rules = RULES
    return web


async def test_an_alert_appears_and_ends_without_a_reload(ruled, read) -> None:
    """It stands on the overview and in the badge as soon as its rule holds, and goes when it does not."""
    async with read(ruled) as reader:
        page = reader.page
        await page.evaluate("window.same = true")
        await expect(page.locator(".incidents li")).to_have_count(0)
        await load(ruled, 2.5)
        await expect(page.locator(".incidents li")).to_contain_text("alpha is busy")
        await expect(page.locator(".incidents li .state")).to_have_text("Critical")
        await expect(page.locator(".side .badge")).to_have_text("1")
        await load(ruled, 0.5)
        await expect(page.locator(".incidents li")).to_have_count(0)
        await expect(page.locator(".side .badge")).to_have_count(0)
        assert await page.evaluate("window.same")


@pytest.mark.slow
async def test_acknowledged_here_is_seen_there(ruled, read) -> None:
    """One click in the row; another reader's page shows it without a reload, and so does the handing back."""
    await load(ruled, 2.5)
    async with read(ruled) as first, read(ruled) as second:
        await second.go("/incidents")
        await expect(second.page.locator("h1")).to_have_text("1 incident waits for somebody.")
        await first.page.get_by_role("button", name="Acknowledge: alpha is busy").click()
        await expect(first.page.locator(".incidents li .state")).to_have_text("Acknowledged")
        await expect(second.page.locator(".incidents li")).to_contain_text("looks after it")
        await expect(second.page.locator("h1")).to_have_text("1 is in somebody's hands.")
        await second.page.get_by_role("button", name="Hand back: alpha is busy").click()
        await expect(first.page.locator(".incidents li .state")).to_have_text("Critical")


async def test_silenced_with_an_end(ruled, read) -> None:
    """The dialog offers what makes sense, the silence has an end, and it can be ended from the list."""
    await load(ruled, 2.5)
    async with read(ruled, at="/incidents") as reader:
        page = reader.page
        await page.get_by_role("button", name="Silence: alpha is busy").click()
        dialog = page.get_by_role("dialog", name="Silence: alpha is busy")
        await expect(dialog.get_by_role("radio", name="Busy on alpha", exact=True)).to_be_checked()
        await dialog.get_by_role("radio", name="4 hours").check()
        await dialog.get_by_label("Why").fill("load test")
        await dialog.get_by_role("button", name="Silence", exact=True).click()
        await expect(dialog).to_have_count(0)
        (silence,) = ruled.desk.alerting.silences()
        assert silence.comment == "load test"
        assert 0 < 4 * 3_600_000 - (silence.ends_at - silence.starts_at) + 1 < 60_000
        await expect(page.locator(".silences li")).to_contain_text("load test")
        await ruled.desk.bench.turn()
        await expect(page.locator(".incidents li").first).to_contain_text("silenced until")
        await expect(page.locator(".side .badge")).to_have_count(0)
        await page.get_by_role("button", name="End the silence of").click()
        await expect(page.locator(".silences")).to_have_count(0)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_one_hand_is_enough_on_a_phone(ruled, read, scheme: str) -> None:
    """On a phone the page of a message's link has its buttons under the thumb, large enough, and nothing scrolls sideways."""
    await load(ruled, 2.5)
    (incident,) = await ruled.desk.journal.incidents.page()
    async with read(ruled, PHONE, scheme=scheme, at=f"/incidents/{incident.id}") as reader:
        page = reader.page
        await expect(page.locator("h1")).to_contain_text("alpha is busy")
        await expect(page.locator(".advice")).to_contain_text("Send half of it elsewhere.")
        button = page.get_by_role("button", name="Acknowledge: alpha is busy")
        box = await button.bounding_box()
        assert box["height"] >= 44
        assert box["y"] > PHONE["height"] * 2 / 3
        await button.click()
        await expect(page.locator("h1 .state")).to_have_text("Acknowledged")
        await expect(page.locator(".timeline")).to_contain_text("has acknowledged it")
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.slow
async def test_assigned_and_commented(ruled, read) -> None:
    """To oneself by one click; what is said is in the timeline of every reader at once."""
    await load(ruled, 2.5)
    (incident,) = await ruled.desk.journal.incidents.page()
    async with read(ruled) as reader, read(ruled) as other:
        page = reader.page
        await other.go(f"/incidents/{incident.id}")
        await reader.go(f"/incidents/{incident.id}")
        await page.get_by_role("button", name="Assign…").click()
        dialog = page.get_by_role("dialog", name="Who is to look after it?")
        await dialog.get_by_role("button", name="Me (").click()
        await expect(dialog).to_have_count(0)
        await expect(page.locator(".incident-head")).to_contain_text("Assigned to")
        await page.get_by_label("Say something").fill("It is the import; give it ten minutes.")
        await page.get_by_role("button", name="Send").click()
        for seen in (page, other.page):
            await expect(seen.locator('.timeline [data-kind="comment"]')).to_contain_text("give it ten minutes")
        await expect(page.get_by_label("Say something")).to_have_value("")


async def test_what_is_over_is_kept_and_what_is_unknown_told(ruled, read) -> None:
    """An incident that ended stands below with how long it lasted; an address of none says so."""
    now = ruled.desk.now()
    over = Incident(
        "i-1", "k", "disk full", "warning", "resolved", now - 7_200_000, machine="alpha", resolved_at=now - 3_600_000
    )
    await ruled.desk.journal.incidents.keep([over])
    async with read(ruled, at="/incidents") as reader:
        row = reader.page.locator('[data-incident="i-1"]')
        await expect(row).to_contain_text("lasted 1\u00a0h")
        await expect(row.get_by_role("button")).to_have_count(0)
        await row.get_by_role("link", name="disk full").click()
        await expect(reader.page.locator("h1")).to_contain_text("disk full")
        await expect(reader.page.locator(".at-hand")).to_have_count(0)


async def test_an_unknown_incident_is_told(ruled, read) -> None:
    """A link to one that the hub does not know leads to words, not to a blank page."""
    async with read(ruled, grumpy=False, at="/incidents/nope") as reader:
        await expect(reader.page.locator("main")).to_contain_text("There is no such incident")


async def test_who_may_only_look_has_no_buttons(ruled, read) -> None:
    """A viewer sees the incident and nothing to press."""
    await load(ruled, 2.5)
    async with read(ruled) as reader:
        page = reader.page

        async def viewer(route) -> None:
            await route.fulfill(json={"name": "eve", "role": "viewer"})

        await page.route("**/api/session", viewer)
        await reader.go("/incidents")
        await expect(page.locator(".incidents li")).to_contain_text("alpha is busy")
        await expect(page.locator(".incidents").get_by_role("button")).to_have_count(0)


async def test_evidence_is_read_in_the_page(web, read) -> None:
    """What was saved of a server is shown in its sections; what could not be had is said."""
    web.desk.saved["e1"] = EVIDENCE
    async with read(web, at="/machines/alpha/evidence/e1") as reader:
        await expect(reader.page.locator("h1")).to_contain_text("Evidence of web")
        await expect(reader.page.get_by_role("region", name="Stacks")).to_contain_text("waiting for a lock")
        await expect(reader.page.locator(".notice")).to_contain_text("Open files")
