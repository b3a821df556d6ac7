"""An identity stays secret and whole on the disk, its key has one text form, and a signature fits one purpose only."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudnet import keys
from cloudnet.codes import Code
from cloudnet.errors import ConfigError, Refused
from cloudnet.keys import Identity, login_text, profile_text, verify, welcome_text
from cloudnet.packets import Profile

SEED = bytes(range(32))
POINTS_OF_SMALL_ORDER = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
]


@given(st.binary(min_size=32, max_size=32))
def test_a_key_has_one_text_form(key: bytes) -> None:
    """52 letters and digits, read back whatever their case and the space around them."""
    text = keys.written(key)
    assert len(text) == 52
    assert keys.read(text) == keys.read(f" {text.upper()}\n") == key


@pytest.mark.parametrize(
    "text", ["", "a" * 51, "a" * 53, "a" * 60, "1" * 52, "é" * 52, "\u0131" * 52, "a" * 51 + "b", "a" * 48 + "===="]
)
def test_other_texts_are_no_keys(text: str) -> None:
    """Too short, too long, letters that base32 has not, bits that a key has not, padding."""
    with pytest.raises(ConfigError, match="not a public key"):
        keys.read(text)


@given(st.text(max_size=60))
def test_any_text_is_a_key_or_a_reason(text: str) -> None:
    """Nothing but ConfigError comes of it, and what is read is written alike."""
    try:
        key = keys.read(text)
    except ConfigError:
        return
    assert keys.written(key) == text.strip().lower()


def test_an_identity_is_its_owners_alone(tmp_path: Path) -> None:
    """The file has mode 0600 whatever the umask, comes back as the same key, and nothing else is left in the folder."""
    before = os.umask(0)
    try:
        made = keys.create(tmp_path / "me")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "me").stat().st_mode) == 0o600
    assert keys.load(tmp_path / "me").key == made.key
    assert [path.name for path in tmp_path.iterdir()] == ["me"]
    assert made.sign(b"x") == keys.load(tmp_path / "me").sign(b"x")


def test_an_identity_is_never_written_over(tmp_path: Path) -> None:
    """A file that is there stays as it is, an identity or not, and so does a link that leads nowhere."""
    (tmp_path / "me").write_text("precious")
    with pytest.raises(ConfigError, match="never written over"):
        keys.create(tmp_path / "me")
    assert (tmp_path / "me").read_text() == "precious"
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="never written over"):
        keys.create(tmp_path / "link")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "me"]


def test_a_folder_that_is_not_there_is_a_reason(tmp_path: Path) -> None:
    """Creating and loading where nothing is, and loading a folder."""
    for use in (keys.create, keys.load, keys.load_or_create):
        with pytest.raises(ConfigError, match="No such file"):
            use(tmp_path / "none" / "me")
    with pytest.raises(ConfigError, match="cannot be read"):
        keys.load(tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o601])
def test_an_identity_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """With the command that mends it."""
    keys.create(tmp_path / "me")
    (tmp_path / "me").chmod(mode)
    with pytest.raises(ConfigError, match=r"chmod 600 .*me"):
        keys.load(tmp_path / "me")


@pytest.mark.parametrize("cut", [0, 1, 26, 50, 51])
def test_a_truncated_identity_is_refused(tmp_path: Path, cut: int) -> None:
    """However much of it is there; the reason repeats nothing of it."""
    keys.create(tmp_path / "me")
    text = (tmp_path / "me").read_text()
    (tmp_path / "me").write_text(text[:cut])
    for use in (keys.load, keys.load_or_create):
        with pytest.raises(ConfigError, match="holds no identity") as fault:
            use(tmp_path / "me")
        assert cut < 26 or text[:cut] not in fault.value.why


@pytest.mark.parametrize("content", [b"\xff" * 52, b"1" * 52, b"a" * 5000, "\u0131".encode() * 52])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    """Bytes that are no text, digits that base32 has not, too much."""
    (tmp_path / "me").write_bytes(content)
    (tmp_path / "me").chmod(0o600)
    with pytest.raises(ConfigError):
        keys.load(tmp_path / "me")


def test_processes_that_start_at_once_share_one_identity(tmp_path: Path) -> None:
    """All but one find what the first has made, whole."""
    found: list[bytes] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        found.append(keys.load_or_create(tmp_path / "server.key").key)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_the_secret_half_is_not_shown() -> None:
    """Neither by repr nor by what a traceback would print."""
    me = Identity(SEED)
    assert keys.written(SEED) not in repr(me)
    assert SEED.hex() not in f"{me!r}{me.__dict__!r}"


# -- signatures -------------------------------------------------------------------------------------


def test_a_signature_fits_its_text_and_key_alone() -> None:
    """Another text, another key, a changed signature, wrong lengths: all alike are refused."""
    me, other = Identity(SEED), Identity(SEED[::-1])
    signature = me.sign(b"text")
    verify(me.key, b"text", signature)
    wrong = [
        (other.key, b"text", signature),
        (me.key, b"texT", signature),
        (me.key, b"", signature),
        (me.key, b"text", other.sign(b"text")),
        (me.key, b"text", signature[:-1]),
        (me.key, b"text", signature + b"\0"),
        (me.key, b"text", b""),
        (me.key, b"text", bytes(64)),
        (me.key[:-1], b"text", signature),
        (b"", b"text", signature),
    ]
    for bit in range(0, 512, 37):
        changed = bytearray(signature)
        changed[bit >> 3] ^= 1 << (bit & 7)
        wrong.append((me.key, b"text", bytes(changed)))
    for key, text, given_signature in wrong:
        with pytest.raises(Refused) as fault:
            verify(key, text, given_signature)
        assert fault.value.code == Code.BAD_SIGNATURE


@pytest.mark.parametrize("key", POINTS_OF_SMALL_ORDER, ids=lambda key: key[:4].hex())
def test_a_key_that_everybody_could_sign_for_is_refused(key: bytes) -> None:
    """With a point of small order as key, a signature of zeros would fit many texts (RFC 8032 leaves it open)."""
    for first in (key, bytes(32), b"\x01" + bytes(31)):
        with pytest.raises(Refused):
            verify(key, b"text", first + bytes(32))


def texts(**change: Any) -> bytes:
    """A login's text with one part changed."""
    parts: dict[str, Any] = {
        "server": b"s" * 32,
        "challenge": b"c" * 32,
        "key": b"k" * 32,
        "nonce": b"n" * 32,
        "authority": "host:8765",
        "certificate": b"",
        "takeover": False,
    }
    return login_text(**(parts | change))


