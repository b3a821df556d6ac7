"""The fault matrix: what is done to real servers, agents and hubs, what must come of it, and what did.

`CASES` is the table; each case runs on a `Scene` (a real `watchkeeper up` with real servers), does its fault, waits for what
must happen and says what did, with the seconds from the fault to there. The suite runs every case; `dev.py faults` runs them
and writes docs/fault-matrix.md.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import httpx

from rigs.keeping import sweep
from rigs.outliving import AgentProcess
from rigs.programs import Programs, is_alive, until

MOMENTS, PUBLISHED_MOMENTS = 12, 100
"""How often the agent is killed in a run of the matrix, and for the page."""

SERVERS = r"""
import http.server, os, signal, subprocess, sys, threading, time
role = sys.argv[1]
def forever():
    number = 0
    while True:
        number += 1
        print(role, number, flush=True)
        time.sleep(0.05)
if role == "plain":
    forever()
elif role == "web":
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
        def log_message(self, *_): pass
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Page).serve_forever()
elif role == "loop":
    time.sleep(0.05); sys.exit(7)
elif role == "once":
    time.sleep(0.3); sys.exit(0)
elif role == "crowd":
    for _ in range(30):
        subprocess.Popen([sys.executable, "-S", "-c", "import signal,time; signal.signal(15, 1); time.sleep(10000)"])
    forever()
elif role == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN); print("deaf", flush=True)
    while True: time.sleep(1000)
elif role == "mute":
    os.close(1); os.close(2)
    while True: time.sleep(1000)
elif role == "daemon":
    if os.fork(): os._exit(0)
    os.setsid()
    if os.fork(): os._exit(0)
    forever()
elif role == "flood":
    while True:
        try: os.write(1, b"x" * 4000 + b"\\n")
        except OSError: time.sleep(0.05)  # a full disk
        time.sleep(0.001)
"""


class Happened(NamedTuple):
    """What came of a fault, in a sentence, and how long it took (seconds from the fault to the last of it)."""

    text: str
    seconds: float


class Scene:
    """One `up`, or agent and hub apart, over a folder."""

    def __init__(self, folder: Path, config: str) -> None:
        script = folder / "server.py"
        script.write_text(SERVERS)
        self.folder = folder
        self.agent: subprocess.Popen[bytes] | None = None
        self.programs = Programs(folder, config.replace("{python}", sys.executable).replace("{script}", str(script)))

    def in_hand(self, name: str, since: float) -> bool:
        """Whether an agent that was started then (wall clock) has written down that it keeps the server."""
        life = self.programs.data / "agent" / "run" / f"{name}.life"
        return life.exists() and life.stat().st_mtime > since

    def ask(self, verb: str, name: str) -> threading.Thread:
        """Order something of the hub, at once and beside everything else; nobody minds how it ends."""

        def post() -> None:
            with contextlib.suppress(httpx.HTTPError):  # its agent is killed meanwhile: no answer is worth a long wait
                headers = {"Authorization": f"Bearer {(self.programs.data / 'token').read_text().strip()}"}
                url = f"{self.programs.url}/api/machines/m/servers/{name}/actions"
                httpx.post(url, json={"verb": verb}, headers=headers, timeout=1.0)

        thread = threading.Thread(target=post, name=f"{verb} {name}")
        thread.start()
        return thread

    def known_again(self, name: str, pid: int) -> bool:
        """Whether an agent is connected and says that this process is the server."""
        answer = self.programs.ask("/api/overview")
        connected = answer is not None and answer.json()["machines"][0]["connected"]
        return connected and self.status(name).get("pid") == pid

    def status(self, name: str) -> dict[str, object]:
        """A server as the hub sees it."""
        return self.programs.server(name)

    def pid(self, name: str) -> int:
        """Its process; waits until it runs, and lives."""

        def look() -> int:
            found = self.status(name)
            pid = int(str(found["pid"])) if found.get("state") == "running" else 0
            return pid if pid and is_alive(pid) else 0

        return until(look, f"{name} to run")

    def successor(self, name: str, old: int) -> int:
        """The process that came after `old`."""

        def look() -> int:
            pid = int(str(self.status(name).get("pid", 0)))
            return pid if pid != old else 0

        return until(look, f"{name}'s successor")

    def events(self, kind: str, name: str = "") -> list[str]:
        """What was told, newest first."""
        answer = self.programs.ask("/api/events?limit=500")
        found = answer.json()["events"] if answer else []
        return [one["text"] for one in found if one["kind"] == kind and (not name or one["server"] == name)]

    def told(self, kind: str, name: str = "") -> str:
        """The newest event of that kind; waits for it."""
        return until(lambda: self.events(kind, name), f"{kind} of {name}")[0]

    def lines(self, name: str) -> list[int]:
        """The numbers that a server has written into its log, over all of its files."""
        logs = self.programs.data / "agent" / "logs"
        text = "".join(
            path.read_text()
            for path in sorted(
                logs.glob(f"{name}.log*"), key=lambda path: -int(path.suffix[1:] or 0) if path.suffix != ".log" else 1
            )
        )
        return [int(found) for found in re.findall(rf"{name} (\d+)\n", text)]

    def program(self, word: str) -> int:
        """The pid of this folder's hub, agent or keeper."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if str(self.programs.data).encode() in b" ".join(words) and word.encode() in words[:9]:
                return int(path.parent.name)
        return 0

    def close(self) -> None:
        """End everything."""
        self.programs.close()


