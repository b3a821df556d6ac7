"""sd_notify over real sockets: what is said is understood, who says it is known, and nothing of it is trusted."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from watchkeeper.control.notifysocket import BURST, LONGEST_SECONDS, NotifySocket, Said, parse

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the protocol is Linux's")


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"READY=1", Said(ready=True)),
        (b"READY=0\nWATCHDOG=1\n", Said(watchdog=True)),
        (b"WATCHDOG=trigger", Said(trigger=True)),
        (b"STATUS=all \x1b[31mwell\x1b[0m", Said(status="all well")),
        (b"STATUS=", Said(status="")),
        (b"STOPPING=1\nEXTEND_TIMEOUT_USEC=2500000", Said(stopping=True, extend_seconds=2.5)),
        (b"WATCHDOG_USEC=500000", Said(watchdog_seconds=0.5)),
        (b"WATCHDOG_USEC=99999999999999999999999", Said()),
        (b"EXTEND_TIMEOUT_USEC=9999999999999999", Said(extend_seconds=LONGEST_SECONDS)),
        (b"EXTEND_TIMEOUT_USEC=-5\nWATCHDOG_USEC=1e9\nMAINPID=1\nFDSTORE=1\n\xff\xfe=\x00", Said()),
        (b"no sign\n=\n==\n" + b"x" * 4000, Said()),
    ],
)
def test_messages(message: bytes, said: Said) -> None:
    """What the protocol names is taken, what it does not or what cannot be read is passed over."""
    assert parse(message) == said


def test_a_status_is_short() -> None:
    """Two hundred characters are enough for anybody."""
    assert len(parse(b"STATUS=" + b"x" * 4000).status or "") == 200


class Heard:
    """A socket and all that was heard on it."""

    def __init__(self) -> None:
        self.all: list[tuple[bytes, int]] = []
        self.socket = NotifySocket(f"watchkeeper-test/{secrets.token_hex(8)}", lambda *one: self.all.append(one))
        self.socket.listen()

    async def until(self, count: int) -> None:
        """Wait for so many messages."""
        async with asyncio.timeout(10):
            while len(self.all) < count:
                await asyncio.sleep(0.005)


@pytest.fixture
async def heard():
    """One, for the length of a test."""
    one = Heard()
    yield one
    one.socket.close()


SAY = """
import os, socket, sys
one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
one.connect("\\0" + os.environ["NOTIFY_SOCKET"][1:])
one.send(sys.argv[1].encode())
print(os.getpid())
"""


def open_files() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_the_sender_is_told_by_the_kernel(heard: Heard) -> None:
    """The pid beside a message is the sender's own, whatever it says of itself."""
    environment = os.environ | {"NOTIFY_SOCKET": heard.socket.address}
    said = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", SAY, "MAINPID=1\nREADY=1"], env=environment, capture_output=True, check=True
    )
    await heard.until(1)
    assert heard.all == [(b"MAINPID=1\nREADY=1", int(said.stdout))]


async def test_descriptors_that_come_along_are_closed(heard: Heard) -> None:
    """A sender that waits at a barrier is let go, and nobody can fill us with descriptors."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.connect("\0" + heard.socket.address[1:])
        for _ in range(100):
            reader, writer = os.pipe()
            before = open_files()
            socket.send_fds(one, [b"BARRIER=1"], [writer] * 10)
            os.close(writer)
            count = len(heard.all)
            await heard.until(count + 1)
            assert os.read(reader, 1) == b"", "the barrier's other end is still open"
            os.close(reader)
            assert open_files() < before


async def test_a_flood_leaves_others_their_turn(heard: Heard) -> None:
    """No more than a burst is taken at once; what is too long is not heard at all."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.setblocking(False)
        one.connect("\0" + heard.socket.address[1:])
        sent = 0
        try:
            for _ in range(BURST * 4):
                one.send(b"WATCHDOG=1")
                sent += 1
        except BlockingIOError:
            pass
        heard.socket._take()
        assert len(heard.all) == min(BURST, sent)
        await heard.until(sent)
        one.send(b"x" * 10_000)
        one.send(b"READY=1")
        await heard.until(sent + 1)
    assert heard.all[-1][0] == b"READY=1"


async def test_a_name_is_taken_once(heard: Heard) -> None:
    """A second socket of the name is refused; after the first is closed the name is free."""
    name = heard.socket.address[1:]
    with pytest.raises(OSError, match="in use"):
        NotifySocket(name, lambda *_: None)
    heard.socket.close()
    NotifySocket(name, lambda *_: None).close()