@pytest.mark.parametrize(
    "change",
    [
        {"server": b"S" * 32},
        {"challenge": b"C" * 32},
        {"key": b"K" * 32},
        {"nonce": b"N" * 32},
        {"authority": "host:8766"},
        {"certificate": b"t" * 32},
        {"takeover": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_part_of_a_login_is_signed(change: dict[str, Any]) -> None:
    """Another server, challenge, key, nonce, address, certificate or wish makes another text."""
    assert texts(**change) != texts()


def test_a_login_is_the_same_text_for_an_address_in_any_case() -> None:
    """Host names have no case (RFC 4343)."""
    assert texts(authority="HOST:8765") == texts()


def test_purposes_are_never_mixed_up() -> None:
    """No text of one purpose begins as one of another does."""
    profile = profile_text(Profile(b"k" * 32, "device", "", ""), b"d" * 32)
    welcome = welcome_text(b"s" * 32, b"c" * 32, b"k" * 32, b"n" * 32, b"e" * 16)
    beginnings = {text.partition(b"\n")[0] for text in (profile, welcome, texts())}
    assert beginnings == {b"cloudnet profile 1", b"cloudnet welcome 1", b"cloudnet login 1"}


FOUR_TEXTS = st.tuples(*[st.text(max_size=3)] * 4)


@given(FOUR_TEXTS, FOUR_TEXTS)
def test_no_letter_shifts_from_one_part_of_a_profile_to_the_next(ones: tuple[str, ...], others: tuple[str, ...]) -> None:
    """Two profiles that differ in any part have different texts, however their parts join."""
    one, other = (profile_text(Profile(b"k" * 32, *parts), b"d" * 32) for parts in (ones, others))
    assert (one == other) == (ones == others)


@pytest.mark.parametrize(
    "change", [{"place": (1.0, 2.0)}, {"place": (0.0, 0.0)}, {"extra": b"x"}, {"alias": "x"}, {"key": b"K" * 32}]
)
def test_each_part_of_a_profile_is_signed(change: dict[str, Any]) -> None:
    """Also a place of zeros, which is not the same as none; but not what the server sets, nor the signature itself."""
    profile = Profile(b"k" * 32, "device", "t", "n")
    text = profile_text(profile, b"d" * 32)
    assert profile_text(msgspec.structs.replace(profile, **change), b"d" * 32) != text
    assert profile_text(profile, b"D" * 32) != text
    assert profile_text(msgspec.structs.replace(profile, signature=b"s", device=b"d"), b"d" * 32) == text


def test_a_place_is_signed_as_the_wire_has_it() -> None:
    """Two doubles: places that differ in their last bit have different texts, and nobody has to round."""
    one = profile_text(Profile(b"k" * 32, "device", "", "", place=(0.0078125, 13.4)), b"")
    other = profile_text(Profile(b"k" * 32, "device", "", "", place=(0.00781250000000001, 13.4)), b"")
    assert one != other
    assert bytes.fromhex("3f80000000000000402acccccccccccd") in one


def test_a_profile_that_is_too_long_to_be_signed_is_refused() -> None:
    """Not an exception of Python's own."""
    with pytest.raises(Refused) as fault:
        profile_text(Profile(b"k" * 32, "device", "", "x" * 65536), b"")
    assert fault.value.code == Code.MALFORMED
