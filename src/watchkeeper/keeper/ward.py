"""One server in the keeper's care: who its process is, where it stands, and how a signal reaches it and nobody else.

A ward is `launching` until its program is executed, then `running`, then `over` (or `failed`: it never ran), until the agent
has heard of that. The keeper's loop moves it; nothing here waits.
"""

from __future__ import annotations

import os
from _signal import pidfd_send_signal  # type: ignore[import-not-found]  # as in `launch`

from watchkeeper.keeper import ending, living
from watchkeeper.keeper.page import Page, number, one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SIGKILL = 9
_GONE_MS = 2000
_PROCESS_GROUP = 4
"""PIDFD_SIGNAL_PROCESS_GROUP, from Linux 6.9 on: to the whole group of the very process."""


class Ward:
    """A spawned process and what is known of it. Its page is what the disk and the agent are told."""

    __slots__ = ("began", "cgroup", "child", "command", "ended_at", "executable", "fault", "followed_at", "forks", "handle",
                 "made", "order", "pid", "report", "said", "server", "start", "started_at", "status", "strays",
                 "why")  # fmt: skip

    def __init__(self, server: str, order: str, pid: int, start: int) -> None:
        self.server = server
        self.order = order
        self.pid = pid
        self.start = start
        self.executable = ""
        self.started_at = 0
        self.command: list[str] = []
        self.made = ""
        self.forks = False
        self.followed_at = 0.0
        self.began = False
        self.child = True
        self.handle = -1
        self.report = -1
        self.said = b""
        self.fault: Page = {}
        self.cgroup = ""
        self.ended_at = 0
        self.status: int | None = None
        self.why = ""
        self.strays = 0

    @property
    def lives(self) -> bool:
        """Whether there is a process, as far as we know."""
        return not self.ended_at and not self.fault

    def page(self) -> dict[str, str | int | Sequence[str]]:
        """All that another keeper, or an agent, must know."""
        found: dict[str, str | int | Sequence[str]] = {
            "server": self.server,
            "order": self.order,
            "pid": self.pid,
            "start": self.start,
            "started_at": self.started_at,
            "made": self.made,
            "command": self.command,
        }
        if self.forks and not self.followed_at:
            found["forks"] = 1
        if self.cgroup:
            found["cgroup"] = self.cgroup
        if self.began:
            found["executable"] = self.executable
        return found | self.end() if self.ended_at else found

    def end(self) -> dict[str, str | int | Sequence[str]]:
        """How it has ended."""
        how: dict[str, str | int | Sequence[str]] = {"why": self.why} if self.status is None else {"status": self.status}
        return {"ended_at": self.ended_at, "strays": self.strays, **how}

    def signal(self, signum: int, *, whole: bool) -> None:
        """Send a signal to the process, or to its whole group; to nobody when it has ended. Raises OSError."""
        if not self.lives:
            return
        if self.child:
            # Our own child that was not waited for: its number can be nobody else's, and it leads its group.
            try:
                if whole:
                    os.killpg(os.getpgid(self.pid), signum) if self.leads() else os.kill(self.pid, signum)
                else:
                    os.kill(self.pid, signum)
            except ProcessLookupError:
                return
            return
        self._through_handle(signum, whole=whole)

    def leads(self) -> bool:
        """Whether its group is one of its own (a child that was just forked is still in ours)."""
        return os.getpgid(self.pid) != os.getpgid(0)

    def _through_handle(self, signum: int, *, whole: bool) -> None:
        try:
            pidfd_send_signal(self.handle, signum, None, _PROCESS_GROUP if whole else 0)
        except ProcessLookupError:
            return
        except OSError:
            if not whole:
                raise
            # An older kernel: the leader gets it surely; the rest of its group while the leader is there to hold the number.
            if living.started(self.pid) == self.start and os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, signum)
            else:
                pidfd_send_signal(self.handle, signum, None, 0)


def of_page(page: Page) -> Ward:
    """A ward as an earlier keeper has written it down."""
    ward = Ward(one(page, "server"), one(page, "order"), number(page, "pid"), number(page, "start"))
    ward.executable = one(page, "executable")
    ward.began = "executable" in page
    ward.started_at = number(page, "started_at")
    ward.command = page.get("command", [])
    ward.made = one(page, "made")
    ward.forks = "forks" in page
    ward.cgroup = one(page, "cgroup")
    ward.ended_at = number(page, "ended_at")
    ward.strays = number(page, "strays")
    ward.why = one(page, "why")
    ward.status = number(page, "status") if "status" in page else None
    return ward


def end_strays(order: str, pids: list[int]) -> int:
    """Kill those of `pids` that carry the mark of `order`, each through a pidfd opened before the look; how many."""
    ended = 0
    for pid in pids:
        start = living.started(pid)
        handle = ending.opened(pid, start) if start and pid != os.getpid() else None
        if handle is None:
            continue
        try:
            if living.mark(pid).get(living.ORDER) == order:
                pidfd_send_signal(handle, SIGKILL)
                ended += 1
        except OSError:
            continue
        finally:
            os.close(handle)
    return ended


def end_unborn(ward: Ward) -> None:
    """End a child that an earlier keeper has forked and that is no server yet, and wait until it is gone."""
    handle = ending.opened(ward.pid, ward.start)
    if handle is None:
        return
    try:
        pidfd_send_signal(handle, SIGKILL)
        ending.wait(handle, _GONE_MS)
    except OSError:
        return
    finally:
        os.close(handle)
