"""The keeper from the agent's side, on real processes: whoever of the two dies, nothing is lost and nothing is there twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rigs.keeping import SLEEP, Home, finish, home, keepers, python, soon, sweep
from rigs.programs import is_alive
from watchkeeper.control import bykeeper, keeperline
from watchkeeper.control.identity import identify
from watchkeeper.control.runfile import Entry
from watchkeeper.errors import Failed

COUNTED = """
    import os, sys, time
    with open(sys.argv[1], "a") as births:
        births.write(f"{os.getpid()}\\n")
    time.sleep(float(sys.argv[2]))
    sys.exit(int(sys.argv[3]))
"""
DAEMON = """
    import os, sys, time
    if os.fork():
        time.sleep(0.1)
        os._exit(int(sys.argv[1]))
    os.setsid()
    if os.fork():
        os._exit(0)
    print(os.getpid())
    time.sleep(1000)
"""


SLOW_DAEMON = """
    import os, sys, time
    if os.fork():
        os._exit(0)
    os.setsid()
    print(os.getpid(), flush=True)
    if os.fork():
        time.sleep(0.3)
        os._exit(0)
    print(os.getpid(), flush=True)
    time.sleep(1000)
"""


@pytest.fixture(autouse=True)
def _swept(tmp_path: Path) -> Iterator[None]:
    """What a test leaves is ended."""
    yield
    sweep(tmp_path)


def parent_of(pid: int) -> int:
    """Whose child it is."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def births(tmp_path: Path) -> list[str]:
    """Every process that `COUNTED` was."""
    path = tmp_path / "births"
    return path.read_text().split() if path.exists() else []


async def test_the_next_agent_finds_what_runs(tmp_path: Path) -> None:
    """With its identity, its command and when it was started; and sees its end."""
    async with home(tmp_path) as one:
        first = await one.spawn(SLEEP)
    assert is_alive(first.pid)
    async with home(tmp_path) as two:
        (found,) = two.found
        assert (found.server, found.command, found.ending) == ("web", SLEEP, None)
        assert found.process.identity == first.identity
        assert found.started_at > 1_700_000_000_000
        ended = asyncio.create_task(found.process.ended())
        await asyncio.sleep(0.05)
        assert not ended.done()
        os.kill(first.pid, signal.SIGKILL)
        async with asyncio.timeout(20):
            how = (await ended).how
        assert how == "killed by SIGKILL"
        two.parent.heard("web", found.order)
    async with home(tmp_path) as three:
        assert three.found == []


async def test_the_keeper_is_nobodys_child_and_its_servers_parent(tmp_path: Path) -> None:
    """In a session of its own, away from our terminal and our family; small, and gone when there is nothing left to keep."""
    async with home(tmp_path) as one:
        process = await one.spawn(SLEEP)
        (keeper,) = keepers(tmp_path)
        assert parent_of(process.pid) == keeper
        assert parent_of(keeper) != os.getpid()
        assert os.getsid(keeper) == keeper
        assert Path(f"/proc/{keeper}/comm").read_text().strip() == "wk-keeper"
        assert not [line for line in Path(f"/proc/{keeper}/environ").read_bytes().split(b"\0") if b"WATCHKEEPER" in line]
        process.kill()
        await finish(process)
    await soon(lambda: not keepers(tmp_path), "the keeper's end")
    assert not (tmp_path / "run" / "keeper.socket").exists()


async def test_it_stays_as_long_as_a_server_lives(tmp_path: Path) -> None:
    """Without an agent too; and goes with the last of them, its end written down."""
    async with home(tmp_path) as one:
        process = await one.spawn(SLEEP)
    await asyncio.sleep(0.3)
    assert len(keepers(tmp_path)) == 1
    os.kill(process.pid, signal.SIGTERM)
    await soon(lambda: not keepers(tmp_path), "the keeper's end")
    async with home(tmp_path) as two:
        (found,) = two.found
        assert found.ending is not None
        assert found.ending.how == "killed by SIGTERM"


