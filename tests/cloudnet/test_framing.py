"""Frames become messages by RFC 6455's rules, each broken rule has the close code that the RFC names, and all is bounded."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudnet.codes import Close
from cloudnet.framing import BINARY, INVALID_TEXT, TEXT, Assembler, Broken, frame


class Part(NamedTuple):
    """One data frame."""

    opcode: int
    payload: bytes
    fin: bool = True
    reserved: bool = False


def joined(*parts: Part, most: int = 100) -> tuple[int, bytes] | None:
    """What a new assembler makes of these frames; only the last may complete a message."""
    assembler = Assembler(most)
    for part in parts[:-1]:
        assert assembler.take(part.opcode, part.payload, fin=part.fin, reserved=part.reserved) is None
        assert assembler.kind
    last = parts[-1]
    return assembler.take(last.opcode, last.payload, fin=last.fin, reserved=last.reserved)


@given(st.sampled_from([TEXT, BINARY]), st.text(max_size=50), st.lists(st.integers(0, 200), max_size=6))
def test_a_message_is_the_same_however_it_was_cut(kind: int, text: str, cuts: list[int]) -> None:
    """Also within a character, and with empty pieces."""
    whole = text.encode()
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[start:end] for start, end in pairwise(places)]
    parts = [Part(kind if not number else 0, piece, number == len(pieces) - 1) for number, piece in enumerate(pieces)]
    assert joined(*parts, most=1000) == (kind, whole)


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([Part(0, b"x")], Close.MALFORMED),
        ([Part(0, b"x", fin=False)], Close.MALFORMED),
        ([Part(BINARY, b"x", fin=False), Part(BINARY, b"y")], Close.MALFORMED),
        ([Part(BINARY, b"", fin=False), Part(TEXT, b"y")], Close.MALFORMED),
        ([Part(BINARY, b"x", reserved=True)], Close.MALFORMED),
        ([Part(BINARY, b"x", fin=False), Part(0, b"y", reserved=True)], Close.MALFORMED),
        ([Part(BINARY, bytes(101))], Close.TOO_BIG),
        ([Part(BINARY, bytes(60), fin=False), Part(0, bytes(41))], Close.TOO_BIG),
        ([Part(BINARY, bytes(100), fin=False), Part(0, b"x", fin=False)], Close.TOO_BIG),
        ([Part(TEXT, b"\xff")], INVALID_TEXT),
        ([Part(TEXT, b"\xc3")], INVALID_TEXT),
        ([Part(TEXT, b"\xc3", fin=False), Part(0, b"x", fin=False)], INVALID_TEXT),
        ([Part(TEXT, b"ok\xed\xa0\x80", fin=False)], INVALID_TEXT),
        ([Part(TEXT, b"\xf4\x90", fin=False)], INVALID_TEXT),
        ([Part(TEXT, b"\xc0\x80")], INVALID_TEXT),
    ],
)
def test_each_broken_rule_has_its_code(parts: list[Part], code: int) -> None:
    """A lost beginning, a message within another, reserved bits, too long in one or several frames, text that is none."""
    with pytest.raises(Broken) as fault:
        joined(*parts)
    assert fault.value.code == code


def test_a_message_may_be_as_long_as_the_limit() -> None:
    """In one frame and in several, empty ones between; the next one starts from nothing."""
    assert joined(Part(BINARY, bytes(100))) == (BINARY, bytes(100))
    assembler = Assembler(100)
    for _ in range(3):
        assert assembler.take(BINARY, bytes(60), fin=False, reserved=False) is None
        assert assembler.take(0, b"", fin=False, reserved=False) is None
        assert assembler.take(0, bytes(40), fin=True, reserved=False) == (BINARY, bytes(100))
        assert not assembler.kind


def test_binary_is_not_read_as_text() -> None:
    """Whatever bytes."""
    assert joined(Part(BINARY, b"\xff", fin=False), Part(0, b"\xc3")) == (BINARY, b"\xff\xc3")


@given(
    st.lists(st.tuples(st.sampled_from([0, TEXT, BINARY]), st.binary(max_size=8), st.booleans(), st.booleans()), max_size=20)
)
def test_any_frames_make_messages_or_a_code(frames: list[tuple[int, bytes, bool, bool]]) -> None:
    """Nothing but Broken is raised, and no message is longer than the limit."""
    assembler = Assembler(16)
    for opcode, payload, fin, reserved in frames:
        try:
            whole = assembler.take(opcode, payload, fin=fin, reserved=reserved)
        except Broken as fault:
            code, why = fault.code, fault.why
            break
        assert whole is None or len(whole[1]) <= 16
    else:
        return
    assert code in {Close.MALFORMED, Close.TOO_BIG, INVALID_TEXT}
    assert len(why.encode()) <= 123  # what a close frame holds beside its code


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 100_000])
def test_a_servers_frame_is_read_back(size: int) -> None:
    """Each of the three lengths of a header (section 5.2), unmasked and final."""
    payload = bytes(size)
    whole = frame(BINARY, payload)
    assert whole[0] == 0x80 | BINARY
    assert whole.endswith(payload)
    head = len(whole) - size
    length = {2: whole[1], 4: int.from_bytes(whole[2:4]), 10: int.from_bytes(whole[2:10])}[head]
    assert length == size
    assert head == (2 if size < 126 else 4 if size < 65536 else 10)
