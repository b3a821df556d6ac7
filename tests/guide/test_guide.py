"""The guide is true: its commands are typed into fresh machines, by each way of installing, and give what it shows."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rigs.booted import HOME, why_not
from rigs.guide import GUIDE, NOT_RUN, ORDER, SECOND, WAYS, Follower, blocks, fits, steps

PAGES = sorted(GUIDE.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_commands_says_whether_it_was_run(page: Path) -> None:
    """A title is a way, the second machine, a file, or the honest words that it was not run here."""
    for block in blocks(page):
        named = [part for part in block.title.split(", ") if part in WAYS]
        known = not block.title or len(named) == len(block.title.split(", ")) or block.title.startswith("/")
        assert known or block.title == SECOND or block.title.endswith(NOT_RUN), f"{page.name}, line {block.place}"
        if block.language == "console" and not block.title.endswith(NOT_RUN):
            assert page.stem in ORDER, f"{page.name} has commands, and nobody types them"
            assert steps(block.text), f"{page.name}, line {block.place}"


def test_every_page_is_reached_and_every_link_leads_somewhere() -> None:
    """The first page names all others; each link to a file, and each heading that is linked to, is there."""
    first = (GUIDE / "index.md").read_text(encoding="utf-8")
    for page in PAGES:
        assert page.stem == "index" or f"({page.name})" in first, page.name
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_site_leads_to_every_page() -> None:
    """What stands in the site's navigation exists, and no page of the guide is missing from it."""
    named = set(re.findall(r"[\w/-]+\.md", (HOME / "mkdocs.yml").read_text(encoding="utf-8")))
    assert {f"guide/{page.name}" for page in PAGES} <= named
    for name in named:
        assert (HOME / "docs" / name).exists(), name


def test_what_is_shown_is_compared() -> None:
    """Dots stand for anything within a line, or for any lines; everything else must be as it is shown."""
    assert fits(["wrote /etc/x: …", "…"], "wrote /etc/x: 3 servers\nmore\nand more\n")
    assert fits(["…second…", "…"], "  second up\n")
    assert not fits(["active"], "inactive\n")
    assert not fits(["a", "b"], "a\n")
    assert steps("# one\nout\n# two\n") == [("one", ["out"]), ("two", [])]


@pytest.fixture(scope="module")
def release() -> None:
    """The files of a release, made from this tree."""
    subprocess.run([sys.executable, "packaging/make.py", "wheel", "deb", "bundle"], cwd=HOME, check=True)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.skipif(bool(why_not()), reason=why_not())
@pytest.mark.parametrize("way", WAYS)
def test_the_guide_is_followed_from_an_empty_machine(way: str, release: None, tmp_path: Path) -> None:
    """From a fresh Debian to a second machine, a backup put back, and the end; the time to the first status is printed."""
    follower = Follower(tmp_path, way)
    try:
        began = time.monotonic()
        for page in ORDER:
            follower.follow(page)
            if page == "service":
                sys.stdout.write(
                    f"{way}: from nothing to a service that shows this machine in {time.monotonic() - began:.0f} s\n"
                )
        sys.stdout.write(f"{way}: {follower.count} commands typed\n")
        assert follower.count >= 20
    finally:
        follower.close()
