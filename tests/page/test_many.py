"""Three hundred machines: the page stays usable, and what it shows is what is asked for."""

from __future__ import annotations

import pytest_asyncio
from playwright.async_api import expect

from rigs.many import many, name_of

COUNT = 300


@pytest_asyncio.fixture(loop_scope="session")
async def fleet(built, tmp_path):
    """A server over three hundred machines that speak every five seconds."""
    async with many(tmp_path, COUNT, past=300) as found:  # more than two of the points that the last hour is drawn of
        yield found


async def test_three_hundred_machines_are_summed_up_filtered_and_scrolled(fleet, read) -> None:
    """The worst first, counted by state; words and chips narrow the list; few rows are in the document, all are reached."""
    async with read(fleet, at="/machines") as reader:
        page = reader.page
        rows = page.locator("[data-machine]")
        await expect(page.locator(".machines")).to_have_attribute("aria-rowcount", str(COUNT + 1))
        assert await rows.count() < 80
        await expect(rows.first).to_contain_text("Out of touch")
        await expect(page.get_by_role("button", name="not known")).to_contain_text("8")
        await page.keyboard.press("/")
        await page.keyboard.type("node-29")
        await expect(rows).to_have_count(10)
        await expect(page.get_by_role("status").filter(has_text="fit")).to_have_text("10 lines fit")
        await page.keyboard.press("Escape")
        await expect(page.locator("[data-machine]").first).to_contain_text("Out of touch")
        await page.get_by_role("button", name="not known").click()
        await expect(rows).to_have_count(8)
        await page.get_by_role("button", name="not known").click()
        await page.evaluate("scrollTo(0, document.body.scrollHeight)")
        await expect(page.locator(f'[data-machine="{name_of(COUNT - 1)}"]')).to_be_in_viewport()
        await expect(page.locator(f'[data-machine="{name_of(COUNT - 1)}"] .spark .line')).to_have_count(1)


async def test_what_happens_to_one_of_many_is_seen(fleet, read) -> None:
    """A server of one machine goes down: the sentence says so without a reload, though only changes are sent."""
    async with read(fleet) as reader:
        await expect(reader.page.locator("h1")).to_contain_text("10 of 600 servers need attention")
        statuses = fleet.desk.statuses

        def one_more(machine: str):
            shop, worker = statuses(machine)
            return (statuses(name_of(11))[1], worker) if machine == name_of(0) else (shop, worker)

        fleet.desk.statuses = one_more
        fleet.desk.changes.status(name_of(0))
        await expect(reader.page.locator("h1")).to_contain_text("11 of 600 servers need attention")
