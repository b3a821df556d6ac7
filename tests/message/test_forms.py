"""What messages look like: held word for word, bounded whatever is in them, and nobody else's markup."""

from __future__ import annotations

import html.parser
import importlib.util
import struct
import zlib
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rigs.bulletins import BEGAN, full, numbered
from watchkeeper.message import html as html_form
from watchkeeper.message import picture, text
from watchkeeper.message.facts import clean, facts, since, size, span, subject
from watchkeeper.message.version4 import MOST_ALERTS, body, fingerprint, instant
from watchkeeper.notify import Slack
from watchkeeper.notify.slack import escape
from watchkeeper.outward import time_zone
from watchkeeper.quantities import Secret
from watchkeeper.telling import Bulletin, BulletinProcess

UTC = time_zone("UTC")


def golden() -> ModuleType:
    """The script that writes them."""
    spec = importlib.util.spec_from_file_location("golden", Path(__file__).parent / "golden.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GOLDEN = golden()
FORMS: dict[str, str] = GOLDEN.forms()


@pytest.mark.parametrize("name", sorted({*FORMS, *(path.name for path in GOLDEN.FOLDER.glob("*"))}))
def test_forms_are_as_they_should_be(name: str) -> None:
    """Each form of each bulletin is the one that stands in golden/; `python tests/message/golden.py` writes them anew."""
    assert FORMS.get(name) == (GOLDEN.FOLDER / name).read_text(encoding="utf-8")


def swollen() -> Bulletin:
    """Everything a thousand times, and signs that mean something to terminals, mail and chats."""
    nasty = "\x1b[2J\u202e<b>&\r\nX: y`*_~@here " * 300
    one = full()
    alert = msgspec.structs.replace(one.alerts[0], summary=nasty, description=nasty, threshold=nasty, slope=nasty)
    return msgspec.structs.replace(
        one,
        title=nasty,
        alerts=(alert,) * 1000,
        machine=nasty,
        log_lines=(nasty,) * 1000,
        processes=(BulletinProcess(1, nasty, float("inf"), 1 << 60),) * 1000,
        last_change=nasty,
        links={"page": "https://h/" + "p" * 100, "bad\n": "javascript:\n", nasty: "https://h/x"},
    )


def test_every_form_is_bounded_and_clean() -> None:
    """However much a bulletin holds, a message fits a screen or two and holds no control sign."""
    whole = text.whole(swollen(), UTC)
    assert len(whole) < 15_000
    assert len(text.short(swollen(), UTC, 1000)) <= 1000
    assert len(subject(swollen())) <= 150
    for form in (whole, subject(swollen()), text.short(swollen(), UTC, 1000)):
        assert not {"\x1b", "\r", "\u202e"} & set(form)
    assert "\n" not in subject(swollen())
    assert len(msgspec.json.encode(Slack(url=Secret(env="X")).body(swollen()))) < 30_000
    told = body(swollen(), "r", UTC)
    assert (len(told["alerts"]), told["truncatedAlerts"]) == (MOST_ALERTS, 500)


def test_html_holds_no_tag_but_ours() -> None:
    """Names, log lines and links are text in it, whatever they spell."""
    seen: set[str] = set()

    class Tags(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.add(tag)
            assert not any(name.startswith("on") for name, _ in attrs)

    parser = Tags()
    parser.feed(html_form.page(swollen(), UTC) + html_form.page(full(), UTC, 'x"><img src=y>', "<i>"))
    known = {"html", "head", "meta", "title", "body", "div", "h1", "table", "tr", "td", "br", "p", "pre", "a", "img"}
    assert seen <= known


def test_chats_are_not_called_by_a_log_line() -> None:
    """Mentions and links of Slack's form are broken up."""
    assert escape("<!channel> & @here @all @everyone @anna") == (
        "&lt;!channel&gt; &amp; @\u200bhere @\u200ball @\u200beveryone @anna"
    )


def test_a_drill_says_so_everywhere() -> None:
    """In the subject, in the facts, in the labels."""
    one = full(drill=True)
    assert subject(one).startswith("[DRILL] ")
    assert facts(one, UTC)[0].label == "Drill"
    assert {told["labels"]["drill"] for told in body(one, "r", UTC)["alerts"]} == {"true"}


@settings(deadline=None)
@given(st.integers(1, 1000), st.booleans())
def test_the_short_form_never_cuts_a_link(most: int, over: bool) -> None:
    """Within any length: links whole or not at all, the one to acknowledge first."""
    form = text.short(full(resolved=over), UTC, most)
    assert len(form) <= most
    known = {*full().links.values(), full().alerts[0].runbook}
    shown = [line.partition(": ")[2] for line in form.splitlines() if line.startswith(("Acknowledge:", "Open:", "Runbook:"))]
    assert set(shown) <= known
    if most >= 200:
        assert full().links["acknowledge"] in shown


@settings(deadline=None)
@given(st.text())
def test_cleaning_leaves_one_printable_line(words: str) -> None:
    """Whatever comes in."""
    line = clean(words, 80)
    assert len(line) <= 80
    assert "\n" not in line
    assert "\x1b" not in line


def test_times_and_sizes_are_as_people_say_them() -> None:
    """Two units at most; from when to when."""
    assert [span(ms) for ms in (0, 59_999, 61_000, 3_600_000, 90_061_000)] == ["0 s", "59 s", "1 min 1 s", "1 h", "1 d 1 h"]
    assert [size(count) for count in (0, 1023, 1536, 3 << 30, 1 << 50)] == ["0 B", "1023 B", "1.5 KiB", "3.0 GiB", "1024.0 TiB"]
    assert since(full(resolved=True).alerts, 0, UTC, over=True) == "2026-11-18 11:06:40 UTC, lasted 21 min"
    assert since((), BEGAN, UTC, over=False) == ""
    assert instant(0) == "0001-01-01T00:00:00Z"


def test_fingerprints_are_alertmanagers() -> None:
    """As its own library computes them (the empty set is the offset of FNV-1a)."""
    assert fingerprint({}) == "cbf29ce484222325"
    assert fingerprint({"a": "b", "c": "d"}) == fingerprint({"c": "d", "a": "b"})
    assert fingerprint({"a": "bc"}) != fingerprint({"ab": "c"})


def pixels(png: bytes) -> list[bytes]:
    """A PNG's rows, its checksums checked."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, data, width = 8, b"", 0
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + content)
        if kind == b"IHDR":
            width = struct.unpack(">I", content[:4])[0]
        data += content if kind == b"IDAT" else b""
        at += 12 + length
    raw = zlib.decompress(data)
    return [raw[row : row + width + 1] for row in range(0, len(raw), width + 1)]


def test_the_picture_shows_the_figure() -> None:
    """A rising figure is a line from the lower left to the upper right, in rows that are no filter's."""
    rows = pixels(picture.chart([(0, 0.0), (1000, 1.0)]))
    assert (len(rows), len(rows[0]), {row[0] for row in rows}) == (picture.HEIGHT, picture.WIDTH + 1, {0})
    inked = [next(y for y, row in enumerate(rows) if row[x + 1] >= 3) for x in (0, picture.WIDTH // 2, picture.WIDTH - 1)]
    assert inked[0] > inked[1] > inked[2]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1 << 45), st.floats()), max_size=50))
def test_any_figure_makes_a_picture_or_none(trend: list[tuple[int, float]]) -> None:
    """NaN, infinities, the widest floats and equal times draw something or nothing, and never fail."""
    image = picture.chart(trend)
    if image:
        assert len(pixels(image)) == picture.HEIGHT
        assert picture.caption(trend, UTC)
    assert len(image) < 50_000


def test_a_bulletin_of_nothing_still_says_something() -> None:
    """Without alerts, machine, links: the title stands."""
    bare = msgspec.structs.replace(numbered(1), alerts=(), machine="", group={})
    assert "Bulletin 1" in text.whole(bare, UTC)
    assert text.short(bare, UTC) == "Bulletin 1"
    assert body(bare, "r", UTC)["alerts"] == []
