"""Drills in the browser: what was proved and when, what can be drilled, and what stands against one."""

from __future__ import annotations

from playwright.async_api import expect

from watchkeeper.telling import Drill, DrillLeg


async def test_drills_are_read_and_run(web, read) -> None:
    """The last one's end stands first, each with the way of its word and its certificate; a refusal is told in the dialog."""
    now = web.desk.now()
    legs = (DrillLeg("fault", now - 60_000, "killed"), DrillLeg("delivered", now - 59_750, "HTTP 200", "ops"))
    past = Drill("d1", now - 60_000, "killed", "ann", "passed", fault="a canary was killed", legs=legs, ended_at=now - 50_000)
    await web.desk.journal.drills.keep(past)
    async with read(web, grumpy=False, at="/drills") as reader:
        page = reader.page
        await expect(page.locator("h1")).to_contain_text("The last drill passed 1\u00a0min")
        await page.locator(".drill summary").click()
        await expect(page.locator('.drill [data-leg="delivered"]')).to_contain_text("250\u00a0ms")
        certificate = page.get_by_role("link", name="Certificate")
        await expect(certificate).to_have_attribute("href", "/api/drills/d1/certificate")
        await page.get_by_role("button", name="Run the drill killed now").click()
        dialog = page.get_by_role("dialog", name="Run the drill “killed” now?")
        await expect(dialog).to_contain_text("harmless")
        await dialog.get_by_role("button", name="Run the drill").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("channel")


async def test_one_that_is_under_way_is_followed(web, read) -> None:
    """Its legs come in without a reload, and its end."""
    now = web.desk.now()
    going = Drill("d2", now, "hung", "ann", "running", fault="a canary hangs", legs=(DrillLeg("fault", now),))
    await web.desk.journal.drills.keep(going)
    async with read(web, at="/drills") as reader:
        page = reader.page
        await expect(page.locator("h1")).to_have_text("A drill is under way: hung.")
        await expect(page.get_by_role("button", name="Call it off")).to_be_visible()
        await expect(page.get_by_role("button", name="Run the drill killed now")).to_be_disabled()
        legs = (DrillLeg("fault", now), DrillLeg("firing", now + 500))
        await web.desk.journal.drills.keep(Drill("d2", now, "hung", "ann", "passed", legs=legs, ended_at=now + 900))
        await expect(page.locator("h1")).to_contain_text("The last drill passed")
