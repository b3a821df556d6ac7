"""What did not come in is a gap, also when the stream itself goes on."""

from __future__ import annotations

from playwright.async_api import expect

STEP = 1000


async def test_a_pause_of_the_figures_is_a_gap(web, read) -> None:
    """After a pause the next point stands alone: the table of the chart has a row that knows nothing in between."""

    def put(at: int) -> None:
        web.desk.store.put(web.series("node_memory_MemTotal_bytes"), at, 8.0 * 2**30)
        web.desk.store.put(web.series("node_memory_MemAvailable_bytes"), at, 6.0 * 2**30)

    now = web.desk.now()
    for second in range(40, 20, -1):
        put(now - second * STEP)
    async with read(web, at="/machines/alpha") as reader:
        chart = reader.page.locator('[data-panel="memory"]')
        await chart.get_by_role("button", name="Memory: Show as a table").click()
        rows = chart.locator("tbody tr")
        await expect(rows.first).to_contain_text("2.00\u00a0GiB")
        put(web.desk.now())
        web.desk.changes.frame("alpha")
        await expect(rows.filter(has_text="\u2013")).to_have_count(1)
