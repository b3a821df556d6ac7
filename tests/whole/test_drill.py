"""Drills with the real programs: a fault is done, followed to a real receiver, undone; whatever dies in the middle."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rigs.hooks import Told
from rigs.programs import Programs, is_alive, until

AT_ONCE = "".join(f'[[tune]]\nrule = "{rule}"\nfor = "0s"\n' for rule in ("ServerDown", "ServerHung", "DiskCritical"))
CONFIG = '[agent]\nperiod = "1s"\n[machine]\nname = "box"\n[witness]\ntargets = []\n' + AT_ONCE
WAY = ["fault", "detected", "firing", "claimed", "handed-over", "delivered", "reverted", "resolved", "told"]


@pytest.fixture
def told() -> Iterator[Told]:
    """A real receiver."""
    with Told() as receiver:
        yield receiver


def carriers(folder: Path) -> list[int]:
    """The living processes that a drill of this data folder has started."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder / "drill").encode() in (place / "cmdline").read_bytes() and is_alive(int(place.name)):
                found.append(int(place.name))
        except OSError:
            continue
    return found


def drilled(one: Programs, *words: str) -> tuple[int, dict[str, Any]]:
    """Do a drill by the command; its exit code, and the drill."""
    one.ready()
    done = one.run("drill", "run", *words, "--json", seconds=400)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)["drill"]


