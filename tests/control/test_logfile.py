"""Output outlives its agent, is rotated under the server's hands without a loss, and is read back fit to be shown."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path

import pytest

from watchkeeper.control import cutting
from watchkeeper.control.logfile import LogFile

KIB = 1 << 10

WRITER = """
import itertools, os, sys
last, pause = int(sys.argv[1]), float(sys.argv[2])
import time
for number in itertools.count() if not last else range(last):
    os.write(1, b"line %08d %s\\n" % (number, b"x" * (number % 97)))
    if pause and number % 50 == 0:
        time.sleep(pause)
"""

ROTATORS = """
import os, sys
from pathlib import Path
from watchkeeper.control.logfile import LogFile
for _ in sys.stdin:
    if child := os.fork():
        os.waitpid(child, 0)
        continue
    log = LogFile(Path(sys.argv[1]), 64 << 10, 1000)
    print(os.getpid(), flush=True)
    while True:
        log.rotate_if_needed()
"""
"""For each line that it is given an agent that rotates until it is killed, one after the other."""


def collapses(folder: Path) -> bool:
    """Whether this file system can cut at the front."""
    probe = folder / "probe"
    probe.write_bytes(bytes(64 * KIB))
    with probe.open("r+b") as file:
        able = cutting.collapse(file.fileno(), 32 * KIB) == 0
    probe.unlink()
    return able


def write(log: LogFile, last: int = 0, pause: float = 0.0) -> subprocess.Popen[bytes]:
    """A server whose output is that log: numbered lines without end, or `last` of them."""
    output = log.open_for_writing()
    try:
        return subprocess.Popen([sys.executable, "-c", WRITER, str(last), str(pause)], stdout=output, stderr=output)
    finally:
        os.close(output)


@contextlib.contextmanager
def writing(log: LogFile, last: int = 0, pause: float = 0.0) -> Iterator[subprocess.Popen[bytes]]:
    """As `write`, ended at the end."""
    child = write(log, last=last, pause=pause)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def append(log: LogFile, data: bytes) -> None:
    """What a server would write."""
    output = log.open_for_writing()
    try:
        os.write(output, data)
    finally:
        os.close(output)


def older(log: LogFile) -> list[Path]:
    """The rotated files, oldest first."""
    found = [path for path in log.path.parent.glob(f"{log.path.name}.*") if path.suffix[1:].isdigit()]
    return sorted(found, key=lambda path: -int(path.suffix[1:]))


def everything(log: LogFile) -> bytes:
    """All output that is kept, one file after the other."""
    return b"".join(path.read_bytes() for path in [*older(log), log.path])


def numbers(output: bytes) -> list[int]:
    """The numbers of a writer's lines; any line that is torn fails."""
    found = []
    for line in output.splitlines():
        word, number, *rest = line.split(b" ")
        assert word == b"line"
        assert rest == [b"x" * (int(number) % 97)]
        found.append(int(number))
    return found


def whole(output: bytes) -> list[int]:
    """The numbers of those lines that are whole, where truncation may have torn some."""
    found = re.findall(rb"^line (\d{8}) (x*)$", output, re.MULTILINE)
    return [int(number) for number, filling in found if len(filling) == int(number) % 97]


async def gather(tail: AsyncGenerator[tuple[str, ...], None]) -> list[str]:
    """All lines of a tail that ends."""
    return [line async for batch in tail for line in batch]


async def until(tail: AsyncGenerator[tuple[str, ...], None], enough: Callable[[list[str]], bool]) -> list[str]:
    """The lines of a tail that follows, up to where they are enough."""
    lines: list[str] = []
    async with asyncio.timeout(60), contextlib.aclosing(tail):
        async for batch in tail:
            assert len(batch) <= 200
            lines += batch
            if enough(lines):
                break
    return lines


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    """A log that is rotated at 64 KiB, with all that is rotated kept."""
    return LogFile(tmp_path / "web.log", 64 * KIB, 1000)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a small tmpfs")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_rotation_under_a_writing_server_loses_and_doubles_nothing(log: LogFile, tmp_path: Path) -> None:
    """A server writes without a pause while its file is rotated over and over: all its lines are there, once and in order.

    Where the file system cannot cut at the front, what is promised is less: order, and no line twice.
    """
    lossless = collapses(tmp_path)
    rotations = 0
    with writing(log) as child:
        while rotations < 15:
            rotations += log.rotate_if_needed()
        inode = log.path.stat().st_ino
        assert child.poll() is None
    log.rotate_if_needed()
    assert log.path.stat().st_ino == inode
    assert len(older(log)) >= 15
    if lossless:
        found = numbers(everything(log))
        assert found == list(range(len(found)))
    else:
        found = whole(everything(log))
        assert found == sorted(set(found))


