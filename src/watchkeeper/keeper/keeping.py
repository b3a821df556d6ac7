"""The keeper's wards: spawned on order, found again after a death, signalled, waited for, written down.

`program` owns the loop and the sockets and comes in with pages and wake-ups; what it must tell comes back through `tell`.
No ward is ever spawned twice: an order that comes again is answered, and one for a server that lives is refused.
"""

from __future__ import annotations

import errno
import os
import time

from watchkeeper.keeper import cgroup, ending, launch, living
from watchkeeper.keeper.page import Page, one, read
from watchkeeper.keeper.record import Records
from watchkeeper.keeper.ward import SIGKILL, Ward, end_strays, end_unborn, of_page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Told = Mapping[str, str | int | Sequence[str]]

AWAY = "it ended while no keeper was there, and the kernel tells only a process's parent"
NOT_OURS = "an earlier keeper was its parent and was killed, and the kernel tells only the parent"
SWEEP_SECONDS = 10.0
"""So long after an end are orphans looked at for what it has left behind: each may have children of its own."""
FORKING_SECONDS = 10.0
"""So long after a server has put itself into the background another of its processes may turn out to be what it is."""
_ENDING = frozenset({2, 3, 6, SIGKILL, 15})
"""SIGINT, SIGQUIT, SIGABRT, SIGKILL, SIGTERM."""


