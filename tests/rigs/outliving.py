"""An agent's supervisor in a process of its own, to be killed: orders go in by line, events and states come out by line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from rigs.programs import until

VICTIM = """
import fcntl, os, random, sys, time
name, mode = sys.argv[1:3]
lock = open(f"{name}.lock", "w")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    open("second-copies", "a").write(f"{name} {os.getpid()}\\n")
    sys.exit(1)
open(f"{name}.births", "a").write(f"{os.getpid()}\\n")
number = 0
while True:
    if mode == "chatty":
        number += 1
        os.write(1, f"{number} {'x' * 200}\\n".encode())
        time.sleep(0.0005)
    elif mode == "crashing":
        time.sleep(random.uniform(0.01, 0.2))
        os._exit(3)
    else:
        time.sleep(1000)
"""
"""A server that tells when there are two of it: the second finds the lock of the first."""


def main(folder: str, config: str) -> None:
    """The agent: keep the servers of `config` (TOML), tell all that happens, do what is asked.

    Its wall clock is off by the seconds in the file ``clock`` of the folder, if there is one.
    """
    from watchkeeper.clock import SystemClock  # noqa: PLC0415  # only in the child
    from watchkeeper.config import parse  # noqa: PLC0415  # only needed here
    from watchkeeper.control import ServerSettings  # noqa: PLC0415  # only needed here
    from watchkeeper.control.supervisor import Supervisor  # noqa: PLC0415  # only needed here
    from watchkeeper.model import Action, Event, Verb  # noqa: PLC0415  # only needed here

    def tell(**words: Any) -> None:
        sys.stdout.write(json.dumps(words) + "\n")
        sys.stdout.flush()

    def emit(event: Event) -> None:
        tell(event=str(event.kind), server=event.server, text=event.text)

    async def order(verb: Verb, name: str) -> None:
        outcome = await supervisor.order(Action("1", 0, "", name, verb, "me"))
        tell(outcome=outcome.text, ok=outcome.ok, server=name, verb=verb)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        async with asyncio.TaskGroup() as group:
            run = group.create_task(supervisor.run())
            while line := (await reader.readline()).decode().split():
                match line:
                    case ["end"]:
                        await supervisor.stop_all()
                        break
                    case ["statuses"]:
                        found = {one.name: [one.state, one.pid, one.restarts, one.last_exit] for one in supervisor.statuses()}
                        tell(statuses=found)
                    case [verb, name]:
                        group.create_task(order(verb, name))  # type: ignore[arg-type]  # the test's own word
            run.cancel()
        supervisor.close()

    class Wall(SystemClock):
        """The system's clock, which somebody sets."""

        def wall(self) -> float:
            """As it was set."""
            moved = Path(folder) / "clock"
            return super().wall() + (float(moved.read_text() or 0) if moved.exists() else 0.0)

    supervisor = Supervisor(
        parse({"config": config}).named("server", ServerSettings),
        Path(folder),
        Wall(),
        emit=emit,
        changed=lambda _: None,
    )
    asyncio.run(serve())


class AgentProcess:
    """That process, from outside."""

    def __init__(self, folder: Path, config: str) -> None:
        self.said: list[dict[str, Any]] = []
        code = "import sys; from rigs.outliving import main; main(*sys.argv[1:])"
        path = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2] / "src")]
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {code}", str(folder), config],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(json.loads(line))

    def say(self, words: str) -> None:
        """Ask for something."""
        assert self.process.stdin is not None
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()

    def order(self, verb: str, name: str) -> dict[str, Any]:
        """Give an order and wait for its outcome."""
        before = len(self.said)
        self.say(f"{verb} {name}")
        return until(lambda: next((one for one in self.said[before:] if one.get("verb") == verb), None), f"{verb} {name}")

    def statuses(self) -> dict[str, Any]:
        """State, pid, restarts and last exit of each server."""
        before = len(self.said)
        self.say("statuses")
        found = until(lambda: next((one for one in self.said[before:] if "statuses" in one), None), "the states")
        return dict(found["statuses"])

    def until_status(self, name: str, state: str, seconds: float = 20) -> list[Any]:
        """Its status once it is in this state."""
        deadline = time.monotonic() + seconds
        while (found := self.statuses().get(name, [""]))[0] != state:
            assert time.monotonic() < deadline, f"{name} is {found}, not {state}: {self.said}"
            time.sleep(0.03)
        return list(found)

    def events(self, name: str) -> list[str]:
        """What was told of a server."""
        return [one["event"] for one in self.said if one.get("server") == name and "event" in one]

    def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        self.process.wait()
        self._listener.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def end(self) -> None:
        """Let it end in good order, its servers with it."""
        self.say("end")
        self.process.wait(30)
        self.kill()
