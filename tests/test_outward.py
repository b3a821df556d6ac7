"""What channels share: what each answer means, what is never said, and settings that could not work."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rigs.outgoing import kept
from rigs.receivers import Hook
from watchkeeper.errors import ConfigError, Failed
from watchkeeper.fetch import Answer
from watchkeeper.notify import Webhook
from watchkeeper.outward import CONTENT, NOT_TAKEN, NotTaken, check_address, clean_headers, hidden, judge, look, opened, post
from watchkeeper.quantities import Secret


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    """One."""
    return Answer(status, {name.replace("_", "-"): text for name, text in headers.items()}, body, 0)


@pytest.mark.parametrize("status", range(200, 600))
def test_each_status_means_one_thing(status: int) -> None:
    """Taken; refused for what it is, never again; certainly not taken; or perhaps, and then a copy has the same key."""
    if status < 300:
        assert judge(answer(status)) == f"HTTP {status}"
        return
    with pytest.raises(Failed) as told:
        judge(answer(status))
    sure = isinstance(told.value, NotTaken)
    assert told.value.retry is (status not in CONTENT)
    assert sure is (status in NOT_TAKEN or status < 400)
    assert not (CONTENT & NOT_TAKEN)


@pytest.mark.parametrize(("asked", "pause"), [("7", 7), ("99999", 300), ("-1", 0), ("soon", 0), ("", 0), ("1" * 400, 0)])
def test_a_pause_that_is_asked_for_is_kept_within_bounds(asked: str, pause: float) -> None:
    """`Retry-After` in seconds, five minutes at most; anything else is none."""
    with pytest.raises(NotTaken) as told:
        judge(answer(503, retry_after=asked))
    assert told.value.pause == pause


def test_a_refused_password_is_not_tried_all_the_time() -> None:
    """Half a minute between tries: programs that watch for guessing would lock us out."""
    for status in (401, 403):
        with pytest.raises(NotTaken) as told:
            judge(answer(status))
        assert told.value.pause == 30


def test_what_an_answer_says_is_told_if_it_can_be_read() -> None:
    """Words, but no page of HTML and no bytes."""
    for body, said in (
        (b"no such\n channel", "HTTP 404: no such channel"),
        (b"<html>", "HTTP 404"),
        (b"\xff\xfe\x00" * 9, "HTTP 404"),
    ):
        with pytest.raises(NotTaken) as told:
            judge(answer(404, body))
        assert told.value.why == said


async def test_a_post_carries_its_key_and_follows_nothing() -> None:
    """The idempotency key goes along; a redirect is told and not followed; no connection is no delivery."""
    receiver = Hook()
    async with receiver.running():
        assert await post(receiver.url, b"{}", {"x-a": "b"}, "key-1") == "HTTP 200"
        assert (receiver.keys, receiver.taken[0].headers["x-a"]) == (["key-1"], "b")
        receiver.fault = "redirect"
        with pytest.raises(NotTaken, match="redirects"):
            await post(receiver.url, b"{}", {}, "key-2")
        await look(receiver.url, {})
        receiver.fault = "unavailable"
        with pytest.raises(Failed):
            await look(receiver.url, {})
    with pytest.raises(NotTaken, match="cannot connect"):
        await post(receiver.url, b"{}", {}, "key-3")


def test_secrets_are_taken_out_of_what_is_said(tmp_path: Path) -> None:
    """Whole, in parts of an address, percent-encoded, and whatever stands behind Bearer and Basic."""
    address = kept(tmp_path, "https://hooks.example.org/services/T0PART/B1PART/x%2Fy%3Dsecret?token=abcd")
    part = Webhook(url=address, secret=kept(tmp_path, "two words"), headers={"X": kept(tmp_path, "hdr-word")})
    said = "no https://hooks.example.org/services/T0PART/B1PART/x%2Fy%3Dsecret?token=abcd, x/y=secret, two\n words, hdr-word!"
    told = hidden(said + " Authorization: Bearer abc.def Basic dXNlcjpwYXNz", part)
    for word in ("T0PART", "B1PART", "secret", "abcd", "two words", "hdr-word", "abc.def", "dXNlcjpwYXNz"):
        assert word not in told, told
    assert told.startswith("no •••")
    assert hidden("fine", Webhook(url=Secret(env="NOT_SET_ANYWHERE"))) == "fine"


@settings(deadline=None)
@given(st.text(), st.integers(1, 400))
def test_what_is_said_is_one_short_line(text: str, longest: int) -> None:
    """Whatever a receiver answers."""
    told = hidden(text, Webhook(url="http://h/"), longest)
    assert len(told) <= longest
    assert told.isprintable()


@pytest.mark.parametrize("url", ["", "h", "ftp://h", "http://", "http://h:99999", "http://u:p@h", "http://[::1", "//h"])
def test_what_is_no_address_is_told_without_quoting_it(url: str) -> None:
    """It may be a secret."""
    with pytest.raises(ValueError, match="url: ") as told:
        check_address("url", url)
    assert "u:p" not in str(told.value)


def test_a_secret_address_is_checked_when_it_is_read(tmp_path: Path) -> None:
    """And so are headers: told by the name of what holds them, never by their text."""
    good = kept(tmp_path, "https://h/x")
    assert opened("url", good) == "https://h/x"
    bad = kept(tmp_path, "htps://h/s3cret")
    with pytest.raises(ConfigError, match="secret-") as told:
        opened("url", bad)
    assert "s3cret" not in str(told.value)
    with pytest.raises(ConfigError, match="X-A") as header:
        clean_headers({"X-A": "s3cret\r\nX-B: 1"})
    assert "s3cret" not in str(header.value)
