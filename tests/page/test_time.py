"""Through time: closer, back again, to one instant; what ran, what was written and what happened then."""

from __future__ import annotations

import re

from playwright.async_api import expect

from rigs.scenery import alive, fill
from watchkeeper.model import Event, EventKind, LogLines, ProbeResult

TINTED = """(canvas) => {
    const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
    const pen = copy.getContext("2d", { willReadFrequently: true });
    pen.drawImage(canvas, 0, 0);
    const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
    let found = 0;
    for (let place = 3; place < data.length; place += 4) found += data[place] > 0;
    return found;
}"""
"""How many pixels of a drawing have any colour."""
ALPHA = "/machines/alpha"


async def test_a_part_of_time_is_dragged_out_and_shared(web, read) -> None:
    """Dragging over a chart shows that part on all charts; the address says so, and leads there again; back leads out."""
    fill(web)
    async with read(web) as reader:
        page = reader.page
        await reader.go(ALPHA)
        over = page.locator('[data-panel="memory"] .u-over')
        await expect(over).to_be_visible()
        box = await over.bounding_box()
        await page.mouse.move(box["x"] + box["width"] * 0.85, box["y"] + 30)
        await page.mouse.down()
        await page.mouse.move(box["x"] + box["width"] * 0.97, box["y"] + 30, steps=5)
        await page.mouse.up()
        await expect(page).to_have_url(re.compile(r"from=\d+&to=\d+"))
        await expect(page.locator(".block-head h2 small").first).to_contain_text(" to ")
        await expect(page.locator('[data-panel="memory"] canvas')).to_be_visible()
        shared = page.url
        await page.go_back()
        await expect(page).not_to_have_url(re.compile("from="))
        await page.goto(shared)
        await expect(page.locator(".block-head h2 small").first).to_contain_text(" to ")
        await page.get_by_role("button", name="Wider").click()
        await page.get_by_role("button", name="24 h").click()
        await expect(page).to_have_url(re.compile(r"\?range=24h$"))


async def test_an_instant_tells_what_ran_then(web, read) -> None:
    """A click on a chart: the processes of that instant, what happened around it, and an address to share."""
    fill(web)
    now = web.desk.now()
    event = Event("e1", now - 20_000, EventKind.SERVER_EXITED, "web exited with code 1", "alpha", "web", "critical")
    await web.desk.journal.events.add([event])
    async with read(web) as reader:
        page = reader.page
        await reader.go(ALPHA)
        over = page.locator('[data-panel="memory"] .u-over')
        box = await over.bounding_box()
        await over.click(position={"x": box["width"] * 0.97, "y": 30})
        row = page.locator('[data-then="web"]')
        await expect(row).to_contain_text("64.0\u00a0MiB")
        await expect(page.locator(".instant .events")).to_contain_text("exited with code 1")
        await expect(page).to_have_url(re.compile(r"at=\d+"))
        await page.get_by_role("button", name="Back to now").click()
        await expect(page.locator(".instant")).to_have_count(0)
        await reader.go(f"{ALPHA}?at={now - 3_600_000}")
        await expect(page.locator(".instant")).to_contain_text("Nothing is known of that instant")


async def test_which_programs_take_the_machine_is_told_now_and_then(web, read) -> None:
    """Busiest first, by another column when it is asked for, with the rest; and the same for an instant of the past."""
    now = web.desk.now()
    async with alive(web), read(web) as reader:
        page = reader.page
        await reader.go(ALPHA)
        table = page.locator("[data-programs=ready] table")
        names = table.locator("tbody th")
        await expect(names.first).to_have_text("python3 backup.py")
        row = table.locator('[data-program="python3 backup.py"]')
        await expect(row).to_contain_text(re.compile("(1[4-9]|20)\u00a0%.*80.0\u00a0MiB"))  # half a minute is missing
        await expect(names.last).to_have_text("The rest")
        await expect(table.locator("tbody tr").last).to_contain_text(
            re.compile("[345](\\.\\d)?\u00a0%")
        )  # of 0.3 cores 0.25 are told
        await expect(names).to_have_count(13)
        await page.get_by_role("button", name="Show 4 more programs").click()
        await expect(names).to_have_count(17)
        await table.get_by_role("button", name="Memory").click()
        await expect(names.first).to_have_text("postgres")
        await expect(table.locator('[aria-sort="descending"]')).to_contain_text("Memory")
        await reader.go(f"{ALPHA}?at={now - 100_000}")
        await expect(page.locator("[data-programs=ready] h2")).to_contain_text("What took this machine then")
        await expect(names.first).to_have_text("python3 backup.py")
        await reader.go(f"{ALPHA}?at={now - 3_600_000}")
        await expect(page.locator("[data-programs=ready]")).to_contain_text("has not told of programs then")


