"""`watchkeeper up` as a new user meets it: it runs, shows, acts, comes back, and ends cleanly."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from rigs.programs import Programs, is_alive, until
from watchkeeper.watched import hand_over

Make = Callable[..., Programs]
SEEN = """
[agent]
period = "500ms"
[machine]
name = "test-machine"
[server.hello]
command = ["python3", "{hello}", "{port}"]
stress = true
[[server.hello.probe]]
kind = "http"
url = "http://127.0.0.1:{port}/healthz"
period = "500ms"
[witness]
targets = []
[[rule]]
alert = "HelloDied"
expr = "watchkeeper_server_restarts_total > 0"
severity = "warning"
annotations = { summary = "hello has died" }
"""


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    return [int(word) for path in Path(f"/proc/{pid}/task").glob("*/children") for word in path.read_text().split()]


def test_the_quick_start_runs_acts_and_ends(programs: Make) -> None:
    """Up, seen by the CLI, stopped and started by it, and gone without leftovers at SIGTERM."""
    one = programs()
    up = one.up()
    until(lambda: one.server("hello").get("health") == "up", "the server to be up")
    status = one.run("status")
    assert status.returncode == 0
    assert "hello" in status.stdout
    assert one.run("stop", "hello").returncode == 0
    assert one.run("status", "hello").returncode == 3
    assert one.run("status").returncode == 0, "what was stopped on purpose is not wrong"
    assert one.run("start", "hello").returncode == 0
    until(lambda: one.run("status", "hello").returncode == 0, "status to be well again")
    typo = one.run("restart", "helo")
    assert typo.returncode == 1
    assert "did you mean 'hello'" in typo.stderr
    logs = one.run("logs", "hello", "-n", "5")
    assert "listening on" in logs.stdout or "GET /healthz" in logs.stdout
    said = json.loads(one.run("status", "--json").stdout)
    assert said["servers"][0]["status"]["name"] == "hello"
    server = int(str(one.server("hello")["pid"]))
    below = children(up.pid)
    assert len(below) == 2
    up.send_signal(signal.SIGTERM)
    assert up.wait(30) == 0
    assert not any(is_alive(pid) for pid in (server, *below))


def test_a_killed_server_comes_back_at_once(programs: Make) -> None:
    """Kill -9: another pid, one restart counted, the reason told, the event in the journal."""
    one = programs()
    one.up()
    before = until(lambda: one.server("hello") if one.server("hello").get("health") == "up" else None, "the server to be up")
    os.kill(int(str(before["pid"])), signal.SIGKILL)
    after = until(lambda: one.server("hello") if one.server("hello").get("restarts") == 1 else None, "a restart")
    assert after["pid"] != before["pid"]
    assert after["last_exit"] == "killed by SIGKILL"
    until(lambda: "killed by SIGKILL" in one.run("events").stdout, "the event")


def test_a_killed_up_takes_hub_and_agent_along_but_no_server(programs: Make) -> None:
    """Both programs end when the one that keeps them is kill -9ed; the server goes on, and the next `up` takes it over."""
    one = programs()
    up = one.up()
    before = until(lambda: one.server("hello") if one.server("hello").get("health") == "up" else None, "the server to be up")
    below = children(up.pid)
    up.kill()
    up.wait()
    until(lambda: not any(is_alive(pid) for pid in below), "hub and agent to end")
    assert is_alive(int(str(before["pid"])))
    one.up()
    after = until(lambda: one.server("hello") if one.server("hello").get("health") == "up" else None, "the server to be up")
    assert after["pid"] == before["pid"]


def test_a_killed_agent_finds_its_servers_again(programs: Make) -> None:
    """The server's process goes on while its agent is dead, and is taken over, not started twice."""
    one = programs()
    one.hub()
    agent = one.agent()
    before = until(lambda: one.server("hello") if one.server("hello").get("health") == "up" else None, "the server to be up")
    agent.kill()
    agent.wait()
    assert is_alive(int(str(before["pid"])))
    one.agent()
    until(lambda: "was running already" in one.run("events").stdout, "the adoption")
    after = until(lambda: one.server("hello") if one.server("hello").get("health") == "up" else None, "the server to be up")
    assert after["pid"] == before["pid"]
    assert after["restarts"] == 0
    os.kill(int(str(before["pid"])), signal.SIGKILL)
    until(lambda: one.server("hello").get("restarts") == 1, "the adopted one's restart")


def test_a_planned_restart_hands_the_servers_over(programs: Make) -> None:
    """After the marker of a service restart, SIGTERM ends hub and agent and leaves the server; without it, it is stopped."""
    one = programs()
    up = one.up()
    before = until(lambda: one.server("hello") if one.server("hello").get("health") == "up" else None, "the server to be up")
    hand_over(one.data)
    up.terminate()
    up.wait()
    assert is_alive(int(str(before["pid"])))
    again = one.up()
    after = until(lambda: one.server("hello") if one.server("hello").get("health") == "up" else None, "the server to be up")
    assert after["pid"] == before["pid"]
    again.terminate()
    again.wait()
    assert not is_alive(int(str(before["pid"])))


def test_agent_and_keeper_killed_and_nothing_happens_to_the_server(programs: Make) -> None:
    """Each alone, then both: the same process throughout, `up` brings the agent back, the events say what was done."""
    one = programs()
    one.up()
    before = until(lambda: one.server("hello") if one.server("hello").get("health") == "up" else None, "the server to be up")
    run = one.data / "agent" / "run"
    os.kill(keeper_of(run), signal.SIGKILL)
    until(lambda: "in its care" in one.run("events").stdout, "another keeper")
    os.kill(keeper_of(run), signal.SIGKILL)
    os.kill(int((run / "lock").read_text().split()[0]), signal.SIGKILL)
    until(lambda: "was running already" in one.run("events").stdout, "the adoption")
    after = until(lambda: one.server("hello") if one.server("hello").get("health") == "up" else None, "the server to be up")
    assert (after["pid"], after["restarts"]) == (before["pid"], 0)
    assert one.run("stop", "hello").returncode == 0
    assert not is_alive(int(str(before["pid"])))