class House:
    """A hub, and who is told."""

    def __init__(self, folder: Path, told: Told) -> None:
        self.told = told
        self.programs = Programs(folder, CONFIG + told.channel)
        self.hub = self.programs.hub()

    def bodies(self, drill: dict[str, Any]) -> list[dict[str, Any]]:
        """What was told of a drill."""
        return [one for one in self.told.bodies if one["commonLabels"].get("machine") == drill["machine"]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One for the short tests of this room, in whatever order."""
    with Told() as told:
        one = House(tmp_path_factory.mktemp("house"), told)
        yield one
        one.programs.close()


def test_a_canary_killed_is_followed_all_the_way(house: House) -> None:
    """Every leg in its order, the message marked, the certificate there, nothing left running and nothing shown."""
    one = house.programs
    code, drill = drilled(one)
    assert (code, drill["state"], drill["why"]) == (0, "passed", "")
    assert drill["rule"].startswith("ServerDown")
    assert [leg["name"] for leg in drill["legs"]] == WAY
    instants = [leg["at"] for leg in drill["legs"] if leg["name"] not in {"reverted", "resolved"}]
    assert instants == sorted(instants)
    (firing, resolved) = house.bodies(drill)
    assert firing["commonAnnotations"]["title"].startswith("[DRILL] CRITICAL: canary on")
    assert resolved["commonAnnotations"]["title"].startswith("[DRILL] RESOLVED: canary on")
    assert firing["commonLabels"]["drill"] == "true"
    for ending in ("json", "html"):
        assert (one.data / "drills" / f"{drill['id']}.{ending}").stat().st_size > 1000
    assert carriers(one.data) == []
    assert not (one.data / "drill").exists()
    assert one.ask("/api/overview").json()["machines"] == []  # type: ignore[union-attr]  # the hub is there
    figures = one.ask("/metrics").text  # type: ignore[union-attr]  # as above
    assert 'watchkeeper_drill_leg_seconds{leg="delivered",scenario="killed"}' in figures
    assert 'watchkeeper_drills{state="passed"} 1' in figures
    assert "passed" in one.run("drill", "list").stdout
    assert "delivered (ops)" in one.run("drill", "show", drill["id"]).stdout


def test_a_hub_killed_in_the_middle_leaves_nothing_behind(house: House) -> None:
    """The guardian undoes all of it within seconds; the next hub writes it down as interrupted and its alert ends."""
    one = house.programs
    one.ready()
    token = (one.data / "token").read_text().strip()
    ask = {"scenario": "hung", "acknowledge_seconds": 600}
    drill = one.post("/api/drills", ask, token)["drill"]
    identity = drill["id"]
    until(lambda: house.bodies(drill), "the message", 120)
    assert carriers(one.data)
    os.kill(house.hub.pid, signal.SIGKILL)
    house.hub.wait()
    until(lambda: not carriers(one.data) and not (one.data / "drill").exists(), "all of it to be undone", 60)
    house.hub = one.hub()
    until(lambda: (found := one.ask(f"/api/drills/{identity}")) is not None and found.status_code == 200, "the hub again", 120)
    until(lambda: one.ask(f"/api/drills/{identity}").json()["drill"]["state"] == "interrupted", "its end")  # type: ignore[union-attr]  # it is there
    until(lambda: any(body["status"] == "resolved" for body in house.bodies(drill)), "the end of its alert", 60)
    assert "interrupted" in (one.data / "drills" / f"{identity}.html").read_text()


def test_what_must_not_be_is_said_before_anything_is_done(house: House) -> None:
    """With an unknown channel or scenario: exit 1 and why."""
    one = house.programs
    one.ready()
    refused = one.run("drill", "run", "--channel", "pager")
    assert refused.returncode == 1
    assert "there is no channel 'pager'" in refused.stderr
    assert "did you mean 'killed'" in one.run("drill", "run", "kiled").stderr
    assert not (one.data / "drill").exists()


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("scenario", "rule"), [("hung", "ServerHung"), ("closed", "ServerHung"), ("silent", "HostSilent")])
def test_every_other_scenario_passes(programs: Callable[..., Programs], told: Told, scenario: str, rule: str) -> None:
    """Held, not reached, silent: each with its own rule, to the receiver and back."""
    one = programs(CONFIG + told.channel)
    one.hub()
    code, drill = drilled(one, scenario)
    assert (code, drill["why"]) == (0, "")
    assert drill["rule"].startswith(rule)
    assert carriers(one.data) == []


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mkfs.ext4") is None,
    reason="only root on Linux makes one",
)
def test_a_scratch_volume_fills_and_is_gone(programs: Callable[..., Programs], told: Told) -> None:
    """Mounted for the drill's agent alone, filled, told, and nothing of it is left; this machine never saw the mount."""
    one = programs(CONFIG + told.channel)
    one.hub()
    code, drill = drilled(one, "disk")
    assert (code, drill["why"]) == (0, "")
    assert drill["rule"].startswith("DiskCritical")
    assert str(one.data) not in Path("/proc/self/mountinfo").read_text()
    assert carriers(one.data) == []


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_real_server_is_held_only_with_its_consent(programs: Callable[..., Programs], told: Told) -> None:
    """Refused without --yes-really, and without its table's word; with both it is held, told, and let go."""
    server = '[server.{name}]\ncommand = ["python3", "{hello}", "{port}"]\n{more}\n'
    probe = '[[server.shop.probe]]\nkind = "http"\nurl = "http://127.0.0.1:{port}/healthz"\nperiod = "500ms"\n'
    shop = server.replace("{name}", "shop").replace("{more}", "drill = true") + probe
    other = '[server.other]\ncommand = ["sleep", "1000"]\n'
    one = programs(CONFIG + told.channel + shop + other)
    one.up()
    until(lambda: one.server("shop").get("health") == "up", "the server", 120)
    pid = one.server("shop")["pid"]
    words = ("drill", "run", "server", "--machine", "box", "--server")
    assert "--yes-really" in one.run(*words, "shop").stderr
    assert "does not consent" in one.run(*words, "other", "--yes-really").stderr
    code, drill = drilled(one, *words[2:], "shop", "--yes-really")
    assert (code, drill["why"]) == (0, "")
    assert "[DRILL]" in told.bodies[0]["commonAnnotations"]["title"]
    until(lambda: one.server("shop").get("health") == "up", "the server to go on")
    assert one.server("shop")["pid"] == pid