def test_rotating_in_a_thread_does_not_confuse_those_who_read(log: LogFile, tmp_path: Path) -> None:
    """A follower sees each line once and in order though the file shrinks under it; with cuts at the front it misses none."""
    lossless = collapses(tmp_path)
    ended = threading.Event()
    rotations = 0

    def rotate() -> None:
        nonlocal rotations
        while not ended.is_set():
            rotations += log.rotate_if_needed()

    async def follow() -> list[str]:
        return await until(log.tail(10, follow=True), lambda lines: rotations > 20 and len(lines) > 20_000)

    with writing(log, pause=0.001):
        thread = threading.Thread(target=rotate)
        thread.start()
        try:
            lines = asyncio.run(follow())
        finally:
            ended.set()
            thread.join()
    if lossless:
        found = numbers("\n".join(lines).encode())
        assert found == list(range(found[0], found[0] + len(found)))
    else:
        found = whole("\n".join(lines).encode())
        assert found == sorted(set(found))


def test_an_agent_killed_while_rotating_loses_and_doubles_nothing(log: LogFile, tmp_path: Path) -> None:
    """Kill -9 anywhere between copying and cutting: the next agent sees which of the two holds, and puts it in order."""
    if not collapses(tmp_path):
        pytest.skip("this file system cannot cut at the front")
    chance = random.Random(7)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen([sys.executable, "-c", ROTATORS, log.path], **pipes) as agents:  # type: ignore[call-overload]  # pipes, as keywords
        with writing(log):
            for _ in range(12):
                agents.stdin.write("another\n")
                agent = int(agents.stdout.readline())
                time.sleep(chance.uniform(0.01, 0.06))
                os.kill(agent, signal.SIGKILL)
        agents.stdin.close()
        agents.wait()
    log.rotate_if_needed()
    found = numbers(everything(log))
    assert found == list(range(len(found)))
    assert not log.path.with_name("web.log.new").exists()


@pytest.mark.parametrize("cut", [True, False])
def test_a_copy_left_behind_counts_only_if_the_cut_was_made(log: LogFile, cut: bool) -> None:
    """Both moments at which an agent can die with a whole copy on disk."""
    append(log, b"old\n" * 100 + b"new\n")
    log.path.with_name("web.log.new").write_bytes(b"old\n" * 100)
    if cut:
        log.path.write_bytes(b"new\n")
    assert not log.rotate_if_needed()
    assert everything(log) == b"old\n" * 100 + b"new\n"
    assert len(older(log)) == cut


def test_the_server_writes_on_after_our_death(tmp_path: Path) -> None:
    """The descriptor is the server's own: a new LogFile on the same path reads and rotates what it goes on writing."""
    first = LogFile(tmp_path / "web.log", 64 * KIB, 5)
    with writing(first, pause=0.001):
        del first
        second = LogFile(tmp_path / "web.log", 64 * KIB, 5)
        while not second.rotate_if_needed():
            time.sleep(0.01)
        size = second.path.stat().st_size
        while second.path.stat().st_size <= size:
            time.sleep(0.01)
    assert second.path.stat().st_mode & 0o777 == 0o640 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_no_more_than_keep_older_files_stay(tmp_path: Path) -> None:
    """The oldest goes when a new one comes, and fewer stay when fewer are asked for."""
    log = LogFile(tmp_path / "web.log", 64 * KIB, 3)
    for number in range(6):
        append(log, bytes([65 + number]) * (80 * KIB))
        assert log.rotate_if_needed()
        assert not log.rotate_if_needed()
    assert [path.name for path in older(log)] == ["web.log.3", "web.log.2", "web.log.1"]
    assert older(log)[-1].read_bytes().endswith(b"F")
    log.keep = 1
    append(log, b"G" * (80 * KIB))
    assert log.rotate_if_needed()
    assert [path.name for path in older(log)] == ["web.log.1"]
    log.keep = 0
    append(log, b"H" * (80 * KIB))
    assert log.rotate_if_needed()
    assert older(log) == []
    assert log.path.stat().st_size < 64 * KIB


