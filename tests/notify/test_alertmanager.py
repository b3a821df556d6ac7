"""An Alertmanager as the upstream: the real one, its own tool beside it, and the names that it gives to sets of labels."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from rigs.bulletins import alert, full
from rigs.desk import until as soon
from rigs.outgoing import at_work
from rigs.programs import free_port, until
from rigs.receivers import Hook
from watchkeeper.config import parse
from watchkeeper.errors import ConfigError
from watchkeeper.message.version4 import body, fingerprint
from watchkeeper.notify import Alertmanager, Leaf
from watchkeeper.outward import time_zone
from watchkeeper.telling import Bulletin

PROGRAM = shutil.which("prometheus-alertmanager")
AMTOOL = shutil.which("amtool")


def now_firing(*, resolved: bool = False) -> Bulletin:
    """The full bulletin as of now: Alertmanager goes by its own clock."""
    now = round(time.time() * 1000)
    one = full(resolved=resolved)
    moved = msgspec.structs.replace(
        alert(resolved=resolved), active_at=now - 60_000, fired_at=now - 1000, resolved_at=now - 1 if resolved else 0
    )
    return msgspec.structs.replace(one, at=now, alerts=(msgspec.structs.replace(one.alerts[0], alert=moved),))


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[str]:
    """A real Alertmanager that hands on to the port in its address' fragment: ``http://127.0.0.1:1#2``."""
    if PROGRAM is None:
        pytest.skip("prometheus-alertmanager is not installed")
    hook, port = free_port(), free_port()
    config = tmp_path / "alertmanager.yml"
    config.write_text(
        "route: {receiver: hook, group_wait: 0s, group_interval: 1s, group_by: [alertname]}\n"
        f"receivers: [{{name: hook, webhook_configs: [{{url: 'http://127.0.0.1:{hook}/hook'}}]}}]\n"
    )
    flags = [f"--config.file={config}", f"--storage.path={tmp_path / 'am'}", "--cluster.listen-address="]
    with (tmp_path / "am.log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, *flags, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _ready(url), "Alertmanager")
        yield f"{url}#{hook}"
    finally:
        process.terminate()
        process.wait(10)


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", timeout=1).status_code == 200
    except httpx.TransportError:
        return False


def alerts_at(url: str) -> list[dict[str, Any]]:
    """What its API shows."""
    found: list[dict[str, Any]] = httpx.get(f"{url}/api/v2/alerts").json()
    return found


def amtool_alerts(url: str) -> list[dict[str, Any]]:
    """What its own tool shows."""
    assert AMTOOL is not None
    words = [AMTOOL, f"--alertmanager.url={url}", "alert", "-o", "json"]
    found: list[dict[str, Any]] = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    return found


async def test_a_real_alertmanager_takes_it_and_hands_it_on(upstream: str, tmp_path: Path) -> None:
    """It fires there under the same fingerprint, its body is as ours in form, amtool sees it, and the end ends it."""
    url, _, port = upstream.partition("#")
    receiver = Hook()
    receiver.port = int(port)
    async with receiver.running(), at_work(tmp_path, {"up": Alertmanager(url=url)}) as office:
        await office.outbox.tell(now_firing(), ["up"])
        (row,) = await office.settled()
        assert (row.state, row.receipt) == ("delivered", "HTTP 200")
        (seen,) = alerts_at(url)
        assert seen["fingerprint"] == fingerprint(alert().labels)
        assert seen["annotations"]["summary"] == "/srv of alpha is 93 % full"
        assert seen["annotations"]["acknowledge_url"].startswith("https://watch.example.org/ack/")
        if AMTOOL:
            assert amtool_alerts(url)[0]["labels"]["alertname"] == "DiskFilling"
        await soon(lambda: receiver.taken)
        await office.outbox.tell(now_firing(resolved=True), ["up"])
        await soon(lambda: receiver.taken[-1].told["status"] == "resolved")
    theirs = receiver.taken[0].told
    ours = body(now_firing(), "hook", time_zone("UTC"))
    assert set(ours) == set(theirs)
    assert set(ours["alerts"][0]) == set(theirs["alerts"][0])
    for name in ("version", "status", "receiver", "commonLabels"):
        assert ours[name] == theirs[name], name
    assert ours["alerts"][0]["fingerprint"] == theirs["alerts"][0]["fingerprint"]
    assert ours["alerts"][0]["endsAt"] == theirs["alerts"][0]["endsAt"]


async def test_one_alert_told_twice_is_one_to_it(upstream: str) -> None:
    """A copy after a kill does no harm there; a look sees that it is ready."""
    url = upstream.partition("#")[0]
    channel = Alertmanager(url=url)
    await channel.look()
    for _ in range(2):
        await channel.send(now_firing(), "key")
    assert len(alerts_at(url)) == 1


def test_an_alert_that_fires_has_an_end_ahead() -> None:
    """Else Alertmanager would resolve it by itself after five minutes; one that is over ends when it did."""
    (firing,) = Alertmanager(url="http://127.0.0.1:9093").alerts(full())
    (over,) = Alertmanager(url="http://127.0.0.1:9093").alerts(full(resolved=True, drill=True))
    assert (firing["startsAt"], firing["endsAt"]) == ("2026-11-18T11:06:40.000Z", "2026-11-19T11:07:41.000Z")
    assert over["endsAt"] == "2026-11-18T11:27:40.000Z"
    assert over["labels"]["drill"] == "true"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('url = "127.0.0.1:9093"', "http:// or https://"),
        ('url = "http://user:pass@host"', "a password does not belong into an address"),
        ('url = "http://h"\ntoken = { env = "A" }\nusername = "u"\npassword = { env = "B" }', "cannot both"),
        ('url = "http://h"\nhold = "1m"', "at least 5m"),
        ('url = "http://h"\nper_minute = 0', "per_minute"),
        ('url = "http://h"\nulr = "x"', "did you mean 'url'"),
    ],
)
def test_mistakes_are_told_where_they_stand(written: str, said: str) -> None:
    """Each with file and line."""
    with pytest.raises(ConfigError, match=said) as told:
        parse({"w.toml": f'[channel.up]\nkind = "alertmanager"\n{written}\n'}).named("channel", Leaf)
    assert told.value.where.startswith("w.toml:")
    assert "pass" not in told.value.problem.replace("password", "")
