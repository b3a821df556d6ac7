"""What the child does between fork and exec: it becomes what the order says, step by step, or tells which step failed.

It waits first until the keeper has written down who it is: there is no instant at which a server runs and is recorded
nowhere. Every step that fails ends it, with the step, the error's number and words; only limits of a control group
that cannot be had are told as warnings, and the server runs without them.
"""

from __future__ import annotations

import errno
import os
from _signal import (  # type: ignore[import-not-found]  # `signal` brings `enum` along: half a megabyte for names
    SIG_DFL,
    SIG_SETMASK,
    pthread_sigmask,
    set_wakeup_fd,
    signal,
)

from watchkeeper.keeper import cgroup, living
from watchkeeper.keeper.page import Page, lines, number, one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_CAUGHT = (1, 2, 3, 13, 15, 17, 25)
"""HUP, INT, QUIT, PIPE, TERM, CHLD and XFSZ: what the keeper or its Python ignores or catches, or a shell has put to be ignored
by what it starts in the background, and a server must not inherit."""
_IOPRIO_SET = {
    "x86_64": 251,
    "aarch64": 30,
    "riscv64": 30,
    "loongarch64": 30,
    "i686": 289,
    "armv7l": 314,
    "ppc64le": 273,
    "s390x": 282,
}
_LAST_WORDS = 127
_NOBODY = 0xFFFFFFFF


class Unfit(Exception):
    """A step that failed for a reason that has no number of the system's."""

    def __init__(self, number: int, words: str) -> None:
        super().__init__(words)
        self.number = number
        self.words = words


def launch(order: Page, keep: str, release: int, report: int) -> NoReturn:
    """Be the server of an order; in a forked child, never returns. `release` is read first, faults go to `report`."""
    step = "fork"
    try:
        _leave_the_keeper({release, report})
        if not os.read(release, 1):
            os._exit(_LAST_WORDS)  # the keeper died before it had recorded us: nobody knows that we exist
        for step, take in _STEPS:  # noqa: B007  # told below
            take(order, report)
        step = "exec"
        _execute(order, _environment(order, keep))
    except Unfit as fault:
        _tell(report, step, fault.number, fault.words)
    except OSError as fault:
        _tell(report, step, fault.errno or 0, fault.strerror or "")
    except BaseException as fault:  # noqa: BLE001  # the frame of the steps: one of our bugs is told too, and never becomes a server
        _tell(report, step, errno.EINVAL, str(fault))
    finally:
        os._exit(_LAST_WORDS)


def _leave_the_keeper(wanted: set[int]) -> None:
    """Give back all that is the keeper's: its sockets would look alive to the agent through us."""
    set_wakeup_fd(-1)
    for caught in _CAUGHT:
        signal(caught, SIG_DFL)
    pthread_sigmask(SIG_SETMASK, ())
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in wanted:
            try:
                os.close(int(name))
            except OSError:
                continue  # the listing's own


def _session(_order: Page, _report: int) -> None:
    """A session and group of its own: Ctrl-C at a terminal does not reach it, and the group can be signalled."""
    os.setsid()


def _cgroup(order: Page, report: int) -> None:
    wanted = {name: one(order, name) for name in cgroup.FILES if name in order}
    if wanted:
        folder, warnings = cgroup.join(one(order, "server"), wanted)
        os.write(report, lines({"cgroup": folder, "warning": warnings} if folder else {"warning": warnings}))


def _memory_killer(order: Page, _report: int) -> None:
    if "oom_score_adj" in order:
        cgroup.write("/proc/self/oom_score_adj", one(order, "oom_score_adj"))


def _nice(order: Page, _report: int) -> None:
    if "nice" in order:
        os.setpriority(os.PRIO_PROCESS, 0, number(order, "nice"))


