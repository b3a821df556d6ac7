"""The driver `docker`: a container, seen and ordered by the Engine API over its unix socket; Podman answers there too.

The engine's stream of events says when something has happened; the look at every `period` is for what was missed. A
container's runs are told apart by its id and when it started, so one that was made anew under its name is another run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from watchkeeper.control.elsewhere import Elsewhere, own_pid
from watchkeeper.control.logtext import Cutter, batches
from watchkeeper.errors import Failed
from watchkeeper.fetch import Unconnected, fetch, stream
from watchkeeper.model import Seen
from watchkeeper.quantities import Duration

SOCKETS = (Path("/run/docker.sock"), Path("/var/run/docker.sock"), Path("/run/podman/podman.sock"))
AGAIN_SECONDS = 5.0
"""The pause before the stream of events is opened again."""
MOST_BYTES = 4 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_HEAD = 8
"""Output without a terminal comes in pieces, each with its stream's number and its length in front (Engine API,
"attach")."""


class Docker(Elsewhere, frozen=True, kw_only=True, tag_field="driver", tag="docker"):
    """``driver = "docker"``: the `container` of this name (or id) that Docker or Podman keeps.

    It is asked at the engine's `socket`; left out, where Docker and Podman usually have theirs. What ends is started
    again by the engine's restart policy, and by us only if `restart` says so; `autostart` starts it with the agent. A
    stop is the engine's: the container's stop signal, and SIGKILL after `stop_grace`. What it does is told at once; it is
    asked besides every `period`. A start must show within `start_grace`. Figures are there where the container's process
    is one of this machine.
    """

    container: str
    socket: Path | None = None
    period: Duration = Duration(30)

    def __post_init__(self) -> None:
        """Refuse what no container could be called."""
        super().__post_init__()
        if not _NAME.fullmatch(self.container):
            raise ValueError(f"container: expected a name or an id, got {self.container!r}")

    @property
    def starting(self) -> str:
        """See `AnyServer`."""
        return f"have the engine start the container {self.container}"

    def stopping(self, pid: int) -> str:
        """See `AnyServer`."""
        del pid
        return f"have the engine stop the container {self.container}, with SIGKILL after {self.stop_grace}"

    def open(self, server: str, log: Path, ring: Callable[[], None]) -> Container:
        """See `Elsewhere`."""
        del server, log
        return Container(self, ring)


class Container:
    """The driver at work."""

    def __init__(self, settings: Docker, ring: Callable[[], None]) -> None:
        """Nothing is asked before the first look."""
        self.log: Path | None = None
        self._name = settings.container
        self._place = f"/containers/{quote(settings.container)}"
        self._socket = settings.socket
        self._grace = max(1, round(settings.stop_grace))
        self._ring = ring
        self._hearing: asyncio.Task[None] | None = None

    async def look(self) -> Seen:
        """Inspect the container."""
        status, body = await self._ask("GET", f"{self._place}/json")
        if self._hearing is None:
            self._hearing = asyncio.get_running_loop().create_task(self._hear(), name=f"events of {self._name}")
        if status == 404:
            return Seen("failed", f"there is no container {self._name}", clean=False)
        if status != 200:
            raise Failed(f"the engine answers {status}: {_message(body)}")
        try:
            return seen(json.loads(body))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Failed("the engine's answer cannot be understood") from None

    async def start(self) -> None:
        """Have the engine start it."""
        await self._order("start")

    async def stop(self) -> None:
        """Have the engine stop it; the answer comes when it has."""
        await self._order(f"stop?t={self._grace}")

    async def renew(self) -> None:
        """Have the engine stop and start it."""
        await self._order(f"restart?t={self._grace}")

    async def signal(self, number: int) -> None:
        """Have the engine signal its first process; SIGKILL ends all of it."""
        await self._order(f"kill?signal={int(number)}")

    async def tail(self, lines: int, *, follow: bool) -> AsyncGenerator[tuple[str, ...], None]:
        """What the engine has of its output; raises Failed where its logging driver keeps none."""
        status, body = await self._ask("GET", f"{self._place}/json")
        try:
            terminal = status == 200 and bool(json.loads(body)["Config"]["Tty"])
        except (ValueError, KeyError, TypeError):
            terminal = False
        asked = f"{self._place}/logs?stdout=1&stderr=1&tail={max(lines, 0)}&follow={int(follow)}"
        cutter, pieces = Cutter(), Pieces(whole=terminal)
        async for block in stream(asked, unix=self._where()):
            for batch in batches(cutter.feed(pieces.feed(block))):
                yield batch
        if rest := cutter.end():
            yield (rest,)

    async def close(self) -> None:
        """Hear no more."""
        if self._hearing is not None:
            self._hearing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._hearing

    # -- leaves -------------------------------------------------------------------------------------

    def _where(self) -> str:
        if self._socket:
            return str(self._socket)
        return str(next((place for place in SOCKETS if place.is_socket()), SOCKETS[0]))

    async def _ask(self, method: str, target: str) -> tuple[int, bytes]:
        where = self._where()
        try:
            answer = await fetch(f"http://localhost{target}", method=method, limit=MOST_BYTES, unix=where)
        except Unconnected as fault:
            raise Failed(f"no engine answers at {where}: {fault.why}") from None
        return answer.status, answer.body

    async def _order(self, verb: str) -> None:
        status, body = await self._ask("POST", f"{self._place}/{verb}")
        if status >= 400 and not (status == 409 and verb.startswith("kill")):  # 409: it does not run any more
            raise Failed(f"the engine says: {_message(body) or status}", retry=status >= 500)

    async def _hear(self) -> None:
        """Ring at each event of the container, for ever."""
        chosen = quote(json.dumps({"type": ["container"], "container": [self._name]}))
        while True:
            with contextlib.suppress(Failed):
                async for _ in stream(f"/events?filters={chosen}", unix=self._where()):
                    self._ring()
            self._ring()  # the engine may have been replaced
            await asyncio.sleep(AGAIN_SECONDS)


class Pieces:
    """Takes the heads out of multiplexed output; with `whole` there are none."""

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._head = b""
        self._left = 0

    def feed(self, block: bytes) -> bytes:
        """The output that is in it."""
        if self._whole:
            return block
        found = bytearray()
        while block:
            if self._left:
                found += block[: self._left]
                block, self._left = block[self._left :], self._left - min(self._left, len(block))
                continue
            wanted = _HEAD - len(self._head)
            self._head, block = self._head + block[:wanted], block[wanted:]
            if len(self._head) == _HEAD:
                self._left, self._head = int.from_bytes(self._head[4:], "big"), b""
        return bytes(found)


def seen(told: dict[str, Any]) -> Seen:
    """What an inspection (Engine API, ``GET /containers/{id}/json``) tells."""
    state, identity = told["State"], str(told["Id"])
    status = str(state.get("Status", ""))
    began, code = str(state.get("StartedAt", "")), int(state.get("ExitCode") or 0)
    if status in {"running", "paused", "stopping", "removing"} or (not status and state.get("Running")):
        pid = own_pid(int(state.get("Pid") or 0), identity)
        health = str((state.get("Health") or {}).get("Status", ""))
        words = status or "running"
        words += f" ({health})" if health and health != "none" else ""
        return Seen(
            "stopping" if status in {"stopping", "removing"} else "running",
            words,
            pid,
            _milliseconds(began),
            f"{identity} {began}",
        )
    how = "killed for want of memory" if state.get("OOMKilled") else f"exit status {code}"
    words = f"{status}, {how}" + (f": {state['Error']}" if state.get("Error") else "")
    if status == "restarting":
        return Seen("starting", words, clean=code == 0)
    if status in {"created", "configured", "initialized"}:
        return Seen("stopped", status)
    if status in {"exited", "stopped"}:
        return Seen("stopped", words, clean=code == 0)
    return Seen("failed" if status == "dead" else "unknown", words, clean=False)


def _milliseconds(text: str) -> int:
    """An instant as the engine writes it (RFC 3339 with nanoseconds), in ms; 0 for none."""
    if not (found := re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", text)) or text.startswith("0001"):
        return 0
    whole = datetime.fromisoformat(found[1] + ("+00:00" if found[3] == "Z" else found[3])).astimezone(UTC)
    return round((whole.timestamp() + float(found[2] or 0)) * 1000)


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", "replace").strip()[:300]
