"""The page in a real browser: it draws, answers to mouse and keys, has two themes, and fits a telephone and paper."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from rigs.recorded import usual
from watchkeeper.stress.report.building import build
from watchkeeper.stress.report.page import page
from watchkeeper.stress.report.reading import read

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no chromium here")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the usual run."""
    folder = tmp_path_factory.mktemp("page")
    path = folder / "report.html"
    path.write_text(page(build(read(usual(folder)))), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def browser() -> Any:
    """A browser."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def shown(browser: Any, address: str) -> Any:
    """The page, with everything that went wrong in it."""
    found = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme="dark")
    wrong: list[str] = []
    found.on("pageerror", lambda fault: wrong.append(str(fault)))
    found.on("console", lambda message: wrong.append(message.text))
    found.on("request", lambda request: wrong.append(request.url) if not request.url.startswith(("file:", "data:")) else None)
    found.goto(address)
    yield found
    assert wrong == []
    found.close()


def test_it_draws_and_asks_for_nothing(shown: Any) -> None:
    """Charts over time, of the search, of the distribution and of the generator; each says to a reader what it is."""
    assert shown.locator(".plot svg[role=img]").count() >= 8
    labels = shown.locator(".plot svg[role=img]").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert all(labels)
    assert shown.locator(".verdict").inner_text() == "PASS"
    assert shown.locator(".answers li").count() == 6


def test_a_pointer_and_arrow_keys_tell_figures(shown: Any) -> None:
    """Over a chart, and with the focus in it."""
    plot = shown.locator("[data-chart=throughput] .plot svg")
    plot.scroll_into_view_if_needed()
    plot.hover()
    tip = shown.locator("[data-chart=throughput] .tip")
    assert "done" in tip.inner_text()
    plot.focus()
    plot.press("ArrowRight")
    before = tip.inner_text()
    plot.press("Shift+ArrowRight")
    assert tip.inner_text() != before


def test_dragging_looks_closer_at_all_charts_and_escape_back(shown: Any) -> None:
    """All charts over time show the same part."""
    plot = shown.locator("[data-chart=latency] .plot svg")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    shown.mouse.move(box["x"] + 300, box["y"] + 80)
    shown.mouse.down()
    shown.mouse.move(box["x"] + 500, box["y"] + 80)
    shown.mouse.up()
    assert shown.locator(".unzoom").is_visible()
    shown.locator(".unzoom").click()
    assert shown.locator(".unzoom").is_hidden()


def test_a_series_is_hidden_by_its_button_and_a_stage_is_chosen(shown: Any) -> None:
    """The legend's buttons say whether they are pressed; another stage's distribution is another curve."""
    button = shown.locator("[data-chart=throughput] .legend button", has_text="good")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    curve = shown.locator("#curve .plot path").first
    before = curve.get_attribute("d")
    shown.select_option("#which", index=0)
    assert shown.locator("#curve .plot path").first.get_attribute("d") != before


def test_two_themes_and_what_they_look_like_differ(shown: Any) -> None:
    """It begins as the system is, and its button changes it."""
    dark = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    shown.locator("#theme").click()
    assert shown.evaluate("getComputedStyle(document.body).backgroundColor") != dark


@pytest.mark.parametrize("wide", [360, 768, 1600])
def test_it_fits_every_screen(shown: Any, wide: int) -> None:
    """Nothing of it lies beyond the edge but tables, which have a scroll of their own."""
    shown.set_viewport_size({"width": wide, "height": 800})
    shown.reload()
    assert shown.evaluate("document.documentElement.scrollWidth") <= wide


def test_it_prints_light_whatever_the_theme(shown: Any, tmp_path: Path) -> None:
    """On white, without what only a screen can use; a PDF comes out of it."""
    shown.emulate_media(media="print")
    assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not shown.locator(".bar").is_visible()
    shown.pdf(path=tmp_path / "report.pdf", format="A4", print_background=True)
    assert (tmp_path / "report.pdf").stat().st_size > 50_000