def config(*servers: str, more: str = "") -> str:
    """A configuration with these roles of `SERVERS`."""
    tables = "".join(
        f'[server.{name}]\ncommand = ["{{python}}", "-u", "{{script}}", "{name}", "{{port}}"]\n{OPTIONS.get(name, "")}'
        for name in servers
    )
    return f'[agent]\nperiod = "500ms"\n[machine]\nname = "m"\n{tables}{more}'


OPTIONS = {
    "web": (
        '[[server.web.probe]]\nkind = "http"\nurl = "http://127.0.0.1:{port}/"\nperiod = "500ms"\n'
        'timeout = "400ms"\nliveness = true\n'
        '[server.web.liveness]\nmisses = 1\nstart = "1s"\ngrace = "300ms"\n'
    ),
    "loop": '[server.loop.backoff]\nfirst = "200ms"\nmost = "1s"\n',
    "once": 'restart = "on-failure"\n',
    "stubborn": 'stop_grace = "1s"\n',
    "crowd": 'stop_grace = "1s"\n',
    "daemon": "forks = true\n",
    "flood": '[server.flood.log]\nsize = "64KiB"\nkeep = 3\n',
}


# -- faults of servers ----------------------------------------------------------------------------------


def killed(scene: Scene) -> Happened:
    """Kill -9 of a server."""
    old, began = scene.pid("plain"), time.monotonic()
    os.kill(old, signal.SIGKILL)
    new = scene.successor("plain", old)
    took = time.monotonic() - began
    assert is_alive(new)
    assert "killed by SIGKILL" in scene.told("server_exited", "plain")
    return Happened("back with another pid; the event says SIGKILL", took)


def stopped(scene: Scene) -> Happened:
    """SIGSTOP of a server whose probe counts for liveness."""
    old = scene.pid("web")
    until(lambda: scene.status("web").get("health") == "up", "its first answer")
    time.sleep(1.0)  # beyond `start`
    began = time.monotonic()
    os.kill(old, signal.SIGSTOP)
    new = scene.successor("web", old)
    took = time.monotonic() - began
    assert new != old
    until(lambda: scene.events("evidence_saved", "web"), "the evidence")
    return Happened("noticed as hung, evidence saved, ended, started again", took)


def crash_loop(scene: Scene) -> Happened:
    """A server that ends as soon as it is started."""
    began = time.monotonic()
    until(lambda: int(str(scene.status("loop").get("restarts", 0))) >= 4, "some restarts")
    until(lambda: scene.status("loop").get("next_attempt_at"), "the next attempt to be shown")
    took = time.monotonic() - began
    first = int(str(scene.status("loop")["restarts"]))
    until(lambda: int(str(scene.status("loop")["restarts"])) > first, "it to be tried again")
    return Happened("tried again with growing pauses up to its cap, for ever; status shows the next attempt", took)


def ended_well(scene: Scene) -> Happened:
    """Exit 0 under restart = "on-failure"."""
    began = time.monotonic()
    until(lambda: scene.status("once").get("state") == "exited", "its end")
    took = time.monotonic() - began
    assert scene.status("once")["last_exit"] == "exit status 0"
    return Happened("left ended, with its exit status; not a failure", took)


