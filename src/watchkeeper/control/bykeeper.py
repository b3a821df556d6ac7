"""The keeper as the servers' parent, seen from the agent: orders go there, ends come from there, whoever of us dies between.

An order stays open until it is answered: when the keeper is lost, a new one is started, finds what lives, and is given the open
orders again under the same ids. Nothing is started twice, and nothing is forgotten.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from watchkeeper.clock import until_together
from watchkeeper.control import keeperline
from watchkeeper.control.endings import of_status, of_step, unknown
from watchkeeper.control.identity import Identity, same
from watchkeeper.control.keeperline import Line
from watchkeeper.control.parentage import Ending, Found, Process, Spawn, Told
from watchkeeper.control.runfile import RunFile
from watchkeeper.errors import Failed
from watchkeeper.keeper import PROTOCOL, living
from watchkeeper.keeper.page import Page, number, one

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0
"""The pause before a keeper that could not be started, or does not know a living server, is asked again."""
SYNC_SECONDS = 0.2
"""Records are synced so long after they were written: not while a successor is being started."""
LOOK_SECONDS = 10.0
"""A keeper that says nothing for so long after a question is ended and replaced."""


class KeptProcess:
    """A server's process, whose parent the keeper is, or was."""

    def __init__(self, parent: ByKeeper, server: str, order: str, identity: Identity) -> None:
        self.server = server
        self.order = order
        self.identity = identity
        self._parent = parent
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    @property
    def pid(self) -> int:
        """Its number."""
        return self.identity.pid

    async def ended(self) -> Ending:
        """Wait for its end; may be cancelled and asked again."""
        return await asyncio.shield(self._ending)

    def signal(self, number: int, *, whole: bool = True) -> None:
        """Send a signal to its whole group, or to it alone; to nobody once it has ended."""
        if not self._ending.done():
            self._parent.signal(self, number, whole=whole)

    def terminate(self) -> None:
        """Ask the whole group to end; one that was stopped has to run for that."""
        self.signal(signal.SIGTERM)
        self._go_on()

    def abort(self) -> None:
        """Ask the whole group to end with a core, where the system is told to keep such."""
        self.signal(getattr(signal, "SIGABRT", signal.SIGTERM))
        self._go_on()

    def _go_on(self) -> None:
        if hasattr(signal, "SIGCONT"):
            self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the whole group at once."""
        self.signal(signal.SIGKILL)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._ending.done()

    def end(self, ending: Ending) -> None:
        """It has ended: the parent says how."""
        if not self._ending.done():
            self._ending.set_result(ending)


class ByKeeper:
    """The parent `bykeeper`."""

    def __init__(self, runfile: RunFile, told: Told) -> None:
        """Nothing is started before `open`."""
        self._runfile = runfile
        self._told = told
        self._line: Line | None = None
        self._open: dict[str, tuple[Spawn, asyncio.Future[Process]]] = {}
        self._processes: dict[str, KeptProcess] = {}
        self._unsent: list[dict[str, str | int | Sequence[str]]] = []
        self._unheld: dict[str, KeptProcess] = {}
        self._unsynced: set[str] = set()
        self._written = asyncio.Event()
        self._heard_at = 0.0
        self._alone = ""
        """Why there is no keeper and none can be started; empty as long as there is one, or one is about to be."""

    async def open(self) -> list[Found]:
        """Call the keeper, or start one, and hear what it has in its care."""
        old = self._runfile.entries()
        have = _have((name, "-", entry.identity) for name, entry in old.items())
        found = [self._found(page) for page in await self._greet(have) if one(page, "op") != "failed"]
        for name in old:
            self._runfile.forget(name)  # the keeper has them now
        return found

    async def run(self) -> None:
        """Hear the keeper until cancelled, and replace one that is lost."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sync(), name="sync records")
            group.create_task(self._look_after(), name="look after the keeper")
            while True:
                while self._line and (page := await self._line.next()):
                    self._take(page)
                await self._replace()

    async def spawn(self, spawn: Spawn) -> Process:
        """Start a server; returns when its program is executed."""
        if self._alone:
            raise Failed(self._alone)
        answer: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
        self._open[spawn.order] = (spawn, answer)
        if self._line:
            self._line.send(_spawn_page(spawn))
        try:
            return await answer
        finally:
            self._open.pop(spawn.order, None)

    def signal(self, process: KeptProcess, number: int, *, whole: bool) -> None:
        """Have a signal sent; send it ourselves where there is no keeper to ask."""
        if self._alone:
            _send_by_hand(process, number, whole=whole)
            return
        page: dict[str, str | int | Sequence[str]] = {"op": "signal", "server": process.server, "order": process.order}
        self._send(page | {"signal": int(number)} | ({} if whole else {"leader": 1}))

    def heard(self, server: str, order: str) -> None:
        """Its end is written down here."""
        self._processes.pop(order, None)
        self._send({"op": "heard", "server": server, "order": order})

    def close(self) -> None:
        """Hang up; a keeper without servers then ends by itself."""
        if self._line:
            self._line.close()

    # -- what the keeper says -----------------------------------------------------------------------

    def _take(self, page: Page) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        order = one(page, "order")
        match one(page, "op"):
            case "running":
                self._written_down(one(page, "server"))
                self._running(page, order)
            case "ended":
                self._written_down(one(page, "server"))
                self._running(page, order)
                if process := self._processes.get(order):
                    process.end(_ending(page))
                else:
                    self.heard(one(page, "server"), order)  # our word of it was lost with an earlier keeper
            case "failed":
                self._failed(page, order)
            case "warning":
                self._told.warned(one(page, "server"), one(page, "words"))

    def _running(self, page: Page, order: str) -> None:
        identity = _identity(page)
        process, waiting = self._processes.get(order), self._open.get(order)
        if process is None and waiting:
            process = self._processes[order] = KeptProcess(self, waiting[0].server, order, identity)
        if process is None:
            return
        moved = process.pid != identity.pid
        process.identity = identity
        if moved:
            self._told.moved(process.server, process)
        if waiting and not waiting[1].done():
            waiting[1].set_result(process)
            if self._line:
                self._line.ask_soon()

    def _failed(self, page: Page, order: str) -> None:
        if waiting := self._open.get(order):
            why = of_step(waiting[0], one(page, "step"), number(page, "errno"), one(page, "words"))
            if not waiting[1].done():
                waiting[1].set_exception(Failed(why))
        elif process := self._processes.get(order):
            process.end(Ending(f"it could not be started: {one(page, 'step')}: {one(page, 'words')}", clean=False))
        if one(page, "step") not in {"twice", "fork"}:
            self.heard(one(page, "server"), order)

    # -- the line -----------------------------------------------------------------------------------

    def _send(self, page: dict[str, str | int | Sequence[str]]) -> None:
        if self._line:
            self._line.send(page)
        else:
            self._unsent.append(page)

    async def _greet(self, have: Sequence[str]) -> list[Page]:
        """Call the keeper, or start one; introduce ourselves; what it has in its care. Raises Failed."""
        renewed = 0
        for _ in range(10):
            line = await keeperline.call(self._runfile.folder, renewed)
            if line is None:
                await keeperline.start(self._runfile.folder)
                continue
            line.send({"op": "hello", "speaks": PROTOCOL, "have": have})
            pages, build = await self._shown(line)
            if pages is None:
                line.close()  # it was about to end as we called
                continue
            if build != keeperline.build() and not renewed:
                # Another program, older or newer: the process stays, and with it all its children.
                renewed = line.peer
                logger.info("the keeper becomes the program of this version")
                line.send({"op": "renew", "argv": [*keeperline.command(), keeperline.build()]})
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await line.next()  # its end: another program has begun
                line.close()
                continue
            self._line = line
            self._heard_at = asyncio.get_running_loop().time()
            return pages
        raise Failed("the keeper does not answer")

    @staticmethod
    async def _shown(line: Line) -> tuple[list[Page] | None, str]:
        pages: list[Page] = []
        build = ""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                while page := await line.next():
                    match one(page, "op"):
                        case "hello":
                            build, pages = one(page, "build"), []  # what came before is among what comes now
                        case "shown":
                            return pages, build
                        case "running" | "ended" | "failed":
                            pages.append(page)
                return None, ""
        line.kill()
        return None, ""

    def _found(self, page: Page) -> Found:
        server, order = one(page, "server"), one(page, "order")
        process = KeptProcess(self, server, order, _identity(page))
        self._processes[order] = process
        ending = _ending(page) if one(page, "op") == "ended" else None
        if ending:
            process.end(ending)
        command = tuple(page.get("command", ()))
        return Found(server, order, process, number(page, "started_at"), command, one(page, "made"), ending)

    async def _replace(self) -> None:
        """The keeper is gone: start another, and take up with it where the first one stood."""
        if self._line:
            self._line.close()
        self._line = None
        self._told.replaced("the keeper was lost; the servers go on, and another keeper takes them over", False)
        while True:
            alive = [process for process in self._processes.values() if not process.is_over]
            try:
                pages = await self._greet(_have((process.server, process.order, process.identity) for process in alive))
            except Failed as fault:
                self._do_without(fault.why, alive)
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            break
        self._alone = ""
        known = {one(page, "order") for page in pages}
        for page in pages:
            self._take(page)
        for spawn, _ in list(self._open.values()):
            if spawn.order not in known:
                self._send(_spawn_page(spawn))
        unsent, self._unsent = self._unsent, []
        for words in unsent:
            self._send(words)
        for process in alive:
            if process.order not in known:
                self._unheld[process.order] = process
        self._look_for_unheld()
        count = sum(not process.is_over for process in alive)
        self._told.replaced(f"a new keeper has {count} server{'' if count == 1 else 's'} in its care", True)

    def _do_without(self, why: str, alive: Sequence[KeptProcess]) -> None:
        """No keeper can be started. Where its folder is gone nothing new starts; what runs is seen and can be stopped."""
        if why != self._alone:
            logger.error("%s; it is tried again", why)
        if self._runfile.folder.is_dir():
            return  # a keeper that is still dying holds the lock for a moment: orders wait for the next
        self._alone = why
        for _, answer in self._open.values():
            if not answer.done():
                answer.set_exception(Failed(why))
        unsent, self._unsent = self._unsent, []
        for page in unsent:
            if page["op"] == "signal" and (process := self._processes.get(str(page["order"]))):
                _send_by_hand(process, int(str(page["signal"])), whole="leader" not in page)
        for process in alive:
            if not same(process.identity, process.order):
                process.end(unknown("the keeper was killed, and the kernel tells only a process's parent"))

    def _look_for_unheld(self) -> None:
        """End those that no keeper knows and that are not there; one that lives all the same is looked for again."""
        for order, process in list(self._unheld.items()):
            if not same(process.identity, process.order):
                process.end(unknown("the keeper was killed, and the kernel tells only a process's parent"))
                del self._unheld[order]

    async def _look_after(self) -> None:
        """End a keeper that hangs (it was stopped, or the disk under it stands still): a new one can do its work."""
        while True:
            await asyncio.sleep(until_together(time.time(), LOOK_SECONDS))
            self._look_for_unheld()
            if (line := self._line) is None:
                continue
            asked = asyncio.get_running_loop().time()
            line.send({"op": "ping"})
            await asyncio.sleep(LOOK_SECONDS)
            if self._line is line and self._heard_at < asked:
                logger.error("the keeper (pid %d) does not answer; it is ended and replaced", line.peer)
                line.kill()

    # -- the disk -----------------------------------------------------------------------------------

    def _written_down(self, server: str) -> None:
        self._unsynced.add(server)
        self._written.set()

    async def _sync(self) -> None:
        """Bring the keeper's records to the disk, beside everything else: the keeper itself never waits for a disk."""
        while True:
            await self._written.wait()
            await asyncio.sleep(SYNC_SECONDS)
            self._written.clear()
            servers, self._unsynced = self._unsynced, set()
            await asyncio.to_thread(self._runfile.sync, servers)