@pytest.mark.parametrize("status", [0, 7])
async def test_an_end_while_no_agent_is_there_is_known_to_the_next(status: int, tmp_path: Path) -> None:
    """How, and when; and once it was heard it is of the past."""
    async with home(tmp_path) as one:
        await one.spawn(python(COUNTED, str(tmp_path / "births"), "0.2", str(status)))
        (keeper,) = keepers(tmp_path)
    await soon(lambda: not is_alive(keeper), "the end of both")
    for _ in range(2):
        async with home(tmp_path) as two:
            (found,) = two.found
            assert found.ending is not None
            assert (found.ending.how, found.ending.clean) == (f"exit status {status}", status == 0)
            assert found.ending.at > 1_700_000_000_000
    async with home(tmp_path) as three:
        three.parent.heard("web", three.found[0].order)
        await asyncio.sleep(0.1)
    async with home(tmp_path) as four:
        assert four.found == []


async def test_an_order_given_twice_starts_once(tmp_path: Path) -> None:
    """The same order again is answered with the same process, also by the keeper of another agent, and after its end."""
    async with home(tmp_path) as one:
        order = one.order("web", python(COUNTED, str(tmp_path / "births"), "1000", "0"))
        first = await one.parent.spawn(order)
        assert (await one.parent.spawn(order)).pid == first.pid
    async with home(tmp_path) as two:
        assert (await two.parent.spawn(order)).pid == first.pid
        await soon(lambda: births(tmp_path), "its first act")
        two.found[0].process.kill()
        await finish(two.found[0].process)
        again = await two.parent.spawn(order)
        assert (await finish(again)).how == "killed by SIGKILL"
    assert births(tmp_path) == [str(first.pid)]


async def test_a_second_copy_is_refused(tmp_path: Path) -> None:
    """Another order for a server that lives starts nothing."""
    async with home(tmp_path) as one:
        first = await one.spawn(SLEEP)
        with pytest.raises(Failed, match=f"it runs already, as process {first.pid}"):
            await one.spawn(SLEEP)
        assert is_alive(first.pid)


async def test_an_order_of_an_agent_that_dies_is_still_carried_out_once(tmp_path: Path) -> None:
    """Sent, never answered: the next agent finds the server running, or its order in the next one's hands."""
    one = Home(tmp_path, "keeper")
    await one.parent.open()
    assert isinstance(one.parent, bykeeper.ByKeeper)
    order = one.order("web", python(COUNTED, str(tmp_path / "births"), "1000", "0"))
    task = asyncio.create_task(one.parent.spawn(order))
    await asyncio.sleep(0)  # the page is on its way
    one.close()
    async with home(tmp_path) as two:
        (found,) = two.found
        assert found.order == order.order
        assert (await two.parent.spawn(order)).pid == found.process.pid
        await soon(lambda: births(tmp_path), "its first act")
    assert births(tmp_path) == [str(found.process.pid)]
    task.cancel()


async def test_a_killed_keeper_is_replaced_and_costs_nothing(tmp_path: Path) -> None:
    """The server notices nothing; the new keeper stops it as the first one would; orders go on."""
    async with home(tmp_path) as one:
        process = await one.spawn(SLEEP)
        (keeper,) = keepers(tmp_path)
        os.kill(keeper, signal.SIGKILL)
        other = await one.spawn(SLEEP, "other")
        assert keepers(tmp_path) != [keeper]
        assert is_alive(process.pid)
        assert not process.is_over  # type: ignore[attr-defined]  # of the keeper's own kind
        assert [words.split(";")[0] for words in one.replaced] == [
            "the keeper was lost",
            "a new keeper has 1 server in its care",
        ]
        process.terminate()
        ending = await finish(process)
        assert ending.how == "killed by SIGTERM"
        other.kill()
        await finish(other)


