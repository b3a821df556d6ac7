"""Servers' own pages asked over real sockets: newest figures, gaps when a page fails, names that do not clash."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from watchkeeper.clock import SystemClock
from watchkeeper.collect.openmetrics import OpenMetrics
from watchkeeper.collect.scraping import Scraping, Source, placed
from watchkeeper.model import Series

PERIOD = 0.05


class Page:
    """A page on a loopback port that says whatever the test wants."""

    def __init__(self) -> None:
        self.text = "jobs 1\n"
        self.status = "200 OK"
        self.silent = False
        self.asked = 0
        self.open = 0
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer."""
        self.asked += 1
        self.open += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            if self.silent:
                await reader.read()
            body = self.text.encode()
            writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        writer.close()
        self.open -= 1


@asynccontextmanager
async def scraping(
    *servers: str, wanted: Callable[[str], bool] = lambda _: True, **more: object
) -> AsyncIterator[tuple[Scraping, Page]]:
    """A page and who asks it for each server."""
    page = Page()
    listener = await asyncio.start_server(page.answer, "127.0.0.1", 0)
    page.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/metrics"
    scraping = Scraping(SystemClock(), wanted)
    leaf = OpenMetrics(url=page.url, **more)  # type: ignore[arg-type]  # any of its fields
    scraping.replace(Source(server, "1", leaf, PERIOD) for server in servers)
    task = asyncio.create_task(scraping.run())
    try:
        yield scraping, page
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        listener.close()
        while page.open:  # what was begun ends by itself, since who asked is gone
            await asyncio.sleep(0.01)


def shown(scraping: Scraping) -> dict[str, float]:
    """What it reads now."""
    values = scraping.read()
    return {series.text(): value for series, value in zip(scraping.series, values, strict=True)}


async def until(true: Callable[[], object]) -> None:
    """Wait for a condition with a deadline."""
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


async def test_figures_carry_their_servers_label() -> None:
    """Each server's page under its name, with how asking went beside it."""
    async with scraping("web", "jobs") as (one, page):
        await until(lambda: shown(one).get('jobs{server="web"}') == 1)
        await until(lambda: shown(one).get('jobs{server="jobs"}') == 1)
        assert shown(one)['watchkeeper_scrape_success{page="1",server="web"}'] == 1
        assert shown(one)['watchkeeper_scrape_series{page="1",server="web"}'] == 1
        page.text = "jobs 7\n"
        await until(lambda: shown(one)['jobs{server="web"}'] == 7)
        layout = one.series
        one.read()
        assert one.series is layout
        assert {"jobs", "watchkeeper_scrape_success"} <= {family.name for family in one.families()}


@pytest.mark.parametrize("trouble", ["status", "noise", "silence"])
async def test_a_page_that_fails_is_a_gap_and_comes_back(trouble: str) -> None:
    """Yesterday's figures are not shown as today's, the fault is a figure, and the page is asked again."""
    async with scraping("web", timeout=0.2) as (one, page):
        await until(lambda: shown(one).get('jobs{server="web"}') == 1)
        page.status = "500 No" if trouble == "status" else page.status
        page.text = "<html>" if trouble == "noise" else page.text
        page.silent = trouble == "silence"
        await until(lambda: math.isnan(shown(one)['jobs{server="web"}']))
        await until(lambda: shown(one)['watchkeeper_scrape_success{page="1",server="web"}'] == 0)
        page.status, page.text, page.silent = "200 OK", "jobs 2\n", False
        await until(lambda: shown(one)['jobs{server="web"}'] == 2)


async def test_a_page_beyond_its_limits_is_refused() -> None:
    """Too many series, and too many bytes, are a fault of that page alone."""
    async with scraping("web", most_series=2) as (one, page):
        page.text = "a 1\nb 2\nc 3\n"
        await until(lambda: page.asked > 2)
        assert shown(one)['watchkeeper_scrape_success{page="1",server="web"}'] == 0
        page.text = "a 1\nb 2\n"
        await until(lambda: shown(one).get('b{server="web"}') == 2)


async def test_a_server_that_does_not_run_is_not_asked() -> None:
    """Nobody knocks where nobody is; figures are gaps until it runs."""
    awake = False
    async with scraping("web", wanted=lambda _: awake) as (one, page):
        await asyncio.sleep(PERIOD * 4)
        assert page.asked == 0
        assert all(math.isnan(value) for value in shown(one).values())
        awake = True
        await until(lambda: shown(one).get('jobs{server="web"}') == 1)


async def test_replacing_keeps_what_is_unchanged() -> None:
    """After a reload the others go on undisturbed, the removed one is gone at once."""
    async with scraping("web", "jobs") as (one, page):
        await until(lambda: shown(one).get('jobs{server="web"}') == shown(one).get('jobs{server="jobs"}') == 1)
        one.replace([Source("web", "1", OpenMetrics(url=page.url), PERIOD)])
        assert shown(one)['jobs{server="web"}'] == 1
        assert 'jobs{server="jobs"}' not in shown(one)


def test_a_pages_own_server_label_is_kept_aside() -> None:
    """As in Prometheus: what the page calls `server` is `exported_server`."""
    series = Series("hits", (("server", "backend-1"), ("zone", "a")))
    assert placed(series, "proxy").labels == (("exported_server", "backend-1"), ("server", "proxy"), ("zone", "a"))


async def test_what_the_agent_reads_itself_is_not_taken_from_the_page_again() -> None:
    """Client libraries tell their process's CPU and memory under the agent's own names: taken twice, they would add up."""
    async with scraping("web") as (one, page):
        page.text = 'process_cpu_seconds_total 5\njobs 1\nprocess_open_fds 9\nprocess_threads{pool="a"} 2\nlast 3\n'
        await until(lambda: shown(one).get('last{server="web"}') == 3)
        told = {name: value for name, value in shown(one).items() if not name.startswith("watchkeeper_")}
        assert told == {'jobs{server="web"}': 1, 'process_threads{pool="a",server="web"}': 2, 'last{server="web"}': 3}
        page.text = page.text.replace("jobs 1", "jobs 2")
        await until(lambda: shown(one)['jobs{server="web"}'] == 2)


async def test_pages_of_one_server_do_not_clash() -> None:
    """Two processes of one server tell the same names: each page's figures carry its name, from the reload on that adds it."""
    async with scraping("web") as (one, page):
        await until(lambda: shown(one).get('jobs{server="web"}') == 1)
        leaf = OpenMetrics(url=page.url)
        one.replace([Source("web", "1", leaf, PERIOD), Source("web", "2", leaf, PERIOD)])
        await until(lambda: shown(one).get('jobs{page="1",server="web"}') == shown(one).get('jobs{page="2",server="web"}') == 1)
        assert 'jobs{server="web"}' not in shown(one)
        assert len(set(one.series)) == len(one.series)
        one.replace([Source("web", "1", leaf, PERIOD)])
        await until(lambda: shown(one).get('jobs{server="web"}') == 1)
