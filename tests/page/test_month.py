"""Three hundred machines with a month behind them: the page costs what it may, and a month is drawn with its bounds."""

from __future__ import annotations

import asyncio
import time

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from rigs.many import CHATTY, many, name_of

COUNT = 300
DAYS = 30
STEP = 1_800_000
"""ms between the rounds of the month before; the last minutes have all of theirs."""
TYPE = """async (text) => {
    const field = document.querySelector("main input[type=search]");
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
}"""
WORDS = ("n", "no", "node-1", "node-12", "", "up", "2", "", "node-299", "")
LETTER_MS = 50
PAGE_SHARE = 0.003
PAGES = 4
SECONDS = 20.0


@pytest_asyncio.fixture(loop_scope="session")
async def fleet(built, tmp_path):
    """A server over three hundred machines that speak every five seconds, and have for a month."""
    async with many(tmp_path, COUNT, past=120, before=(DAYS * 86_400_000, STEP)) as found:
        yield found


async def letters(page: Page) -> list[float]:
    """CPU ms of the page's own thread for each letter in the filter, drawing included."""
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable", {"timeDomain": "threadTicks"})

    async def spent() -> float:
        metrics = (await session.send("Performance.getMetrics"))["metrics"]
        return next(float(one["value"]) * 1000 for one in metrics if one["name"] == "TaskDuration")

    found = []
    for word in WORDS:
        before = await spent()
        await page.evaluate(TYPE, word)
        found.append(await spent() - before)
        await asyncio.sleep(0.4)
    return found


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_month_of_three_hundred_machines_holds_the_figures(fleet, read) -> None:
    """A letter costs less than 50 ms, an open page 0.3 % of a core; a month's chart of a rate has its least and most."""
    async with read(fleet, at="/machines") as reader:
        await expect(reader.page.locator(".machines")).to_have_attribute("aria-rowcount", str(COUNT + 1))
        rounds = [await letters(reader.page) for _ in range(4)]
        costs = [min(each) for each in zip(*rounds, strict=True)]  # the least of four: the rest is what else this machine does
        assert max(costs) < LETTER_MS, rounds
        await reader.go(f"/machines/{name_of(CHATTY)}?range=30d")
        await expect(reader.page.locator('[data-panel="cpu"] canvas')).to_be_visible()
        await reader.page.locator('[data-panel="network"]').scroll_into_view_if_needed()
        await expect(reader.page.locator('[data-panel="network"] canvas')).to_be_visible()
    async with fleet.client() as client:
        now = fleet.desk.now()
        ask = {"machine": name_of(CHATTY), "start": now - DAYS * 86_400_000, "end": now, "points": 600}
        answer = await client.get("/api/charts/network", params=ask)
        assert answer.status_code == 200, answer.text
        chart = answer.json()
    for line in chart["lines"]:
        known = [one for one in zip(line["least"], line["average"], line["most"], strict=True) if None not in one]
        assert len(known) > 0.9 * len(chart["times"])
        assert all(least <= average <= most for least, average, most in known)
        assert any(least < 0.9 * most for least, _, most in known)
    begun = time.process_time()
    await asyncio.sleep(SECONDS)
    without = time.process_time() - begun
    async with read(fleet) as first, read(fleet) as second, read(fleet) as third, read(fleet) as fourth:
        for reader in (first, second, third, fourth):
            await expect(reader.page.locator("tr[data-server]").first).to_be_attached()
        await asyncio.sleep(5)
        begun = time.process_time()
        await asyncio.sleep(SECONDS)
        each = (time.process_time() - begun - without) / SECONDS / PAGES
    assert each <= PAGE_SHARE