def keeper_of(run: Path) -> int:
    """The keeper of a run folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if f"keep\0{run}\0".encode() in path.read_bytes():
                found.append(int(path.parent.name))
    (pid,) = found
    return pid


def test_a_bad_configuration_is_refused_and_a_running_agent_keeps_the_old_one(programs: Make) -> None:
    """Exit 2 with file, line and hint at the start; at a reload a warning in the journal, and nothing else changes."""
    one = programs()
    good = one.config.read_text()
    one.write(good.replace("command", "comand"))
    up = one.up()
    assert up.wait(20) == 2
    assert re.search(
        r"watchkeeper\.toml:\d+ \(server\.hello\.comand\): unknown key 'comand'; did you mean 'command'\?", one.said()
    )
    one.write(good)
    up = one.up()
    pid = until(lambda: one.server("hello").get("pid"), "the server")
    one.write(good.replace("command", "comand"))
    up.send_signal(signal.SIGHUP)
    until(lambda: "cannot be used" in one.run("events").stdout, "the refusal in the journal")
    assert one.server("hello")["pid"] == pid
    one.write(good + '\n[server.second]\ncommand = ["sleep", "1000"]\n')
    up.send_signal(signal.SIGHUP)
    until(lambda: one.server("second").get("state") == "running", "the new server")
    assert one.server("hello")["pid"] == pid
    assert "begins again" not in one.run("events").stdout  # a server's table is none of the hub's


def test_a_port_in_use_names_its_holder_or_is_passed_over(programs: Make) -> None:
    """Asked for, a taken port is an error that says who has it."""
    one, two = programs(), programs()
    first = one.hub()
    until(lambda: one.ask("/healthz"), "the hub")
    two.hub_port = one.hub_port
    hub = two.hub()
    assert hub.wait(20) == 2
    assert f"port {one.hub_port}" in two.said()
    assert f"is taken by python (pid {first.pid})" in two.said()


def test_a_data_folder_in_use_is_refused(programs: Make) -> None:
    """Neither a second hub nor a second agent may work in one folder."""
    one = programs()
    one.hub()
    one.agent()
    until(lambda: one.server("hello").get("health") == "up", "the first pair")
    one.hub_port += 1
    assert one.hub().wait(20) == 1
    assert one.agent().wait(20) == 1
    assert one.said().count("is in use by") >= 2


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium is installed")
def test_the_page_changes_without_a_reload(programs: Make) -> None:
    """One document, never loaded again, shows a kill, its alert, an acknowledgement and a stress run; then Stop is pressed."""
    from playwright.sync_api import expect, sync_playwright  # noqa: PLC0415  # a second of import that most runs skip

    one = programs(SEEN)
    one.up()
    link = one.sign_in_link()
    before = until(lambda: one.server("hello") if one.server("hello").get("health") == "up" else None, "the server to be up")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(20_000)
        expect.set_options(timeout=20_000)
        wrong: list[str] = []
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda fault: wrong.append(str(fault)))
        page.goto(link)
        expect(page.get_by_text("All is well")).to_be_visible()
        page.evaluate("window.neverReloaded = true")
        os.kill(int(str(before["pid"])), signal.SIGKILL)
        expect(page.locator(".events").get_by_text("killed by SIGKILL").first).to_be_visible()
        incident = page.locator("[data-incident]").filter(has_text="hello has died")
        expect(incident).to_be_visible()
        identity = str(incident.get_attribute("data-incident"))
        token = (one.data / "token").read_text().strip()
        one.post(f"/api/incidents/{identity}/acknowledge", {}, token)
        expect(incident.locator(".state").first).to_have_text("Acknowledged")
        page.get_by_role("link", name="Stress lab").first.click()
        expect(page.locator("h1")).to_have_text("No stress run has been made yet.")
        run = one.post("/api/stress/runs", {"plan": "smoke", "machine": "test-machine", "server": "hello"}, token)["id"]
        row = page.locator(f'[data-run="{run}"]')
        expect(row.locator(".state")).to_have_text("Runs")
        one.post(f"/api/stress/runs/{run}/abort", {}, token)
        expect(row.locator(".state")).not_to_have_text("Runs")
        page.get_by_role("link", name="Overview").first.click()
        page.locator('tr[data-server="hello"]').get_by_role("link", name="hello").click()
        expect(page.get_by_text(str(before["pid"]), exact=True)).to_have_count(0)
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("dialog").get_by_role("button", name="Stop").click()
        expect(page.get_by_role("button", name="Start")).to_be_visible()
        assert page.evaluate("window.neverReloaded") is True
        assert wrong == []
        browser.close()


def test_figures_answer_promql(programs: Make) -> None:
    """What the agent reads is asked for by an expression from the command line, as soon as it is there."""
    one = programs()
    one.up()
    told = until(lambda: one.run("query", "node_load1 >= 0", "--json").stdout, "the hub to answer")
    assert json.loads(told)["resultType"] == "vector"
    until(
        lambda: '"node"' in one.run("query", 'count by (job) (node_load1{job="node"})', "--json").stdout, "figures to be there"
    )
    wrong = one.run("query", "sum(node_load1")
    assert wrong.returncode == 1
    assert wrong.stderr.splitlines()[1:] == ["  sum(node_load1", "     ^"]
