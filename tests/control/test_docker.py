"""The driver `docker` over real HTTP on a unix socket; and, where Podman can be run, over a real engine."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from rigs.engine import Engine, engine_on
from rigs.watching import watching
from watchkeeper.control.docker import Docker, Pieces, seen
from watchkeeper.model import EventKind, ServerState
from watchkeeper.quantities import Duration

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="unix sockets")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """One of our own."""
    async with engine_on(tmp_path / "engine.sock") as one:
        yield one


def container(engine: Engine, **more: object) -> Docker:
    """A server that is never polled within a test: what is seen in time was told."""
    return Docker(container="web", socket=engine.path, period=Duration(60), **more)  # type: ignore[arg-type]  # a test's own


@pytest.mark.parametrize(
    ("state", "is_seen", "words"),
    [
        ({"Status": "running", "Running": True}, "running", "running"),
        ({"Status": "running", "Health": {"Status": "unhealthy"}}, "running", "running (unhealthy)"),
        ({"Status": "paused", "Running": True}, "running", "paused"),
        ({"Status": "restarting", "ExitCode": 3}, "starting", "restarting, exit status 3"),
        ({"Status": "exited", "ExitCode": 137, "OOMKilled": True}, "stopped", "exited, killed for want of memory"),
        ({"Status": "created"}, "stopped", "created"),
        ({"Status": "dead", "ExitCode": 1}, "failed", "dead, exit status 1"),
        ({"Running": True}, "running", "running"),
        ({"Status": "dreaming"}, "unknown", "dreaming, exit status 0"),
    ],
)
def test_what_an_inspection_tells(state: dict[str, Any], is_seen: str, words: str) -> None:
    """Each of a container's states is one of ours, in the engine's words."""
    told = seen({"Id": "abc", "State": state})
    assert (told.state, told.words) == (is_seen, words)


def test_instants_and_strangers() -> None:
    """Nanoseconds and zones are read; a pid whose control groups do not name the container is a stranger's."""
    told = seen(
        {"Id": "abc", "State": {"Status": "running", "Pid": os.getpid(), "StartedAt": "2026-01-02T03:04:05.123456789+01:00"}}
    )
    assert (told.started_at, told.pid) == (1767319445123, 0)


def test_heads_are_taken_out_wherever_they_are_cut() -> None:
    """Multiplexed output, cut at every place, gives the same text."""
    raw = b"".join(bytes([1, 0, 0, 0]) + len(text).to_bytes(4, "big") + text for text in (b"one\n", b"", b"t", b"wo\n"))
    for cut in range(len(raw)):
        pieces = Pieces(whole=False)
        assert pieces.feed(raw[:cut]) + pieces.feed(raw[cut:]) == b"one\ntwo\n"
    assert Pieces(whole=True).feed(raw) == raw


async def test_what_the_engine_does_is_seen_at_once(engine: Engine, tmp_path: Path) -> None:
    """A container that is started, killed and started again by the engine is told each time, and never started by us."""
    web = engine.box("web")
    web.always = True
    async with watching(tmp_path / "agent", {"a": container(engine)}) as one:
        await one.until(lambda: "GET /events" in engine.asked, "its ear at the engine")
        await asyncio.sleep(0.1)
        await engine.start(web)
        await one.until(lambda: one.status().state is ServerState.RUNNING, "it to be seen")
        assert web.process
        os.kill(web.process.pid, signal.SIGKILL)
        await one.until(lambda: EventKind.SERVER_EXITED in one.kinds(), "its end")
        assert "exit status 137" in one.status().last_exit
        await one.until(lambda: one.status().restarts == 1, "its next run")
        assert one.status().state is ServerState.RUNNING
        assert not [line for line in engine.asked if line.startswith("POST")]


async def test_orders_are_the_engines_to_carry_out(engine: Engine, tmp_path: Path) -> None:
    """Start, restart in one go, stop: each ends when the container has got there."""
    web = engine.box("web")
    async with watching(tmp_path / "agent", {"a": container(engine)}) as one:
        outcome = await one.order("start")
        assert outcome.ok, outcome.text
        first = web.began
        outcome = await one.order("restart")
        assert outcome.ok, outcome.text
        assert web.began != first
        assert "POST /containers/web/restart" in engine.asked
        outcome = await one.order("stop")
        assert outcome.ok, outcome.text
        assert (one.status().state, web.status) == (ServerState.STOPPED, "exited")


