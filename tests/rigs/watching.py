"""A watch over real servers, with real probes, for the length of a test; and a server that can be told to misbehave."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import sys
import textwrap
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import msgspec

from rigs.programs import free_port
from watchkeeper.clock import SystemClock
from watchkeeper.config import encode_hook
from watchkeeper.control import AnyServer, BackoffSettings, ServerSettings
from watchkeeper.control.permission import ControlSettings
from watchkeeper.control.watch import Watch
from watchkeeper.model import Action, Event, EventKind, Outcome, ServerState, ServerStatus, Verb
from watchkeeper.probe import Http
from watchkeeper.probe.probing import Probing, name_probes
from watchkeeper.quantities import Duration

PERIOD = 0.2
QUICK = BackoffSettings(first=Duration(0.1), most=Duration(0.4))

MOODY = """
import http.server, os, signal, socket, sys, threading, time

def say(text):
    one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.connect("\\0" + os.environ["NOTIFY_SOCKET"][1:])
    one.send(text.encode())

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        match self.path:
            case "/sleep": time.sleep(10000)
            case "/lock": (lock := threading.Lock()).acquire(), lock.acquire()
            case path if path.startswith("/burn/"):
                end = time.monotonic() + float(path[6:])
                while time.monotonic() < end: pass
            case path if path.startswith("/say/"): say(urllib_unquote(path[5:]))
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass

from urllib.parse import unquote as urllib_unquote
print("moody: serving", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
"""
"""One thread answers: what a request makes it do, it does instead of answering."""


def python(code: str, *arguments: str) -> tuple[str, ...]:
    """A program."""
    return (sys.executable, "-uc", textwrap.dedent(code), *arguments)


class Moody:
    """A server on a port of its own, and ways to spoil it."""

    def __init__(self, **settings: object) -> None:
        self.port = free_port()
        given = {"command": python(MOODY, str(self.port)), "backoff": QUICK} | settings
        self.settings = ServerSettings(**given)  # type: ignore[arg-type]  # a test's own
        self.probe = Http(url=f"http://127.0.0.1:{self.port}/", period=Duration(PERIOD), timeout=Duration(0.15))

    def spoil(self, path: str) -> None:
        """Ask for something that it will not answer (soon)."""
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=0.05).close()


class Watched:
    """A running watch and what it has told."""

    def __init__(self, folder: Path, servers: Mapping[str, AnyServer]) -> None:
        self.folder = folder
        self.events: list[Event] = []
        self.watch = Watch(servers, folder, SystemClock(), emit=self.events.append, changed=lambda _: None)

    def status(self, name: str = "a") -> ServerStatus:
        """All that is known of a server."""
        found = self.watch.supervisor.status(name)
        assert found is not None
        return self.watch.annotate(found)

    def pid(self, name: str = "a") -> int:
        """Its process, 0 for none."""
        return self.status(name).pid

    def kinds(self, name: str = "a") -> list[EventKind]:
        """What was told of it."""
        return [event.kind for event in self.events if event.server == name]

    def told(self, kind: EventKind, name: str = "a") -> list[Event]:
        """Events of one kind."""
        return [event for event in self.events if event.kind is kind and event.server == name]

    async def order(self, verb: Verb, name: str = "a", **more: object) -> Outcome:
        """An operator's order."""
        return await self.watch.order(Action("1", 0, "", name, verb, "ann", **more))  # type: ignore[arg-type]  # a test's own

    async def until(self, look: Callable[[], object], what: str, seconds: float = 20) -> None:
        """Wait for it."""
        deadline = time.monotonic() + seconds
        while not look():
            assert time.monotonic() < deadline, f"waited in vain for {what}: {[event.text for event in self.events]}"
            await asyncio.sleep(0.01)

    async def until_well(self, name: str = "a") -> int:
        """Wait until it runs and has answered; its pid."""
        await self.until(lambda: self.status(name).liveness == "fine" and self.status(name).pid, f"{name} to be well")
        heard = self.watch.hearing._heard[name]
        await self.until(lambda: heard.pulse.alive, f"a sign of life of {name}")
        return self.pid(name)


@contextlib.asynccontextmanager
async def watching(
    folder: Path,
    servers: Mapping[str, AnyServer],
    probes: Mapping[str, Http] | None = None,
    *,
    control: ControlSettings | None = None,
    marked: bool = False,
) -> AsyncIterator[Watched]:
    """Watch these; `marked`: their probes count for liveness by themselves. At the end all is stopped."""
    one = Watched(folder, servers)
    names = {name: ["http"] for name in probes or {}}
    one.watch.replace(servers, control=control, marked=names if marked else {}, asked=names)
    probing = Probing(
        SystemClock(),
        folder / "probe",
        wanted=lambda name: one.watch.supervisor.state(name) is ServerState.RUNNING,
        changed=lambda *_: None,
        emit=lambda _: None,
        answered=one.watch.hearing.probed,
    )
    probing.replace(asking for name, leaf in (probes or {}).items() for asking in name_probes(name, [leaf], PERIOD))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.watch.run()), group.create_task(probing.run())]
        await asyncio.sleep(0)
        try:
            yield one
        finally:
            await one.watch.supervisor.stop_all()
            for task in tasks:
                task.cancel()
            one.watch.close()


EARLIER = """
import asyncio, sys
from pathlib import Path
import msgspec
from watchkeeper.clock import SystemClock
from watchkeeper.config import decode_hook
from watchkeeper.control import ServerSettings
from watchkeeper.control.watch import Watch
from watchkeeper.model import Action

async def main():
    folder, written, orders = sys.argv[1:]
    servers = msgspec.json.decode(written, type=dict[str, ServerSettings], dec_hook=decode_hook)
    watch = Watch(servers, Path(folder), SystemClock(), emit=lambda _: None, changed=lambda _: None)
    watch.replace(servers)
    async with asyncio.TaskGroup() as group:
        group.create_task(watch.run())
        while not all(watch.supervisor.status(name).pid and watch.is_ready(name) for name in servers):
            await asyncio.sleep(0.01)
        for action in msgspec.json.decode(orders, type=list[Action]):
            assert (await watch.order(action)).ok
        print({name: watch.supervisor.status(name).pid for name in servers}, flush=True)

asyncio.run(main())
"""


async def earlier_agent(folder: Path, servers: Mapping[str, AnyServer], *orders: Action) -> dict[str, int]:
    """Have an agent of its own process start these and take these orders, then kill -9 it; the pids that it leaves running."""
    written = msgspec.json.encode(servers, enc_hook=encode_hook).decode()
    words = python(EARLIER, str(folder), written, msgspec.json.encode(orders).decode())
    agent = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert agent.stdout
    pids: dict[str, int] = ast.literal_eval((await agent.stdout.readline()).decode())
    agent.kill()
    await agent.wait()
    return pids
