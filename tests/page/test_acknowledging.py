"""The link of a message in a real browser, on a phone, by somebody who has never signed in."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.async_api import expect

from rigs.browsing import PHONE, WATCH_POLICY
from rigs.bulletins import numbered


async def test_a_phone_acknowledges_by_the_button(web, browser) -> None:
    """Opened, nothing has happened; pressed, it has: the browser tells its origin, and complains of nothing."""
    await web.desk.office.outbox.tell(numbered(1), ["nobody"])
    link = web.desk.office.links.acknowledge("incident-1", "ops", web.desk.now())
    context = await browser.new_context(viewport=PHONE)
    page = await context.new_page()
    await page.add_init_script(WATCH_POLICY)
    await page.goto(web.url + urlsplit(link).path)
    await expect(page.locator("h1")).to_have_text("Take this incident into your hands?")
    await expect(page.locator("main")).to_contain_text("WARNING: Bulletin 1")
    assert await page.evaluate("getComputedStyle(document.querySelector('button')).color") == "rgb(255, 255, 255)"
    assert web.desk.acknowledged == []
    await page.get_by_label("Who are you?").fill("Anna")
    await page.get_by_role("button", name="Acknowledge").click()
    await expect(page.locator("h1")).to_have_text("Acknowledged")
    assert web.desk.acknowledged == [("incident-1", "Anna (by the link sent to ops)")]
    assert await page.evaluate("window.violations") == []
    await context.close()