def _ionice(order: Page, _report: int) -> None:
    if "ionice" not in order:
        return
    call = _IOPRIO_SET.get(os.uname().machine)
    if call is None:
        raise Unfit(errno.ENOSYS, "the number of ioprio_set(2) is not known on this machine")
    import ctypes

    of, level = one(order, "ionice").split()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(call, 1, 0, int(of) << 13 | int(level)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _limits(order: Page, _report: int) -> None:
    if "rlimit" not in order:
        return
    import resource

    for line in order["rlimit"]:
        name, soft, hard = line.split()
        try:
            which = getattr(resource, f"RLIMIT_{name.upper()}")
            resource.setrlimit(which, (int(soft), int(hard)))
        except AttributeError:
            raise Unfit(errno.EINVAL, f"{name}: this system has no such limit") from None
        except (OSError, ValueError) as fault:
            raise Unfit(getattr(fault, "errno", None) or errno.EPERM, f"{name}: {_words(fault)}") from None


def _files(order: Page, _report: int) -> None:
    """Nothing to read, its output to its log; opened before the rights to do so are given up."""
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    log = os.open(one(order, "log") or "/dev/null", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if nothing > 2:
        os.close(nothing)


def _group(name: str) -> int:
    import grp

    try:
        return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise Unfit(errno.ENOENT, f"there is no group {name!r}") from None


def _user(order: Page, _report: int) -> None:  # noqa: C901  # one step of the kernel's after the other
    """User, group and all supplementary groups, in the order in which each is still allowed."""
    if not {"user", "group", "groups"} & order.keys():
        return
    import pwd

    name, uid, gid = "", os.geteuid(), os.getegid()
    groups: set[int] = set()
    if wanted := one(order, "user"):
        try:
            entry = pwd.getpwuid(int(wanted)) if wanted.isdigit() else pwd.getpwnam(wanted)
            name, uid, gid = entry.pw_name, entry.pw_uid, entry.pw_gid
        except KeyError:
            if not wanted.isdigit() or "group" not in order:
                raise Unfit(errno.ENOENT, f"there is no user {wanted!r}") from None
            uid = int(wanted)
    if "group" in order:
        gid = _group(one(order, "group"))
    groups.update([gid], map(_group, order.get("groups", [])))
    if not 0 <= uid < _NOBODY or not 0 <= gid < _NOBODY:
        raise Unfit(errno.EINVAL, "no such number of a user or group can be")
    if os.geteuid() != 0:
        if (uid, gid) == (os.geteuid(), os.getegid()) and groups <= {gid, *os.getgroups()}:
            return  # it is that user already
        raise Unfit(errno.EPERM, f"only root may become another user or group, and this is user {os.geteuid()}")
    if name:
        groups.update(os.getgrouplist(name, gid))
    os.setgroups(sorted(groups))
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if name:
        at_home = {"HOME": entry.pw_dir, "USER": name, "LOGNAME": name, "SHELL": entry.pw_shell}
        order["at_home"] = [f"{key}={value}" for key, value in at_home.items()]


def _umask(order: Page, _report: int) -> None:
    if "umask" in order:
        os.umask(int(one(order, "umask"), 8))


def _folder(order: Page, _report: int) -> None:
    if "folder" in order:
        os.chdir(one(order, "folder"))


_STEPS = (
    ("session", _session),
    ("cgroup", _cgroup),
    ("oom_score_adj", _memory_killer),
    ("nice", _nice),
    ("ionice", _ionice),
    ("rlimits", _limits),
    ("log", _files),
    ("user", _user),
    ("umask", _umask),
    ("folder", _folder),
)
"""What needs rights comes before they are given up; the folder is entered by who will work in it."""


def _environment(order: Page, keep: str) -> dict[str, str]:
    """The order's variables, those of another user's own home, and the mark by which its processes are found again."""
    variables = dict(line.split("=", 1) for line in order.get("environment", []))
    own = set(order.get("own", []))
    for line in order.get("at_home", []):
        key, value = line.split("=", 1)
        if key not in own:
            variables[key] = value
    return variables | {
        living.KEEP: keep,
        living.SERVER: one(order, "server"),
        living.ORDER: one(order, "order"),
        living.LEADER: str(os.getpid()),
    }


def _execute(order: Page, variables: dict[str, str]) -> None:
    """Become the program. A bare name is looked for on the server's own PATH, then among the programs beside the agent's."""
    command = order["command"]
    if os.path.dirname(command[0]):
        os.execve(command[0], command, variables)
    fault = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    places = (variables.get("PATH") or os.defpath).split(":")
    for place in [*places, *order.get("beside", [])]:
        try:
            os.execve(os.path.join(place, command[0]), command, variables)
        except OSError as why:
            # As a shell has it: what is there and may not be executed is worth more telling than what is not there.
            if why.errno not in {errno.ENOENT, errno.ENOTDIR} and fault.errno == errno.ENOENT:
                fault = why
    raise fault


def _tell(report: int, step: str, fault: int, words: str) -> None:
    os.write(report, lines({"step": step, "errno": fault, "words": words}))


def _words(fault: Exception) -> str:
    return (fault.strerror or str(fault)) if isinstance(fault, OSError) else str(fault)
