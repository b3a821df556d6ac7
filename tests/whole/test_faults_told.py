"""Real faults, real programs, a real receiver: each is told by its own stock rule, and its end too; blips page nobody.

Killed, hung and HTTP 500 in short stand in `test_alerting`; here the rest, and all of it with the stock rules' own times.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rigs.hooks import Told
from rigs.programs import Programs, until
from rigs.spoiled import CAN_MOUNT, IS_ROOT, WHY, Cable, Volume, apart, https, image, mounted

HEAD = '[agent]\nperiod = "1s"\n[machine]\nname = "box"\n[witness]\ntargets = []\n'
QUICKLY = '[route]\ngroup_wait = "0s"\ngroup_interval = "1s"\n'
SHOP = """
[server.shop]
command = ["python3", "{hello}", "{port}"]
[[server.shop.probe]]
kind = "http"
url = "http://127.0.0.1:{port}/healthz"
period = "500ms"
timeout = "500ms"
"""


@pytest.fixture
def told() -> Iterator[Told]:
    """A real receiver."""
    with Told() as receiver:
        yield receiver


def tuned(rule: str, **changes: str) -> str:
    """A stock rule with another time."""
    return f'[[tune]]\nrule = "{rule}"\n' + "".join(f"{name} = {value}\n" for name, value in changes.items())


def ready(one: Programs) -> None:
    """Wait until the hub answers."""
    until(lambda: (answer := one.ask("/readyz")) is not None and answer.status_code == 200, "the hub", 120)


def heard(one: Programs) -> None:
    """Wait until its machine was heard."""
    until(lambda: (answer := one.ask("/api/overview")) is not None and answer.json()["machines"], "the machine", 120)


def test_a_certificate_about_to_end_is_told(programs: Callable[..., Programs], told: Told, tmp_path: Path) -> None:
    """Two days before, as critical, with the days that are left; also of one that this system does not trust."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    with https(tmp_path) as port:
        probe = f'[probe.shop]\nkind = "http"\nurl = "https://127.0.0.1:{port}/"\nperiod = "1s"\n'
        one = programs(HEAD + QUICKLY + told.channel + probe)
        one.up()
        until(lambda: told.messages, "the message", 120)
        (_, status, titles) = told.messages[0]
        assert status == "firing"
        assert "ends in 2.0 days" in titles[0] or "ends in 1.9 days" in titles[0]
        assert told.bodies[0]["commonLabels"]["alertname"] == "CertExpiring"
        assert told.bodies[0]["commonLabels"]["severity"] == "critical"


def test_a_link_cut_and_mended_is_told_once_each(programs: Callable[..., Programs], told: Told, tmp_path: Path) -> None:
    """The machine falls silent; when the link is back its figures of meanwhile are history, and that it is over is told."""
    one = programs(HEAD + QUICKLY + told.channel + tuned("HostSilent", set="{ seconds = 4 }"))
    one.hub()
    ready(one)
    cable = Cable(one.hub_port)
    try:
        hub = f'hub = "http://127.0.0.1:{cable.port}"\ntoken = {{ file = "{one.data}/link-token" }}\n'
        one.write(one.config.read_text().replace('period = "1s"\n', f'period = "1s"\n{hub}'))
        one.start("agent", data=tmp_path / "agent-data")
        heard(one)
        cable.cut()
        until(lambda: told.count("firing", "box is silent"), "the message", 60)
        cable.mend()
        until(lambda: told.count("resolved", "box is silent"), "the message of its end", 120)
        assert told.count("firing", "box is silent") == 1
    finally:
        cable.close()


@pytest.mark.skipif(not CAN_MOUNT, reason=WHY)
def test_a_volume_that_fills_is_told(programs: Callable[..., Programs], told: Told, tmp_path: Path) -> None:
    """A small one, mounted for the agent alone: critical within the collector's second, and over when there is room."""
    point = tmp_path / "volume"
    point.mkdir()
    only = f'[collect.filesystem]\nexclude_mounts = "^(?!{point}$)"\n'
    one = programs(HEAD + QUICKLY + told.channel + only + tuned("DiskCritical", **{"for": '"0s"'}))
    one.hub()
    ready(one)
    agent = one.start("agent", through=apart(image(tmp_path), point))
    heard(one)
    seen = Path(f"/proc/{agent.pid}/root{point}")
    until(lambda: os.path.ismount(seen) or (seen / "lost+found").exists(), "the mount", 60)
    until(lambda: f'mountpoint="{point}"' in one.ask("/metrics").text, "its figures", 60)  # type: ignore[union-attr]  # the hub is there
    Volume(seen).fill(0.99)
    until(lambda: told.count("firing", f"{point} on box is full"), "the message", 60)
    Volume(seen).empty()
    until(lambda: told.count("resolved", f"{point} on box is full"), "the message of its end", 60)


