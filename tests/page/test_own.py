"""What a server says of itself, as a person sees it."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

SERVER = "/machines/alpha/servers/web"
OWN = "What it says of itself"
INKED = """canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let blue = 0;
    for (let at = 0; at < data.length; at += 4) blue += data[at + 2] > data[at] + 60 && data[at + 3] > 128;
    return blue;
}"""


@pytest.mark.slow
async def test_a_server_shows_what_it_says_of_itself(web, read) -> None:
    """Its own figures have charts under a title of theirs, live as the others, and a lone value is a dot that can be seen."""
    now = web.desk.now()
    for second in range(60):
        at = now - (60 - second) * 1000
        web.desk.store.put(web.series("jobs_done_total", server="web", kind="mail"), at, second * 4.0)
        web.desk.store.put(web.series("queue_bytes", server="web"), at, 2048.0 if second % 10 == 0 else float("nan"))
    async with read(web) as reader:
        await reader.go(SERVER)
        await expect(reader.page.get_by_role("heading", name=OWN)).to_be_visible()
        jobs = reader.page.locator('[data-panel="own:jobs_done_total"]')
        await expect(jobs.get_by_role("heading")).to_have_text("Jobs done")
        await expect(jobs.locator(".readouts")).to_have_text("4\u00a0/s")
        for at in (web.desk.now() - 1000, web.desk.now()):  # a rate of now needs two figures of now
            web.desk.store.put(web.series("jobs_done_total", server="web", kind="mail"), at, 59 * 4.0)
        web.desk.changes.frame("alpha")
        await expect(jobs.locator(".readouts")).to_have_text("0\u00a0/s")
        queue = reader.page.locator('[data-panel="own:queue_bytes"]')
        await queue.scroll_into_view_if_needed()
        await expect(queue.locator("canvas")).to_be_visible()
        async with asyncio.timeout(10):
            while await queue.locator("canvas").evaluate(INKED) < 20:
                await asyncio.sleep(0.05)


async def test_a_server_that_says_nothing_has_no_empty_title(web, read) -> None:
    """No page of figures, no section."""
    async with read(web, at="/machines/alpha/servers/jobs") as reader:
        await expect(reader.page.locator('[data-panel="server_cpu"]')).to_be_visible()
        await expect(reader.page.get_by_role("heading", name=OWN)).to_have_count(0)
