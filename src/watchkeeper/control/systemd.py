"""The driver `systemd`: a unit that systemd keeps, seen and ordered over D-Bus, its output read from the journal.

systemd says at once when a property changes; the look at every `period` is for what was missed. A unit's runs are told
apart by their invocation id. The bus is left and joined again when systemd itself is replaced (a re-exec, an upgrade).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchkeeper.argv import end
from watchkeeper.control.elsewhere import Elsewhere
from watchkeeper.control.logtext import Cutter, batches
from watchkeeper.errors import Failed
from watchkeeper.model import Seen
from watchkeeper.quantities import Duration

if TYPE_CHECKING:
    from dbus_fast.aio import MessageBus

SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"
NAME = "org.freedesktop.systemd1"
ROOT = "/org/freedesktop/systemd1"
BLOCK = 64 << 10
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,255}\.(service|socket|target|mount|timer|path|scope|slice|swap|device|automount)")
_RUNS = {"active", "reloading", "refreshing"}


class Systemd(Elsewhere, frozen=True, kw_only=True, tag_field="driver", tag="systemd"):
    """``driver = "systemd"``: a `unit` that systemd keeps, such as ``nginx.service``; without an ending it is a service.

    Start, stop and restart are asked of systemd, and are done by its rules: the agent needs the right to (root, or
    polkit). What ends is started again by systemd's `Restart=`, and by us only if `restart` says so; `autostart` starts
    it with the agent. systemd ends what does not heed its stop (`TimeoutStopSec=`); so do we, after `stop_grace`. `bus`
    is the address of another bus than the system's. What it does is told at once; it is asked besides every `period`. A
    start must show within `start_grace`.
    """

    unit: str
    bus: str = ""
    period: Duration = Duration(30)
    stop_grace: Duration = Duration(120)

    def __post_init__(self) -> None:
        """Refuse what systemd could not call a unit."""
        super().__post_init__()
        if not _UNIT.fullmatch(self.full_name):
            raise ValueError(f"unit: expected a name such as nginx.service, got {self.unit!r}")

    @property
    def full_name(self) -> str:
        """The unit's name with its ending."""
        return self.unit if re.search(r"\.[a-z]+$", self.unit) and _UNIT.fullmatch(self.unit) else f"{self.unit}.service"

    @property
    def starting(self) -> str:
        """See `AnyServer`."""
        return f"have systemd start {self.full_name}"

    def stopping(self, pid: int) -> str:
        """See `AnyServer`."""
        return f"have systemd stop {self.full_name}" + (f" (pid {pid})" if pid else "")

    def open(self, server: str, log: Path, ring: Callable[[], None]) -> SystemdUnit:
        """See `Elsewhere`."""
        del server, log
        return SystemdUnit(self, ring)