async def test_a_keeper_killed_in_the_middle_of_an_order_starts_nothing_twice(tmp_path: Path) -> None:
    """Killed right behind the order, again and again: one process each, and the order is answered."""
    async with home(tmp_path) as one:
        for number in range(8):
            await soon(lambda: keepers(tmp_path), "a keeper")
            (keeper,) = keepers(tmp_path)
            name = f"web{number}"
            births_of = tmp_path / name
            task = asyncio.create_task(one.spawn(python(COUNTED, str(births_of), "1000", "0"), name))
            await asyncio.sleep(0.0007 * number)
            os.kill(keeper, signal.SIGKILL)
            async with asyncio.timeout(20):
                process = await task
            await soon(lambda births_of=births_of: births_of.exists() and births_of.read_text(), "its first act")
            assert births_of.read_text().split() == [str(process.pid)]
            assert is_alive(process.pid)


async def test_both_killed_and_the_server_is_found_again(tmp_path: Path) -> None:
    """By the record; its status, though its parent is dead, by what the kernel keeps (Linux 6.15, or while it is a zombie)."""
    async with home(tmp_path) as one:
        process = await one.spawn(SLEEP)
        (keeper,) = keepers(tmp_path)
    os.kill(keeper, signal.SIGKILL)
    await soon(lambda: not is_alive(keeper), "the keeper's end")
    async with home(tmp_path) as two:
        (found,) = two.found
        assert found.process.identity == process.identity
        os.kill(process.pid, signal.SIGTERM)
        assert (await finish(found.process)).how in {
            "killed by SIGTERM",
            "its exit status is unknown: an earlier keeper was its parent and was killed, and the kernel tells only the parent",
        }


@pytest.mark.parametrize("whole", [False, True], ids=["the keeper alone", "both"])
async def test_one_that_has_become_another_program_without_our_mark_is_found_again(whole: bool, tmp_path: Path) -> None:
    """By exec, its environment overwritten: the keeper has seen it as its parent, and the next one knows it by that."""
    async with home(tmp_path) as one:
        process = await one.spawn(("/bin/sh", "-c", "sleep 0.3; exec env -i sleep 1000"))
        await soon(lambda: process.identity.executable.endswith("sleep"), "the exec to be seen")
        assert f"executable {process.identity.executable}\n" in (tmp_path / "run" / "web.run").read_text()
        (keeper,) = keepers(tmp_path)
        os.kill(keeper, signal.SIGKILL)
        if not whole:
            await soon(lambda: len(one.replaced) == 2, "the next keeper")
            assert one.replaced[1] == "a new keeper has 1 server in its care"
            assert not process.is_over  # type: ignore[attr-defined]  # of the keeper's own kind
            with pytest.raises(Failed, match="runs already"):
                await one.spawn(SLEEP)
    async with home(tmp_path) as two:
        (found,) = two.found
        assert (found.ending, found.process.pid) == (None, process.pid)
        found.process.terminate()
        await finish(found.process)


async def test_both_killed_and_the_record_gone_the_mark_is_left(tmp_path: Path) -> None:
    """A disk that took no record, or lost it: the server's own environment says whose it is."""
    async with home(tmp_path) as one:
        process = await one.spawn(SLEEP)
        (keeper,) = keepers(tmp_path)
    os.kill(keeper, signal.SIGKILL)
    await soon(lambda: not is_alive(keeper), "the keeper's end")
    (tmp_path / "run" / "web.run").unlink()
    async with home(tmp_path) as two:
        (found,) = two.found
        assert (found.server, found.process.pid) == ("web", process.pid)
        with pytest.raises(Failed, match="runs already"):
            await two.spawn(SLEEP)