def test_a_log_within_its_size_or_not_there_is_left_alone(log: LogFile) -> None:
    """Nothing to rotate is no fault."""
    assert not log.rotate_if_needed()
    append(log, b"x" * (64 * KIB))
    assert not log.rotate_if_needed()
    assert list(log.path.parent.iterdir()) == [log.path]


def test_where_nothing_can_be_cut_the_file_is_truncated(small_disk: Path) -> None:
    """A tmpfs knows no cut at the front: all that was written before the truncation is in the copy, whole and once."""
    assert not collapses(small_disk)
    log = LogFile(small_disk / "web.log", 64 * KIB, 5)
    for number in range(3):
        append(log, b"%d\n" % number * (40 * KIB))
        assert log.rotate_if_needed()
        assert log.path.stat().st_size == 0
    append(log, b"last\n")
    assert everything(log) == b"".join(b"%d\n" % number * (40 * KIB) for number in range(3)) + b"last\n"


def test_a_full_disk_costs_the_oldest_files_first(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When a copy does not fit, older ones make room for it, and that is told."""
    log = LogFile(small_disk / "web.log", 64 * KIB, 9)
    with caplog.at_level(logging.WARNING):
        for number in range(6):
            append(log, bytes([65 + number]) * (200 * KIB))
            assert log.rotate_if_needed()
    assert [path.read_bytes()[:1] for path in older(log)][-1] == b"F"
    assert len(older(log)) < 6
    assert "older files" in caplog.text
    assert "web.log" in caplog.text


def test_a_disk_full_of_others_files_costs_no_line_and_is_told_once(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With nothing left to give up, the live log stays as it is, nothing is raised, and it works again once there is room."""
    log = LogFile(small_disk / "web.log", 64 * KIB, 9)
    append(log, b"a" * (300 * KIB))
    foreign = small_disk / "foreign"
    with foreign.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4 * KIB)):
            pass
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            assert not log.rotate_if_needed()
    assert log.path.read_bytes() == b"a" * (300 * KIB)
    assert len(caplog.records) == 1
    assert sorted(path.name for path in small_disk.iterdir()) == ["foreign", "web.log"]
    foreign.unlink()
    assert log.rotate_if_needed()
    assert everything(log) == b"a" * (300 * KIB)


def test_a_folder_that_takes_nothing_is_told_once_and_raises_nothing(log: LogFile, caplog: pytest.LogCaptureFixture) -> None:
    """Any other fault of the disk leaves the live log alone too."""
    append(log, b"x" * (80 * KIB))
    log.path.with_name("web.log.new").mkdir()
    for _ in range(3):
        assert not log.rotate_if_needed()
    assert len(caplog.records) == 1
    assert log.path.stat().st_size == 80 * KIB


async def test_tail_gives_the_last_lines(log: LogFile) -> None:
    """As many as asked for, fewer if there are no more, and one that has not ended too."""
    assert await gather(log.tail(10, follow=False)) == []
    append(log, b"")
    assert await gather(log.tail(10, follow=False)) == []
    append(log, b"one\ntwo\n\nfour\r\n")
    assert await gather(log.tail(2, follow=False)) == ["", "four"]
    assert await gather(log.tail(99, follow=False)) == ["one", "two", "", "four"]
    assert await gather(log.tail(0, follow=False)) == []
    append(log, b"fi")
    assert await gather(log.tail(2, follow=False)) == ["four", "fi"]


async def test_tail_reads_back_over_many_blocks_and_files(log: LogFile) -> None:
    """Lines that lie on the seams of blocks and of rotated files come out whole, however far back it goes."""
    lines = [f"{number} " + "é" * (number % 700) for number in range(2000)]
    for start in range(0, 2000, 40):
        append(log, "".join(line + "\n" for line in lines[start : start + 40]).encode())
        log.rotate_if_needed()
    assert len(older(log)) > 5
    for wanted in (1, 39, 40, 41, 777, 1999, 2000, 5000):
        assert await gather(log.tail(wanted, follow=False)) == lines[-wanted:]
    again = LogFile(log.path, log.size, log.keep)
    assert await gather(again.tail(1500, follow=False)) == lines[-1500:]


async def test_tail_comes_in_bounded_batches(log: LogFile) -> None:
    """No message of the link is larger than it may be."""
    append(log, b"x\n" * 30_000)
    sizes = [len(batch) async for batch in log.tail(25_000, follow=False)]
    assert sum(sizes) == 25_000
    assert max(sizes) <= 200