class SystemdUnit:
    """The driver at work."""

    def __init__(self, settings: Systemd, ring: Callable[[], None]) -> None:
        """Nothing is asked before the first look."""
        self.log: Path | None = None
        self._unit = settings.full_name
        self._address = settings.bus or os.environ.get("DBUS_SYSTEM_BUS_ADDRESS", SYSTEM_BUS)
        self._ring = ring
        self._bus: MessageBus | None = None
        self._path = ""
        self._joining = asyncio.Lock()

    async def look(self) -> Seen:
        """Ask for all that systemd knows of the unit."""
        bus = await self._joined()
        if not self._path:
            self._path = (await self._call(bus, ROOT, f"{NAME}.Manager", "LoadUnit", "s", [self._unit]))[0]
        found: dict[str, Any] = {}
        for interface in ("Unit", "Service"):
            with contextlib.suppress(Failed) if interface == "Service" else contextlib.nullcontext():
                told = await self._call(
                    bus, self._path, "org.freedesktop.DBus.Properties", "GetAll", "s", [f"{NAME}.{interface}"]
                )
                found |= {name: variant.value for name, variant in told[0].items()}
        return seen(self._unit, found)

    async def start(self) -> None:
        """Have systemd start it."""
        await self._order("StartUnit")

    async def stop(self) -> None:
        """Have systemd stop it."""
        await self._order("StopUnit")

    async def renew(self) -> None:
        """Have systemd restart it: what is bound to the unit is restarted with it, as a stop and a start would not do."""
        await self._order("RestartUnit")

    async def signal(self, number: int) -> None:
        """Have systemd signal all processes of the unit."""
        bus = await self._joined()
        await self._call(bus, ROOT, f"{NAME}.Manager", "KillUnit", "ssi", [self._unit, "all", int(number)])

    async def tail(self, lines: int, *, follow: bool) -> AsyncGenerator[tuple[str, ...], None]:
        """What the journal has of the unit; raises Failed where journalctl cannot be run."""
        command = [
            "journalctl",
            "--unit",
            self._unit,
            "--lines",
            str(max(lines, 0)),
            "--output",
            "cat",
            "--no-pager",
            "--quiet",
        ]
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                *(["--follow"] if follow else []),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as fault:
            raise Failed(f"the journal cannot be read: journalctl: {fault.strerror}", retry=False) from None
        assert process.stdout is not None
        cutter = Cutter()
        try:
            while block := await process.stdout.read(BLOCK):
                for batch in batches(cutter.feed(block)):
                    yield batch
            if rest := cutter.end():
                yield (rest,)
        finally:
            await end(process, with_group=False)

    async def close(self) -> None:
        """Leave the bus."""
        self._leave()

    # -- leaves -------------------------------------------------------------------------------------

    async def _order(self, method: str) -> None:
        bus = await self._joined()
        await self._call(bus, ROOT, f"{NAME}.Manager", method, "ss", [self._unit, "replace"])

    async def _joined(self) -> MessageBus:
        """The bus, joined and subscribed to what happens to the unit."""
        from dbus_fast import Message  # noqa: PLC0415  # only who has such a server pays for it
        from dbus_fast.aio import MessageBus  # noqa: PLC0415  # as above
        from dbus_fast.errors import AuthError, InvalidAddressError  # noqa: PLC0415  # as above

        async with self._joining:
            if self._bus is not None and self._bus.connected:
                return self._bus
            self._leave()
            try:
                bus = await MessageBus(bus_address=self._address).connect()
            except (OSError, AuthError, InvalidAddressError, EOFError) as fault:
                raise Failed(f"the bus {self._address} cannot be joined: {fault}") from None
            self._bus = bus

            def hear(message: Message) -> None:
                if message.member == "NameOwnerChanged" and message.body[:1] == [NAME]:
                    self._leave()  # another systemd: it knows nothing of our subscription
                    self._ring()
                elif message.member == "PropertiesChanged" and message.path == self._path:
                    self._ring()

            bus.add_message_handler(hear)
            rules = (
                f"type='signal',sender='{NAME}',interface='org.freedesktop.DBus.Properties',path_namespace='{ROOT}/unit'",
                f"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{NAME}'",
            )
            for rule in rules:
                await self._call(
                    bus, "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s", [rule], to="org.freedesktop.DBus"
                )
            await self._call(bus, ROOT, f"{NAME}.Manager", "Subscribe")
            return bus

    async def _call(
        self,
        bus: MessageBus,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: list[Any] | None = None,
        *,
        to: str = NAME,
    ) -> list[Any]:
        from dbus_fast import Message, MessageType  # noqa: PLC0415  # as above

        message = Message(destination=to, path=path, interface=interface, member=member, signature=signature, body=body or [])
        try:
            reply = await bus.call(message)
        except (OSError, EOFError) as fault:
            self._leave()
            raise Failed(f"the bus was lost: {str(fault) or type(fault).__name__}") from None
        if reply is None:
            raise Failed("systemd gave no answer")
        if reply.message_type is MessageType.ERROR:
            said = str(reply.body[0]) if reply.body else reply.error_name
            raise Failed(f"systemd says: {said}", retry=False)
        return list(reply.body)

    def _leave(self) -> None:
        bus, self._bus, self._path = self._bus, None, ""
        if bus is not None:
            bus.disconnect()


def seen(unit: str, found: dict[str, Any]) -> Seen:  # noqa: PLR0911  # a table of states
    """What properties of a unit and its service (org.freedesktop.systemd1(5)) tell. Pure."""
    active, sub = str(found.get("ActiveState", "")), str(found.get("SubState", ""))
    words = f"{active} ({sub})"
    if active in {"", "inactive", "failed"}:  # one that runs goes on when it is masked, or when its file is deleted
        if found.get("LoadState") == "not-found":
            return Seen("failed", f"there is no unit {unit}", clean=False)
        if found.get("LoadState") == "masked":
            return Seen("stopped", f"{unit} is masked")
    began = int(found.get("ExecMainStartTimestamp") or found.get("ActiveEnterTimestamp") or 0) // 1000
    mark = bytes(found.get("InvocationID", b"")).hex() or str(found.get("ActiveEnterTimestamp", ""))
    pid = int(found.get("MainPID", 0))
    if active in _RUNS:
        return Seen("running", words, pid, began, mark)
    if active == "deactivating":
        return Seen("stopping", words, pid, began, mark)
    result = str(found.get("Result", "success"))
    how = _exit(found)
    told = ", ".join(word for word in (words, how, f"result {result}" if result != "success" else "") if word)
    if active == "activating":
        return Seen("starting", told if sub == "auto-restart" else words, clean=result == "success")
    if active == "failed":
        return Seen("failed", told, clean=False)
    if active == "inactive":
        return Seen("stopped", told, clean=result == "success")
    return Seen("unknown", f"systemd says: {words}")


def _exit(found: dict[str, Any]) -> str:
    """How the main process of a service has ended: the codes are those of waitid(2)."""
    code, status = int(found.get("ExecMainCode", 0)), int(found.get("ExecMainStatus", 0))
    if code == 1:
        return f"exit status {status}"
    if code in {2, 3}:
        try:
            return f"killed by {signal.Signals(status).name}"
        except ValueError:
            return f"killed by signal {status}"
    return ""