class Keeping:
    """All wards of one folder."""

    def __init__(
        self, folder: str, keep: str, tell: Callable[[Told], None], watch: Callable[[int, Callable[[], None] | None], None]
    ) -> None:
        """`tell` sends the agent a page, if any; `watch(descriptor, act)` calls `act` when it is readable (None: no more)."""
        self._records = Records(folder)
        self._keep = keep
        self._tell = tell
        self._watch = watch
        self._boot = living.boot_id()
        self.wards: dict[str, Ward] = {}
        self._unsynced: set[str] = set()
        self._ended: dict[str, float] = {}
        """Orders that have ended lately, and until when their strays are looked for."""

    # -- found again --------------------------------------------------------------------------------

    def find(self) -> None:
        """Take over what an earlier keeper has left: by its records, and by the marks of those that no record names."""
        for page in self._records.pages().values():
            if one(page, "boot") == self._boot:
                self._find(of_page(page))
            else:
                self._records.remove(one(page, "server"))
        marked = living.marked(self._keep)
        for pid, words in marked:
            server = words.get(living.SERVER, "")
            if server and words.get(living.LEADER) == str(pid):
                self.adopt(server, words.get(living.ORDER, ""), pid, living.started(pid), living.executable(pid))
        # What is left of a server that is known to have ended; of one that no record names nothing is known.
        for ward in self.wards.values():
            if not ward.lives:
                end_strays(ward.order, [pid for pid, _ in marked])
        self.reap()

    def adopt(self, server: str, order: str, pid: int, start: int, executable: str) -> bool:
        """Take a living process into care that no record names; False for one that is not who it should be."""
        ward = self.wards.get(server)
        if (ward and ward.lives) or not living.is_same(pid, start, executable, order):
            return False
        ward = Ward(server, order, pid, start)
        ward.executable, ward.began = living.executable(pid), True
        ward.started_at = _wall(start)
        if not self._hold(ward):
            return False
        self.wards[server] = ward
        self._write(ward, self._records.begin)
        return True

    def _find(self, ward: Ward) -> None:
        self.wards[ward.server] = ward
        if ward.ended_at:
            return
        found = living.fields(ward.pid)
        ward.child = len(found) > 19 and int(found[1]) == os.getpid() and int(found[19]) == ward.start
        if ward.child:
            return  # we have only become a newer program: still its parent
        same = living.is_same(ward.pid, ward.start, ward.executable, ward.order)
        if not ward.began and not (same and living.mark(ward.pid).get(living.ORDER) == ward.order):
            # Forked, not executed: what is left of it ends, and its order may be given again.
            end_unborn(ward)
            del self.wards[ward.server]
            self._forget(ward)
        elif not (same and self._hold(ward)):
            zombie = len(found) > 49 and found[0] == b"Z" and int(found[19]) == ward.start
            self._end(ward, int(found[49]) if zombie else None, AWAY)

    def _hold(self, ward: Ward) -> bool:
        handle = ending.opened(ward.pid, ward.start)
        if handle is None:
            return False
        ward.child = False
        ward.handle = handle
        self._watch(handle, lambda: self._stranger_over(ward))
        return True

    def look(self) -> None:
        """See what has become another program by exec, and write it down: without its mark the next keeper knows it by that."""
        for ward in self.wards.values():
            if not ward.lives or not ward.began or not (now := living.executable(ward.pid)) or now == ward.executable:
                continue
            # Looked at first, proved then: as long as it has not been waited for, its number is nobody else's.
            if living.started(ward.pid) == ward.start and (ward.child or not ending.wait(ward.handle, 0)):
                ward.executable = now
                self._write(ward, self._records.begin)
                self._show(ward)

    # -- orders -------------------------------------------------------------------------------------

    def spawn(self, page: Page) -> None:
        """Start a server; the answer comes when its program is executed, or could not be."""
        server, order = one(page, "server"), one(page, "order")
        ward = self.wards.get(server)
        if ward and ward.order == order:
            self._answer(ward)
            return
        if ward and ward.lives:
            self._tell({"op": "failed", "server": server, "order": order, "step": "twice", "errno": errno.EEXIST,
                        "words": f"it runs already, as process {ward.pid}"})  # fmt: skip
            return
        try:
            self._fork(server, order, page)
        except OSError as fault:
            self._tell({"op": "failed", "server": server, "order": order, "step": "fork", "errno": fault.errno or 0,
                        "words": fault.strerror or ""})  # fmt: skip

    def _fork(self, server: str, order: str, page: Page) -> None:
        held, release = os.pipe()
        report, told = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            for each in (held, release, report, told):
                os.close(each)
            raise
        if not pid:
            launch.launch(page, self._keep, held, told)
        os.close(held)
        os.close(told)
        ward = Ward(server, order, pid, living.started(pid))
        ward.started_at = int(time.time() * 1000)
        ward.command, ward.made, ward.forks = page.get("command", []), one(page, "made"), "forks" in page
        ward.report = report
        self.wards[server] = ward
        # It waits for the word until its record is there. A disk that takes nothing costs the record, not the server:
        # its mark is found in its environment, too.
        self._write(ward, self._records.begin)
        try:
            os.write(release, b"\0")
        except BrokenPipeError:
            pass  # killed already: its end is seen as any other
        os.close(release)
        os.set_blocking(report, False)
        self._watch(report, lambda: self._reported(ward))

    def _reported(self, ward: Ward) -> None:
        """Read what the child says until its program is executed: the pipe ends there by itself."""
        if ward.report < 0:
            return
        try:
            while block := os.read(ward.report, 4096):
                ward.said += block
        except BlockingIOError:
            return
        self._watch(ward.report, None)
        os.close(ward.report)
        ward.report = -1
        said = read(ward.said)
        ward.said = b""
        ward.cgroup = one(said, "cgroup")
        if "step" in said:
            ward.fault = said
            self._forget(ward)
        else:
            ward.executable, ward.began = living.executable(ward.pid), True
            added: dict[str, str | int | Sequence[str]] = {"executable": ward.executable}
            self._write(ward, self._records.add, added | {"cgroup": ward.cgroup} if ward.cgroup else added)
        self._answer(ward)
        for words in said.get("warning", []):
            self._tell({"op": "warning", "server": ward.server, "order": ward.order, "words": words})

    def _answer(self, ward: Ward) -> None:
        if ward.fault:
            fault = {"step": one(ward.fault, "step"), "errno": one(ward.fault, "errno"), "words": one(ward.fault, "words")}
            self._tell({"op": "failed", "server": ward.server, "order": ward.order, **fault})
        elif ward.report < 0:
            self._show(ward)

    def show(self) -> None:
        """Tell an agent where all wards stand; one that is not executed yet counts as running, and fails later if it must."""
        for ward in self.wards.values():
            if ward.fault:
                self._answer(ward)
            else:
                self._show(ward)

    def _show(self, ward: Ward) -> None:
        self._tell({"op": "ended" if ward.ended_at else "running", **ward.page(), "executable": ward.executable})

    def signal(self, page: Page) -> None:
        """Pass a signal on, to the ward of this very order alone."""
        ward = self.wards.get(one(page, "server"))
        if ward and ward.order == one(page, "order"):
            signum = int(one(page, "signal", "0"))
            ward.forks = ward.forks and signum not in _ENDING  # what it leaves now is no successor
            try:
                ward.signal(signum, whole="leader" not in page)
            except OSError as fault:
                words = f"signal {one(page, 'signal')} could not be sent: {fault.strerror}"
                self._tell({"op": "warning", "server": ward.server, "order": ward.order, "words": words})

    def heard(self, page: Page) -> None:
        """The agent knows of this end and has written it down: it is of the past."""
        ward = self.wards.get(one(page, "server"))
        if ward and ward.order == one(page, "order") and not ward.lives:
            del self.wards[ward.server]
            self._forget(ward)

    # -- ends ---------------------------------------------------------------------------------------

    def reap(self) -> None:
        """Wait for all children that have ended: servers, and orphans that their servers have left to us."""
        orphans = False
        while True:
            try:
                # Looked at first, waited for last: as long as it is not, its number and its group's are nobody else's.
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if ended is None:
                break
            # Among the wards as they are now: one that has just followed its server may have to follow it further.
            ward = next((one for one in self.wards.values() if one.pid == ended.si_pid and one.child and one.lives), None)
            if ward is None:
                os.waitpid(ended.si_pid, 0)
                orphans = True
            else:
                self._child_over(ward, clean=ended.si_code == os.CLD_EXITED and not ended.si_status)
        if orphans:
            self._sweep()

    def _child_over(self, ward: Ward, *, clean: bool) -> None:
        self._reported(ward)
        if ward.fault:
            os.waitpid(ward.pid, 0)
            return
        if clean and _follows(ward) and (follower := self._follower(ward)):
            os.waitpid(ward.pid, 0)
            self._move(ward, follower)
            return
        if ward.leads():
            try:
                os.killpg(os.getpgid(ward.pid), SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        self._end(ward, os.waitpid(ward.pid, 0)[1], "")

    def _stranger_over(self, ward: Ward) -> None:
        status = ending.of_stranger(ward.pid, ward.handle, ward.start)
        self._watch(ward.handle, None)
        os.close(ward.handle)
        ward.handle = -1
        self._end(ward, status, NOT_OURS)

    def _end(self, ward: Ward, status: int | None, why: str) -> None:
        ward.ended_at = int(time.time() * 1000)
        ward.status, ward.why = status, "" if status is not None else why
        self._ended[ward.order] = time.monotonic() + SWEEP_SECONDS
        ward.strays = self._strays(ward)
        if ward.cgroup:
            cgroup.remove(ward.cgroup)
        self._write(ward, self._records.add, ward.end())
        self._show(ward)

    def _strays(self, ward: Ward) -> int:
        """End what it has left behind in sessions of their own: our children by now, or anybody's with its mark."""
        if ward.child:
            return end_strays(ward.order, living.children(os.getpid()))
        return end_strays(ward.order, [pid for pid, _ in living.marked(self._keep)])

    def _sweep(self) -> None:
        now = time.monotonic()
        self._ended = {order: until for order, until in self._ended.items() if until > now}
        for order in self._ended:
            end_strays(order, living.children(os.getpid()))

    # -- those that put themselves into the background ------------------------------------------------

    def _follower(self, ward: Ward) -> int:
        """The process that a server has left in its place: its oldest orphan; 0 for none."""
        orphans = [pid for pid in living.children(os.getpid()) if living.mark(pid).get(living.ORDER) == ward.order]
        return min((pid for pid in orphans if living.started(pid)), key=living.started, default=0)

    def _move(self, ward: Ward, pid: int) -> None:
        ward.pid, ward.start, ward.executable = pid, living.started(pid), living.executable(pid)
        ward.followed_at = ward.followed_at or time.monotonic()
        self._write(ward, self._records.begin)
        self._show(ward)

    # -- the disk -----------------------------------------------------------------------------------

    def sync(self) -> None:
        """Bring to the disk what has been written since: done here as long as no agent is there to do it."""
        while self._unsynced:
            try:
                self._records.sync(self._unsynced.pop())
            except OSError:
                continue

    def _write(self, ward: Ward, how: Callable[[str, Told], None], page: Told | None = None) -> None:
        self._unsynced.add(ward.server)
        try:
            how(ward.server, {**ward.page(), "boot": self._boot} if page is None else page)
        except OSError as fault:
            words = f"its record in the run folder cannot be written: {fault.strerror}"
            self._tell({"op": "warning", "server": ward.server, "order": ward.order, "words": words})

    def _forget(self, ward: Ward) -> None:
        try:
            self._records.remove(ward.server)
        except OSError as fault:
            words = f"its record in the run folder cannot be removed: {fault.strerror}"
            self._tell({"op": "warning", "server": ward.server, "order": ward.order, "words": words})


def _follows(ward: Ward) -> bool:
    """Whether what a ward leaves at a clean end is the server. Of two forks the process between may be seen, and ends next."""
    return ward.forks and (not ward.followed_at or time.monotonic() - ward.followed_at < FORKING_SECONDS)


def _wall(start: int) -> int:
    """When a process that started at `start` ticks since boot was started, in ms since the epoch, as near as clocks agree."""
    since = time.clock_gettime(time.CLOCK_BOOTTIME) - start / os.sysconf("SC_CLK_TCK")
    return int((time.time() - since) * 1000)