def crowd(scene: Scene) -> Happened:
    """A stop of a server with thirty children that ignore SIGTERM."""
    parent = scene.pid("crowd")
    task = Path(f"/proc/{parent}/task/{parent}/children")
    children = until(lambda: (found := task.read_text().split()) and len(found) >= 30 and found, "its children")
    began = time.monotonic()
    assert scene.programs.run("stop", "crowd").returncode == 0
    until(lambda: not any(is_alive(int(pid)) for pid in children), "all of them to end")
    return Happened("all thirty are gone with it, none is left behind", time.monotonic() - began)


def deaf(scene: Scene) -> Happened:
    """A stop of a server that ignores SIGTERM, while another is killed."""
    pid, other = scene.pid("stubborn"), scene.pid("plain")
    until(lambda: "deaf" in (scene.programs.data / "agent/logs/stubborn.log").read_text(), "it to be deaf")
    began = time.monotonic()
    stopping = scene.programs.start("stop", "stubborn")
    until(lambda: scene.status("stubborn").get("state") == "stopping", "the stop")
    os.kill(other, signal.SIGKILL)
    back = time.monotonic()
    scene.successor("plain", other)
    delay = time.monotonic() - back
    stopping.wait(20)
    assert not is_alive(pid)
    text = f"killed after its grace of 1 s; the other server was back after {delay:.2f} s meanwhile"
    return Happened(text, time.monotonic() - began)


def silent(scene: Scene) -> Happened:
    """A server that closes its standard output and error."""
    pid, began = scene.pid("mute"), time.monotonic()
    time.sleep(1.0)
    assert scene.status("mute")["pid"] == pid
    assert is_alive(pid)
    return Happened("nothing happens to it", time.monotonic() - began)


def daemon(scene: Scene) -> Happened:
    """A server that forks twice and leaves its session, with forks = true."""
    began = time.monotonic()
    until(lambda: scene.events("server_adopted", "daemon"), "the daemon to be found")
    took = time.monotonic() - began
    pid = scene.pid("daemon")
    os.kill(pid, signal.SIGKILL)
    scene.successor("daemon", pid)
    return Happened("the process that is left is kept; killed, it is started again", took)


# -- faults of ours ---------------------------------------------------------------------------------------


def agent_killed(scene: Scene, moments: int = MOMENTS) -> Happened:
    """The agent is killed at random moments, while servers start, stop and rotate their logs."""
    dice, longest, shown = random.Random(7), 0.0, 0.0
    agent = scene.agent
    assert agent
    untouched, chatty = scene.pid("plain"), scene.pid("flood")
    for number in range(moments):
        busy = scene.ask(("stop", "start", "restart")[number % 3], "mute")
        time.sleep(dice.uniform(0.0, 0.4))
        agent.kill()
        agent.wait()
        began, wall = time.monotonic(), time.time()
        agent = scene.programs.agent()
        until(lambda since=wall: scene.in_hand("plain", since), "the server to be in its hands")  # type: ignore[misc]  # bound now; mypy gives such a lambda no type
        longest = max(longest, time.monotonic() - began)
        busy.join()
        until(lambda: scene.known_again("plain", untouched), "the hub to show it again")
        shown = max(shown, time.monotonic() - began)
    assert is_alive(untouched)
    assert scene.pid("flood") == chatty
    numbers = scene.lines("plain")
    assert numbers == list(range(1, len(numbers) + 1)), "log lines were lost or doubled"
    copies = subprocess.run(["pgrep", "-cf", f"{scene.folder}/server.py mute"], capture_output=True, text=True, check=False)
    assert int(copies.stdout) <= 1, "a second copy was started"
    kept = f"{moments} times: no server touched, none twice, no log line lost"
    return Happened(
        f"{kept}; taken over {longest:.1f} s after its start at most, shown by the hub after {shown:.1f} s", longest
    )


