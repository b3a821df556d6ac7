"""A private D-Bus, and an object on it that answers as systemd does: its units are real processes, what they do is scripted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from dbus_fast import Message, MessageType, RequestNameReply, Variant
from dbus_fast.aio import MessageBus

NAME = "org.freedesktop.systemd1"
ROOT = "/org/freedesktop/systemd1"
CONFIG = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""


def why_not() -> str:
    """Empty where a bus of our own can be run."""
    return "" if shutil.which("dbus-daemon") else "dbus-daemon is not installed"


class Unit:
    """One service: its properties, and the process behind them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = f"{ROOT}/unit/" + "".join(c if c.isalnum() else f"_{ord(c):02x}" for c in name)
        self.state, self.sub, self.result = "inactive", "dead", "success"
        self.invocation = b""
        self.code = self.status = 0
        self.began = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.restarts = False
        """As with ``Restart=always`` and a pause."""
        self.forbidden = False
        self.is_there = not name.startswith("no-such")

    @property
    def pid(self) -> int:
        """Its main process."""
        return self.process.pid if self.process else 0

    def properties(self, interface: str) -> dict[str, Variant]:
        """What GetAll answers."""
        if interface == f"{NAME}.Unit":
            return {
                "LoadState": Variant("s", "loaded" if self.is_there else "not-found"),
                "ActiveState": Variant("s", self.state),
                "SubState": Variant("s", self.sub),
                "InvocationID": Variant("ay", self.invocation),
                "ActiveEnterTimestamp": Variant("t", self.began),
            }
        return {
            "MainPID": Variant("u", self.pid),
            "Result": Variant("s", self.result),
            "ExecMainCode": Variant("i", self.code),
            "ExecMainStatus": Variant("i", self.status),
            "ExecMainStartTimestamp": Variant("t", self.began),
        }


class Systemd1:
    """The object, on a bus of its own."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.units: dict[str, Unit] = {}
        self.asked: list[str] = []
        self._bus: MessageBus | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def unit(self, name: str) -> Unit:
        """A unit by its name."""
        return self.units.setdefault(name, Unit(name))

    async def open(self) -> None:
        """Take the name."""
        self._bus = await MessageBus(bus_address=self.address).connect()
        self._bus.add_message_handler(self._hear)
        assert await self._bus.request_name(NAME) is RequestNameReply.PRIMARY_OWNER

    async def leave(self) -> None:
        """Give the name up, as systemd does for a moment when it is replaced; its units go on."""
        if self._bus:
            self._bus.disconnect()
            with contextlib.suppress(Exception):
                await self._bus.wait_for_disconnect()

    async def close(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        for unit in self.units.values():
            if unit.process:
                unit.process.kill()
                unit.process.wait()
        await self.leave()

    async def start(self, unit: Unit) -> None:
        """Another run of a unit, in the steps that systemd goes by."""
        if unit.process or not unit.is_there:
            return
        unit.state, unit.sub = "activating", "start"
        self._tell(unit)
        await asyncio.sleep(0.05)
        unit.process = subprocess.Popen(["sleep", "1000"])
        unit.invocation, unit.began = os.urandom(16), round(time.time() * 1_000_000)
        unit.state, unit.sub, unit.result, unit.code = "active", "running", "success", 0
        self._tell(unit)
        self._later(self._wait(unit, unit.process))

    async def stop(self, unit: Unit) -> None:
        """SIGTERM, and the end of it."""
        if unit.process:
            unit.state, unit.sub = "deactivating", "stop-sigterm"
            self._tell(unit)
            unit.process.terminate()
            while unit.process:
                await asyncio.sleep(0.01)

    async def _wait(self, unit: Unit, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None:
            await asyncio.sleep(0.01)
        asked, status = unit.state == "deactivating", process.returncode
        unit.process = None
        unit.code, unit.status = (2, -status) if status < 0 else (1, status)
        unit.result = "success" if asked else "signal"
        unit.state, unit.sub = ("inactive", "dead") if asked else ("failed", "failed")
        if not asked and unit.restarts:
            unit.state, unit.sub = "activating", "auto-restart"
        self._tell(unit)
        if unit.sub == "auto-restart":
            await asyncio.sleep(0.3)
            await self.start(unit)

    def _later(self, deed: Any) -> None:
        task = asyncio.ensure_future(deed)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self, unit: Unit) -> None:
        assert self._bus
        body = [f"{NAME}.Unit", unit.properties(f"{NAME}.Unit"), []]
        interface = "org.freedesktop.DBus.Properties"
        self._bus.send(Message.new_signal(unit.path, interface, "PropertiesChanged", "sa{sv}as", body))

    def _hear(self, message: Message) -> Message | bool:  # noqa: PLR0911  # a table of methods
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        self.asked.append(str(message.member))
        match message.member, message.body:
            case "Subscribe", _:
                return Message.new_method_return(message)
            case "LoadUnit", [name]:
                return Message.new_method_return(message, "o", [self.unit(name).path])
            case "GetAll", [interface]:
                unit = next(one for one in self.units.values() if one.path == message.path)
                return Message.new_method_return(message, "a{sv}", [unit.properties(interface)])
            case "StartUnit" | "StopUnit" | "RestartUnit", [name, "replace"]:
                unit = self.unit(name)
                if unit.forbidden:
                    why = "Interactive authentication required."
                    return Message.new_error(message, "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", why)
                self._later(self._job(str(message.member), unit))
                return Message.new_method_return(message, "o", [f"{ROOT}/job/1"])
            case "KillUnit", [name, "all", number]:
                if process := self.unit(name).process:
                    process.send_signal(signal.Signals(number))
                return Message.new_method_return(message)
        return False

    async def _job(self, method: str, unit: Unit) -> None:
        if method != "StartUnit":
            await self.stop(unit)
        if method != "StopUnit":
            await self.start(unit)


def listens(path: Path) -> bool:
    """Whether somebody takes connections there: the socket is there a moment before."""
    with socket.socket(socket.AF_UNIX) as one:
        return one.connect_ex(str(path)) == 0


@contextlib.asynccontextmanager
async def private_systemd(folder: Path) -> AsyncIterator[Systemd1]:
    """A bus of our own with such an object on it."""
    path = folder / "bus"
    config = folder / "bus.conf"
    config.write_text(CONFIG.format(path=path), encoding="utf-8")
    daemon = subprocess.Popen(["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"])
    try:
        while not listens(path):
            assert daemon.poll() is None
            await asyncio.sleep(0.01)
        one = Systemd1(f"unix:path={path}")
        await one.open()
        try:
            yield one
        finally:
            await one.close()
    finally:
        daemon.terminate()
        daemon.wait()
