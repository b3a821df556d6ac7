"""The agent is killed, at any moment, and with it the keeper: servers run on, untouched and once, and all is known later."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rigs.keeping import keepers, sweep
from rigs.outliving import VICTIM, AgentProcess
from rigs.programs import is_alive, until

SLEEPER = '[server.a]\ncommand = ["sleep", "1000"]\n'
Start = Callable[[str], AgentProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start an agent with this configuration; all are killed at the end, and what they have left."""
    started: list[AgentProcess] = []

    def begin(config: str) -> AgentProcess:
        started.append(AgentProcess(tmp_path, config))
        return started[-1]

    yield begin
    for one in started:
        one.kill()
    sweep(tmp_path)


def test_a_server_that_dies_while_no_agent_is_there_is_started_again(start: Start, tmp_path: Path) -> None:
    """How and when it ended is told by the next agent, counted, and acted upon by the policy."""
    config = '[server.a]\ncommand = ["sh", "-c", "sleep 1000; echo the disk is full; exit 4"]\n'
    one = start(config)
    pid = one.until_status("a", "running")[1]
    one.kill()
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        os.kill(int(child), signal.SIGTERM)
    until(lambda: not is_alive(pid), "its end")
    two = start(config)
    state, fresh, restarts, last = two.until_status("a", "running")
    assert fresh != pid
    assert restarts == 1
    assert last.startswith("exit status 4 (at 20")
    assert last.endswith("UTC, while no agent was there)")
    assert two.events("a") == ["server_exited", "server_started"]
    assert "saying “the disk is full”" in next(said["text"] for said in two.said if said.get("event") == "server_exited")
    assert state == "running"


def test_what_was_stopped_stays_stopped_until_the_agent_ends_in_good_order(start: Start) -> None:
    """A killed agent changes nothing of what an operator wanted; an `up` after an orderly end begins anew."""
    one = start(SLEEPER)
    one.until_status("a", "running")
    assert one.order("stop", "a")["ok"]
    one.kill()
    two = start(SLEEPER)
    two.until_status("a", "stopped")
    time.sleep(0.2)
    assert two.statuses()["a"][0] == "stopped"
    assert two.events("a") == []
    two.end()
    three = start(SLEEPER)
    three.until_status("a", "running")


def test_a_pause_between_starts_goes_on_and_counts_go_on(start: Start) -> None:
    """Killed while a server backs off: the next agent waits out the same pause, with the same count."""
    config = '[server.a]\ncommand = ["false"]\n[server.a.backoff]\nfirst = "1h"\nmost = "1h"\n'
    one = start(config)
    before = one.until_status("a", "backoff")
    one.kill()
    two = start(config)
    two.until_status("a", "backoff")
    assert two.statuses()["a"] == before
    assert before[2] >= 2
    assert two.events("a") == []


def test_a_stop_that_was_under_way_is_finished(start: Start) -> None:
    """Killed within the grace: asked again, killed when the first grace is over, and not started again."""
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(1000)"
    config = f'[server.a]\ncommand = ["{sys.executable}", "-c", "{code}"]\nstop_grace = "1s"\n'
    one = start(config)
    pid = one.until_status("a", "running")[1]
    time.sleep(0.3)
    one.say("stop a")
    one.until_status("a", "stopping")
    one.kill()
    assert is_alive(pid)
    two = start(config)
    assert two.until_status("a", "stopped")[3] == "killed by SIGKILL"
    assert not is_alive(pid)


def test_a_job_that_is_done_is_not_done_again(start: Start, tmp_path: Path) -> None:
    """`restart = never`: it has ended by itself, and no death of an agent starts it again."""
    config = f'[server.a]\ncommand = ["sh", "-c", "echo x >> {tmp_path}/runs"]\nrestart = "never"\n'
    one = start(config)
    one.until_status("a", "exited")
    one.kill()
    two = start(config)
    two.until_status("a", "exited")
    time.sleep(0.2)
    assert two.statuses()["a"][0] == "exited"
    assert (tmp_path / "runs").read_text() == "x\n"


def test_changed_settings_are_told_at_the_adoption(start: Start) -> None:
    """It runs with what it was started with, and the event says so."""
    one = start(SLEEPER)
    pid = one.until_status("a", "running")[1]
    one.kill()
    two = start(SLEEPER + 'environment = { COLOUR = "blue" }\n')
    assert two.until_status("a", "running")[1] == pid
    told = [said["text"] for said in two.said if said.get("event") == "server_adopted"]
    assert told == [f"a was running already (pid {pid}) and is kept; it runs with older settings until it is restarted"]
    two.kill()
    three = start(SLEEPER)
    three.until_status("a", "running")
    told = [said["text"] for said in three.said if said.get("event") == "server_adopted"]
    assert told == [f"a was running already (pid {pid}) and is kept"]