def hub_killed(scene: Scene) -> Happened:
    """The hub is killed while a server dies."""
    pid, hub = scene.pid("plain"), scene.program("hub")
    began = time.monotonic()
    os.kill(hub, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    until(lambda: scene.program("hub") not in {0, hub}, "a new hub")
    scene.successor("plain", pid)
    told = scene.told("server_exited", "plain")
    assert "SIGKILL" in told
    return Happened(
        "the server was restarted meanwhile; its event is in the journal once the hub is back", time.monotonic() - began
    )


def both_killed(scene: Scene) -> Happened:
    """Agent and keeper are killed together."""
    pid, agent, keeper = scene.pid("plain"), scene.program("agent"), scene.program("keep")
    began = time.monotonic()
    for one in (agent, keeper):
        if one:
            os.kill(one, signal.SIGKILL)
    until(lambda: scene.program("agent") not in {0, agent}, "a new agent")
    until(lambda: scene.status("plain").get("pid") == pid and scene.status("plain").get("state") == "running", "the adoption")
    took = time.monotonic() - began
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)
    scene.successor("plain", pid)
    return Happened("the server runs on and is taken over; killed later, it is started again", took)


def clock_set(scene: Scene) -> Happened:
    """The wall clock is set a day forward, and then two days back."""
    agent, hands = AgentProcess(scene.folder, '[server.a]\ncommand = ["sleep", "1000"]\n'), scene.folder / "clock"
    began = time.monotonic()
    try:
        pid = agent.until_status("a", "running")[1]
        for moved in ("86400", "-86400"):
            hands.write_text(moved)
            time.sleep(0.7)
            assert agent.statuses()["a"][:3] == ["running", pid, 0]
            assert is_alive(pid)
        os.kill(pid, signal.SIGKILL)
        until(lambda: (found := agent.statuses()["a"])[0] == "running" and found[1] != pid, "its successor")
        agent.end()
    finally:
        if agent.process.poll() is None:
            agent.kill()
        sweep(scene.folder)
    took = time.monotonic() - began
    return Happened("no server is touched, no restart is delayed: pauses and deadlines are of the monotonic clock", took)


def pid_reused(scene: Scene) -> Happened:
    """While nobody is there a server dies, and a stranger gets its pid."""
    pid = scene.pid("plain")
    scene.programs.run("pause", "plain", "--for", "1s", "--reason", "x")
    programs = ("up", "hub", "agent", "keep")
    for word in programs:
        if one := scene.program(word):
            os.kill(one, signal.SIGKILL)
    until(lambda: not any(map(scene.program, programs)), "the end of all")  # a hub that still ends would answer of the past
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid), "its end")
    stranger = subprocess.Popen(["sleep", "1000"])
    try:
        # The pid of the record becomes the stranger's: what the kernel would do after 32,768 more processes.
        for path in (scene.programs.data / "agent" / "run").glob("plain.*"):
            path.write_bytes(path.read_bytes().replace(str(pid).encode(), str(stranger.pid).encode()))
        began = time.monotonic()
        scene.programs.up()
        new = until(
            lambda: (found := scene.status("plain")).get("state") == "running" and int(str(found["pid"])), "a start of its own"
        )
        took = time.monotonic() - began
        assert new != stranger.pid
        assert scene.programs.run("stop", "plain").returncode == 0
        assert stranger.poll() is None, "a stranger was signalled"
    finally:
        stranger.kill()
        stranger.wait()
    return Happened("the stranger is neither adopted nor signalled; the server is started anew", took)


def disk_full(scene: Scene) -> Happened:
    """The disk of the logs is full."""
    pid = scene.pid("flood")
    began = time.monotonic()
    logs = scene.programs.data / "agent" / "logs"
    until(lambda: os.statvfs(logs).f_bavail * os.statvfs(logs).f_frsize < 512 << 10, "a full disk", 60)
    time.sleep(3.0)
    took = time.monotonic() - began
    assert scene.status("flood").get("pid") == pid
    assert is_alive(pid)
    plain = scene.pid("plain")
    os.kill(plain, signal.SIGKILL)
    scene.successor("plain", plain)
    return Happened("servers run on; old log files are given up first; a killed server still comes back", took)


class Case(NamedTuple):
    """One row: what is done, what must come of it, on which servers, how."""

    fault: str
    expected: str
    servers: tuple[str, ...]
    run: Callable[[Scene], Happened]