async def test_a_stranger_with_its_pid_is_left_alone(tmp_path: Path) -> None:
    """A record that names a living process which started at another time, or is another program, is of the past."""
    async with home(tmp_path) as one:
        process = await one.spawn(SLEEP)
        (keeper,) = keepers(tmp_path)
    os.kill(keeper, signal.SIGKILL)
    os.kill(process.pid, signal.SIGKILL)
    await soon(lambda: not is_alive(process.pid), "the server's end")
    stranger = await asyncio.create_subprocess_exec("sleep", "1000", start_new_session=True)
    record = (tmp_path / "run" / "web.run").read_text()
    began = identify(stranger.pid).start_ticks  # maybe the same tick as the server's
    for wrong in (
        f"pid {stranger.pid}\nstart {began - 1}\n",
        f"pid {stranger.pid}\nstart {began}\nexecutable /bin/other\n",
    ):
        (tmp_path / "run" / "web.run").write_text(record + wrong)
        async with home(tmp_path) as two:
            (found,) = two.found
            assert found.ending is not None
            found.process.kill()
            assert isinstance(two.parent, bykeeper.ByKeeper)
            two.parent.signal(found.process, signal.SIGKILL, whole=True)  # type: ignore[arg-type]  # of the keeper's own kind
            await asyncio.sleep(0.1)
        await soon(lambda: not keepers(tmp_path), "the keeper's end")
    assert stranger.returncode is None
    assert is_alive(stranger.pid)
    stranger.kill()
    await stranger.wait()


async def test_a_server_in_the_background_is_ended_with_its_first_process(tmp_path: Path) -> None:
    """A double fork leaves nothing behind that would hold the port, and the end says what was done and what to do."""
    async with home(tmp_path) as one:
        ending = await finish(await one.spawn(python(DAEMON, "0")))
        daemon = int(one.said())
        await soon(lambda: not is_alive(daemon), "the daemon's end")
        assert ending.how.startswith("exit status 0; it had put a process into the background")
        assert "forks = true" in ending.how
        assert ending.clean


async def test_a_server_that_forks_is_followed_where_it_may(tmp_path: Path) -> None:
    """With `forks` the process that is left is the server: its end is told, and the next agent finds it."""
    async with home(tmp_path) as one:
        process = await one.spawn(python(DAEMON, "0"), forks="1")
        await soon(lambda: one.moved, "the change")
        daemon = int(one.said())
        assert process.pid == daemon == one.moved[0]
    async with home(tmp_path) as two:
        (found,) = two.found
        assert found.process.pid == daemon
        found.process.terminate()
        assert (await finish(found.process)).how == "killed by SIGTERM"
        failed = await finish(await two.spawn(python(DAEMON, "3"), "bad", forks="1"))
        assert failed.how == "exit status 3"


async def test_the_process_between_two_forks_is_not_taken_for_the_server(tmp_path: Path) -> None:
    """On a machine that is busy the first one may be gone before the second is: it is followed to the third."""
    async with home(tmp_path) as one:
        process = await one.spawn(python(SLOW_DAEMON), forks="1")
        await soon(lambda: len(one.moved) == 2, "both changes")
        middle, daemon = (int(line) for line in one.said().split())
        assert one.moved == [middle, daemon]
        assert process.pid == daemon
        assert is_alive(daemon)
        process.terminate()
        assert (await finish(process)).how == "killed by SIGTERM"


async def test_what_is_left_by_a_stop_is_no_successor(tmp_path: Path) -> None:
    """One that forks and is stopped has ended with its first process, though a child of it has not."""
    code = """
    import os, signal, time
    signal.signal(15, lambda *_: os._exit(0))
    if not os.fork():
        signal.signal(15, signal.SIG_IGN)
        os.setsid()
        print(os.getpid(), flush=True)
    time.sleep(1000)
    """
    async with home(tmp_path) as one:
        process = await one.spawn(python(code), forks="1")
        await soon(one.said, "its child")
        process.terminate()
        assert (await finish(process)).how.startswith("exit status 0")
        assert one.moved == []
        await soon(lambda: not is_alive(int(one.said())), "its child's end")


