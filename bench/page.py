"""What the dashboard costs: its size, the first paint, the filter over 300 machines, live charts, memory, and the hub's part.

Everything is measured on the page as it is shipped, in the system's Chromium, over a server with 300 machines that speak every
5 s into a real store. Renderer CPU is that of the browser's renderer processes (/proc); the hub's that of this process's
server: with pages open, less without. The charts are those of a server that tells 24 metrics of 4 lines of itself, a point a
second, 600 points each, all of them in view in one very tall window; the figure is scaled from what is drawn to 24 charts.
BENCH_MINUTES says for how many minutes their heap is looked at (1); it grows by the line through all looks but the first.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _noise import Noise, table
from playwright.async_api import Page, async_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from rigs.desk import Web  # the test rig's own
from rigs.many import CHATTY, many, name_of
from watchkeeper.web.page import STATIC

COUNT = 300
PAGES = 4
SECONDS = 30.0
MINUTES = int(os.environ.get("BENCH_MINUTES", "1"))
TICK = os.sysconf("SC_CLK_TCK")


def size() -> tuple[int, int]:
    """Bytes of all that a reader loads: what is packed as gzip -9 has it, and the font as it is."""
    packed = sum(
        len(gzip.compress(file.read_bytes(), 9)) for file in STATIC.rglob("*") if file.suffix in {".js", ".css", ".html"}
    )
    return packed, sum(file.stat().st_size for file in STATIC.rglob("*.woff2"))


def cpu(pids: list[int]) -> float:
    """CPU seconds of some processes so far."""
    spent = 0
    for pid in pids:
        try:
            parts = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        spent += int(parts[11]) + int(parts[12])
    return spent / TICK


def renderers() -> list[int]:
    """The renderer processes below this one."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if "--type=renderer" in line and "watchkeeper-bench" in line]


async def signed_in(page: Page, web: Web) -> None:
    """Come in by a fresh link."""
    secret = await web.desk.journal.access.add_link(web.desk.now())
    await page.goto(f"{web.url}/sign-in#{secret}")
    await page.locator(".freshness.live").wait_for()


async def first_paint(page: Page, web: Web) -> float:
    """Seconds from the navigation to the first contentful paint, the middle of five loads."""
    found = []
    for _ in range(5):
        await page.goto(web.url)
        await page.locator(".freshness.live").wait_for()
        script = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        found.append(await page.evaluate(script) / 1000)
    return statistics.median(found)


async def filtering(page: Page, web: Web) -> float:
    """Seconds from a letter to the drawn list, the worst of ten."""
    await page.goto(f"{web.url}/machines")
    await page.locator("[data-machine]").first.wait_for()
    script = """async (text) => {
        const field = document.querySelector("main input[type=search]");
        const begun = performance.now();
        field.value = text;
        field.dispatchEvent(new Event("input", { bubbles: true }));
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        return performance.now() - begun;
    }"""
    words = ("n", "no", "node-1", "node-12", "", "up", "2", "", "node-299", "")
    return max([await page.evaluate(script, text) / 1000 for text in words])


async def hub_cost(pages: list[Page], web: Web) -> tuple[float, float]:
    """Shares of a core: of this process with no page, and what each open page adds."""
    for page in pages:
        await page.goto("about:blank")
    await asyncio.sleep(3)
    begun = time.process_time()
    await asyncio.sleep(SECONDS)
    without = (time.process_time() - begun) / SECONDS
    for page in pages:
        await page.goto(web.url)
        await page.locator(".freshness.live").wait_for()
    await asyncio.sleep(5)
    begun = time.process_time()
    await asyncio.sleep(SECONDS)
    return without, ((time.process_time() - begun) / SECONDS - without) / len(pages)


async def charts(page: Page, web: Web) -> tuple[int, float, list[float]]:
    """How many charts are drawn; renderer CPU s/min of them all; MB of heap, garbage collected, at first and each minute."""
    await page.set_viewport_size({"width": 1600, "height": 4200})
    await page.goto(f"{web.url}/machines/{name_of(CHATTY)}/servers/shop")
    await page.locator('[data-panel^="own:app_"] canvas').first.wait_for()
    session = await page.context.new_cdp_session(page)

    async def heap() -> float:
        await session.send("HeapProfiler.collectGarbage")
        return float((await session.send("Runtime.getHeapUsage"))["usedSize"]) / 1e6

    await asyncio.sleep(5)
    heaps, pids = [await heap()], renderers()
    begun = cpu(pids)
    for _ in range(MINUTES):
        await asyncio.sleep(60)
        heaps.append(await heap())
    spent = cpu(pids) - begun
    drawn = await page.locator("canvas").count()
    await page.set_viewport_size({"width": 1440, "height": 900})
    return drawn, spent / MINUTES, heaps


def grown(heaps: list[float]) -> str:
    """The heap at first and at last, in words, and by how much it grows."""
    told = f"{heaps[0]:.1f} → {heaps[-1]:.1f} MB, {max(heaps):.1f} at most"
    if len(heaps) < 5:
        return told
    slope = statistics.linear_regression(range(len(heaps) - 1), heaps[1:]).slope
    return f"{told}, {slope * 60:+.2f} MB an hour"


async def main_async() -> None:
    """Measure and print."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not program:
        raise SystemExit("no Chromium is installed here: apt install chromium")
    noise = Noise()
    packed, font = size()
    with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-") as folder:
        async with many(Path(folder), COUNT) as web, async_playwright() as playwright:
            arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
            context = await playwright.chromium.launch_persistent_context(
                f"{folder}/profile", executable_path=program, args=arguments, viewport={"width": 1440, "height": 900}
            )
            page = context.pages[0]
            await signed_in(page, web)
            rows = [
                ("script, styles and page, gzip -9", f"{packed / 1000:.1f} KB", "with the font 150 KB"),
                ("the font", f"{font / 1000:.1f} KB", ""),
                ("first paint, 300 machines", f"{await first_paint(page, web):.2f} s", "0.5 s"),
                ("a letter into the filter of 300 machines", f"{await filtering(page, web) * 1000:.0f} ms", "50 ms"),
            ]
            noise.look()
            drawn, spent, heaps = await charts(page, web)
            rows.append((f"{drawn} live charts in view, renderer CPU", f"{spent:.1f} s/min", ""))
            rows.append(("the same for 24 charts of 4 lines", f"{spent * 24 / drawn:.1f} s/min", "13 s/min"))
            rows.append((f"their page's heap, after GC, over {MINUTES} min", grown(heaps), "flat"))
            pages = [page, *[await context.new_page() for _ in range(PAGES - 1)]]
            without, each = await hub_cost(pages, web)
            rows.append(("hub without a page (300 machines' frames, pretended)", f"{without * 100:.1f} % of a core", ""))
            rows.append(("each open overview adds", f"{each * 100:.2f} % of a core", "0.3 %"))
            await context.close()
    noise.look()
    table("The dashboard", ("what", "measured", "wanted"), rows, str(noise))


def main() -> None:
    """Measure and print."""
    asyncio.run(main_async())


if __name__ == "__main__":
    main()