CASES = (
    Case("kill -9 of a server", "started again at once, with the reason", ("plain",), killed),
    Case("SIGSTOP of a server", "noticed by its probe, evidence first, then replaced", ("web",), stopped),
    Case("a server that ends at once, again and again", "growing pauses to a cap, never given up", ("loop",), crash_loop),
    Case("exit 0", "left ended where only failures are restarted", ("once",), ended_well),
    Case("thirty children that ignore SIGTERM", "a stop ends all of them", ("crowd",), crowd),
    Case("a server that ignores SIGTERM", "killed after its grace, delaying no other", ("stubborn", "plain"), deaf),
    Case("a server that closes its output", "kept as any other", ("mute",), silent),
    Case("a server that forks twice", "the one that is left is kept", ("daemon",), daemon),
    Case("the disk of the logs full", "servers run on and are restarted", ("flood", "plain"), disk_full),
    Case(
        "the agent killed at random moments",
        "no server touched, none twice, no line lost",
        ("plain", "mute", "flood"),
        agent_killed,
    ),
    Case("the hub killed", "servers are kept meanwhile, nothing is forgotten", ("plain",), hub_killed),
    Case("agent and keeper killed together", "servers run on and are taken over", ("plain",), both_killed),
    Case("the clock set a day forward, then back", "nothing happens to servers", ("plain",), clock_set),
    Case("a server's pid given to a stranger", "the stranger is left alone", ("plain",), pid_reused),
)


def why_not(case: Case) -> str:
    """Empty where this case can be run here; else why not."""
    if sys.platform != "linux":
        return "the rig looks into /proc"
    if case.run is disk_full and os.geteuid() != 0:
        return "only root can mount a small disk"
    return ""


def play(case: Case, folder: Path) -> Happened:
    """Run one case from an empty folder to its end; raises AssertionError when it did not come as expected."""
    scene = Scene(folder, config(*case.servers))
    mounted = folder / "data" / "agent" / "logs"
    try:
        if case.run is disk_full:
            mounted.mkdir(parents=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mounted)], check=True)
        if "at random" in case.fault:
            scene.programs.hub()
            scene.agent = scene.programs.agent()
        elif case.run is not clock_set:  # which has an agent with a clock of its own
            scene.programs.up()
        return case.run(scene)
    finally:
        scene.close()
        if case.run is disk_full:
            subprocess.run(["umount", "--lazy", str(mounted)], check=False)


def play_quietly(case: Case, folder: Path) -> Happened:
    """The same, without what the programs have said: only a failure makes that worth reading."""
    story = io.StringIO()
    try:
        with redirect_stdout(story):
            return play(case, folder)
    except (AssertionError, TimeoutError):
        sys.stdout.write(story.getvalue())
        raise


def main(pattern: str = "") -> int:
    """Run every case, or those that `pattern` finds, and write the page; exit 1 when one did not come as expected."""
    page = Path(__file__).resolve().parent.parent.parent / "docs" / "fault-matrix.md"
    rows, failed = [], 0
    for case in CASES:
        if not re.search(pattern, case.fault):
            rows += [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {case.fault} |")]
            continue
        if why := why_not(case):
            rows.append(f"| {case.fault} | {case.expected} | not run: {why} | |")
            continue
        with tempfile.TemporaryDirectory(prefix="fault-") as folder:
            if case.run is agent_killed:
                case = case._replace(run=lambda scene: agent_killed(scene, PUBLISHED_MOMENTS))  # noqa: PLW2901  # more of it
            try:
                text, seconds = play_quietly(case, Path(folder))
                rows.append(f"| {case.fault} | {case.expected} | {text} | {seconds:.2f} |")
            except AssertionError as fault:
                failed += 1
                why = str(fault).partition("\n")[0] or traceback.extract_tb(fault.__traceback__)[-1].line
                rows.append(f"| {case.fault} | {case.expected} | **not so**: {why} | |")
        sys.stdout.write(rows[-1] + "\n")
        sys.stdout.flush()
    page.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    return 1 if failed else 0


HEAD = """\
<!-- Made by `python3 dev.py faults`, which runs every row; do not edit. -->

# Fault matrix

What is done to real servers and to Watchkeeper's own programs, what must come of it, and what did, measured by the command
that made this page on two shared cores. Seconds are from the fault to the end of what the row tells, with half a second of
the rig's own looking in it.

| fault | expected | happened | seconds |
|---|---|---|---|
"""


if __name__ == "__main__":
    raise SystemExit(main())
