"""What stands between fork and exec: each option is in force when the program begins, and one that cannot be had is named."""

from __future__ import annotations

import asyncio
import os
import pwd
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from rigs.keeping import SLEEP, finish, home, soon, sweep
from watchkeeper.errors import Failed
from watchkeeper.keeper import launch
from watchkeeper.keeper.page import Page

NEED_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
SHOW = (
    "/bin/sh",
    "-c",
    """cat /proc/$$/status /proc/$$/limits; echo nice $(cut -d' ' -f19 /proc/$$/stat)
    echo oom $(cat /proc/$$/oom_score_adj); echo folder $(pwd); echo home $HOME $USER $LOGNAME""",
)


@pytest.fixture(autouse=True)
def _swept(tmp_path: Path) -> Iterator[None]:
    """What a test leaves is ended; the folder may be entered by anybody, as a server's own may."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and "pytest" in str(folder):
            folder.chmod(0o755)
    yield
    sweep(tmp_path)


async def shown(tmp_path: Path, **options: str | tuple[str, ...]) -> dict[str, list[str]]:
    """What a server finds itself to be, by the first word of each line."""
    async with home(tmp_path) as one:
        ending = await finish(await one.spawn(SHOW, **options))
        assert ending.clean, (ending.how, one.said())
        lines = [line.replace(":", " ", 1).replace("Max open files", "nofile").replace("Max core file size", "core").split()
                 for line in one.said().splitlines()]  # fmt: skip
        return {words[0]: words[1:] for words in lines}


async def refused(tmp_path: Path, **options: str | tuple[str, ...]) -> str:
    """Why it cannot be started."""
    async with home(tmp_path) as one:
        with pytest.raises(Failed) as fault:
            await one.spawn(SLEEP, **options)
        return fault.value.why


def four(number: int) -> list[str]:
    """Real, effective, saved and the file system's."""
    return [str(number)] * 4


async def test_without_options_it_is_as_the_agent(tmp_path: Path) -> None:
    """User, limits and place: what the agent has."""
    found = await shown(tmp_path)
    assert (found["Uid"], found["Gid"]) == (four(os.geteuid()), four(os.getegid()))
    assert sorted(map(int, found["Groups"])) == sorted(os.getgroups())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert found["nofile"][:2] == [str(soft), str(hard)]
    assert found["nice"] == [str(os.getpriority(os.PRIO_PROCESS, 0))]
    assert found["folder"] == [str(tmp_path)]


async def test_limits_and_mask_are_in_force(tmp_path: Path) -> None:
    """Soft and hard, a number and no number."""
    found = await shown(tmp_path, rlimit=("nofile 200 300", "core 0 0"), umask="027")
    assert (found["nofile"][:2], found["core"][:2], found["Umask"]) == (["200", "300"], ["0", "0"], ["0027"])


async def test_its_place_in_the_queues(tmp_path: Path) -> None:
    """Nice, the disk's queue and the memory killer's order."""
    found = await shown(tmp_path, nice="5", oom_score_adj="500", ionice="3 0")
    assert (found["nice"], found["oom"]) == (["5"], ["500"])
    async with home(tmp_path) as one:
        process = await one.spawn(SLEEP, ionice="2 6")
        assert ionice_of(process.pid) == (2, 6)
        process.kill()
        await finish(process)


@NEED_ROOT
async def test_it_becomes_another_user_with_that_users_groups(tmp_path: Path) -> None:
    """Real, effective and saved; no group of root's is left; home and name are the user's own."""
    nobody = pwd.getpwnam("nobody")
    found = await shown(tmp_path, user="nobody")
    assert (found["Uid"], found["Gid"]) == (four(nobody.pw_uid), four(nobody.pw_gid))
    assert sorted(map(int, found["Groups"])) == sorted(os.getgrouplist("nobody", nobody.pw_gid))
    assert found["home"] == [nobody.pw_dir, "nobody", "nobody"]
    (tmp_path / "web.log").unlink()
    found = await shown(tmp_path, user=str(nobody.pw_uid), group="daemon", groups=("bin", "4"))
    assert (found["Uid"], found["Gid"]) == (four(nobody.pw_uid), four(1))
    assert {"1", "2", "4"} <= set(found["Groups"])
    (tmp_path / "web.log").unlink()
    found = await shown(tmp_path, user="54321", group="54321")
    assert (found["Uid"], found["Gid"], found["Groups"]) == (four(54321), four(54321), ["54321"])


