"""The built page as a table of files: what is in it, and what stays out."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

from watchkeeper.web.page import LARGEST, assets


def test_the_files_of_a_build(tmp_path: Path) -> None:
    """Pages and assets by their path, packed where that is smaller; hashed ones for ever; hidden and huge ones not at all."""
    (tmp_path / "assets").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "index.html").write_bytes(b"<p>" + b"page " * 500)
    (tmp_path / "assets" / "a-12.js").write_bytes(b"void 0;" * 500)
    (tmp_path / "assets" / "n-34.png").write_bytes(os.urandom(500))
    (tmp_path / "manifest.webmanifest").write_bytes(b"{}")
    (tmp_path / ".env").write_bytes(b"secret")
    (tmp_path / ".git" / "config").write_bytes(b"secret")
    (tmp_path / "huge.bin").write_bytes(bytes(LARGEST + 1))
    found = assets(tmp_path)
    assert sorted(found) == ["/assets/a-12.js", "/assets/n-34.png", "/index.html", "/manifest.webmanifest"]
    script = found["/assets/a-12.js"]
    assert (script.kind, script.forever) == ("text/javascript; charset=utf-8", True)
    assert gzip.decompress(script.packed) == script.plain
    assert found["/assets/n-34.png"].packed == b""
    assert (found["/index.html"].kind, found["/index.html"].forever) == ("text/html; charset=utf-8", False)
    assert found["/manifest.webmanifest"].kind == "application/manifest+json"
    assert len({one.tag for one in found.values()}) == 4


def test_without_a_build_there_is_a_page_that_says_so(tmp_path: Path) -> None:
    """The API works without it, and the page tells how to have it; no script, no style."""
    for root in (tmp_path, tmp_path / "none"):
        page = assets(root)["/index.html"].plain.decode()
        assert "without its page" in page
        assert "<script" not in page
        assert "style" not in page
