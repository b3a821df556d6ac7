"""Real faults, real programs, a real receiver: each is told by its own stock rule, and its end too; blips page nobody.

Killed, hung and HTTP 500 in short stand in `test_alerting`; here the rest, and all of it with the stock rules' own times.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rigs.hooks import Told
from rigs.programs import Programs, until
from rigs.spoiled import CAN_MOUNT, IS_ROOT, WHY, Cable, Volume, apart, https, image, mounted

HEAD = '[agent]\nperiod = "1s"\n[machine]\nname = "box"\n[witness]\ntargets = []\n'
APART = 'group_by = ["machine", "alertname"]\n'
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


class Night:
    """One hub on a volume of its own, and who is told; agents of other machines come in by `agent`."""

    def __init__(self, folder: Path, told: Told, more: str) -> None:
        self.folder = folder
        self.told = told
        self.programs = Programs(folder, HEAD + QUICKLY + APART + told.channel + more)

    def agent(self, name: str, more: str = "", port: int = 0, through: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        """One of another machine, on a data folder of its own; through another port or another program."""
        token = self.programs.data / "link-token"
        until(token.exists, "the token of agents")
        config = self.folder / f"{name}.toml"
        hub = f'hub = "http://127.0.0.1:{port or self.programs.hub_port}"\ntoken = {{ file = "{token}" }}\n'
        text = HEAD.replace('period = "1s"\n', f'period = "1s"\n{hub}').replace('"box"', f'"{name}"')
        config.write_text(text + more)
        return self.programs.start("agent", config=config, data=self.folder / f"data-{name}", through=through)

    def heard(self, name: str) -> None:
        """Wait until a machine was heard."""
        until(lambda: f'machine="{name}"' in self.figures("node_boot_time_seconds"), f"figures of {name}", 120)

    def figures(self, name: str) -> str:
        """The newest of one metric, as `/metrics` has them; empty while there are none."""
        answer = self.programs.ask("/metrics")
        lines = answer.text.splitlines() if answer is not None and answer.status_code == 200 else []
        return "\n".join(line for line in lines if line.startswith(name))

    def tells(self, status: str, title: str) -> None:
        """Wait until that was told."""
        until(lambda: self.told.count(status, title), f"the message that {title}: {status}", 120)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """One for all short tests of this room, each with a machine of its own: starting programs is what costs here."""
    folder = tmp_path_factory.mktemp("night")
    with ExitStack() as stack:
        told = stack.enter_context(Told())
        more = tuned("HostSilent", set="{ seconds = 15 }", where='{ machine = "far" }')
        more += tuned("DiskCritical", **{"for": '"0s"'}) + tuned("HubStorage", **{"for": '"0s"'})
        one = Night(folder, told, more)
        if IS_ROOT:
            stack.enter_context(mounted(one.programs.data, "64m"))
        stack.callback(one.programs.close)
        one.programs.hub()
        one.programs.ready()
        yield one


def test_a_certificate_about_to_end_is_told(night: Night, tmp_path: Path) -> None:
    """Two days before, as critical, with the days that are left; also of one that this system does not trust."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    with https(tmp_path) as port:
        night.agent("shop", f'[probe.shop]\nkind = "http"\nurl = "https://127.0.0.1:{port}/"\nperiod = "1s"\n')
        (told,) = until(
            lambda: [one for one in night.told.bodies if one["commonLabels"].get("alertname") == "CertExpiring"],
            "the message",
            120,
        )
        assert told["status"] == "firing"
        title = told["alerts"][0]["annotations"]["summary"]
        assert "ends in 2.0 days" in title or "ends in 1.9 days" in title
        assert told["commonLabels"]["severity"] == "critical"


def test_a_link_cut_and_mended_is_told_once_each(night: Night) -> None:
    """The machine falls silent; when the link is back its figures of meanwhile are history, and that it is over is told."""
    cable = Cable(night.programs.hub_port)
    try:
        night.agent("far", port=cable.port)
        night.heard("far")
        cable.cut()
        night.tells("firing", "far is silent")
        cable.mend()
        night.tells("resolved", "far is silent")
        assert night.told.count("firing", "far is silent") == 1
    finally:
        cable.close()


@pytest.mark.skipif(not CAN_MOUNT, reason=WHY)
def test_a_volume_that_fills_is_told(night: Night, tmp_path: Path) -> None:
    """A small one, mounted for the agent alone: critical within the collector's second, and over when there is room."""
    point = tmp_path / "volume"
    point.mkdir()
    only = f'[collect.filesystem]\nexclude_mounts = "^(?!{point}$)"\n'
    agent = night.agent("full", only, through=apart(image(tmp_path), point))
    seen = Path(f"/proc/{agent.pid}/root{point}")
    until(lambda: os.path.ismount(seen) or (seen / "lost+found").exists(), "the mount", 60)
    until(lambda: f'mountpoint="{point}"' in night.figures("node_filesystem_avail_bytes"), "its figures", 120)
    Volume(seen).fill(0.99)
    night.tells("firing", f"{point} on full is full")
    Volume(seen).empty()
    night.tells("resolved", f"{point} on full is full")


@pytest.mark.skipif(not IS_ROOT, reason=WHY)
def test_the_hub_tells_that_its_own_disk_fills(night: Night) -> None:
    """While there is room to write it down; and that there is room again."""
    volume = Volume(night.programs.data)
    volume.fill(0.93)
    night.tells("firing", "the hub's disk is nearly full")
    volume.empty()
    night.tells("resolved", "the hub's disk is nearly full")
    assert night.told.count("firing", "the hub's disk is nearly full") == 1


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not IS_ROOT, reason=WHY)
def test_a_hub_whose_disk_is_full_lives_on(programs: Callable[..., Programs], told: Told) -> None:
    """It has told that it fills; when there is no byte left it goes on, and once there is room its end is told, once."""
    one = programs(HEAD + QUICKLY + told.channel + tuned("HubStorage", **{"for": '"0s"'}))
    with mounted(one.data, "64m") as volume:
        hub = one.hub()
        one.ready()
        volume.fill(0.93)
        until(lambda: told.count("firing", "the hub's disk is nearly full"), "the message", 60)
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
