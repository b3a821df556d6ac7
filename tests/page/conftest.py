"""The page as it is shipped, in a real browser, over a real server with a desk to sit at.

The page is built first when it is missing or older than its source. Without a Chromium on this machine these tests are
skipped: the browser is the system's own, none is fetched. Whatever the browser complains of fails the test.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from rigs.browsing import DESKTOP, WATCH_POLICY, Reader
from rigs.desk import Web, running
from watchkeeper.web.access import COOKIE
from watchkeeper.web.settings import WebSettings

HOME = Path(__file__).resolve().parents[2]
PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
expect.set_options(timeout=10_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of this folder share one loop, since they share one browser."""
    for item in items:
        if item.path.parent == Path(__file__).parent and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder of the built page, newer than its source."""
    sys.path[:0] = [str(HOME), str(HOME / "frontend")]
    try:
        import check  # noqa: PLC0415  # beside the page's source, no part of the package
        import hatch_build  # noqa: PLC0415  # the project's own build hook
    finally:
        del sys.path[:2]
    web = hatch_build.layout(HOME)
    if not web.is_fresh():
        check.node_for_checks()
        hatch_build.build(web)
    return web.built


@pytest.fixture
def desk(built: Path, tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Web]]:
    """Make servers over one journal, each for the length of an ``async with``; `port` is where the last one was."""
    return lambda port=0: running(tmp_path, WebSettings(), port=port)


@pytest_asyncio.fixture(loop_scope="session")
async def web(desk: Callable[..., AbstractAsyncContextManager[Web]]) -> AsyncIterator[Web]:
    """One server."""
    async with desk() as found:
        yield found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium, without a window: one for all; each reader has a profile of their own in it."""
    if not PROGRAM:
        pytest.skip("no Chromium is installed here: apt install chromium")
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        found = await playwright.chromium.launch(executable_path=PROGRAM, args=arguments)
        yield found
        await found.close()


@pytest.fixture
def read(browser: Browser) -> Callable[..., AbstractAsyncContextManager[Reader]]:
    """Sit down at a browser, signed in and `at` a page, for the length of an ``async with``; its complaints fail the test."""

    @asynccontextmanager
    async def sitting(
        web: Web, size: dict[str, int] = DESKTOP, scheme: str = "light", *, at: str = "/", grumpy: bool = True
    ) -> AsyncIterator[Reader]:
        context = await browser.new_context(viewport=size, color_scheme=scheme)
        await context.add_init_script(WATCH_POLICY)
        reader = Reader(await context.new_page(), web)
        access, now = web.desk.journal.access, web.desk.now()
        secret, _ = await access.redeem(await access.add_link(now), now, "")
        await context.add_cookies([{"name": COOKIE, "value": secret, "url": web.url, "httpOnly": True, "sameSite": "Strict"}])
        await reader.go(at)
        yield reader
        found = await reader.verdict()
        await context.close()
        assert not (grumpy and found), found

    return sitting


@pytest.fixture
def link() -> Callable[[Web], object]:
    """Make a sign-in link."""
    return sign_in_link


async def sign_in_link(web: Web) -> str:
    """A fresh one-time link, as the quick start prints it."""
    return f"{web.url}/sign-in#{await web.desk.journal.access.add_link(web.desk.now())}"
