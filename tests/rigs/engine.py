"""A container engine's API on a unix socket, as its reference documents it: real HTTP, its containers are real processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import h11

NEVER = "0001-01-01T00:00:00Z"


class Box:
    """One container."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.id = secrets.token_hex(32)
        self.process: subprocess.Popen[bytes] | None = None
        self.status, self.code, self.began = "created", 0, NEVER
        self.always = False
        """As with ``--restart always``."""
        self.output = [b"out one\n", b"err one\n"]
        self.terminal = False
        self.logs = "kept"
        """``none``: its logging driver cannot be read; ``stuck``: who asks gets no answer."""

    def inspect(self) -> dict[str, object]:
        """What ``GET /containers/{id}/json`` answers, of what is looked at."""
        running = self.process is not None
        pid = self.process.pid if self.process else 0
        state = {"Status": self.status, "Running": running, "Pid": pid, "ExitCode": self.code, "StartedAt": self.began}
        more = {"OOMKilled": False, "Dead": False, "Error": "", "Paused": False, "Restarting": self.status == "restarting"}
        return {"Id": self.id, "Name": f"/{self.name}", "State": state | more, "Config": {"Tty": self.terminal}}


class Engine:
    """The engine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.boxes: dict[str, Box] = {}
        self.asked: list[str] = []
        self.deaf = False
        """Answers 500 to all."""
        self._listeners: set[asyncio.Queue[bytes]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def box(self, name: str) -> Box:
        """A container by its name, made when there is none."""
        return self.boxes.setdefault(name, Box(name))

    async def open(self) -> None:
        """Answer."""
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def close(self) -> None:
        """End everything."""
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        for box in self.boxes.values():
            if box.process:
                box.process.kill()
                box.process.wait()
        self.path.unlink(missing_ok=True)

    async def start(self, box: Box) -> None:
        """Another run."""
        box.process = subprocess.Popen(["sleep", "1000"])
        box.status, box.began = "running", f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}123Z"
        self._later(self._wait(box, box.process))
        self._tell(box, "start")

    async def stop(self, box: Box, seconds: float) -> None:
        """SIGTERM, then SIGKILL."""
        if process := box.process:
            box.always = False
            process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while box.process is process:
                        await asyncio.sleep(0.01)
            process.kill()
            while box.process is process:
                await asyncio.sleep(0.01)

    async def _wait(self, box: Box, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None:
            await asyncio.sleep(0.01)
        code = process.returncode
        box.process, box.code = None, code if code >= 0 else 128 - code
        box.status = "restarting" if box.always else "exited"
        self._tell(box, "die")
        if box.always:
            await asyncio.sleep(0.3)
            await self.start(box)

    def _tell(self, box: Box, what: str) -> None:
        event = {"Type": "container", "Action": what, "Actor": {"ID": box.id, "Attributes": {"name": box.name}}}
        for queue in self._listeners:
            queue.put_nowait(json.dumps(event).encode() + b"\n")

    def _later(self, deed: object) -> None:
        task = asyncio.ensure_future(deed)  # type: ignore[arg-type]  # a coroutine
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        request: h11.Request | None = None
        try:
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await reader.read(65536))
                elif isinstance(event, h11.Request):
                    request = event
                elif isinstance(event, h11.EndOfMessage) and request:
                    await self._answer(request, connection, writer)
                    return
                elif isinstance(event, h11.ConnectionClosed):
                    return
        except (ConnectionError, h11.RemoteProtocolError):
            return
        finally:
            writer.close()

    async def _answer(self, request: h11.Request, connection: h11.Connection, writer: asyncio.StreamWriter) -> None:
        method, target = request.method.decode(), urlsplit(request.target.decode())
        self.asked.append(f"{method} {target.path}")
        query = {name: values[0] for name, values in parse_qs(target.query).items()}
        steps = target.path.strip("/").split("/")
        if self.deaf:
            await self._say(connection, writer, 500, {"message": "the engine is out of order"})
        elif steps == ["events"]:
            await self._events(connection, writer)
        elif steps[0] == "containers" and steps[1] not in self.boxes:
            await self._say(connection, writer, 404, {"message": f"No such container: {steps[1]}"})
        elif steps[0] == "containers":
            await self._container(steps[2], self.boxes[steps[1]], query, connection, writer)

    async def _container(
        self, verb: str, box: Box, query: dict[str, str], connection: h11.Connection, writer: asyncio.StreamWriter
    ) -> None:
        match verb:
            case "json":
                await self._say(connection, writer, 200, box.inspect())
            case "start" if box.process:
                await self._say(connection, writer, 304, None)
            case "start":
                await self.start(box)
                await self._say(connection, writer, 204, None)
            case "stop":
                await self.stop(box, float(query["t"]))
                await self._say(connection, writer, 204, None)
            case "restart":
                await self.stop(box, float(query["t"]))
                await self.start(box)
                await self._say(connection, writer, 204, None)
            case "kill" if not box.process:
                await self._say(connection, writer, 409, {"message": f"Container {box.id} is not running"})
            case "kill":
                assert box.process
                box.process.send_signal(int(query["signal"]))
                await self._say(connection, writer, 204, None)
            case "logs":
                await self._logs(box, int(query["tail"]), connection, writer)

    async def _logs(self, box: Box, tail: int, connection: h11.Connection, writer: asyncio.StreamWriter) -> None:
        if box.logs == "none":
            await self._say(connection, writer, 501, {"message": "configured logging driver does not support reading"})
            return
        if box.logs == "stuck":
            await asyncio.sleep(1000)
        lines = box.output[-tail:]
        pieces = lines if box.terminal else [bytes([1, 0, 0, 0]) + len(one).to_bytes(4, "big") + one for one in lines]
        await self._say(connection, writer, 200, b"".join(pieces))

    async def _events(self, connection: h11.Connection, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._listeners.add(queue)
        head = h11.Response(status_code=200, headers=[("content-type", "application/json"), ("transfer-encoding", "chunked")])
        writer.write(connection.send(head) or b"")
        try:
            while True:
                writer.write(connection.send(h11.Data(data=await queue.get())) or b"")
                await writer.drain()
        finally:
            self._listeners.discard(queue)

    @staticmethod
    async def _say(connection: h11.Connection, writer: asyncio.StreamWriter, status: int, body: object) -> None:
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = [("content-length", str(len(data)))] if status not in {204, 304} else []
        writer.write(connection.send(h11.Response(status_code=status, headers=headers)) or b"")
        if data:
            writer.write(connection.send(h11.Data(data=data)) or b"")
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await writer.drain()


@contextlib.asynccontextmanager
async def engine_on(path: Path) -> AsyncIterator[Engine]:
    """An engine at a socket."""
    one = Engine(path)
    await one.open()
    try:
        yield one
    finally:
        await one.close()
