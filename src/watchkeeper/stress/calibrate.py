"""What one worker can do on this machine, measured for a second against a target that answers at once.

A plan's own operations are run, so payloads, parsing and recording are in it; TLS, which the target adds, is not.
Processor time counts, not the clock: neither a slow target nor a busy machine makes the ceiling lower than it is.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from watchkeeper.errors import Failed
from watchkeeper.stress import talk
from watchkeeper.stress.crew import Crew, Member
from watchkeeper.stress.distant import DistantMember, Lost
from watchkeeper.stress.plan import Plan
from watchkeeper.stress.run import Calibration, Stage

SECONDS = 0.8
USERS = 32
SHARE = 0.75
"""Of a worker's processor that an open schedule may use: what is left is for timers and for being on time."""
START_SECONDS = 15.0


async def calibrate(plan: Plan, text: str, workers: int, log: Path) -> Calibration | None:
    """Measure; None for a protocol that there is no such target for. Raises Failed when it cannot be done."""
    assert plan.protocol is not None
    kind = str(plan.protocol.__struct_config__.tag)
    if kind not in {"http", "websocket", "tcp", "cloud"}:
        return None
    folder = tempfile.mkdtemp(prefix="watchkeeper-stress-")
    target, port = await (_cloud(folder) if kind == "cloud" else _echo(kind))
    crew = Crew(log)
    try:
        async with asyncio.timeout(START_SECONDS):
            await crew.start(1)
            spent, done = await _measured(crew.members[0], text, kind, plan.target.url, port)
    except (Lost, TimeoutError, OSError) as fault:
        raise Failed(f"the generator could not be measured: {str(fault) or 'it took too long'}") from None
    finally:
        await crew.leave()
        if target.stdin is not None:
            target.stdin.close()
        with suppress(ProcessLookupError):
            target.terminate()
        await target.wait()
        shutil.rmtree(folder, ignore_errors=True)
    if not done:
        raise Failed("the generator could not be measured: nothing was done")
    cost = spent / done
    return Calibration(cost, workers * SHARE / cost, "a Cloud Server here" if kind == "cloud" else f"{kind} echo")


async def _echo(kind: str) -> tuple[asyncio.subprocess.Process, int]:
    """A target that answers at once, and its port; raises Failed."""
    target = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "watchkeeper.stress.echo",
        kind,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert target.stdout is not None
    written = await target.stdout.readline()
    if not written.strip().isdigit():
        await target.wait()
        raise Failed("the target to measure the generator against did not start")
    return target, int(written)


async def _cloud(folder: str) -> tuple[asyncio.subprocess.Process, int]:
    """A Cloud Server of our own for a moment, as a program: this room knows nothing of its inside. Raises Failed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    target = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from cloudnet.programs.server import main; raise SystemExit(main())",
        *("--listen", f"127.0.0.1:{port}", "--metrics", "", "--data", folder, "--handshakes-per-second", "0"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    for _ in range(200):
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return target, port
        if target.returncode is not None:
            break
        await asyncio.sleep(0.05)
    with suppress(ProcessLookupError):
        target.terminate()
    raise Failed("the Cloud Server to measure the generator against did not start")


async def _measured(member: Member | DistantMember, text: str, kind: str, url: str, port: int) -> tuple[float, int]:
    """Processor seconds and operations of one closed second."""
    schemes = {"http": "http", "websocket": "ws", "tcp": "tcp", "cloud": "ws"}
    parts = urlsplit(url)
    near = f"{schemes[kind]}://127.0.0.1:{port}{parts.path}" + (f"?{parts.query}" if parts.query else "")
    zero = time.monotonic_ns()
    member.order(talk.Prepare(text, 0, 1, near, ("127.0.0.1", port), "127.0.0.1", (), 1, zero, 0))
    stage = Stage(0, 0, "calibration", "calibration", SECONDS, model="closed", users=USERS, connections=USERS)
    spent, done = 0.0, 0
    while (said := await talk.report(member.reader)) is not None:
        match said:
            case talk.Ready():
                member.order(talk.Connect(USERS, 10_000))
            case talk.Connected():
                member.order(talk.Begin(stage, time.monotonic_ns() + 20_000_000))
            case talk.Tick(health=health, rows=rows):
                ended = sum(row.done + sum(row.errors.values()) for row in rows if row.operation)
                if ended:
                    spent += health.cpu
                    done += ended
            case talk.Settled():
                return spent, done
            case talk.Broken(why=why):
                raise Lost(why)
            case _:
                pass
    raise Lost("the worker ended")
