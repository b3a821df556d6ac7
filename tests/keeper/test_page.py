"""Pages come back as they were written, whatever is in them, and a torn one misleads nobody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.keeper import page as room
from watchkeeper.keeper.page import LONGEST, Reader, lines, number, one, read, write

ANY_TEXT = st.text(st.characters(exclude_categories=())).map(
    lambda text: text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
)
KEYS = st.text(st.characters(categories=["Ll"], max_codepoint=127), min_size=1)


@given(st.dictionaries(KEYS, st.lists(ANY_TEXT, min_size=1, max_size=4), max_size=6))
def test_a_page_comes_back_as_it_was(page: dict[str, list[str]]) -> None:
    """Line breaks, backslashes, bytes that are no UTF-8, blanks at both ends."""
    assert read(write(page)) == page


@given(st.lists(st.dictionaries(KEYS, ANY_TEXT, min_size=1, max_size=3), max_size=5), st.integers(1, 40))
def test_a_stream_is_cut_into_its_pages(pages: list[dict[str, str]], size: int) -> None:
    """Wherever the bytes are cut on their way."""
    stream = b"".join(write(page) for page in pages)
    reader = Reader()
    found = [page for at in range(0, len(stream), size) for page in reader.feed(stream[at : at + size])]
    assert found == [{key: [value] for key, value in page.items()} for page in pages]


@given(st.binary(max_size=200))
def test_no_bytes_are_an_error(written: bytes) -> None:
    """What is no line is passed over."""
    for value in read(written).values():
        assert value


def test_an_unfinished_line_does_not_count() -> None:
    """Killed in the middle of an append: what was whole before is true, what was not is not there."""
    whole = lines({"pid": 4711, "status": 9})
    assert read(whole[:-1]) == {"pid": ["4711"]}
    assert read(whole[:-2]) == {"pid": ["4711"]}


def test_what_was_written_later_counts() -> None:
    """A key that comes again is a list; asked for one, the last is it."""
    page = read(lines({"pid": 1}) + lines({"pid": 2, "word": ["a", "b"]}))
    assert one(page, "pid") == "2"
    assert page["word"] == ["a", "b"]
    assert (number(page, "pid"), number(page, "word"), number(page, "none", 7)) == (2, 0, 7)


def test_a_page_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can fill our memory; and what the kernel takes as a command and its environment always fits."""
    assert LONGEST >= 4 << 20
    monkeypatch.setattr(room, "LONGEST", 100)
    reader = Reader()
    reader.feed(b"key " + b"x" * 90)
    with pytest.raises(ValueError, match="too long"):
        reader.feed(b"x" * 90)