async def test_what_cannot_be_shown_is_not_shown(log: LogFile) -> None:
    """Colours, cursor movements, titles, bells and bytes of no text do not reach a terminal or a page."""
    append(
        log,
        b"\x1b[1;31mred\x1b[0m\ttab\n"
        b"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n"
        b"10%\r20%\rdone\r\n"
        b"\xff\xfe bad \xc3\n"
        b"bell\x07 null\x00 delete\x7f back\x08\n"
        b"\xc2\x9b31mred \xc2\x90secret\xc2\x9cseen\n"
        b"\x1b(Bset \x1bMup \x1b\n",
    )
    assert await gather(log.tail(99, follow=False)) == [
        "red\ttab",
        "alink",
        "10%20%done",
        "\ufffd\ufffd bad \ufffd",
        "bell null delete back",
        "red seen",
        "set up ",
    ]


async def test_a_line_without_end_is_cut(log: LogFile) -> None:
    """Beyond 8 KiB a line is cut with an ellipsis, on a whole character, and costs no more memory than that."""
    append(
        log, b"a" * 8192 + b"\r\n" + b"a" * 8193 + b"\n" + "é".encode() * 5000 + b"\n" + b"b" + "é".encode() * 5000 + b"\nend\n"
    )
    append(log, b"c" * 3_000_000)
    exact, longer, accents, halves, end, endless = await gather(log.tail(6, follow=False))
    assert exact == "a" * 8192
    assert longer == "a" * 8192 + "…"
    assert accents == "é" * 4096 + "…"
    assert halves == "b" + "é" * 4095 + "…"
    assert end == "end"
    assert endless == "c" * 8192 + "…"


async def test_follow_gives_what_comes_after(log: LogFile) -> None:
    """First the last lines, then new ones, each when it is whole; the file need not exist yet."""
    tail = log.tail(2, follow=True)
    async with asyncio.timeout(30), contextlib.aclosing(tail):
        waiting = asyncio.ensure_future(anext(tail))
        await asyncio.sleep(0)
        append(log, b"one\ntw")
        assert await waiting == ("one",)
        append(log, b"o\nthree\n")
        assert await anext(tail) == ("two", "three")
    again = log.tail(2, follow=True)
    append(log, b"fo")
    async with asyncio.timeout(30), contextlib.aclosing(again):
        assert await anext(again) == ("two", "three")
        append(log, b"ur\n")
        assert await anext(again) == ("four",)


async def test_follow_starts_at_the_end_when_no_old_lines_are_wanted(log: LogFile) -> None:
    """Nothing old, and the line that is being written comes whole."""
    append(log, b"old\nhalf")
    tail = log.tail(0, follow=True)
    async with asyncio.timeout(30), contextlib.aclosing(tail):
        waiting = asyncio.ensure_future(anext(tail))
        while not waiting.done() and log.path.stat().st_size < 20:
            await asyncio.sleep(0.01)
            append(log, b"-full\nnew!\n")
        assert (await waiting)[0] == "half-full"


async def test_follow_notices_that_somebody_emptied_the_file(log: LogFile) -> None:
    """An operator's `: > web.log` ends nothing: what is written then is shown."""
    append(log, b"one\ntwo\nthree without end")
    tail = log.tail(9, follow=True)
    async with asyncio.timeout(30), contextlib.aclosing(tail):
        assert await anext(tail) == ("one", "two")
        os.truncate(log.path, 0)
        append(log, b"four\n")
        assert await anext(tail) == ("three without end",)
        assert await anext(tail) == ("four",)


async def test_a_follower_that_is_too_slow_is_told_what_it_missed(tmp_path: Path) -> None:
    """What was rotated away before it could be read is a line that says so, never a silent gap."""
    log = LogFile(tmp_path / "web.log", 64 * KIB, 1)
    append(log, b"first\n")
    tail = log.tail(9, follow=True)
    async with asyncio.timeout(30), contextlib.aclosing(tail):
        assert await anext(tail) == ("first",)
        for number in range(5):
            append(log, b"%d\n" % number * (50 * KIB))
            log.rotate_if_needed()
        missed = (await anext(tail))[0]
        assert missed.endswith("bytes were rotated away before they could be read")
        append(log, b"end\n")
        assert (await until(tail, lambda lines: lines[-1] == "end"))[0] in {"3", "4", ""}
