"""A protocol of the user's own: one Python file, written with coroutines, that a plan names.

The file has a class `Traffic` with ``async open()``, ``async run(operation)`` and ``async close()``; one object is one
connection. A coroutine costs some 20 µs an operation where a built-in leaf costs 10: enough for thousands a second. The file
is the operator's own code and runs in the workers, with their rights.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from watchkeeper.config import Part
from watchkeeper.errors import ConfigError
from watchkeeper.stress.faults import Code, of_connecting
from watchkeeper.stress.lane import Floor, Ground, Lane, Operation, Tally


class Call(Operation, frozen=True, kw_only=True):
    """A name that `run` is called with. It may count what is lost, duplicated, reordered or corrupt itself."""

    @property
    def numbers(self) -> bool:
        """See `Operation`."""
        return True


class Own(Part, frozen=True, tag_field="kind", tag="own"):
    """``kind = "own"``: what the Python `file` does (relative paths: to the plan). `settings` are handed to it as they are.

    `operation` is the mix: the names that its `run` is called with.
    """

    file: Path
    settings: dict[str, Any] = {}
    operation: tuple[Call, ...] = (Call(name="run"),)

    def mix(self, url: str) -> Sequence[Operation]:  # noqa: ARG002  # as all protocols have it
        """See `LoadProtocol`."""
        return self.operation

    def prepare(self, ground: Ground) -> OwnTraffic:
        """See `LoadProtocol`."""
        return OwnTraffic(self, ground)


class OwnTraffic:
    """The file, loaded in one worker."""

    def __init__(self, own: Own, ground: Ground) -> None:
        """Load it. Raises ConfigError when it is not what it should be."""
        self.own = own
        self.ground = ground
        self.names = [one.name for one in own.operation]
        self.traffic = _loaded(own.file)

    def lane(self, number: int, floor: Floor) -> Lane:
        """See `Maker`."""
        return OwnLane(self, floor, number)

    def settle(self, stage: int) -> None:
        """Nothing is known only later."""


class Access:
    """What a `Traffic` object is given: where the target is, and where to write down what it counts beside."""

    def __init__(self, traffic: OwnTraffic, number: int) -> None:
        self.url = traffic.ground.url
        self.host, self.port = traffic.ground.address
        self.tls = traffic.ground.tls
        self.server_name = traffic.ground.server_name
        self.settings = traffic.own.settings
        self.number = number
        self.tally: Tally | None = None
        self._ground = traffic.ground

    async def streams(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A fresh connection to the target, from the source address of this lane, with TLS where the target has it."""
        plugged = await self._ground.plug(self.number)
        name = self.server_name if self.tls else None
        return await asyncio.open_connection(sock=plugged, ssl=self.tls, server_hostname=name)

    def count(self, name: str, many: int = 1) -> None:
        """Count something beside the operation that runs."""
        if self.tally is not None:
            self.tally.count(name, many)

    def span(self, name: str, seconds: float) -> None:
        """Write down how long a part of it took."""
        if self.tally is not None:
            self.tally.span(name)(int(seconds * 1e9))

    def moved(self, sent: int = 0, received: int = 0) -> None:
        """Count bytes."""
        if self.tally is not None:
            self.tally.sent += sent
            self.tally.received += received


class OwnLane:
    """One object of the file's."""

    keeps = False

    def __init__(self, traffic: OwnTraffic, floor: Floor, number: int) -> None:
        self.room = 1
        self.is_up = False
        self.listed = False
        self._traffic = traffic
        self._floor = floor
        self._access = Access(traffic, number)
        self._object: Any = None
        self._task: asyncio.Task[None] | None = None
        self._cut = ""

    def start(self, tally: Tally, intended: int, now: int) -> None:
        """See `Lane`."""
        self.room = 0
        self._cut = ""
        self._floor.spawn(self._run(tally, intended, now), "own protocol")

    async def connect(self) -> None:
        """See `Lane`."""
        if self._object is None:
            made = self._traffic.traffic(self._access)
            async with asyncio.timeout(self._traffic.ground.timeout):
                await made.open()
            self._object = made

    def sweep(self, before: int) -> None:
        """Each operation bounds itself."""

    def cut(self, code: str) -> None:
        """See `Lane`."""
        self._cut = code
        if self._task is not None:
            self._task.cancel()
        elif self._object is not None:
            self._floor.spawn(self._close(), "own protocol")
            self._floor.lost(self, code)

    async def _run(self, tally: Tally, intended: int, began: int) -> None:
        self._task = asyncio.current_task()
        clock = self._floor.clock
        is_down = False
        try:
            if self._object is None:
                await self.connect()
                tally.span("connect")(clock() - began)
                self._floor.up(self)
            self._access.tally = tally
            async with asyncio.timeout(self._traffic.ground.timeout):
                await self._object.run(self._traffic.names[tally.operation])
        except asyncio.CancelledError:
            tally.fail(self._cut or Code.ABORTED, clock() - intended)
            await self._close()
        except Exception as fault:  # noqa: BLE001  # the user's own code: whatever it raises is told as such
            code = Code.TIMEOUT if isinstance(fault, TimeoutError) else _code(fault)
            is_down = self._object is None
            tally.fail(code, clock() - intended, f"{type(fault).__name__}: {fault}")
            await self._close()
            if is_down:
                self.room = 1
                self._floor.down(self, tally, code, str(fault))
        else:
            now = clock()
            tally.took(now - intended)
            tally.served(now - began)
        finally:
            self._task = None
        if not is_down:
            self.room = 1
            self._floor.free(self, tally, clock())

    async def _close(self) -> None:
        made, self._object = self._object, None
        if made is not None:
            self._floor.lost(self, Code.CUT)
            try:
                async with asyncio.timeout(1):
                    await made.close()
            except Exception:  # noqa: BLE001  # it is gone either way
                return


def _code(fault: Exception) -> str:
    """A fault that names its own `code` is believed: so a file can say ``rejected-full``."""
    named = getattr(fault, "code", None)
    if isinstance(named, str) and named.replace("-", "").isalnum() and len(named) < 40:
        return named
    return of_connecting(fault)


def _loaded(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location("watchkeeper_own_protocol", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise ConfigError("there is no such Python file", where=str(file))
    module: ModuleType = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as fault:  # whatever it does, it is the file's own mistake
        raise ConfigError(f"cannot be loaded: {type(fault).__name__}: {fault}", where=str(file)) from fault
    traffic = getattr(module, "Traffic", None)
    for name in ("open", "run", "close"):
        if not inspect.iscoroutinefunction(getattr(traffic, name, None)):
            raise ConfigError(f"needs a class Traffic with `async def {name}`", where=str(file))
    return traffic