async def test_what_happened_is_on_the_charts(web, read) -> None:
    """Events of the shown time are counted above the charts and listed; one that comes in is there without a reload."""
    fill(web)
    async with read(web) as reader:
        page = reader.page
        await reader.go(ALPHA)
        await expect(page.locator(".note-line")).to_contain_text("Nothing happened in this time.")
        event = Event("e2", web.desk.now(), EventKind.MARK, "version 7 rolled out", "alpha")
        await web.desk.journal.events.add([event])
        web.desk.changes.event(event)
        await expect(page.locator(".note-line summary")).to_contain_text("1 event in this time")
        await page.locator(".note-line summary").click()
        await expect(page.locator(".note-line .events")).to_contain_text("version 7 rolled out")
        now = web.desk.now()
        plain = await page.locator('[data-panel="memory"] canvas').evaluate(TINTED)
        for number, (kind, phase) in enumerate((("started", ""), ("phase", "warm-up"), ("phase", "knee"), ("ended", ""))):
            facts = {"run": "r1"} | ({"phase": phase} if phase else {})
            at = now - 100_000 + number * 30_000
            told = Event(
                f"s{number}", at, EventKind(f"stress_{kind}"), f"The stress run: {phase or kind}", "alpha", facts=facts
            )
            await web.desk.journal.events.add([told])
            web.desk.changes.event(told)
        await expect(page.locator(".note-line .events li")).to_have_count(4)  # the beginning and the end are one
        await expect(page.locator(".note-line .events")).to_contain_text("knee")
        await page.wait_for_function(
            f"(before) => ({TINTED})(document.querySelector('[data-panel=memory] canvas')) > 2 * before", arg=plain
        )


async def test_output_is_found_by_the_time_that_it_carries(web, read) -> None:
    """The picked instant's line is marked and in sight; an instant before all lines is said to be so."""
    fill(web)
    lines = tuple(f"2026-11-20T10:{minute:02}:00Z INFO minute {minute}" for minute in range(60))

    async def written(*_: object, follow: bool):
        yield LogLines("1", lines, end=not follow)

    web.desk.logs = written
    async with read(web) as reader:
        page = reader.page
        await reader.go(f"{ALPHA}/servers/web?at=1795169400000")  # 10:10 UTC
        await expect(page.locator(".log .then")).to_have_text("2026-11-20T10:10:00Z INFO minute 10")
        inside = "(line) => line.offsetTop - line.parentElement.scrollTop < line.parentElement.clientHeight"
        assert await page.locator(".log .then").evaluate(inside)
        await reader.go(f"{ALPHA}/servers/web?at=1795100000000")
        await expect(page.locator(".logs")).to_contain_text("before the oldest line")


async def test_a_probe_has_a_past(web, read) -> None:
    """Beside what a probe says now stands how it answered over the time that is shown."""
    fill(web)
    now = web.desk.now()
    for second in range(120):
        web.desk.store.put(
            web.series("probe_success", server="web", probe="http"), now - (120 - second) * 1000, float(second < 60)
        )
    web.desk.turn("web", probes=(ProbeResult("http", "http", ok=False, at=now, why="refused"),))
    async with read(web, at=f"{ALPHA}/servers/web") as reader:
        strip = reader.page.locator('[data-probe="http"] .spans')
        await expect(strip.locator(".down")).not_to_have_count(0)
        await expect(strip.locator(".up")).not_to_have_count(0)
        await expect(strip).to_have_attribute("aria-label", re.compile("of the known time"))


async def test_ends_are_listed_with_how_long_it_ran(web, read) -> None:
    """Each end with its reason, and how long the server had run before it."""
    now = web.desk.now()
    await web.desk.journal.events.add(
        [
            Event("a", now - 130_000, EventKind.SERVER_STARTED, "web runs (pid 7)", "alpha", "web"),
            Event("b", now - 10_000, EventKind.SERVER_EXITED, "web exited with code 9", "alpha", "web", "critical"),
        ]
    )
    async with read(web, at=f"{ALPHA}/servers/web") as reader:
        ends = reader.page.locator(".block", has=reader.page.get_by_role("heading", name="Ends and why"))
        await expect(ends).to_contain_text("exited with code 9 after 2\u00a0min")