def _send_by_hand(process: KeptProcess, number: int, *, whole: bool) -> None:
    """Signal a server whose keeper is gone, if that very process still lives; its group has its number."""
    if same(process.identity, process.order):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            (os.killpg if whole else os.kill)(process.pid, number)


def _spawn_page(spawn: Spawn) -> dict[str, str | int | Sequence[str]]:
    return {
        "op": "spawn",
        "server": spawn.server,
        "order": spawn.order,
        "command": spawn.command,
        "environment": [f"{name}={value}" for name, value in spawn.environment.items()],
        "own": spawn.own,
        "beside": [str(Path(sys.executable).parent)],
        "folder": str(spawn.folder),
        "log": str(spawn.log),
        "made": spawn.made,
        **spawn.options,
    }


def _have(known: Iterable[tuple[str, str, Identity]]) -> list[str]:
    """What we know to run, in case the keeper does not: an earlier boot's is of the past."""
    boot = living.boot_id()
    return [
        f"{server} {order} {identity.pid} {identity.start_ticks} {identity.executable}"
        for server, order, identity in known
        if identity.boot_id == boot
    ]


def _identity(page: Page) -> Identity:
    return Identity(number(page, "pid"), number(page, "start"), living.boot_id(), one(page, "executable"))


def _ending(page: Page) -> Ending:
    at = number(page, "ended_at")
    if "status" in page:
        return of_status(number(page, "status"), at, number(page, "strays"))
    return unknown(one(page, "why"), at)