async def test_no_container_and_no_engine(engine: Engine, tmp_path: Path) -> None:
    """A container that there is not is down with that reason; an engine that is away or ill makes it unknown."""
    async with watching(tmp_path / "agent", {"a": container(engine)}) as one:
        outcome = await one.order("start")
        assert not outcome.ok
        assert "No such container: web" in outcome.text
        engine.deaf = True
        outcome = await one.order("start")
        assert "the engine is out of order" in outcome.text
        assert "out of order" in one.watch.supervisor.unseen("a")
    settings = Docker(container="web", socket=tmp_path / "nobody.sock")
    async with watching(tmp_path / "other", {"a": settings}) as one:
        await one.until(lambda: "no engine answers" in one.watch.supervisor.unseen("a"), "that nobody knows")


@pytest.mark.parametrize("terminal", [False, True])
async def test_its_output_is_the_engines(terminal: bool, engine: Engine, tmp_path: Path) -> None:  # a table's
    """The last lines, with a terminal and without."""
    engine.box("web").terminal = terminal
    async with watching(tmp_path / "agent", {"a": container(engine)}) as one:
        found = [line async for batch in one.watch.supervisor.logs("a", 2, follow=False) for line in batch]
    assert found == ["out one", "err one"]


async def ran(*command: str) -> str:
    """Run a command; what it says when it fails."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    return said.decode().strip()[-300:] or "failed" if process.returncode else ""


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("podman") or os.geteuid() != 0, reason="Podman is not installed, or we are not root")
async def test_a_real_engine(tmp_path: Path) -> None:
    """Podman keeps a real container: it is started, seen, restarted, killed behind our back, its output read, and stopped."""
    root = tmp_path / "rootfs"
    (root / "bin").mkdir(parents=True)
    busybox = shutil.which("busybox")
    if not busybox:
        pytest.skip("busybox is not installed: the container needs a program")
    shutil.copy(busybox, root / "bin" / "busybox")
    short = tempfile.mkdtemp(prefix="wk-")  # a run root has at most 50 characters
    where = ["--root", f"{short}/store", "--runroot", f"{short}/run", "--storage-driver", "vfs"]
    # Its own view of control groups, since crun refuses the mixed ones that some machines have.
    mounts = 'mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"'
    apart = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mounts, "sh"]
    podman = [*apart, "podman", *where, "--cgroup-manager", "cgroupfs", "--events-backend", "file", "--tmpdir", f"{short}/tmp"]
    socket = tmp_path / "podman.sock"
    script = "trap 'exit 0' TERM; echo hello; while :; do /bin/busybox sleep 0.1; done"
    words = ["create", "--name", "web", "--network", "none", "--cgroups", "disabled", "--log-driver", "k8s-file"]
    words += ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
    made = await ran(*podman, *words, "--rootfs", str(root), "/bin/busybox", "sh", "-c", script)
    if made:
        pytest.skip(f"Podman cannot make a container here: {made}")
    service = subprocess.Popen([*podman, "system", "service", "--time", "0", f"unix://{socket}"])
    try:
        while not socket.exists():
            assert service.poll() is None
            await asyncio.sleep(0.05)
        settings = Docker(container="web", socket=socket, period=Duration(1), stop_grace=Duration(5))
        async with watching(tmp_path / "agent", {"a": settings}) as one:
            started = await one.order("start")
            if "OCI" in started.text or "crun" in started.text:
                pytest.skip(f"containers cannot be run here: {started.text}")
            assert started.ok, started.text
            again = await one.order("restart")
            assert again.ok, again.text
            found = [line async for batch in one.watch.supervisor.logs("a", 5, follow=False) for line in batch]
            assert "hello" in found
            assert not await ran(*podman, "kill", "web")
            await one.until(lambda: one.status().state is ServerState.EXITED, "its end")
            assert "exit status 137" in one.status().last_exit
            assert (await one.order("start")).ok
            stopped = await one.order("stop")
            assert stopped.ok, stopped.text
    finally:
        await ran(*podman, "rm", "--force", "--time", "0", "web")
        service.terminate()
        service.wait()
        shutil.rmtree(short, ignore_errors=True)