async def test_closing_its_output_is_no_end(tmp_path: Path) -> None:
    """Who has closed all its descriptors is still there, and its end is seen."""
    code = "import os, time; [os.close(n) for n in range(3)]; time.sleep(0.3); os._exit(5)"
    async with home(tmp_path) as one:
        process = await one.spawn(python(code))
        await soon(lambda: not os.listdir(f"/proc/{process.pid}/fd"), "its descriptors to be closed")
        assert (await finish(process)).how == "exit status 5"


async def test_a_keeper_that_does_not_answer_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that somebody has stopped: found out by a question, ended, and the next one takes over."""
    monkeypatch.setattr(bykeeper, "LOOK_SECONDS", 0.2)
    async with home(tmp_path) as one:
        process = await one.spawn(SLEEP)
        (keeper,) = keepers(tmp_path)
        os.kill(keeper, signal.SIGSTOP)
        await soon(lambda: len(one.replaced) == 2, "another keeper")
        assert not is_alive(keeper)
        process.kill()
        await finish(process)


async def test_a_newer_program_is_taken_on_without_losing_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent of another version: the keeper becomes that version's program in the same process, still everybody's parent."""
    async with home(tmp_path) as one:
        process = await one.spawn(SLEEP)
        short = await one.spawn(python("import time; time.sleep(0.4); raise SystemExit(9)"), "short")
        (keeper,) = keepers(tmp_path)
    monkeypatch.setattr(keeperline, "build", lambda: "another")
    async with home(tmp_path) as two:
        assert keepers(tmp_path) == [keeper]
        assert parent_of(process.pid) == keeper
        found = {one.server: one.process for one in two.found}
        assert found["web"].pid == process.pid
        assert found["short"].pid == short.pid
        assert (await finish(found["short"])).how == "exit status 9"
        found["web"].kill()
        assert (await finish(found["web"])).how == "killed by SIGKILL"
        assert b"another" in Path(f"/proc/{keeper}/cmdline").read_bytes()


async def test_a_program_that_cannot_be_executed_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade whose Python is not there: the old keeper goes on, and its servers with it."""
    monkeypatch.setattr(bykeeper, "LOOK_SECONDS", 0.3)
    async with home(tmp_path) as one:
        process = await one.spawn(SLEEP)
        (keeper,) = keepers(tmp_path)
    monkeypatch.setattr(keeperline, "build", lambda: "another")
    monkeypatch.setattr(keeperline, "command", lambda: ["/no/such/python"])
    async with home(tmp_path) as two:
        assert keepers(tmp_path) == [keeper]
        assert two.found[0].process.pid == process.pid
        two.found[0].process.kill()
        await finish(two.found[0].process)


async def test_what_an_agent_without_keeper_has_left_is_taken_over(tmp_path: Path) -> None:
    """Run files of a version that spawned by itself: its servers come into the keeper's care."""
    child = await asyncio.create_subprocess_exec("sleep", "1000", start_new_session=True)
    one = Home(tmp_path, "keeper")
    one.runfile.record("web", Entry(identify(child.pid), 1, SLEEP))
    one.close()
    async with home(tmp_path) as two:
        (found,) = two.found
        assert found.process.pid == child.pid
        assert not (tmp_path / "run" / "web.json").exists()
        found.process.terminate()
        await child.wait()
        await finish(found.process)


async def test_a_keeper_that_cannot_be_started_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own words, or where to read them; and nothing hangs."""
    one = Home(tmp_path, "keeper")
    monkeypatch.setattr(keeperline, "command", lambda: ["/no/such/python"])
    with pytest.raises(Failed, match="the keeper cannot be started: No such file"):
        await one.parent.open()
    monkeypatch.setattr(keeperline, "command", lambda: ["/bin/false"])
    with pytest.raises(Failed, match=r"the keeper cannot be started: see .*keeper\.log"):
        await one.parent.open()
    one.close()


async def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    """The address of a unix socket holds 107 bytes; a data folder may be deeper."""
    deep = tmp_path / ("a" * 100) / ("b" * 100)
    deep.mkdir(parents=True)
    async with home(deep) as one:
        await finish(await one.spawn(("true",)))
    sweep(deep)
