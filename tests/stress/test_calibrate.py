"""What a worker can do is measured against targets that answer at once, and what it says of itself travels whole."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from rigs.stress import plan_of, request
from watchkeeper.stress import talk
from watchkeeper.stress.calibrate import SHARE, calibrate
from watchkeeper.stress.run import Health, Segment, Stage

PHASE = '[[phase]]\nkind = "smoke"\n'


@pytest.mark.slow
@pytest.mark.parametrize("url", ["http://127.0.0.1:1/path", "ws://127.0.0.1:1/", "tcp://127.0.0.1:1"])
async def test_the_generator_is_measured_without_the_target(url: str, tmp_path: Path) -> None:
    """Some microseconds of processor an operation; the ceiling follows from it."""
    plan = plan_of(PHASE, url)
    found = await calibrate(plan, request(plan, tmp_path).text, 3, tmp_path / "log")
    assert found is not None
    assert 1e-6 < found.cpu_per_operation < 1e-3
    assert found.ceiling == pytest.approx(3 * SHARE / found.cpu_per_operation)


async def test_against_a_cloud_server_of_our_own(tmp_path: Path) -> None:
    """A real one for a moment, as what it takes cannot be pretended."""
    plan = plan_of('[protocol]\nkind = "cloud"\n' + PHASE, "ws://127.0.0.1:1")
    found = await calibrate(plan, request(plan, tmp_path).text, 1, tmp_path / "log")
    assert found is not None
    assert found.against == "a Cloud Server here"
    assert 1e-6 < found.cpu_per_operation < 5e-3


async def test_what_has_no_such_target_is_not_measured(tmp_path: Path) -> None:
    """A file of the user's own."""
    plan = plan_of('[protocol]\nkind = "own"\nfile = "x.py"\n' + PHASE, "http://127.0.0.1:1/")
    assert await calibrate(plan, "", 1, tmp_path / "log") is None


async def test_the_echo_ends_with_its_standard_input() -> None:
    """No orphan is left whatever becomes of who started it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "watchkeeper.stress.echo", "tcp", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    assert process.stdin
    reader, writer = await asyncio.open_connection("127.0.0.1", int(await process.stdout.readline()))
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    writer.close()
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_words_travel_whole_and_a_cut_one_is_an_end() -> None:
    """Each order and report comes out as it went in; half of one is nothing."""
    stage = Stage(1, 0, "constant", "x", 2.0, profile=(Segment(2.0, 1.0, 3.0),))
    row = talk.Row(
        1, 0, "a", 1, 1, 1, 0, 0, {"reset": 1}, {}, 5, 6, (b"\0\0", b"\1\0\0\0"), None, None, None, {"x": None}, [("a", "b")]
    )
    orders: list[talk.Order] = [
        talk.Prepare("x", 0, 1, "http://a", ("127.0.0.1", 1), "a", (), 1, 2, 3),
        talk.Connect(5, 2.0),
        talk.Begin(stage, 7),
        talk.Stop(True),
        talk.Quit(),
    ]
    reports: list[talk.Report] = [
        talk.Ready(("a",)),
        talk.Connected({"": 3}),
        talk.Tick(Health(1, 0), None, None, [row], 1.0),
        talk.Over(1),
        talk.Settled(1),
        talk.Broken("why"),
    ]
    reader = asyncio.StreamReader()
    for word in orders:
        reader.feed_data(talk.written(word))
    assert [await talk.order(reader) for _ in orders] == orders
    for word in reports:
        reader.feed_data(talk.written(word))
    assert [await talk.report(reader) for _ in reports] == reports
    reader.feed_data(talk.written(reports[0])[:-1])
    reader.feed_eof()
    assert await talk.report(reader) is None