@NEED_ROOT
async def test_rights_are_used_before_they_are_given_up(tmp_path: Path) -> None:
    """A log that only root may write, a higher limit, a better place: had by a user who could not ask for them."""
    (tmp_path / "web.log").touch(mode=0o600)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    found = await shown(tmp_path, user="nobody", nice="-3", rlimit=(f"nofile {hard} {hard}",))
    assert (found["nice"], found["nofile"][:2]) == (["-3"], [str(hard), str(hard)])


@NEED_ROOT
async def test_a_folder_is_entered_as_who_will_work_in_it(tmp_path: Path) -> None:
    """One that the user may not enter is refused, though root may."""
    tmp_path.chmod(0o700)
    why = await refused(tmp_path, user="nobody")
    assert why == f"the folder {tmp_path} cannot be entered: Permission denied"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"user": "no-such-user"}, "user cannot be set: there is no user 'no-such-user' (ENOENT)"),
        ({"user": "54321"}, "user cannot be set: there is no user '54321' (ENOENT)"),
        ({"user": "root", "group": "no-such"}, "user cannot be set: there is no group 'no-such' (ENOENT)"),
        ({"user": "4294967295", "group": "0"}, "user cannot be set: no such number of a user or group can be (EINVAL)"),
        ({"rlimit": ("nofile 2000000000 2000000000",)}, "rlimits cannot be set: nofile: "),
        ({"rlimit": ("wishes 3 3",)}, "rlimits cannot be set: wishes: this system has no such limit (EINVAL)"),
        ({"oom_score_adj": "5000"}, "oom_score_adj cannot be set: Invalid argument (EINVAL)"),
        ({"umask": "999"}, "umask cannot be set: "),
        ({"ionice": "7 0"}, "ionice cannot be set: Invalid argument (EINVAL)"),
    ],
)
async def test_what_cannot_be_had_is_named(options: dict[str, str | tuple[str, ...]], why: str, tmp_path: Path) -> None:
    """The step and what the system said; and no server runs without what somebody has asked for."""
    assert (await refused(tmp_path, **options)).startswith(why)


@NEED_ROOT
@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"user": ["root"]}, "only root may become another user or group, and this is user 65534"),
        (
            {"user": ["65534"], "group": ["65534"], "groups": ["4"]},
            "only root may become another user or group, and this is user 65534",
        ),
        ({"user": ["65534"], "group": ["65534"]}, ""),
    ],
)
def test_without_root_it_is_refused_in_words(wanted: Page, told: str) -> None:
    """Who we are and what we may not; our own user is no change."""
    heard, say = os.pipe()
    if not (child := os.fork()):
        words = "?"
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            launch._user(wanted, -1)
            words = ""
        except launch.Unfit as fault:
            words = fault.words
        finally:
            os.write(say, words.encode())
            os._exit(0)
    os.close(say)
    os.waitpid(child, 0)
    assert os.read(heard, 1000).decode() == told
    os.close(heard)


async def test_a_server_that_is_killed_before_it_is_one_is_told(tmp_path: Path) -> None:
    """Killed while it cannot go on (its log is a pipe that nobody reads): an end like any other."""
    os.mkfifo(tmp_path / "web.log")
    async with home(tmp_path) as one:
        task = asyncio.create_task(one.spawn(SLEEP))
        record = tmp_path / "run" / "web.run"
        await soon(lambda: record.exists() and "pid" in record.read_text(), "its record")
        assert not task.done()
        pid = int(record.read_text().split("pid ")[1].split()[0])
        other = await one.spawn(SLEEP, "other")  # one that stands still holds nobody up
        os.kill(pid, 9)
        async with asyncio.timeout(20):
            process = await task
        assert (await finish(process)).how == "killed by SIGKILL"
        other.kill()
        await finish(other)


def ionice_of(pid: int) -> tuple[int, int]:
    """Class and level, as ioprio_get(2) says."""
    import ctypes  # noqa: PLC0415  # only needed here

    number = {"x86_64": 252, "aarch64": 31, "riscv64": 31}[os.uname().machine]
    found = ctypes.CDLL(None).syscall(number, 1, pid)
    return found >> 13, found & 0x1FFF