def test_a_killed_keeper_is_told_and_replaced(start: Start, tmp_path: Path) -> None:
    """Two events, no server touched, and its status is known still where the kernel tells."""
    one = start(SLEEPER)
    pid = one.until_status("a", "running")[1]
    (keeper,) = keepers(tmp_path)
    os.kill(keeper, signal.SIGKILL)
    until(lambda: {"keeper_lost", "keeper_replaced"} <= {said.get("event") for said in one.said}, "both events")
    assert one.statuses()["a"][:2] == ["running", pid]
    assert one.order("restart", "a")["ok"]
    assert one.statuses()["a"][1] not in {0, pid}


def test_a_limit_that_is_not_in_force_is_told_once(start: Start) -> None:
    """A warning for the operator, not one at each restart; where it is in force there is none."""
    one = start('[server.a]\ncommand = ["sleep", "1000"]\ncgroup = { pids_max = 50 }\n')
    pid = one.until_status("a", "running")[1]
    os.kill(pid, signal.SIGKILL)
    until(lambda: one.statuses()["a"][2] == 1, "the restart")
    one.until_status("a", "running")
    time.sleep(0.1)
    in_force = "watchkeeper-a" in Path(f"/proc/{one.statuses()['a'][1]}/cgroup").read_text()
    assert one.events("a").count("server_warned") == (0 if in_force else 1)


FLEET = """
[server.steady]
command = [{python}, "-c", {victim}, "steady", "still"]
folder = "{folder}"
[server.stopped]
command = [{python}, "-c", {victim}, "stopped", "still"]
folder = "{folder}"
[server.crashing]
command = [{python}, "-I", "-S", "-c", {victim}, "crashing", "crashing"]
folder = "{folder}"
backoff = {{ first = "100ms", most = "100ms", stable = "100ms" }}
[server.restarted]
command = [{python}, "-I", "-S", "-c", {victim}, "restarted", "still"]
folder = "{folder}"
[server.chatty]
command = [{python}, "-I", "-S", "-c", {victim}, "chatty", "chatty"]
folder = "{folder}"
log = {{ size = "64KiB", keep = 100 }}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kills", "keeper_too"),
    [
        pytest.param(5, False, id="5 kills of the agent"),
        pytest.param(3, True, id="3 kills of both"),
        pytest.param(100, False, id="100 kills of the agent", marks=[pytest.mark.long, pytest.mark.timeout(600)]),
        pytest.param(60, True, id="60 kills of both", marks=[pytest.mark.long, pytest.mark.timeout(600)]),
    ],
)
def test_killed_at_random_moments(
    kills: int, keeper_too: bool, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During starts, stops, crashes and rotations: no server is touched or there twice, no line is lost, orders still hold.

    With the keeper killed too, before or after, the same is true.
    """
    chance = random.Random(os.environ.get("WATCHKEEPER_TEST_SEED", "5"))
    words = {"python": f'"{sys.executable}"', "victim": f"'''{VICTIM}'''", "folder": tmp_path}
    config = FLEET.format(**words)
    one = start(config)
    steady = one.until_status("steady", "running")[1]
    chatty = one.until_status("chatty", "running")[1]
    one.until_status("stopped", "running")
    assert one.order("stop", "stopped")["ok"]
    for number in range(kills):
        time.sleep(chance.uniform(0, 0.25))
        one.say("restart restarted")
        time.sleep(chance.uniform(0, 0.08))
        if keeper_too and chance.random() < 0.5:
            kill_keeper(tmp_path)
        one.kill()
        if keeper_too:
            kill_keeper(tmp_path)
        assert is_alive(steady), f"after kill {number}"
        one = start(config)
        if chance.random() < 0.6:  # else it is killed while it comes up
            until(lambda one=one: "server_adopted" in one.events("steady"), "the adoption")
    now = {name: one.until_status(name, "running") for name in ("steady", "chatty", "restarted")}
    assert (now["steady"][1], now["chatty"][1]) == (steady, chatty)
    assert one.statuses()["stopped"][0] == "stopped"
    assert not (tmp_path / "second-copies").exists(), (tmp_path / "second-copies").read_text()
    assert (tmp_path / "steady.births").read_text().split() == [str(steady)]
    assert one.statuses()["crashing"][2] > 0
    os.kill(chatty, signal.SIGSTOP)
    check_lines(tmp_path / "logs" / "chatty.log")
    os.kill(chatty, signal.SIGCONT)
    one.end()
    until(lambda: not keepers(tmp_path), "the keeper's end")
    assert not any(is_alive(int(pid)) for path in tmp_path.glob("*.births") for pid in path.read_text().split())


def kill_keeper(tmp_path: Path) -> None:
    """Kill -9 of whatever keeper there is."""
    for pid in keepers(tmp_path):
        os.kill(pid, signal.SIGKILL)


def check_lines(log: Path) -> None:
    """Every line once and in order, over all rotated files; where the file system cannot cut, few are lost at a cut."""
    paths = sorted(log.parent.glob(f"{log.name}.*[0-9]"), key=lambda path: -int(path.suffix[1:]))
    numbers = [int(line.split()[0]) for line in b"".join(path.read_bytes() for path in (*paths, log)).splitlines() if line]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 100
