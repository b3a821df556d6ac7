"""RFC 6455 is kept: every Autobahn case of sections 1 to 7, 9 and 10 passes or is explained, and what Autobahn does not ask."""

from __future__ import annotations

import base64
import os
import re
import socket
import time
import tracemalloc
from pathlib import Path

import pytest

from cloudnet.frames import CLOSING_SECONDS
from cloudnet.framing import BINARY, TEXT, Assembler
from conformance.run import (
    EVERYTHING,
    EXPLAINED,
    INFORMATIONAL,
    NOT_STRICT,
    OVER_BOUND,
    WIDE_BYTES,
    Verdict,
    echo,
    run,
    unexplained,
)

CONTINUATION, CLOSE = 0, 8


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdict]:
    """All cases at the bound that we ship, which takes three seconds."""
    return run(EVERYTHING)


def test_every_case_passes_or_is_explained(verdicts: dict[str, Verdict]) -> None:
    """No case fails without a sentence that says why, and one over our bound is refused for its size."""
    assert len(verdicts) == 301
    assert unexplained(verdicts) == {}


@pytest.mark.slow
def test_what_passes_less_strictly_is_explained_too(verdicts: dict[str, Verdict]) -> None:
    """Each NON-STRICT verdict is one of those that follow from how picows reads."""
    assert {case for case, verdict in verdicts.items() if verdict.messages == "NON-STRICT"} <= NOT_STRICT.keys()


def test_no_explanation_is_left_of_a_case_that_there_is_not(verdicts: dict[str, Verdict]) -> None:
    """The explanations name cases of the suite only."""
    assert (EXPLAINED.keys() | NOT_STRICT.keys() | INFORMATIONAL.keys()) <= verdicts.keys()


def test_the_page_explains_every_case_that_is_not_plainly_ok(verdicts: dict[str, Verdict]) -> None:
    """docs/websocket-conformance.md has a row for each of them, and says what is not run."""
    page = (Path(__file__).parents[2] / "docs" / "websocket-conformance.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| (\d+\.\d+\.\d+) \|", page, re.MULTILINE))
    assert {case for case, verdict in verdicts.items() if verdict.messages != "OK" or verdict.closing != "OK"} <= told
    assert told <= EXPLAINED.keys() | NOT_STRICT.keys() | INFORMATIONAL.keys()
    assert "Not explained" not in page
    assert "sections 12 and 13" in page


def test_only_the_bound_stands_between_long_messages_and_an_echo() -> None:
    """With 16 MiB allowed, cases that are over our bound pass: whole, fragmented, text and binary."""
    cases = [case for case in OVER_BOUND if case in {"9.1.6", "9.2.6", "9.3.1", "9.4.9"}]
    assert all(verdict.is_passed for verdict in run(cases, most=WIDE_BYTES).values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("opcode", "bits"),
    [(opcode, bits) for opcode in (BINARY, TEXT, 9, 10, CLOSE) for bits in (4, 2, 1)],
)
def test_each_reserved_bit_alone_ends_the_connection(opcode: int, bits: int) -> None:
    """RSV1, RSV2 or RSV3 without an extension is answered with 1002, in any kind of frame (section 5.2)."""
    with echo() as address, shaken(address) as client:
        client.settimeout(2.0)
        client.sendall(frame(opcode, b"", bits=bits))
        assert client.recv(4)[2:] == (1002).to_bytes(2)


def test_whoever_closes_and_does_not_read_is_cut_off() -> None:
    """A client that sends a close frame and reads nothing holds what we have for it a second longer, not for ever."""
    with echo() as address, shaken(address) as client:
        for _ in range(20):
            client.sendall(frame(BINARY, bytes(500_000)))
        client.sendall(frame(CLOSE, (1000).to_bytes(2)))
        time.sleep(CLOSING_SECONDS + 0.5)
        read = 0
        while some := client.recv(1 << 20):
            read += len(some)
    assert read < 20 * 500_000, "everything was still there to be read"


def test_empty_fragments_without_end_cost_no_memory() -> None:
    """A message may have any number of empty fragments; they are under no bound of bytes, so nothing of them is kept."""
    assembler = Assembler(1000)
    assembler.take(BINARY, b"begun", fin=False, reserved=False)
    tracemalloc.start()
    for _ in range(50_000):
        assembler.take(CONTINUATION, b"", fin=False, reserved=False)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 10_000
    assert assembler.take(CONTINUATION, b"", fin=True, reserved=False) == (BINARY, b"begun")


def shaken(address: str) -> socket.socket:
    """A socket after the WebSocket handshake, with a small buffer for what comes in."""
    host, port = address.split(":")
    client = socket.create_connection((host, int(port)), timeout=10.0)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
    lines = (
        "GET / HTTP/1.1",
        f"Host: {address}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "\r\n",
    )
    client.sendall("\r\n".join(lines).encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += client.recv(1)
    assert answer.startswith(b"HTTP/1.1 101 ")
    return client


def frame(opcode: int, payload: bytes, *, bits: int = 0) -> bytes:
    """A whole masked frame (with a mask of zeros); `bits` are RSV1, RSV2 and RSV3 as 4, 2 and 1."""
    size = len(payload)
    length = bytes((0x80 | size,)) if size < 126 else b"\xff" + size.to_bytes(8)
    return bytes((0x80 | bits << 4 | opcode,)) + length + bytes(4) + payload