@pytest.mark.skipif(not IS_ROOT, reason=WHY)
@pytest.mark.parametrize("full", [False, pytest.param(True, marks=[pytest.mark.long, pytest.mark.timeout(1200)])])
def test_the_hub_tells_that_its_own_disk_fills(programs: Callable[..., Programs], told: Told, full: bool) -> None:
    """While there is room to write it down. When the disk is full it lives on; once there is room its end is told, once."""
    storage = tuned("HubStorage", **{"for": '"0s"'})
    one = programs(HEAD + QUICKLY + told.channel + storage)
    with mounted(one.data, "64m") as volume:
        hub = one.hub()
        ready(one)
        volume.fill(0.93)
        until(lambda: told.count("firing", "the hub's disk is nearly full"), "the message", 60)
        if full:
            volume.fill(1.0)
            time.sleep(20)
            assert hub.poll() is None
        volume.empty()
        until(lambda: told.count("resolved", "the hub's disk is nearly full"), "the message of its end", 900)
        assert told.count("firing", "the hub's disk is nearly full") == 1
        one.close()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_an_agent_that_is_killed_is_told_by_the_stock_rule(programs: Callable[..., Programs], told: Told) -> None:
    """After a minute and a half of silence, with nothing tuned; its server goes on, and is not told as down."""
    one = programs(HEAD + QUICKLY + told.channel + SHOP)
    one.hub()
    agent = one.agent()
    until(lambda: one.server("shop").get("health") == "up", "the server", 120)
    at = time.time()
    agent.kill()
    agent.wait()
    until(lambda: told.count("firing", "box is silent"), "the message", 200)
    assert told.messages[0][0] - at > 85
    one.agent()
    until(lambda: told.count("resolved", "box is silent"), "the message of its end", 200)
    assert {title for _, _, titles in told.messages for title in titles} == {"box is silent"}


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", ["SIGKILL", "SIGSTOP"])
def test_stock_rules_tell_what_lasts(programs: Callable[..., Programs], told: Told, fault: str) -> None:
    """Thirty seconds of being down or hung, with nothing tuned, is one message with its own rule, and one of its end."""
    one = programs(HEAD + QUICKLY + told.channel + SHOP.replace("[[server", 'restart = "never"\n[[server', 1))
    one.up()
    until(lambda: one.server("shop").get("health") == "up", "the server", 120)
    time.sleep(3)
    pid = int(str(one.server("shop")["pid"]))
    at = time.time()
    os.kill(pid, getattr(signal, fault))
    title = "shop on box is down" if fault == "SIGKILL" else "shop on box hangs"
    until(lambda: told.count("firing", title), "the message", 120)
    assert told.messages[0][0] - at > 29
    if fault == "SIGKILL":
        assert one.run("start", "shop").returncode == 0
    else:
        os.kill(pid, signal.SIGCONT)
    until(lambda: told.count("resolved", title), "the message of its end", 60)
    assert len(told.messages) == 2


@pytest.mark.long
@pytest.mark.timeout(900)
def test_twenty_blips_of_two_seconds_page_nobody(programs: Callable[..., Programs], told: Told) -> None:
    """Held for two seconds, ten seconds apart, twenty times, with the stock rules: no page; that it flaps may be told once."""
    one = programs(HEAD + QUICKLY + told.channel + SHOP)
    one.up()
    until(lambda: one.server("shop").get("health") == "up", "the server", 120)
    for _ in range(20):
        os.kill(int(str(one.server("shop")["pid"])), signal.SIGSTOP)
        time.sleep(2)
        os.kill(int(str(one.server("shop")["pid"])), signal.SIGCONT)
        time.sleep(8)
    assert {title for _, _, titles in told.messages for title in titles} <= {"shop on box goes up and down"}
    assert len(told.messages) <= 1
